// Request targets, forms and percent-encoding: no crash, and what they promise about their results.
#include "base/check.h"
#include "base/text.h"
#include "http/message.h"

#include <cstdint>

namespace http = mailreeve::http;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  http::Request request;
  request.target = std::string(text);
  if (http::ParseTarget(request)) {
    for (const auto& segment : request.segments) {
      CHECK(segment != "." && segment != ".." && segment.find('\0') == std::string::npos);
      CHECK(mailreeve::IsValidUtf8(segment));
    }
    // Encoded again, the segments are the same.
    http::Request again;
    again.target = request.segments.empty() ? "/" : "";
    for (const auto& segment : request.segments) again.target += "/" + http::PercentEncode(segment);
    if (!request.segments.empty()) again.target += "/";
    CHECK(http::ParseTarget(again).has_value());
    CHECK(again.segments == request.segments);
  }
  if (const auto form = http::ParseForm(text)) {
    for (const auto& [name, value] : *form) CHECK(name.size() + value.size() <= text.size());
  }
  const auto decoded = http::PercentDecode(http::PercentEncode(text), false);
  CHECK(decoded.has_value() && *decoded == text);
  (void)http::PercentDecode(text, true);
  return 0;
}
