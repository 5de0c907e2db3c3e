#include "observable/url_span.h"

#include "base/text.h"
#include "observable/chars.h"
#include "observable/host.h"
#include "observable/observable.h"

#include <array>
#include <cstring>

namespace mailreeve::observable {
namespace {

constexpr std::array<std::string_view, 13> kSchemes = {"https", "http", "ftps",  "sftp", "ftp",
                                                       "wss",   "ws",   "file",  "smb",  "ldaps",
                                                       "ldap",  "ssh",  "telnet"};

bool IsSlash(char c) { return c == '/' || c == '\\'; }

// Ends a URL wherever it stands.
bool IsHardEnd(char c) {
  return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '<' || c == '>' || c == '"' ||
         c == '`' || c == '|' || c == '^' || c == '{' || c == '}';
}

bool StartsFold(std::string_view text, size_t at, std::string_view word) {
  return text.size() - at >= word.size() && AsciiEqualFold(text.substr(at, word.size()), word);
}

// A list item follows: ",http://", ";www.".
bool UrlStartsAt(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  return StartsFold(text, at, "http://") || StartsFold(text, at, "https://") ||
         StartsFold(text, at, "ftp://") || StartsFold(text, at, "www.");
}

// Text that was HTML once: the entity of a character that ends a URL.
bool EndingEntity(std::string_view text, size_t at) {
  return StartsFold(text, at, "&lt;") || StartsFold(text, at, "&gt;") ||
         StartsFold(text, at, "&quot;") || StartsFold(text, at, "&nbsp;");
}

size_t TrimEnd(std::string_view text, size_t begin, size_t end) {
  while (end > begin &&
         std::string_view(".,;:!?'*([").find(text[end - 1]) != std::string_view::npos)
    --end;
  return end;
}

bool IsDotLike(char32_t c) { return c == 0x3002 || c == 0xFF0E || c == 0xFF61; }
bool IsFullWidthAlnum(char32_t c) {
  return (c >= 0xFF10 && c <= 0xFF19) || (c >= 0xFF21 && c <= 0xFF3A) ||
         (c >= 0xFF41 && c <= 0xFF5A);
}

// Whether the code point at `at` can go on a host name; moves `at` behind it when so.
bool TakeHigh(std::string_view text, size_t& at, bool host_has_high) {
  size_t next = at;
  const char32_t c = NextCodePoint(text, next);
  if (c == 0xFFFD) return false;
  if (IsDotLike(c)) {
    size_t peek = next;
    if (peek >= text.size()) return false;
    const char32_t after = NextCodePoint(text, peek);
    const bool latin =
        (after < 0x80 && IsAlnum(static_cast<char>(after))) || IsFullWidthAlnum(after);
    // "example.com。谢谢" ends a sentence; "例子。中国" does not.
    if (!latin && (c == 0x3002 || c == 0xFF61) && !(host_has_high && IsCjk(after))) return false;
    if (!latin && (IsWidePunctuation(after) || IsSpace(after) || after < 0x80)) return false;
  } else if (IsInvisible(c)) {
    if (next >= text.size() || (!IsHigh(text[next]) && !IsAlnum(text[next]) && text[next] != '.'))
      return false;
  } else if (IsSpace(c) || IsWidePunctuation(c)) {
    return false;
  }
  at = next;
  return true;
}

// "example.com谢谢": the last label is a top-level domain with CJK text glued to it.
size_t CutGluedCjk(std::string_view text, size_t begin, size_t end) {
  size_t label = end;
  while (label > begin && text[label - 1] != '.') --label;
  if (label == begin) return end;
  size_t ascii = label;
  while (ascii < end && (IsAlnum(text[ascii]) || text[ascii] == '-')) ++ascii;
  if (ascii == label || ascii == end) return end;
  size_t peek = ascii;
  if (!IsCjk(NextCodePoint(text, peek))) return end;
  return IsTopLevel(AsciiLower(text.substr(label, ascii - label))) ? ascii : end;
}

// A name with a port; what "www." starts has no userinfo, and a bound keeps a chain of them linear.
constexpr size_t kMaxBareAuthority = 400;

// The end of the authority that starts at `begin`: userinfo, host and port.
size_t AuthorityEnd(std::string_view text, size_t begin) {
  size_t at = begin, user_end = std::string_view::npos, host = begin;
  bool high = false;
  size_t bracket = std::string_view::npos;
  while (at < text.size()) {
    const char c = text[at];
    if (IsHigh(c)) {
      if (!TakeHigh(text, at, high)) break;
      high = true;
      continue;
    }
    if (IsHardEnd(c) || IsSlash(c) || c == '?' || c == '#' || c == '\'') break;
    if ((c == ',' || c == ';') && UrlStartsAt(text, at + 1)) break;
    if (c == '&' && EndingEntity(text, at)) break;
    if (c == '[') {
      if (at != host) break;
      bracket = at;
    }
    if (c == ']' && bracket != host) break;
    if (c == '@') {
      user_end = at;
      host = at + 1;
    }
    ++at;
  }
  // Without userinfo, the first character that no host or port has ends it.
  size_t end = user_end == std::string_view::npos ? begin : host;
  while (end < at) {
    const char c = text[end];
    if (!IsHigh(c) && !IsAlnum(c) && std::string_view(".-_:%[]~").find(c) == std::string_view::npos)
      break;
    ++end;
  }
  end = TrimEnd(text, host, end);
  return high ? CutGluedCjk(text, host, end) : end;
}

}  // namespace

size_t UrlTail(std::string_view text, size_t at, char quote) {
  const size_t begin = at;
  int round = 0, square = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (IsHigh(c)) {
      size_t next = at;
      const char32_t point = NextCodePoint(text, next);
      if (point == 0xFFFD || IsCjk(point) || IsSpace(point) || IsWidePunctuation(point) ||
          IsInvisible(point))
        break;
      at = next;
      continue;
    }
    if (IsHardEnd(c)) break;
    if (c == '\'' && quote == '\'') break;
    if (c == '(') ++round;
    if (c == '[') ++square;
    if (c == ')' && round-- == 0) break;
    if (c == ']' && square-- == 0) break;
    if (c == '\\' && (at + 1 == text.size() || IsHardEnd(text[at + 1]) || text[at + 1] == '\''))
      break;
    if ((c == ',' || c == ';') && UrlStartsAt(text, at + 1)) break;
    if (c == '&' && EndingEntity(text, at)) break;
    ++at;
  }
  return TrimEnd(text, begin, at);
}

