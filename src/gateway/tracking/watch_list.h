#pragma once

#include <cstdint>
#include <vector>

namespace mailreeve::gateway::tracking {

// A set of fingerprints that every new message is compared with: one cache line a question.
// Immutable; safe from any thread.
class WatchList {
 public:
  explicit WatchList(const std::vector<uint64_t>& fingerprints);
  bool Holds(uint64_t fingerprint) const {
    for (size_t at = Slot(fingerprint);; at = (at + 1) & mask_) {
      if (slots_[at] == fingerprint) return true;
      if (slots_[at] == 0) return false;
    }
  }
  // The slots of several fingerprints are brought near at once, since each lies elsewhere.
  void Prefetch(uint64_t fingerprint) const { __builtin_prefetch(&slots_[Slot(fingerprint)]); }
  size_t size() const { return size_; }

 private:
  size_t Slot(uint64_t fingerprint) const {
    return (fingerprint * 0x9e3779b97f4a7c15ULL) >> shift_;
  }
  std::vector<uint64_t> slots_;
  size_t mask_ = 0, size_ = 0;
  unsigned shift_ = 0;
};

}  // namespace mailreeve::gateway::tracking
