#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// A static membership filter: three-wise binary fuse, 8 bits a slot, about 9 bits a key; a key that
// is not held passes once in 256. Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor
// Filters", 2022. Pure; a built filter is safe from any thread.
namespace mailreeve::gateway::segment {

class FuseFilter {
 public:
  FuseFilter() = default;
  // `keys` are unique.
  static FuseFilter Build(const std::vector<uint64_t>& keys);
  // What Encode gave. kCorrupt when it cannot be that.
  static Result<FuseFilter> Decode(std::string bytes);
  std::string Encode() const;

  bool MayHold(uint64_t key) const;
  size_t memory_bytes() const { return slots_.size(); }

 private:
  uint64_t seed_ = 0;
  uint32_t segment_length_ = 0;
  uint32_t segment_count_ = 0;  // that the first of the three slots falls into; 0: holds nothing
  std::string slots_;
};

}  // namespace mailreeve::gateway::segment
