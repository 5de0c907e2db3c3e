#include "base/check.h"
#include "gateway/tracking/record_json.h"

// Any line is read or refused; what is read is written and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  const auto read = gateway::tracking::RecordFromLine({reinterpret_cast<const char*>(data), size});
  if (!read) return 0;
  const auto again =
      gateway::tracking::RecordFromLine(json::Serialize(gateway::tracking::RecordToJson(*read)));
  CHECK(again && *again == *read);
  return 0;
}
