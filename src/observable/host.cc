#include "observable/host.h"

#include "base/text.h"
#include "observable/chars.h"
#include "observable/observable.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <libpsl.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include <cstdlib>
#include <memory>

namespace mailreeve::observable {
namespace {

constexpr size_t kMaxName = 253;  // RFC 1035 2.3.4, without the root's dot
constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxInput =
    2048;  // of UTF-8 and percent signs; anything longer cannot become a name

struct Freer {
  void operator()(void* p) const { std::free(p); }
};

const psl_ctx_t* Psl() {
  static const psl_ctx_t* const psl = [] {
    const psl_ctx_t* loaded = psl_latest(nullptr);
    return loaded ? loaded : psl_builtin();
  }();
  return psl;
}

// Letters, digits, hyphen and underscore (which lives in names browsers open), in labels of 1
// to 63.
bool IsAsciiName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    if (!IsAlnum(c) && c != '-' && c != '_') return false;
    if (++label > kMaxLabel) return false;
  }
  return label != 0;
}

std::string_view LastLabel(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

bool AllDigits(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!IsDigit(c)) return false;
  }
  return true;
}

// WHATWG "ends in a number": such a host is an IPv4 address or nothing.
bool EndsInNumber(std::string_view name) {
  std::string_view last = LastLabel(name);
  if (AllDigits(last)) return true;
  if (last.size() < 2 || last[0] != '0' || AsciiLower(last[1]) != 'x') return false;
  for (const char c : last.substr(2)) {
    if (!IsHex(c)) return false;
  }
  return true;
}

// RFC 3492 6.3. `points` has at most kMaxLabel entries, so the nested walk is bounded.
std::optional<std::string> Punycode(const std::u32string& points) {
  std::string out;
  for (const char32_t c : points) {
    if (c < 0x80) out.push_back(AsciiLower(static_cast<char>(c)));
  }
  const uint32_t basic = static_cast<uint32_t>(out.size());
  if (basic == points.size()) return out;
  if (basic > 0) out.push_back('-');
  uint64_t n = 128, delta = 0, bias = 72, handled = basic;
  while (handled < points.size()) {
    uint64_t next = 0x110000;
    for (const char32_t c : points) {
      if (c >= n && c < next) next = c;
    }
    delta += (next - n) * (handled + 1);
    n = next;
    for (const char32_t c : points) {
      if (c < n) ++delta;
      if (c != n) continue;
      uint64_t q = delta;
      for (uint64_t k = 36;; k += 36) {
        const uint64_t t = k <= bias ? 1 : (k >= bias + 26 ? 26 : k - bias);
        if (q < t) break;
        const uint64_t digit = t + (q - t) % (36 - t);
        out.push_back(static_cast<char>(digit < 26 ? 'a' + digit : '0' + (digit - 26)));
        q = (q - t) / (36 - t);
      }
      out.push_back(static_cast<char>(q < 26 ? 'a' + q : '0' + (q - 26)));
      uint64_t d = handled == basic ? delta / 700 : delta / 2;
      d += d / (handled + 1);
      uint64_t k = 0;
      while (d > 455) {
        d /= 35;
        k += 36;
      }
      bias = k + 36 * d / (d + 38);
      delta = 0;
      ++handled;
    }
    ++delta;
    ++n;
  }
  return "xn--" + out;
}

// What IDNA 2008 refuses but browsers open (emoji and other symbols): compatibility mapping, case
// folding, Punycode.
std::optional<std::string> LenientToAscii(std::string_view text) {
  size_t size = 0;
  const std::unique_ptr<uint8_t, Freer> folded(
      u8_casefold(reinterpret_cast<const uint8_t*>(text.data()), text.size(), nullptr, UNINORM_NFKC,
                  nullptr, &size));
  if (!folded) return std::nullopt;
  const std::string_view mapped(reinterpret_cast<const char*>(folded.get()), size);
  std::string out;
  std::u32string label;
  auto flush = [&]() -> bool {
    if (label.empty() || label.size() > kMaxLabel) return false;
    const auto coded = Punycode(label);
    if (!coded) return false;
    out += *coded;
    label.clear();
    return true;
  };
  for (size_t i = 0; i < mapped.size();) {
    const char32_t c = NextCodePoint(mapped, i);
    if (IsInvisible(c) || c == 0xFE0F) continue;
    if (c == '.' || c == 0x3002 || c == 0xFF0E || c == 0xFF61) {
      if (!flush()) return std::nullopt;
      out.push_back('.');
      continue;
    }
    if (c >= 0x80 && (IsSpace(c) || IsControl(c) || c == 0xFFFD ||
                      uc_is_general_category_withtable(c, UC_CATEGORY_MASK_C))) {
      return std::nullopt;
    }
    label.push_back(c);
  }
  if (!flush()) return std::nullopt;
  return out;
}

