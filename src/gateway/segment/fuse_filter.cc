#include "gateway/segment/fuse_filter.h"

#include "base/check.h"
#include "base/wire.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace mailreeve::gateway::segment {
namespace {

uint64_t Mix(uint64_t key, uint64_t seed) {
  uint64_t h = key + seed;
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ULL;
  h ^= h >> 33;
  return h;
}

uint8_t Print(uint64_t hash) { return static_cast<uint8_t>(hash ^ hash >> 32); }

struct Shape {
  uint32_t segment_length;
  uint32_t segment_count;

  std::array<uint32_t, 3> Slots(uint64_t hash) const {
    const uint64_t spread = static_cast<uint64_t>(segment_count) * segment_length;
    const auto first = static_cast<uint32_t>(
        static_cast<unsigned __int128>(hash) * static_cast<unsigned __int128>(spread) >> 64);
    const uint32_t mask = segment_length - 1;
    return {first, (first + segment_length) ^ (static_cast<uint32_t>(hash >> 18) & mask),
            (first + 2 * segment_length) ^ (static_cast<uint32_t>(hash) & mask)};
  }
};

// Sizes of the paper's reference.
Shape ShapeFor(size_t count) {
  const double size = static_cast<double>(std::max<size_t>(count, 2));
  auto length = static_cast<uint32_t>(
      1U << static_cast<unsigned>(std::floor(std::log(size) / std::log(3.33) + 2.25)));
  length = std::clamp<uint32_t>(length, 4, 262144);
  const double factor = std::max(1.125, 0.875 + 0.25 * std::log(1000000.0) / std::log(size));
  const auto slots = static_cast<uint64_t>(std::round(size * factor));
  const uint64_t segments = (slots + length - 1) / length;
  return {length, static_cast<uint32_t>(segments <= 2 ? 1 : segments - 2)};
}

}  // namespace

FuseFilter FuseFilter::Build(const std::vector<uint64_t>& keys) {
  FuseFilter out;
  if (keys.empty()) return out;
  const Shape shape = ShapeFor(keys.size());
  const size_t slots = static_cast<size_t>(shape.segment_count + 2) * shape.segment_length;
  out.segment_length_ = shape.segment_length;
  out.segment_count_ = shape.segment_count;

  // Peeling: a slot that only one key uses decides that key; take it away and go on.
  std::vector<uint64_t> hashes(keys.size()), sums(slots), order(keys.size());
  std::vector<uint8_t> counts(slots), which(keys.size());
  std::vector<uint32_t> alone(slots);
  for (uint64_t attempt = 1;; ++attempt) {
    CHECK(attempt < 1000);  // chance of one more attempt is below a half: keys are not unique
    out.seed_ = attempt * 0x9e3779b97f4a7c15ULL;
    // In order of the first slot, so that memory is walked in one direction.
    const unsigned block_bits = std::max<unsigned>(
        1, static_cast<unsigned>(std::bit_width(static_cast<uint64_t>(shape.segment_count))));
    std::vector<size_t> starts((1ULL << block_bits) + 1);
    for (const uint64_t key : keys) ++starts[(Mix(key, out.seed_) >> (64 - block_bits)) + 1];
    for (size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    for (const uint64_t key : keys) {
      const uint64_t hash = Mix(key, out.seed_);
      hashes[starts[hash >> (64 - block_bits)]++] = hash;
    }
    std::fill(sums.begin(), sums.end(), 0);
    std::fill(counts.begin(), counts.end(), 0);
    bool overflow = false;
    for (const uint64_t hash : hashes) {
      for (const uint32_t slot : shape.Slots(hash)) {
        overflow |= ++counts[slot] == 0;
        sums[slot] ^= hash;
      }
    }
    if (overflow) continue;
    size_t queued = 0;
    for (size_t slot = 0; slot < slots; ++slot) {
      if (counts[slot] == 1) alone[queued++] = static_cast<uint32_t>(slot);
    }
    size_t done = 0;
    while (queued > 0) {
      const uint32_t slot = alone[--queued];
      if (counts[slot] != 1) continue;
      const uint64_t hash = sums[slot];
      const auto all = shape.Slots(hash);
      order[done] = hash;
      for (uint8_t i = 0; i < 3; ++i) {
        if (all[i] == slot) which[done] = i;
        sums[all[i]] ^= hash;
        if (--counts[all[i]] == 1) alone[queued++] = all[i];
      }
      ++done;
    }
    if (done != keys.size()) continue;
    out.slots_.assign(slots, '\0');
    for (size_t i = done; i-- > 0;) {
      const auto all = shape.Slots(order[i]);
      auto print = Print(order[i]);
      for (uint8_t j = 0; j < 3; ++j) {
        if (j != which[i]) print ^= static_cast<uint8_t>(out.slots_[all[j]]);
      }
      out.slots_[all[which[i]]] = static_cast<char>(print);
    }
    return out;
  }
}

bool FuseFilter::MayHold(uint64_t key) const {
  if (segment_count_ == 0) return false;
  const uint64_t hash = Mix(key, seed_);
  auto print = Print(hash);
  for (const uint32_t slot : Shape{segment_length_, segment_count_}.Slots(hash)) {
    print ^= static_cast<uint8_t>(slots_[slot]);
  }
  return print == 0;
}

std::string FuseFilter::Encode() const {
  WireWriter writer;
  writer.Number(seed_);
  writer.Number(segment_length_);
  writer.Number(segment_count_);
  return writer.Take() + slots_;
}

Result<FuseFilter> FuseFilter::Decode(std::string bytes) {
  FuseFilter out;
  WireReader reader(bytes);
  out.seed_ = reader.Number();
  const uint64_t length = reader.NumberUpTo(262144);
  const uint64_t count = reader.NumberUpTo(UINT32_MAX >> 2);
  if (!reader.ok()) return Fail(Code::kCorrupt, "membership filter: its head cannot be read");
  out.segment_length_ = static_cast<uint32_t>(length);
  out.segment_count_ = static_cast<uint32_t>(count);
  WireWriter head;
  head.Number(out.seed_);
  head.Number(length);
  head.Number(count);
  const uint64_t slots = count == 0 ? 0 : (count + 2) * length;
  if (bytes.size() != head.bytes().size() + slots ||
      (count != 0 && (!std::has_single_bit(length) || slots > UINT32_MAX))) {
    return Fail(Code::kCorrupt, "membership filter: its size does not fit its shape");
  }
  bytes.erase(0, head.bytes().size());
  out.slots_ = std::move(bytes);
  return out;
}

}  // namespace mailreeve::gateway::segment
