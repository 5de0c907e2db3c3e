#include "base/error.h"

namespace mailreeve {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not_found";
    case Code::kConflict:
      return "conflict";
    case Code::kDenied:
      return "denied";
    case Code::kUnauthenticated:
      return "unauthenticated";
    case Code::kLimited:
      return "limited";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kTimeout:
      return "timeout";
    case Code::kCancelled:
      return "cancelled";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

std::string Error::ToString() const {
  std::string text = message;
  if (!notes.empty()) {
    text += " (";
    for (size_t i = 0; i < notes.size(); ++i) {
      if (i != 0) text += "; ";
      text += notes[i];
    }
    text += ")";
  }
  return text;
}

}  // namespace mailreeve
