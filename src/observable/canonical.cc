#include "observable/canonical.h"

#include "base/text.h"
#include "observable/chars.h"
#include "observable/host.h"
#include "observable/observable.h"

#include <uninorm.h>
#include <xxhash.h>

#include <cstdlib>
#include <memory>

namespace mailreeve::observable {
namespace {

constexpr size_t kMaxValue = 64 * 1024;

// Unicode NFC. libunistring sorts combining marks by merging: a flood of them costs n log n.
std::string Nfc(std::string_view text) {
  bool high = false;
  for (const char c : text) high |= IsHigh(c);
  if (!high) return std::string(text);
  size_t size = 0;
  struct Freer {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  const std::unique_ptr<uint8_t, Freer> out(u8_normalize(
      UNINORM_NFC, reinterpret_cast<const uint8_t*>(text.data()), text.size(), nullptr, &size));
  return out ? std::string(reinterpret_cast<const char*>(out.get()), size) : std::string(text);
}

// Drops what is not seen and folds white space of any kind to single spaces, none at the ends.
std::string VisibleText(std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t start = i;
    const char32_t c = NextCodePoint(text, i);
    if (IsInvisible(c) || (IsControl(c) && !IsSpace(c))) continue;
    kept.append(text.substr(start, i - start));
  }
  const std::string nfc = Nfc(kept);
  std::string out;
  out.reserve(nfc.size());
  bool space = false;
  for (size_t i = 0; i < nfc.size();) {
    const size_t start = i;
    if (IsSpace(NextCodePoint(nfc, i))) {
      space = !out.empty();
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    out.append(nfc, start, i - start);
  }
  return out;
}

Result<std::string> NameForm(std::string_view value, bool needs_dot) {
  auto name = CanonicalName(TrimSpace(value));
  if (!name) return Fail(Code::kInvalid, "not a host name");
  if (needs_dot && name->find('.') == std::string::npos)
    return Fail(Code::kInvalid, "a domain has at least one dot");
  return *std::move(name);
}

Result<std::string> Ipv6Form(std::string_view value) {
  std::string_view text = TrimSpace(value);
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  auto address = CanonicalIpv6(text);
  if (!address) return Fail(Code::kInvalid, "not an IPv6 address");
  return *std::move(address);
}

// Local part: dot-atom (dots anywhere, as the world writes them) or quoted string; quotes that
// change nothing go.
Result<std::string> LocalForm(std::string_view local) {
  if (local.empty()) return Fail(Code::kInvalid, "nothing before the @");
  const bool quoted = local.front() == '"';
  std::string content;
  if (quoted) {
    if (local.size() < 2 || local.back() != '"')
      return Fail(Code::kInvalid, "the quoted local part does not end");
    const std::string_view inner = local.substr(1, local.size() - 2);
    for (size_t i = 0; i < inner.size(); ++i) {
      if (inner[i] == '"') return Fail(Code::kInvalid, "a quote inside the quoted local part");
      if (inner[i] == '\\' && ++i == inner.size())
        return Fail(Code::kInvalid, "the quoted local part does not end");
      if (IsControl(static_cast<unsigned char>(inner[i])) && !IsHigh(inner[i])) {
        return Fail(Code::kInvalid, "a control character in the address");
      }
      content.push_back(inner[i]);
    }
  } else {
    content = local;
  }
  // A second time: taking backslashes away can bring characters together.
  content = AsciiLower(Nfc(content));
  bool plain = !content.empty() && content.front() != '.' && content.back() != '.';
  bool atoms = !content.empty();
  for (const char c : content) {
    if (!IsHigh(c) && !IsAtext(c) && c != '.') atoms = false;
  }
  if (!quoted) {
    if (!atoms) return Fail(Code::kInvalid, "a character in the local part that needs quotes");
    return content;
  }
  if (atoms && plain && content.find("..") == std::string::npos) return content;
  std::string out = "\"";
  for (const char c : content) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

Result<std::string> EmailForm(std::string_view value) {
  std::string_view text = TrimSpace(value);
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>')
    text = TrimSpace(text.substr(1, text.size() - 2));
  if (text.size() > 7 && AsciiEqualFold(text.substr(0, 7), "mailto:")) text.remove_prefix(7);
  if (!IsValidUtf8(text)) return Fail(Code::kInvalid, "not valid UTF-8");
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return Fail(Code::kInvalid, "an address has an @");
  TRY(std::string out, LocalForm(text.substr(0, at)));
  std::string_view domain = text.substr(at + 1);
  out.push_back('@');
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    std::string_view literal = domain.substr(1, domain.size() - 2);
    std::optional<std::string> address;
    if (literal.size() > 5 && AsciiEqualFold(literal.substr(0, 5), "ipv6:")) {
      address = CanonicalIpv6(literal.substr(5));
      if (address) address = "IPv6:" + *address;
    } else {
      address = StrictIpv4(literal);
    }
    if (!address) return Fail(Code::kInvalid, "the address literal is no IP address");
    return out + "[" + *address + "]";
  }
  const auto name = CanonicalName(domain);
  if (!name) return Fail(Code::kInvalid, "no host name after the @");
  return out + *name;
}

// Skips comments (nested, with quoted pairs) and white space; npos when a comment does not end.
size_t SkipComments(std::string_view text, size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '(') {
      ++depth;
    } else if (depth > 0 && c == ')') {
      --depth;
    } else if (depth > 0 && c == '\\') {
      ++at;
    } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return at;
    }
  }
  return depth == 0 ? std::min(at, text.size()) : std::string_view::npos;
}

