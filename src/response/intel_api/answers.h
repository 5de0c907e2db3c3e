#pragma once

#include "ctim/ids.h"
#include "ctim/validate.h"
#include "http/message.h"
#include "response/intel/search.h"

#include <string>
#include <string_view>
#include <vector>

// What /ctia answers: documents as callers see them, headers, error bodies (threat-response-api.md
// 0.3, 5.2). Pure functions; thread-safe.
namespace mailreeve::response::intel_api {

inline constexpr std::string_view kCtimVersionHeader = "X-Ctim-Version";

// A request that is not done, and the answer that says why.
struct Refused {
  int status = 400;
  json::value body;  // null: an empty body
};
template <class T>
using Answered = tl::expected<T, Refused>;
inline tl::unexpected<Refused> Refuse(int status, json::value body) {
  return tl::unexpected(Refused{status, std::move(body)});
}

Refused NotFound(std::string_view type);                          // 404 {"error":"actor not found"}
Refused Forbidden();                                              // 403 Access Control Error
Refused BadQuery(std::string message);                            // 400 ES Invalid Request
Refused BadParameter(std::string_view name, std::string reason);  // 400 {"errors":{name:reason}}
Refused Invalid(const ctim::Validation& validation);              // 400, and the entity with it
// What an Error of the store means to a caller; what is our fault is not told.
Refused FromError(const Error& error);

http::Response ToResponse(const Refused& refused);
http::Response JsonAnswer(int status, const json::value& body);

// A record as callers see it: long id; the entity in an event, too.
json::object Shown(const intel::Record& record, const ctim::IdSpace& ids);
// X-Total-Hits, X-Next, X-Previous, X-Sort.
void SetPaging(http::Response& response, const intel::Page& page, const intel::Paging& paging);

}  // namespace mailreeve::response::intel_api
