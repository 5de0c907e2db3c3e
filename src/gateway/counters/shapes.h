#pragma once

#include "gateway/counters/metrics.h"

#include <array>
#include <bit>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

// Which metrics a row holds, as a number: nearly all rows of a dimension hold the same few, so a
// row keeps the number and its values alone. One object belongs to one thread at a time.
namespace mailreeve::gateway::counters {

class Shapes {
 public:
  using Mask = std::array<uint64_t, 3>;  // a bit a metric
  static_assert(kMetrics <= 192);

  Shapes() { shapes_.emplace_back(); }  // 0: no metric

  uint32_t Of(const Mask& mask) {
    const Mask none{};
    if (mask == none) return 0;
    Recent& recent = recent_[HashMask()(mask) % recent_.size()];
    if (recent.mask == mask) return recent.shape;
    recent = {mask, OfNew(mask)};
    return recent.shape;
  }
  uint32_t Union(uint32_t a, uint32_t b) {
    RecentUnion& recent = recent_unions_[(a * 31 + b) % recent_unions_.size()];
    if (recent.a != a || recent.b != b) {
      Mask mask = shapes_[a].mask;
      for (size_t i = 0; i < mask.size(); ++i) mask[i] |= shapes_[b].mask[i];
      recent = {a, b, Of(mask)};
    }
    return recent.out;
  }
  const std::vector<Metric>& At(uint32_t shape) const { return shapes_[shape].metrics; }
  size_t size() const { return shapes_.size(); }

 private:
  uint32_t OfNew(const Mask& mask) {
    const auto [at, fresh] = by_mask_.try_emplace(mask, static_cast<uint32_t>(shapes_.size()));
    if (fresh) {
      Shape shape{mask, {}};
      for (size_t word = 0; word < mask.size(); ++word) {
        for (uint64_t rest = mask[word]; rest != 0; rest &= rest - 1) {
          shape.metrics.push_back(
              static_cast<Metric>(word * 64 + static_cast<size_t>(std::countr_zero(rest))));
        }
      }
      shapes_.push_back(std::move(shape));
    }
    return at->second;
  }
  struct Shape {
    Mask mask{};
    std::vector<Metric> metrics;
  };
  struct HashMask {
    size_t operator()(const Mask& m) const {
      uint64_t h = m[0] * 0x9e3779b97f4a7c15ULL;
      h ^= (h >> 32) ^ m[1] * 0xc2b2ae3d27d4eb4fULL;
      h ^= (h >> 29) ^ m[2] * 0x165667b19e3779f9ULL;
      return h ^ (h >> 31);
    }
  };
  struct Recent {
    Mask mask{};
    uint32_t shape = 0;
  };
  struct RecentUnion {
    uint32_t a = 0, b = 0, out = 0;
  };
  std::vector<Shape> shapes_;
  std::unordered_map<Mask, uint32_t, HashMask> by_mask_;
  std::array<Recent, 64> recent_{};
  std::array<RecentUnion, 256> recent_unions_{};
};

// What one message adds to a row. Metrics are few; they are kept in order.
class Delta {
 public:
  static constexpr size_t kMax = 40;

  void Add(Metric metric, uint64_t value) {
    if (value == 0) return;
    size_t at = size_;
    while (at > 0 && metrics_[at - 1] >= metric) --at;
    if (at < size_ && metrics_[at] == metric) {
      values_[at] += value;
      return;
    }
    if (size_ == kMax) return;
    for (size_t i = size_; i > at; --i) {
      metrics_[i] = metrics_[i - 1];
      values_[i] = values_[i - 1];
    }
    metrics_[at] = metric;
    values_[at] = value;
    ++size_;
    mask_[metric / 64] |= uint64_t{1} << (metric % 64);
    shaped_ = false;
  }
  uint32_t Shape(Shapes& shapes) {
    if (!shaped_) shape_ = shapes.Of(mask_);
    shaped_ = true;
    return shape_;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  Metric metric(size_t i) const { return metrics_[i]; }
  uint64_t value(size_t i) const { return values_[i]; }
  const uint64_t* values() const { return values_.data(); }
  uint64_t largest() const {
    uint64_t out = 0;
    for (size_t i = 0; i < size_; ++i) out = values_[i] > out ? values_[i] : out;
    return out;
  }

 private:
  size_t size_ = 0;
  bool shaped_ = false;
  uint32_t shape_ = 0;
  Shapes::Mask mask_{};
  std::array<Metric, kMax> metrics_;
  std::array<uint64_t, kMax> values_;
};

}  // namespace mailreeve::gateway::counters
