#include "base/check.h"
#include "response/storage/archive.h"

#include <cstddef>
#include <cstdint>

// A line of a backup file: what was understood is written and understood again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve::response::storage;
  const auto line = ReadLine(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!line) return 0;
  const std::string text = ToText(*line);
  const auto again = ReadLine(text);
  CHECK(again.has_value());
  CHECK(ToText(*again) == text);
  return 0;
}
