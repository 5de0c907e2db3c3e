#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Bit streams, least significant bit first, with Rice codes: what sorted numbers are packed into.
// BitReader trusts nothing: past the end it gives zeros and ok() turns false. One thread at a time.
namespace mailreeve::gateway::segment {

class BitWriter {
 public:
  // The `count` (0 to 56) low bits of `value`.
  void Bits(uint64_t value, unsigned count) {
    buffer_ |= (value & Mask(count)) << filled_;
    filled_ += count;
    while (filled_ >= 8) {
      bytes_.push_back(static_cast<char>(buffer_));
      buffer_ >>= 8;
      filled_ -= 8;
    }
  }
  void Wide(uint64_t value, unsigned count) {  // up to 64
    if (count > 32) {
      Bits(value, 32);
      Bits(value >> 32, count - 32);
    } else {
      Bits(value, count);
    }
  }
  // `value` >> k in unary, then the k (up to 56) low bits. A quotient of 40 or more is escaped.
  void Rice(uint64_t value, unsigned k) {
    const uint64_t quotient = value >> k;
    if (quotient >= kEscape) {
      Bits(Mask(kEscape), kEscape);
      Wide(value, 64);
      return;
    }
    Bits(Mask(static_cast<unsigned>(quotient)), static_cast<unsigned>(quotient) + 1);
    Wide(value, k);
  }
  // Elias gamma of value + 1.
  void Gamma(uint64_t value) {
    const unsigned width = static_cast<unsigned>(std::bit_width(value + 1)) - 1;
    Rice(width, 0);
    Wide(value + 1, width);
  }
  std::string Take() {
    if (filled_ > 0) bytes_.push_back(static_cast<char>(buffer_));
    buffer_ = 0;
    filled_ = 0;
    return std::move(bytes_);
  }
  size_t size() const { return bytes_.size(); }

  static constexpr unsigned kEscape = 40;
  static uint64_t Mask(unsigned count) { return count >= 64 ? ~0ULL : (1ULL << count) - 1; }

 private:
  std::string bytes_;
  uint64_t buffer_ = 0;
  unsigned filled_ = 0;
};

// The Rice parameter for numbers of this mean.
inline unsigned RiceParameter(uint64_t mean) {
  return mean < 2 ? 0 : static_cast<unsigned>(std::bit_width(mean)) - 1;
}

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  uint64_t Bits(unsigned count) {
    if (count == 0) return 0;
    const uint64_t value = Peek() & BitWriter::Mask(count);
    Skip(count);
    return value;
  }
  uint64_t Wide(unsigned count) {
    if (count <= 32) return Bits(count);
    const uint64_t low = Bits(32);
    return low | Bits(count - 32) << 32;
  }
  uint64_t Rice(unsigned k) {
    const uint64_t head = Peek();
    const auto quotient = static_cast<unsigned>(std::countr_one(head));
    if (quotient >= BitWriter::kEscape) {
      Skip(BitWriter::kEscape);
      return Wide(64);
    }
    Skip(quotient + 1);
    return static_cast<uint64_t>(quotient) << k | Wide(k);
  }
  uint64_t Gamma() {
    const auto width = static_cast<unsigned>(Rice(0));
    if (width > 63) {
      ok_ = false;
      return 0;
    }
    return (1ULL << width | Wide(width)) - 1;
  }
  bool ok() const { return ok_; }

 private:
  // At least 57 valid bits, zeros past the end.
  uint64_t Peek() const {
    const size_t byte = at_ >> 3;
    uint64_t word = 0;
    if (byte + 8 <= bytes_.size()) {
      std::memcpy(&word, bytes_.data() + byte, 8);
    } else if (byte < bytes_.size()) {
      std::memcpy(&word, bytes_.data() + byte, bytes_.size() - byte);
    }
    return word >> (at_ & 7);
  }
  void Skip(unsigned count) {
    at_ += count;
    if (at_ > bytes_.size() * 8) ok_ = false;
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace mailreeve::gateway::segment
