#pragma once

#include "gateway/counters/format.h"
#include "gateway/counters/group.h"

#include <cstdint>
#include <string_view>
#include <vector>

// Rows of several blocks in one, and what each may lack: a block adds its `absent` bound to rows it
// does not have and its `present` bound to those it has.
namespace mailreeve::gateway::counters {

class Bounded {
 public:
  void Block(Bounds bounds) { absent_ = Saturated(absent_, bounds.absent); }
  // A row of a block with these bounds, after Block.
  template <class W>
  uint32_t Add(Shapes& shapes, std::string_view key, uint32_t shape, const W* values,
               Bounds bounds) {
    const uint32_t row = group_.FindOrInsert(HashOf(key), key);
    group_.AddValues(shapes, row, shape, values);
    if (credit_.size() <= row) credit_.resize(row + 1, 0);
    credit_[row] += bounds.absent - std::min(bounds.present, bounds.absent);
    return row;
  }
  template <class W>
  void AddTotals(Shapes& shapes, uint32_t shape, const W* values) {
    group_.AddValues(shapes, 0, shape, values);
  }
  uint64_t absent() const { return absent_; }
  uint64_t MissedOf(uint32_t row) const { return absent_ - std::min(credit_[row], absent_); }

  // The best `keep` rows in order of their keys, and the bounds of a block of them.
  std::vector<uint32_t> Cut(const Shapes& shapes, size_t keep, Bounds& bounds) const {
    std::vector<uint32_t> dropped;
    const std::vector<uint32_t> kept = group_.Best(shapes, keep, &dropped);
    bounds = {0, absent_};
    for (const uint32_t row : kept) bounds.present = std::max(bounds.present, MissedOf(row));
    for (const uint32_t row : dropped) {
      bounds.absent =
          std::max(bounds.absent, Saturated(group_.LargestOf(shapes, row), MissedOf(row)));
    }
    return kept;
  }

  const Group<uint64_t>& group() const { return group_; }
  Group<uint64_t> Take() { return std::move(group_); }

 private:
  Group<uint64_t> group_;
  std::vector<uint64_t> credit_;
  uint64_t absent_ = 0;
};

}  // namespace mailreeve::gateway::counters
