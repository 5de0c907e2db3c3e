#include "response/api/body.h"

#include "base/text.h"
#include "response/api/errors.h"

#include <algorithm>

namespace mailreeve::response::api {

tl::expected<json::value, http::Response> ReadJsonBody(const http::Request& request,
                                                       const BodyLimits& limits) {
  if (request.body.size() > limits.max_bytes) {
    return tl::unexpected(ErrorResponse(
        413, "request_too_large",
        "the body has more than " + std::to_string(limits.max_bytes) + " bytes", request));
  }
  const std::string_view type = request.headers.Get("Content-Type");
  const std::string_view media = TrimSpace(type.substr(0, type.find(';')));
  if (!media.empty() && !AsciiEqualFold(media, "application/json")) {
    return tl::unexpected(
        ErrorResponse(415, "unsupported_media_type", "the body must be application/json", request));
  }
  Result<json::value> body = json::Parse(request.body, {.max_bytes = limits.max_bytes,
                                                        .max_depth = limits.max_depth,
                                                        .refuse_duplicate_keys = true});
  if (!body) {
    return tl::unexpected(ErrorResponse(400, "invalid_request",
                                        "the body is no JSON: " + body.error().message, request));
  }
  return *std::move(body);
}

Fields::Fields(const json::object& object, std::initializer_list<std::string_view> known)
    : object_(object) {
  for (const auto& item : object) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end())
      errors_[item.key()] = "disallowed-key";
  }
}

void Fields::Refuse(std::string_view key, std::string reason) {
  if (!errors_.contains(key)) errors_[key] = std::move(reason);
}

std::string Fields::Required(std::string_view key, size_t max_bytes) {
  const json::value* value = object_.if_contains(key);
  if (value == nullptr || value->is_null()) {
    Refuse(key, "missing-required-key");
    return {};
  }
  std::string text = Optional(key, "", max_bytes);
  if (TrimSpace(text).empty()) Refuse(key, "must not be empty");
  return text;
}

std::string Fields::Optional(std::string_view key, std::string otherwise, size_t max_bytes) {
  const json::value* value = object_.if_contains(key);
  if (value == nullptr || value->is_null()) return otherwise;
  if (!value->is_string()) {
    Refuse(key, "must be text");
    return otherwise;
  }
  if (value->get_string().size() > max_bytes) {
    Refuse(key, "has more than " + std::to_string(max_bytes) + " bytes");
    return otherwise;
  }
  return std::string(value->get_string());
}

std::vector<std::string> Fields::Strings(std::string_view key, size_t max_items, size_t max_bytes) {
  const json::value* value = object_.if_contains(key);
  if (value == nullptr || value->is_null()) return {};
  const json::array* list = value->if_array();
  if (list == nullptr || list->size() > max_items) {
    Refuse(key, "must be a list of at most " + std::to_string(max_items) + " texts");
    return {};
  }
  std::vector<std::string> out;
  for (const json::value& item : *list) {
    if (!item.is_string() || item.get_string().size() > max_bytes) {
      Refuse(key, "must hold texts of at most " + std::to_string(max_bytes) + " bytes");
      return {};
    }
    out.emplace_back(item.get_string());
  }
  return out;
}

std::string Fields::Choice(std::string_view key, std::string otherwise,
                           std::initializer_list<std::string_view> choices) {
  std::string text = Optional(key, std::move(otherwise), 100);
  if (std::find(choices.begin(), choices.end(), text) == choices.end() && !errors_.contains(key)) {
    std::string all;
    for (const std::string_view choice : choices)
      all += (all.empty() ? "" : ", ") + std::string(choice);
    Refuse(key, "must be one of " + all);
  }
  return text;
}

http::Response Fields::Answer() { return KeyErrors(errors_); }

}  // namespace mailreeve::response::api
