// Any bytes as one message of the device channel: never a crash, and what decodes encodes to the
// same frames again.
#include "base/check.h"
#include "channel/frame.h"

#include <cstdint>
#include <string>
#include <string_view>

using namespace mailreeve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  auto frames = channel::DecodeMessage(message);
  if (!frames) return 0;
  std::string again;
  for (const auto& frame : *frames) channel::AppendFrame(again, frame);
  auto decoded = channel::DecodeMessage(again);
  CHECK(decoded);
  CHECK(decoded->size() == frames->size());
  std::string third;
  for (const auto& frame : *decoded) channel::AppendFrame(third, frame);
  CHECK(third == again);
  return 0;
}
