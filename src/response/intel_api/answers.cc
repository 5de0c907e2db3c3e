#include "response/intel_api/answers.h"

#include "base/text.h"
#include "ctim/model.h"

namespace mailreeve::response::intel_api {
namespace {

void MakeLong(json::object& document, const ctim::IdSpace& ids) {
  if (json::value* id = document.if_contains("id"); id != nullptr && id->is_string())
    *id = ids.Long(std::string_view(id->get_string()));
}

std::string TextOf(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::Serialize(value);
}

}  // namespace

Refused NotFound(std::string_view type) {
  return {404, json::object{{"error", std::string(type) + " not found"}}};
}

Refused Forbidden() {
  return {403, json::object{{"error", "Access Control validation Client Error"},
                            {"type", "Access Control Error"},
                            {"message", "You are not allowed to read or change this entity"},
                            {"class", "mailreeve.intel.AccessControl"}}};
}

Refused BadQuery(std::string message) {
  return {400, json::object{{"type", "ES Invalid Request"},
                            {"message", std::move(message)},
                            {"class", "mailreeve.intel.Query"}}};
}

Refused BadParameter(std::string_view name, std::string reason) {
  return {400, json::object{{"errors", json::object{{name, std::move(reason)}}}}};
}

Refused Invalid(const ctim::Validation& validation) { return {400, validation.Body()}; }

Refused FromError(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return BadQuery(error.message);
    case Code::kNotFound:
      return {404, json::object{{"error", error.message}}};
    case Code::kDenied:
      return Forbidden();
    case Code::kConflict:
      return {409, json::object{{"error", "conflict"}, {"message", error.message}}};
    case Code::kLimited:
      return {429,
              json::object{{"error", "too_many_requests"}, {"error_description", error.message}}};
    case Code::kUnavailable:
    case Code::kTimeout:
      return {503, json::object{{"type", "store-unavailable"},
                                {"message", "The store cannot be reached; try again."}}};
    default:
      return {500, json::object{{"type", "unknown-exception"}, {"class", "mailreeve.intel"}}};
  }
}

http::Response JsonAnswer(int status, const json::value& body) {
  http::Response response = http::Response::Json(status, body);
  response.headers.Set(std::string(kCtimVersionHeader), ctim::TheModel().schema_version());
  return response;
}

http::Response ToResponse(const Refused& refused) {
  if (refused.body.is_null()) return http::Response::Empty(refused.status);
  http::Response response = JsonAnswer(refused.status, refused.body);
  if (refused.status == 429) response.headers.Set("Retry-After", "1");
  return response;
}

json::object Shown(const intel::Record& record, const ctim::IdSpace& ids) {
  json::object out = record.document;
  MakeLong(out, ids);
  if (record.type == "event") {
    if (json::value* entity = out.if_contains("entity"); entity != nullptr && entity->is_object())
      MakeLong(entity->get_object(), ids);
  }
  return out;
}

void SetPaging(http::Response& response, const intel::Page& page, const intel::Paging& paging) {
  http::Headers& headers = response.headers;
  headers.Set("X-Total-Hits", std::to_string(page.total));
  if (!page.total_complete) headers.Set("X-Mailreeve-Total-Incomplete", "true");
  if (page.more) {
    std::string next = "limit=" + std::to_string(paging.limit) +
                       "&offset=" + std::to_string(paging.offset + paging.limit);
    for (const json::value& value : page.last_sort)
      next += "&search_after=" + http::PercentEncode(TextOf(value));
    headers.Set("X-Next", next);
  }
  if (paging.offset > 0) {
    headers.Set("X-Previous",
                "limit=" + std::to_string(paging.limit) + "&offset=" +
                    std::to_string(std::max<int64_t>(0, paging.offset - paging.limit)));
  }
  if (!page.last_sort.empty()) {
    // A header holds ASCII: what is not is escaped, which JSON allows.
    std::string sort;
    const std::string text = json::Serialize(page.last_sort);
    for (size_t at = 0; at < text.size();) {
      if (static_cast<unsigned char>(text[at]) < 0x80) {
        sort += text[at++];
        continue;
      }
      char32_t code = NextCodePoint(text, at);
      char escape[16];
      if (code >= 0x10000) {
        code -= 0x10000;
        std::snprintf(escape, sizeof(escape), "\\u%04x\\u%04x",
                      static_cast<unsigned>(0xD800 + (code >> 10)),
                      static_cast<unsigned>(0xDC00 + (code & 0x3FF)));
      } else {
        std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(code));
      }
      sort += escape;
    }
    headers.Set("X-Sort", sort);
  }
}

}  // namespace mailreeve::response::intel_api