std::optional<Span> UrlAtColon(std::string_view text, size_t colon, size_t floor) {
  if (colon + 3 >= text.size() || !IsSlash(text[colon + 1]) || !IsSlash(text[colon + 2]))
    return std::nullopt;
  size_t word = colon;
  while (word > floor && colon - word < 8 && IsAlpha(text[word - 1])) --word;
  const std::string_view letters = text.substr(word, colon - word);
  size_t begin = colon;
  for (const std::string_view scheme : kSchemes) {
    if (letters.size() < scheme.size()) continue;
    const size_t start = colon - scheme.size();
    if (!AsciiEqualFold(text.substr(start, scheme.size()), scheme)) continue;
    // "clickhttp://…" is a link to mail programs; a shorter scheme at the end of another word
    // ("news") is not.
    const bool boundary = start == floor || !IsAlnum(text[start - 1]);
    if (!boundary && !scheme.starts_with("http")) continue;
    begin = start;
    break;
  }
  if (begin == colon) return std::nullopt;
  size_t authority = colon + 1;
  while (authority < text.size() && IsSlash(text[authority])) ++authority;
  size_t end = AuthorityEnd(text, authority);
  if (end == authority) return std::nullopt;
  if (!CanonicalUrl("http://" + std::string(text.substr(authority, end - authority))))
    return std::nullopt;
  if (end < text.size() && (IsSlash(text[end]) || text[end] == '?' || text[end] == '#')) {
    end = UrlTail(text, end, begin > 0 ? text[begin - 1] : ' ');
  }
  return Span{begin, end};
}

std::optional<Span> UrlAtWww(std::string_view text, size_t dot, size_t floor) {
  if (dot < floor + 3 || !StartsFold(text, dot - 3, "www.")) return std::nullopt;
  const size_t begin = dot - 3;
  if (begin > floor) {
    const char before = text[begin - 1];
    if (IsAlnum(before) || before == '-' || before == '_' || before == '.' || before == '@')
      return std::nullopt;
  }
  size_t end = AuthorityEnd(text.substr(0, begin + kMaxBareAuthority), begin);
  const size_t colon = text.substr(0, end).find(':', begin);
  const auto host = CanonicalDomain(text.substr(begin, std::min(colon, end) - begin));
  if (!host || !HasPublicSuffix(*host) ||
      !CanonicalUrl("http://" + std::string(text.substr(begin, end - begin)))) {
    return std::nullopt;
  }
  if (end < text.size() && (text[end] == '/' || text[end] == '?' || text[end] == '#')) {
    end = UrlTail(text, end, begin > 0 ? text[begin - 1] : ' ');
  }
  return Span{begin, end};
}

FoundUrls FindUrls(std::string_view text, const FindUrlsLimits& limits) {
  FoundUrls found;
  if (text.size() > limits.max_text_bytes) {
    found.cut = true;
    text = CutUtf8(text, limits.max_text_bytes);
  }
  const auto next = [&](char c, size_t from) -> size_t {
    if (from >= text.size()) return text.size();
    const void* at = std::memchr(text.data() + from, c, text.size() - from);
    return at ? static_cast<size_t>(static_cast<const char*>(at) - text.data()) : text.size();
  };
  // Two streams of candidates, each found by memchr: a colon that ends a scheme, a dot that ends
  // "www".
  size_t floor = 0;
  size_t colon = next(':', 0), dot = next('.', 0);
  while (colon < text.size() || dot < text.size()) {
    const bool at_colon = colon < dot;
    const auto span = at_colon ? UrlAtColon(text, colon, floor) : UrlAtWww(text, dot, floor);
    if (!span) {
      if (at_colon) {
        colon = next(':', colon + 1);
      } else {
        dot = next('.', dot + 1);
      }
      continue;
    }
    const std::string_view raw = text.substr(span->begin, span->end - span->begin);
    if (auto canonical = CanonicalUrl(raw)) {
      if (found.urls.size() >= limits.max_urls) {
        found.cut = true;
        return found;
      }
      found.urls.push_back({std::string(raw), *std::move(canonical), span->begin});
    } else {
      found.cut = true;
    }
    floor = span->end;
    if (colon < floor) colon = next(':', floor);
    if (dot < floor) dot = next('.', floor);
  }
  return found;
}

}  // namespace mailreeve::observable