std::optional<std::string> ToAscii(const std::string& text) {
  uint8_t* raw = nullptr;
  const int rc = idn2_lookup_u8(reinterpret_cast<const uint8_t*>(text.c_str()), &raw,
                                IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<uint8_t, Freer> owned(raw);
  if (rc == IDN2_OK && raw) {
    std::string out = AsciiLower(std::string_view(reinterpret_cast<const char*>(raw)));
    return out;
  }
  return LenientToAscii(text);
}

// A-labels, lower case, trailing dot dropped; may still look like an IPv4 address.
std::optional<std::string> MapName(std::string_view text) {
  if (text.empty() || text.size() > kMaxInput || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  bool high = false;
  for (const char c : text) high |= IsHigh(c);
  std::string name;
  if (high) {
    if (!IsValidUtf8(text)) return std::nullopt;
    std::string clean;
    for (size_t i = 0; i < text.size();) {
      const size_t start = i;
      const char32_t c = NextCodePoint(text, i);
      if (!IsInvisible(c) || c == 0x200C || c == 0x200D)
        clean.append(text.substr(start, i - start));
    }
    if (clean.empty()) return std::nullopt;
    auto ascii = ToAscii(clean);
    if (!ascii) return std::nullopt;
    name = *std::move(ascii);
  } else {
    name = AsciiLower(text);
  }
  if (!name.empty() && name.back() == '.') name.pop_back();
  if (!IsAsciiName(name)) return std::nullopt;
  return name;
}

// WHATWG URL 3.5, the IPv4 parser.
std::optional<std::string> LooseIpv4(std::string_view text) {
  const auto parts = Split(text, '.');
  if (parts.empty() || parts.size() > 4) return std::nullopt;
  uint64_t address = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string_view part = parts[i];
    uint64_t base = 10;
    if (part.size() >= 2 && part[0] == '0' && AsciiLower(part[1]) == 'x') {
      part.remove_prefix(2);
      base = 16;
    } else if (part.size() >= 2 && part[0] == '0') {
      part.remove_prefix(1);
      base = 8;
    } else if (part.empty()) {
      return std::nullopt;
    }
    uint64_t value = 0;
    for (const char c : part) {
      const int digit = HexValue(c);
      if (digit < 0 || static_cast<uint64_t>(digit) >= base) return std::nullopt;
      value = value * base + static_cast<uint64_t>(digit);
      if (value > 0xFFFFFFFF) return std::nullopt;
    }
    const bool last = i + 1 == parts.size();
    const unsigned bytes = last ? static_cast<unsigned>(4 - i) : 1;
    if (value >= (uint64_t{1} << (8 * bytes))) return std::nullopt;
    address = (address << (8 * bytes)) | value;
  }
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (!out.empty()) out.push_back('.');
    out += std::to_string((address >> shift) & 255);
  }
  return out;
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && IsHex(text[i + 1]) && IsHex(text[i + 2])) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> CanonicalName(std::string_view text) {
  auto name = MapName(text);
  if (!name || EndsInNumber(*name)) return std::nullopt;
  return name;
}

std::optional<std::string> CanonicalUrlHost(std::string_view text) {
  if (text.size() > kMaxInput) return std::nullopt;
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    const auto v6 = CanonicalIpv6(text.substr(1, text.size() - 2));
    if (!v6) return std::nullopt;
    return "[" + *v6 + "]";
  }
  const auto name = MapName(PercentDecode(text));
  if (!name) return std::nullopt;
  if (EndsInNumber(*name)) return LooseIpv4(*name);
  return name;
}

