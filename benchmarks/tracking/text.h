#pragma once

#include "base/time.h"
#include "random.h"

#include <array>
#include <string>
#include <string_view>

// The words, names and numbers that generated mail is written in.
namespace mailreeve::bench {

inline std::string Joined(std::string_view a, std::string_view b) {
  std::string out;
  out.reserve(a.size() + b.size());
  out.append(a).append(b);
  return out;
}

template <size_t N>
std::string_view ZipfWord(const std::array<std::string_view, N>& words, Rng& rng) {
  return words[rng.Zipf(N)];
}

// A subject and how it folds (gateway/tracking/fold.h).
struct Text {
  std::string shown, folded;
  void Word(std::string_view word, bool capital = false);
  // Letters, digits and signs that fold to lower case.
  void Code(std::string_view code);
  // As East Asian programs write Latin letters. All of it must be ASCII.
  void Widen();
};

// As people write them; `rng` decides all of it.
Text SubjectText(Rng& rng, bool latin_only = false);

// A domain under one of kSuffixes; different ids have different names.
std::string DomainName(uint64_t id);
// Different persons of a salt have different addresses.
std::string AddressAt(uint64_t person, uint64_t salt, std::string_view domain);
// IPv4 or IPv6 in canonical form.
std::string IpText(uint64_t bits, bool six);
// RFC 5322's form, without the C library's calendar.
std::string DateText(Time time);

}  // namespace mailreeve::bench
