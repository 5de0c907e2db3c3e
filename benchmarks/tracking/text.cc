#include "text.h"

#include "words.h"

#include <algorithm>

namespace mailreeve::bench {
namespace {

constexpr uint64_t kSuffixSalt = 0x5ff1;

void Words(Text& text, Rng& rng, size_t count) {
  for (size_t i = 0; i < count; ++i) text.Word(ZipfWord(kWords, rng), i == 0 || rng.Chance(0.3));
}

}  // namespace

Text SubjectText(Rng& rng, bool latin_only) {
  Text text;
  const double script = latin_only ? 1 : rng.Part();
  if (script < 0.04) {
    std::string han;
    for (size_t i = 0, n = 2 + rng.Below(4); i < n; ++i) han += ZipfWord(kHan, rng);
    text.Word(han);
    if (rng.Chance(0.5)) {
      std::string number;
      AppendPadded(number, rng.Below(100000), 5);
      text.Code(number);
    }
  } else if (script < 0.06) {
    for (size_t i = 0, n = 2 + rng.Below(4); i < n; ++i) text.Word(ZipfWord(kCyrillic, rng));
  } else {
    Words(text, rng, 3 + rng.Below(6));
    if (script < 0.075 &&
        std::all_of(text.shown.begin(), text.shown.end(), [](char c) { return c > 0; }))
      text.Widen();
  }
  return text;
}

void Text::Word(std::string_view word, bool capital) {
  if (!shown.empty()) {
    shown += ' ';
    folded += ' ';
  }
  folded += word;
  const size_t at = shown.size();
  shown += word;
  if (capital && shown[at] >= 'a' && shown[at] <= 'z')
    shown[at] = static_cast<char>(shown[at] - 32);
}
void Text::Code(std::string_view code) {
  Word(code);
  for (size_t i = folded.size() - code.size(); i < folded.size(); ++i) {
    if (folded[i] >= 'A' && folded[i] <= 'Z') folded[i] = static_cast<char>(folded[i] + 32);
  }
}
void Text::Widen() {
  std::string wide;
  for (const char c : shown) {
    if (c >= 0x21 && c <= 0x7e) {
      const unsigned code = 0xff01 + static_cast<unsigned>(c - 0x21);
      wide += static_cast<char>(0xe0 | code >> 12);
      wide += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      wide += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      wide += c;
    }
  }
  shown = std::move(wide);
}

std::string DomainName(uint64_t id) {
  // A permutation of [0, 64^4): names differ, and look unlike for neighbours.
  const uint64_t high = id >> 24;
  uint64_t code = (id * 0x9e3779b1 + 0x3c6ef) & 0xffffff;
  std::string out;
  for (int i = 0; i < 4; ++i, code >>= 6) out += kSyllables[code & 63];
  if (high > 0) AppendNumber(out, high);
  out += '.';
  out += kSuffixes[Mixed(kSuffixSalt, id) % kSuffixes.size()];
  return out;
}

std::string AddressAt(uint64_t person, uint64_t salt, std::string_view domain) {
  const uint64_t bits = Mixed(salt, person);
  std::string out(kFirstNames[bits % kFirstNames.size()]);
  out += '.';
  out += kLastNames[(bits >> 8) % kLastNames.size()];
  AppendNumber(out, person);
  out += '@';
  out += domain;
  return out;
}
std::string IpText(uint64_t bits, bool six) {
  std::string out;
  if (six) {
    out = "2001:db8:";  // one group that is not 0 at each end keeps the canonical form plain
    for (int i = 0; i < 6; ++i) {
      const uint64_t group = 0x1000 + (bits >> (i * 10) & 0x3ff);
      for (int nibble = 12; nibble >= 0; nibble -= 4)
        out += "0123456789abcdef"[group >> nibble & 15];
      if (i < 5) out += ':';
    }
    return out;
  }
  AppendNumber(out, 11 + bits % 180);
  for (int i = 1; i < 4; ++i) {
    out += '.';
    AppendNumber(out, 1 + (bits >> (8 * i)) % 250);
  }
  return out;
}

std::string DateText(Time time) {
  using namespace std::chrono;
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                            "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  std::string out(kDays[weekday(day).c_encoding()]);
  out += ", ";
  AppendPadded(out, static_cast<unsigned>(date.day()), 2);
  out += ' ';
  out += kMonths[static_cast<unsigned>(date.month()) - 1];
  out += ' ';
  AppendNumber(out, static_cast<uint64_t>(static_cast<int>(date.year())));
  out += ' ';
  AppendPadded(out, static_cast<uint64_t>(clock.hours().count()), 2);
  out += ':';
  AppendPadded(out, static_cast<uint64_t>(clock.minutes().count()), 2);
  out += ':';
  AppendPadded(out, static_cast<uint64_t>(clock.seconds().count()), 2);
  out += " +0000";
  return out;
}

}  // namespace mailreeve::bench