std::optional<std::string> StrictIpv4(std::string_view text) {
  if (text.size() < 7 || text.size() > 15) return std::nullopt;
  int parts = 1, digits = 0, value = 0;
  bool zero = false;
  for (const char c : text) {
    if (c == '.') {
      if (digits == 0 || ++parts > 4) return std::nullopt;
      digits = value = 0;
      zero = false;
      continue;
    }
    if (!IsDigit(c) || zero) return std::nullopt;
    zero = digits == 0 && c == '0';
    value = value * 10 + (c - '0');
    if (++digits > 3 || value > 255) return std::nullopt;
  }
  if (parts != 4 || digits == 0) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> CanonicalIpv6(std::string_view text) {
  if (const size_t zone = text.find('%'); zone != std::string_view::npos)
    text = text.substr(0, zone);
  if (text.size() < 2 || text.size() > 45 || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::array<uint8_t, 16> bytes;
  if (inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
  std::array<unsigned, 8> groups;
  for (size_t i = 0; i < 8; ++i)
    groups[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  // RFC 5952 5: the mixed form where the prefix is known to carry an IPv4 address.
  const bool mapped =
      std::all_of(groups.begin(), groups.begin() + 5, [](unsigned g) { return g == 0; }) &&
      groups[5] == 0xFFFF;
  if (mapped) {
    return "::ffff:" + std::to_string(bytes[12]) + '.' + std::to_string(bytes[13]) + '.' +
           std::to_string(bytes[14]) + '.' + std::to_string(bytes[15]);
  }
  size_t best = 8, best_length = 1;  // RFC 5952 4.2.2: a single zero group is not shortened
  for (size_t i = 0; i < 8; ++i) {
    size_t j = i;
    while (j < 8 && groups[j] == 0) ++j;
    if (j - i > best_length) best = i, best_length = j - i;
    if (j > i) i = j - 1;
  }
  std::string out;
  for (size_t i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out.push_back(':');
    static constexpr char kHex[] = "0123456789abcdef";
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
      const unsigned digit = (groups[i] >> shift) & 15;
      started |= digit != 0 || shift == 0;
      if (started) out.push_back(kHex[digit]);
    }
  }
  return out;
}

bool IsTopLevel(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel || AllDigits(label)) return false;
  if (label == "test" || label == "example" || label == "invalid") return true;
  const psl_ctx_t* psl = Psl();
  return psl && psl_is_public_suffix2(psl, std::string(label).c_str(),
                                      PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
}

bool HasPublicSuffix(std::string_view name) {
  const std::string text(name);
  const psl_ctx_t* psl = Psl();
  auto is_suffix = [&](size_t at) {
    const std::string_view suffix = std::string_view(text).substr(at);
    if (suffix == "test" || suffix == "example" || suffix == "invalid") return true;
    return psl && psl_is_public_suffix2(psl, text.c_str() + at,
                                        PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
  };
  if (is_suffix(0)) return false;
  // Two labels are enough: a rule of more labels in the ICANN section has a shorter one above it,
  // or a wildcard.
  size_t end = text.size();
  for (int labels = 0; labels < 2; ++labels) {
    const size_t dot = text.rfind('.', end - 1);
    if (dot == std::string::npos || dot == 0) return false;
    if (is_suffix(dot + 1)) return true;
    end = dot;
  }
  return false;
}

std::string RegistrableDomain(std::string_view canonical_domain) {
  const std::string text(canonical_domain);
  const psl_ctx_t* psl = Psl();
  if (!psl || text.find('.') == std::string::npos || text.find('\0') != std::string::npos ||
      text.size() > kMaxName || EndsInNumber(text)) {
    return text;
  }
  const char* found = psl_registrable_domain(psl, text.c_str());
  return found ? std::string(found) : text;
}

void Prepare() { Psl(); }

}  // namespace mailreeve::observable
