#pragma once

#include "http/message.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

// Reads the JSON body of a request and collects what is wrong by key, as the IROH routes answer it.
// Not thread-safe; lives within one handler.
namespace mailreeve::response::api {

struct BodyLimits {
  size_t max_bytes = 1024 * 1024;
  size_t max_depth = 32;
};

// The body as JSON, or the answer that refuses it: 413 too long, 415 another type than JSON, 400 no
// JSON, too deep, a key twice in one object, a lone surrogate, a number beyond doubles.
tl::expected<json::value, http::Response> ReadJsonBody(const http::Request& request,
                                                       const BodyLimits& limits);

// The fields of an object body. Readers answer a default when the field is absent or wrong and note
// the reason; test errors() once at the end.
class Fields {
 public:
  Fields(const json::object& object, std::initializer_list<std::string_view> known);

  std::string Required(std::string_view key, size_t max_bytes);
  std::string Optional(std::string_view key, std::string otherwise, size_t max_bytes);
  std::vector<std::string> Strings(std::string_view key, size_t max_items, size_t max_bytes);
  std::string Choice(std::string_view key, std::string otherwise,
                     std::initializer_list<std::string_view> choices);
  void Refuse(std::string_view key, std::string reason);
  const json::object& object() const { return object_; }

  bool ok() const { return errors_.empty(); }
  // 400 {"errors":{key:reason}}
  http::Response Answer();

 private:
  const json::object& object_;
  json::object errors_;
};

}  // namespace mailreeve::response::api
