#include "base/text.h"
#include "observable/canonical.h"
#include "observable/chars.h"
#include "observable/host.h"
#include "observable/observable.h"

#include <array>

namespace mailreeve::observable {
namespace {

// Schemes whose authority browsers and mail programs read leniently, with their default ports.
struct Special {
  std::string_view scheme;
  std::string_view port;
};
constexpr std::array<Special, 6> kSpecial = {{{"http", "80"},
                                              {"https", "443"},
                                              {"ftp", "21"},
                                              {"ftps", "990"},
                                              {"ws", "80"},
                                              {"wss", "443"}}};
// Schemes without "//" that are recognised before a digit: "tel:110" is not a host with a port.
constexpr std::array<std::string_view, 8> kOpaque = {"mailto", "data", "javascript", "vbscript",
                                                     "tel",    "sms",  "cid",        "file"};

const Special* FindSpecial(std::string_view scheme) {
  for (const Special& special : kSpecial) {
    if (special.scheme == scheme) return &special;
  }
  return nullptr;
}

constexpr bool IsUnreserved(char c) {
  return IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void AppendEncoded(std::string& out, unsigned char byte) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  out.push_back('%');
  out.push_back(kHex[byte >> 4]);
  out.push_back(kHex[byte & 15]);
}

// RFC 3986 6.2.2: unreserved characters decoded, other escapes in upper case, everything else that
// may not stand there encoded. A '%' that starts no escape becomes %25, so that a second pass
// changes nothing.
std::string NormaliseEscapes(std::string_view text, std::string_view also_allowed) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 < text.size() && IsHex(text[i + 1]) && IsHex(text[i + 2])) {
        const char byte = static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
        if (IsUnreserved(byte)) {
          out.push_back(byte);
        } else {
          AppendEncoded(out, static_cast<unsigned char>(byte));
        }
        i += 2;
      } else {
        out += "%25";
      }
    } else if (IsUnreserved(c) ||
               std::string_view("!$&'()*+,;=").find(c) != std::string_view::npos ||
               also_allowed.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      AppendEncoded(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

// RFC 3986 5.2.4 on a path that starts with '/'.
std::string RemoveDotSegments(std::string_view path) {
  std::string out;
  size_t i = 0;
  while (i < path.size()) {
    const size_t end = std::min(path.find('/', i + 1), path.size());
    const std::string_view segment = path.substr(i + 1, end - i - 1);
    const bool last = end == path.size();
    if (segment == ".") {
      if (last) out.push_back('/');
    } else if (segment == "..") {
      const size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      if (last) out.push_back('/');
    } else {
      out.append(path.substr(i, end - i));
    }
    i = end;
  }
  if (out.empty()) out = "/";
  return out;
}

std::string Opaque(std::string_view scheme, std::string_view rest) {
  std::string out(scheme);
  out.push_back(':');
  for (const char c : rest) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F) {
      AppendEncoded(out, byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// `rest` follows the slashes. `special` is null for schemes of which we know only the generic
// syntax.
Result<std::string> Hierarchical(std::string_view scheme, const Special* special,
                                 std::string_view rest) {
  const size_t authority_end =
      std::min(rest.find_first_of(special ? std::string_view("/\\?#") : std::string_view("/?#")),
               rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest = rest.substr(authority_end);

  std::string out(scheme);
  out += "://";
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    if (at > 0) {
      out += NormaliseEscapes(authority.substr(0, at), ":");
      out.push_back('@');
    }
    authority = authority.substr(at + 1);
  }
  std::string_view host = authority, port;
  const size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos &&
      (authority.front() != '[' || authority.rfind(']') < colon)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  const auto canonical_host = CanonicalUrlHost(host);
  if (!canonical_host)
    return Fail(Code::kInvalid, "the host of the URL is no host name and no address");
  out += *canonical_host;
  if (!port.empty()) {
    unsigned number = 0;
    for (const char c : port) {
      if (!IsDigit(c)) return Fail(Code::kInvalid, "the port of the URL is not a number");
      number = number * 10 + static_cast<unsigned>(c - '0');
      if (number > 65535) return Fail(Code::kInvalid, "the port of the URL is over 65535");
    }
    const std::string text = std::to_string(number);
    if (!special || special->port != text) out += ":" + text;
  }

  std::string_view fragment, query;
  bool has_query = false;
  if (const size_t hash = rest.find('#'); hash != std::string_view::npos) {
    fragment = rest.substr(hash + 1);
    rest = rest.substr(0, hash);
  }
  if (const size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    has_query = true;
    rest = rest.substr(0, mark);
  }
  std::string path(rest);
  if (special) std::replace(path.begin(), path.end(), '\\', '/');
  if (path.empty()) path = "/";
  out += RemoveDotSegments(NormaliseEscapes(path, "/:@"));
  if (has_query) out += "?" + NormaliseEscapes(query, "/:@?");
  if (!fragment.empty()) out += "#" + NormaliseEscapes(fragment, "/:@?");
  return out;
}

}  // namespace

Result<std::string> UrlForm(std::string_view value) {
  std::string text;
  text.reserve(value.size());
  for (const char c : value) {
    if (c != '\t' && c != '\r' && c != '\n') text.push_back(c);
  }
  std::string_view rest(text);
  while (!rest.empty() && static_cast<unsigned char>(rest.front()) <= 0x20) rest.remove_prefix(1);
  while (!rest.empty() && static_cast<unsigned char>(rest.back()) <= 0x20) rest.remove_suffix(1);
  if (rest.empty()) return Fail(Code::kInvalid, "the URL is empty");

  size_t colon = 0;
  bool dotted = false;
  if (IsAlpha(rest[0])) {
    while (colon < rest.size() && (IsAlnum(rest[colon]) || rest[colon] == '+' ||
                                   rest[colon] == '-' || rest[colon] == '.')) {
      dotted |= rest[colon] == '.';
      ++colon;
    }
  }
  std::string scheme = "http";
  if (colon > 0 && colon < rest.size() && rest[colon] == ':') {
    const std::string word = AsciiLower(rest.substr(0, colon));
    const std::string_view after = rest.substr(colon + 1);
    if (after.empty()) return Fail(Code::kInvalid, "the URL has nothing after its scheme");
    const bool known =
        FindSpecial(word) || std::find(kOpaque.begin(), kOpaque.end(), word) != kOpaque.end();
    if (known || after[0] == '/' || after[0] == '\\' || (!dotted && !IsDigit(after[0]))) {
      scheme = word;
      rest = after;
    }
  }
  const Special* special = FindSpecial(scheme);
  if (!special) {
    // "file:///x" has no authority; what has one needs a host in it.
    if (rest.starts_with("//") && !rest.starts_with("///"))
      return Hierarchical(scheme, nullptr, rest.substr(2));
    return Opaque(scheme, rest);
  }
  while (!rest.empty() && (rest.front() == '/' || rest.front() == '\\')) rest.remove_prefix(1);
  return Hierarchical(scheme, special, rest);
}

std::string_view UrlHost(std::string_view url) {
  const size_t start = url.find("://");
  if (start == std::string_view::npos || url.find_first_of("/?#:") != start) return {};
  std::string_view authority = url.substr(start + 3);
  authority = authority.substr(0, std::min(authority.find_first_of("/?#"), authority.size()));
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos)
    authority = authority.substr(at + 1);
  if (!authority.empty() && authority.front() == '[') {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? std::string_view() : authority.substr(1, end - 1);
  }
  return authority.substr(0, std::min(authority.find(':'), authority.size()));
}

}  // namespace mailreeve::observable
