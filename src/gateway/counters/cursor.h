#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// LEB128 numbers in blocks that are read by the thousand for one answer: as WireReader
// (base/wire.h), but where the compiler can see it. Trusts nothing; the first error sticks.
namespace mailreeve::gateway::counters {

inline void PutNumber(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes)
      : at_(reinterpret_cast<const unsigned char*>(bytes.data())), end_(at_ + bytes.size()) {}

  uint64_t Number() {
    if (at_ < end_ && *at_ < 0x80) return *at_++;
    uint64_t out = 0;
    for (unsigned shift = 0; at_ < end_ && shift < 64; shift += 7) {
      const unsigned char byte = *at_++;
      if (shift == 63 && byte > 1) break;
      out |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return out;
    }
    ok_ = false;
    at_ = end_;
    return 0;
  }
  int64_t Signed() {
    const uint64_t coded = Number();
    return static_cast<int64_t>(coded >> 1) ^ -static_cast<int64_t>(coded & 1);
  }
  // Items of at least a byte each.
  bool Fits(uint64_t count) const { return ok_ && count <= static_cast<uint64_t>(end_ - at_); }
  std::string_view Bytes(uint64_t count) {
    if (!Fits(count)) {
      ok_ = false;
      return {};
    }
    const auto* begin = reinterpret_cast<const char*>(at_);
    at_ += count;
    return {begin, static_cast<size_t>(count)};
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && at_ == end_; }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
  bool ok_ = true;
};

}  // namespace mailreeve::gateway::counters
