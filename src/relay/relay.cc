#include "relay/relay.h"

namespace mailreeve::relay {

json::object FatalError(std::string_view code, std::string_view message) {
  return {{"errors",
           json::array{json::object{{"type", "fatal"}, {"code", code}, {"message", message}}}}};
}

void AddError(json::object& envelope, std::string_view type, std::string_view code,
              std::string_view message) {
  json::value& errors = envelope["errors"];
  if (!errors.is_array()) errors = json::array();
  errors.get_array().push_back(json::object{{"type", type}, {"code", code}, {"message", message}});
}

std::string_view ErrorWord(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid argument";
    case Code::kNotFound:
      return "not found";
    case Code::kConflict:
      return "conflict";
    case Code::kDenied:
      return "permission denied";
    case Code::kUnauthenticated:
      return "authorization error";
    case Code::kLimited:
      return "too many requests";
    case Code::kUnavailable:
      return "service unavailable";
    case Code::kTimeout:
      return "timeout";
    case Code::kCancelled:
    case Code::kCorrupt:
    case Code::kInternal:
      break;
  }
  return "internal error";
}

}  // namespace mailreeve::relay
