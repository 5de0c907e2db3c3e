#include "base/check.h"
#include "gateway/enrich/query_body.h"
#include "relay/body.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

// Bodies of relay calls: whatever is read is in canonical form and within the limits.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mailreeve;
  auto body = json::Parse(std::string_view(reinterpret_cast<const char*>(data), size),
                          {.max_bytes = 1 << 20, .max_depth = 32});
  if (!body) return 0;
  if (auto read = relay::ReadObservables(*body, {.max_observables = 50, .max_value_bytes = 4096})) {
    CHECK(read->asked.size() <= 50);
    for (const auto& asked : read->asked) {
      auto again = observable::Canonical(asked.canonical.type, asked.canonical.value);
      CHECK(again && *again == asked.canonical.value);
    }
  }
  if (auto query = gateway::enrich::ReadQuery(*body, 50))
    CHECK(query->limit >= 1 && query->limit <= 1000);
  return 0;
}
