#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

// Random numbers that follow from a seed on every machine.
namespace mailreeve::bench {

constexpr uint64_t Mixed(uint64_t x) {  // SplitMix64's finaliser: a bijection
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
constexpr uint64_t Mixed(uint64_t a, uint64_t b) { return Mixed(Mixed(a) ^ b); }

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    return Mixed(state_);
  }
  // [0, n)
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
  }
  double Part() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  bool Chance(double p) { return Part() < p; }
  // Zipf's law with exponent 1: rank r of [0, n) is drawn about as often as 1 / (r + 1).
  uint64_t Zipf(uint64_t n) {
    const auto rank =
        static_cast<uint64_t>(std::exp(Part() * std::log(static_cast<double>(n) + 1)));
    return rank == 0 ? 0 : (rank > n ? n : rank) - 1;
  }

 private:
  uint64_t state_;
};

inline void AppendNumber(std::string& out, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  out.append(digits + at, sizeof digits - at);
}

inline void AppendPadded(std::string& out, uint64_t number, size_t width) {
  char digits[20];
  for (size_t i = width; i-- > 0; number /= 10) digits[i] = static_cast<char>('0' + number % 10);
  out.append(digits, width);
}

inline void AppendHex(std::string& out, uint64_t bits, size_t digits) {
  for (size_t i = 0; i < digits; ++i, bits >>= 4) out += "0123456789abcdef"[bits & 15];
}

// Letters and digits as trackers' tokens have them; six bits each.
inline void AppendToken(std::string& out, Rng& rng, size_t letters) {
  uint64_t bits = 0;
  for (size_t i = 0; i < letters; ++i, bits >>= 6) {
    if (i % 10 == 0) bits = rng.Next();
    out += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[bits & 63];
  }
}

inline std::string HexOf(uint64_t seed, size_t digits) {
  std::string out;
  out.reserve(digits);
  Rng rng(seed);
  for (size_t i = 0; i < digits; i += 16)
    AppendHex(out, rng.Next(), digits - i < 16 ? digits - i : 16);
  return out;
}

}  // namespace mailreeve::bench