Result<std::string> MessageIdForm(std::string_view value) {
  const std::string valid = ToValidUtf8(value);
  std::string_view text = valid;
  size_t open = SkipComments(text, 0);
  if (open == std::string_view::npos || open == text.size() || text[open] != '<') {
    const size_t first = text.find('<');
    open = first != std::string_view::npos ? first : (open == std::string_view::npos ? 0 : open);
  }
  text = text.substr(open);
  const bool bracketed = text.starts_with('<');
  while (text.starts_with('<')) text.remove_prefix(1);
  const size_t close = text.find('>');
  if (close != std::string_view::npos) {
    text = text.substr(0, close);
  } else if (!bracketed) {
    if (const size_t comment = text.find(" ("); comment != std::string_view::npos)
      text = text.substr(0, comment);
  }
  std::string out = "<";
  for (size_t i = 0; i < text.size();) {
    const size_t start = i;
    const char32_t c = NextCodePoint(text, i);
    if (c == '<' || IsSpace(c) || IsControl(c)) continue;
    out.append(text.substr(start, i - start));
  }
  if (out.size() == 1) return Fail(Code::kInvalid, "the Message-ID is empty");
  out.push_back('>');
  return out;
}

Result<std::string> SubjectForm(std::string_view value) {
  std::string out = VisibleText(ToValidUtf8(value));
  if (out.empty()) return Fail(Code::kInvalid, "the subject is empty");
  return out;
}

Result<std::string> FileNameForm(std::string_view value) {
  std::string text = AsciiLower(VisibleText(ToValidUtf8(value)));
  std::string_view name(text);
  // What Windows strips from a name is not part of it; nor is a path of either kind.
  while (!name.empty() && std::string_view(" ./\\").find(name.back()) != std::string_view::npos)
    name.remove_suffix(1);
  if (const size_t slash = name.find_last_of("/\\"); slash != std::string_view::npos)
    name = name.substr(slash + 1);
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  if (name.empty()) return Fail(Code::kInvalid, "the file name is empty");
  return std::string(name);
}

Result<std::string> HashForm(std::string_view value, size_t digits) {
  const std::string_view text = TrimSpace(value);
  if (text.size() != digits || !std::all_of(text.begin(), text.end(), IsHex)) {
    return Fail(Code::kInvalid, "needs exactly " + std::to_string(digits) + " hexadecimal digits");
  }
  return AsciiLower(text);
}

Result<std::string> MidForm(std::string_view value) {
  std::string_view text = TrimSpace(value);
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsDigit)) {
    return Fail(Code::kInvalid, "a MID is a decimal number");
  }
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  if (text.size() > 20 || (text.size() == 20 && text > "18446744073709551615")) {
    return Fail(Code::kInvalid, "a MID has at most 64 bits");
  }
  return std::string(text);
}

