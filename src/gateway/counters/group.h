#pragma once

#include "gateway/counters/shapes.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

// Rows by key: an open-addressing table over keys kept end to end and values kept by shape. Keys
// are told apart by their hashes alone, 64 bits of a seed that nobody knows: comparing the keys too
// would cost a cache miss each, and of ten million keys two fall together once in 300,000 tables.
// Row 0 holds the totals, of keys that are no rows too. One object belongs to one thread at a time;
// const calls are safe from any.
namespace mailreeve::gateway::counters {

// Seeded anew by each process, so that nobody can make keys that fall together.
uint64_t HashOf(std::string_view key);

// A value that cannot grow further stays where it is.
template <class V>
V Saturated(V a, uint64_t b) {
  const V room = std::numeric_limits<V>::max() - a;
  return b > room ? std::numeric_limits<V>::max() : static_cast<V>(a + static_cast<V>(b));
}

// Values that reports of harm ask for: a few rows are kept for them whatever the others have.
bool IsNotable(Metric metric);

template <class V>
class Group {
 public:
  struct Row {
    uint64_t hash = 0;
    uint32_t key_at = 0, key_size = 0;
    uint32_t shape = 0, values_at = 0;
  };
  static constexpr uint32_t kNone = 0;

  Group() { rows_.emplace_back(); }

  size_t rows() const { return rows_.size() - 1; }  // numbered from 1
  std::string_view KeyOf(uint32_t row) const {
    return std::string_view(arena_).substr(rows_[row].key_at, rows_[row].key_size);
  }
  const Row& At(uint32_t row) const { return rows_[row]; }
  const V* ValuesOf(uint32_t row) const { return pool_.data() + rows_[row].values_at; }
  // What a row may lack at most: rows that were dropped may have come again.
  uint64_t missed() const { return missed_; }
  void AddMissed(uint64_t by) { missed_ = Saturated(missed_, by); }

  // Asks the processor for what Find, and then AddValues, will look at.
  void FetchSlot(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  void FetchRow(uint32_t row) const { __builtin_prefetch(&rows_[row]); }
  void FetchValues(uint32_t row) const { __builtin_prefetch(pool_.data() + rows_[row].values_at); }

  uint32_t Find(uint64_t hash) const {
    if (slots_.empty()) {
      for (uint32_t row = 1; row < rows_.size(); ++row) {
        if (rows_[row].hash == hash) return row;
      }
      return kNone;
    }
    const size_t mask = slots_.size() - 1;
    for (size_t at = hash & mask; slots_[at].row != kNone; at = (at + 1) & mask) {
      if (slots_[at].hash == hash) return slots_[at].row;
    }
    return kNone;
  }
  uint32_t Insert(uint64_t hash, std::string_view key) {
    const uint32_t row = static_cast<uint32_t>(rows_.size());
    rows_.push_back(
        {hash, static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(key.size()), 0, 0});
    arena_ += key;
    if (slots_.empty() ? rows_.size() > kFewRows : rows_.size() * 10 > slots_.size() * 7) {
      Grow();
    } else if (!slots_.empty()) {
      Place(row);
    }
    return row;
  }
  uint32_t FindOrInsert(uint64_t hash, std::string_view key) {
    const uint32_t row = Find(hash);
    return row == kNone ? Insert(hash, key) : row;
  }
  void Add(Shapes& shapes, uint32_t row, uint32_t shape, const uint64_t* values) {
    AddValues(shapes, row, shape, values);
  }
  template <class W>
  void AddValues(Shapes& shapes, uint32_t row, uint32_t shape, const W* values) {
    Row& to = rows_[row];
    if (to.shape != shape) Widen(shapes, to, shape);
    V* own = pool_.data() + to.values_at;
    const std::vector<Metric>& metrics = shapes.At(shape);
    if (to.shape == shape) {
      for (size_t i = 0; i < metrics.size(); ++i) own[i] = Saturated(own[i], values[i]);
      return;
    }
    const std::vector<Metric>& wide = shapes.At(to.shape);
    for (size_t i = 0, j = 0; i < metrics.size(); ++i) {
      while (wide[j] != metrics[i]) ++j;
      own[j] = Saturated(own[j], values[i]);
    }
  }

  uint64_t SumOf(const Shapes& shapes, uint32_t row) const {
    uint64_t out = 0;
    for (size_t i = 0; i < shapes.At(rows_[row].shape).size(); ++i) {
      out = Saturated(out, uint64_t{pool_[rows_[row].values_at + i]});
    }
    return out;
  }
  uint64_t LargestOf(const Shapes& shapes, uint32_t row) const {
    uint64_t out = 0;
    for (size_t i = 0; i < shapes.At(rows_[row].shape).size(); ++i) {
      out = std::max(out, uint64_t{pool_[rows_[row].values_at + i]});
    }
    return out;
  }
  // The `keep` rows that matter most, in order of their keys: a quarter by notable values, the rest
  // by the sum of all. The others go into `dropped`.
  std::vector<uint32_t> Best(const Shapes& shapes, size_t keep,
                             std::vector<uint32_t>* dropped = nullptr) const;
  // Drops all but the best `keep` rows; what they had stays in the totals.
  void Prune(const Shapes& shapes, size_t keep);

  size_t memory_bytes() const {
    return sizeof(*this) + slots_.capacity() * sizeof(Slot) + rows_.capacity() * sizeof(Row) +
           pool_.capacity() * sizeof(V) + arena_.capacity();
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t row = kNone;
  };
  static constexpr size_t kFewRows = 9;  // fewer are looked through one by one

  void Place(uint32_t row) {
    const size_t mask = slots_.size() - 1;
    size_t at = rows_[row].hash & mask;
    while (slots_[at].row != kNone) at = (at + 1) & mask;
    slots_[at] = {rows_[row].hash, row};
  }
  void Grow() {
    const size_t size = std::bit_ceil(rows_.size() * 2);
    slots_.assign(size, {});
    for (uint32_t row = 1; row < rows_.size(); ++row) Place(row);
  }
  void Widen(Shapes& shapes, Row& row, uint32_t shape) {
    const uint32_t wide = row.shape == 0 ? shape : shapes.Union(row.shape, shape);
    if (wide == row.shape) return;
    const std::vector<Metric>& from = shapes.At(row.shape);
    const std::vector<Metric>& to = shapes.At(wide);
    const uint32_t at = static_cast<uint32_t>(pool_.size());
    pool_.resize(pool_.size() + to.size());
    for (size_t i = 0, j = 0; i < from.size(); ++i) {
      while (to[j] != from[i]) ++j;
      pool_[at + j] = pool_[row.values_at + i];
    }
    row.shape = wide;
    row.values_at = at;
  }

  std::vector<Slot> slots_;  // empty while there are few rows
  std::vector<Row> rows_;
  std::vector<V> pool_;
  std::string arena_;
  uint64_t missed_ = 0;
};

extern template class Group<uint32_t>;
extern template class Group<uint64_t>;

}  // namespace mailreeve::gateway::counters
