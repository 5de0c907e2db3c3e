#include "gateway/tracking/watch_list.h"

#include <bit>

namespace mailreeve::gateway::tracking {

WatchList::WatchList(const std::vector<uint64_t>& fingerprints) {
  const size_t slots = std::bit_ceil(fingerprints.size() * 2 + 2);
  slots_.assign(slots, 0);
  mask_ = slots - 1;
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots));
  for (const uint64_t fingerprint : fingerprints) {
    if (fingerprint == 0) continue;  // marks an empty slot; no fingerprint is 0
    size_t at = Slot(fingerprint);
    while (slots_[at] != 0 && slots_[at] != fingerprint) at = (at + 1) & mask_;
    if (slots_[at] == 0) ++size_;
    slots_[at] = fingerprint;
  }
}

}  // namespace mailreeve::gateway::tracking
