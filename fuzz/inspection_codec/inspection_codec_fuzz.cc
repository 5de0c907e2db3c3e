// What DecodeInspection accepts is encoded again to a value that reads the same.
#include "mail/inspection.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve::mail;
  const auto value = DecodeInspection({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const auto again = DecodeInspection(Encode(*value));
  if (!again || *again != *value) std::abort();
  return 0;
}
