#include "base/check.h"
#include "mail/message_record.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

// What decodes must encode to the same value again, and every value has a status.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto record = mail::DecodeMessageRecord(bytes)) {
    auto again = mail::DecodeMessageRecord(mail::Encode(*record));
    CHECK(again && *again == *record);
    CHECK(!mail::StatusOf(*record).empty());
  }
  if (auto event = mail::DecodeEvent(bytes)) {
    auto again = mail::DecodeEvent(mail::Encode(*event));
    CHECK(again && *again == *event);
  }
  return 0;
}