Result<std::string> MacForm(std::string_view value) {
  const std::string_view text = TrimSpace(value);
  std::string digits;
  bool shape = text.size() == 17 || text.size() == 14 || text.size() == 12;
  const char separator = text.size() == 17 ? text[2] : '.';
  if (text.size() == 17 && separator != ':' && separator != '-') shape = false;
  const size_t every = text.size() == 17 ? 2 : (text.size() == 14 ? 4 : 12);
  for (size_t i = 0; shape && i < text.size(); ++i) {
    if (i % (every + 1) == every) {
      shape = text[i] == separator;
    } else {
      shape = IsHex(text[i]);
      digits.push_back(AsciiLower(text[i]));
    }
  }
  if (!shape || digits.size() != 12) return Fail(Code::kInvalid, "not a MAC address of 48 bits");
  std::string out;
  for (size_t i = 0; i < 12; i += 2) {
    if (i) out.push_back(':');
    out.append(digits, i, 2);
  }
  return out;
}

Result<std::string> PlainForm(std::string_view value) {
  const std::string_view text = TrimSpace(value);
  if (text.empty()) return Fail(Code::kInvalid, "the value is empty");
  if (!IsValidUtf8(text)) return Fail(Code::kInvalid, "not valid UTF-8");
  return std::string(text);
}

Result<std::string> Form(Type type, std::string_view value) {
  switch (type) {
    case Type::kUrl:
      return UrlForm(value);
    case Type::kDomain:
      return NameForm(value, true);
    case Type::kHostname:
      return NameForm(value, false);
    case Type::kIp: {
      auto address = StrictIpv4(TrimSpace(value));
      if (!address) return Fail(Code::kInvalid, "not an IPv4 address in dotted decimal form");
      return *std::move(address);
    }
    case Type::kIpv6:
      return Ipv6Form(value);
    case Type::kEmail:
      return EmailForm(value);
    case Type::kEmailMessageid:
      return MessageIdForm(value);
    case Type::kEmailSubject:
      return SubjectForm(value);
    case Type::kFileName:
      return FileNameForm(value);
    case Type::kMd5:
      return HashForm(value, 32);
    case Type::kSha1:
      return HashForm(value, 40);
    case Type::kSha256:
      return HashForm(value, 64);
    case Type::kCiscoMid:
      return MidForm(value);
    case Type::kMacAddress:
      return MacForm(value);
    default:
      return PlainForm(value);
  }
}

std::optional<std::string> Short(Type type, std::string_view value) {
  auto form = Canonical(type, value);
  if (!form) return std::nullopt;
  return *std::move(form);
}

}  // namespace

Result<std::string> Canonical(Type type, std::string_view value) {
  if (value.size() > kMaxValue) return Fail(Code::kLimited, "the value is over 64 KiB");
  auto form = Form(type, value);
  // Escapes can make it longer than what came in.
  if (form && form->size() > kMaxValue)
    return Fail(Code::kLimited, "the canonical value is over 64 KiB");
  return form;
}

uint64_t Fingerprint(Type type, std::string_view canonical) {
  const uint64_t hash =
      XXH3_64bits_withSeed(canonical.data(), canonical.size(), static_cast<uint64_t>(type));
  return hash == 0 ? 1 : hash;
}

std::optional<std::string> CanonicalUrl(std::string_view value) { return Short(Type::kUrl, value); }
std::optional<std::string> CanonicalDomain(std::string_view value) {
  return Short(Type::kDomain, value);
}
std::optional<std::string> CanonicalHostname(std::string_view value) {
  return Short(Type::kHostname, value);
}
std::optional<std::string> CanonicalEmail(std::string_view value) {
  return Short(Type::kEmail, value);
}
std::optional<std::string> CanonicalMessageId(std::string_view value) {
  return Short(Type::kEmailMessageid, value);
}
std::optional<std::string> CanonicalFileName(std::string_view value) {
  return Short(Type::kFileName, value);
}
std::optional<std::string> CanonicalSubject(std::string_view value) {
  return Short(Type::kEmailSubject, value);
}

std::optional<std::string> CanonicalAddress(std::string_view value) {
  auto v4 = Short(Type::kIp, value);
  return v4 ? v4 : Short(Type::kIpv6, value);
}

std::string_view EmailDomain(std::string_view canonical_email) {
  const size_t at = canonical_email.rfind('@');
  return at == std::string_view::npos ? std::string_view() : canonical_email.substr(at + 1);
}

}  // namespace mailreeve::observable
