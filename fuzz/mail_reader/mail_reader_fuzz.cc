// Any bytes give an Inspection that its own encoding carries whole.
#include "mail/content_digest.h"
#include "mail/reader.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve::mail;
  static Reader reader{ReadLimits{}};
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const Inspection inspection = reader.Read(message);
  const auto again = DecodeInspection(Encode(inspection));
  if (!again || *again != inspection || inspection.size != size) std::abort();
  if (inspection.content_digest != ContentDigest(message)) std::abort();
  return 0;
}
