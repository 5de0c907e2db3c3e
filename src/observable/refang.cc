#include "observable/refang.h"

#include "base/text.h"
#include "observable/chars.h"

#include <algorithm>
#include <array>

namespace mailreeve::observable {
namespace {

constexpr size_t kMaxSpaces = 2;  // around a bracketed sign
constexpr size_t kMaxAhead =
    70;  // to the dot of a domain after a spaced "(at)": a label and a little
constexpr size_t kMaxBracket = 12;  // "[ ://  ]" and shorter

bool IsNameChar(char c) { return IsAlnum(c) || IsHigh(c) || c == '_' || c == '-'; }

struct Bracket {
  std::string_view sign;  // ".", "@", ":", "/", "://", "//"
  size_t end = 0;         // behind the closing bracket
};

// "[.]", "( dot )", "{at}" and the like at text[at]; end 0 when it is none.
Bracket ReadBracket(std::string_view text, size_t at) {
  const char open = text[at];
  const char close = open == '[' ? ']' : (open == '(' ? ')' : '}');
  size_t i = at + 1;
  size_t spaces = 0;
  while (i < text.size() && text[i] == ' ' && spaces++ < kMaxSpaces) ++i;
  const size_t end = text.substr(0, at + kMaxBracket).find(close, i);
  if (end == std::string_view::npos) return {};
  const std::string_view word = TrimSpace(text.substr(i, end - i));
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kSigns = {
      {{".", "."},
       {"dot", "."},
       {"d0t", "."},
       {"punkt", "."},
       {"point", "."},
       {"点", "."},
       {"．", "."},
       {"@", "@"},
       {"at", "@"},
       {":", ":"},
       {"/", "/"},
       {"//", "//"},
       {"://", "://"}}};
  for (const auto& [written, sign] : kSigns) {
    if (AsciiEqualFold(word, written)) return {sign, end + 1};
  }
  return {};
}

// A spaced "(at)" joins two words only when a domain follows; "lunch (at) noon" stays.
bool DomainFollows(std::string_view text, size_t at) {
  const size_t end = std::min(text.size(), at + kMaxAhead);
  size_t i = at;
  while (i < end && (IsNameChar(text[i]))) ++i;
  if (i == at || i == end) return false;
  if (text[i] == '.') return i + 1 < text.size() && IsNameChar(text[i + 1]);
  while (i < end && text[i] == ' ') ++i;
  if (i >= text.size() || (text[i] != '[' && text[i] != '(' && text[i] != '{')) return false;
  return ReadBracket(text, i).sign == ".";
}

// "hxxp", "h**p", "hXXps", "meow", "fxp" before a colon in any disguise; the real scheme and the
// bytes it takes.
std::pair<std::string_view, size_t> ReadScheme(std::string_view text, size_t at) {
  size_t i = at;
  const auto lower = [&](size_t k) { return k < text.size() ? AsciiLower(text[k]) : '\0'; };
  std::string_view scheme;
  if (lower(i) == 'h') {
    size_t middle = i + 1;
    bool changed = false;
    while (middle < text.size() && middle - i <= 3) {
      const char c = lower(middle);
      if (c != 't' && c != 'x' && c != '*' && c != '_') break;
      changed |= c != 't';
      ++middle;
    }
    if (!changed || middle - i < 3 || lower(middle) != 'p') return {};
    i = middle + 1;
    scheme = "http";
    if (lower(i) == 's' || (lower(i) == '*' && lower(i + 1) == ':')) {
      if (lower(i) == 's') scheme = "https";
      ++i;
    }
  } else if (text.size() - at >= 4 && AsciiEqualFold(text.substr(at, 4), "meow")) {
    i = at + 4;
    scheme = "http";
    if (lower(i) == 's') ++i, scheme = "https";
  } else if (lower(i) == 'f' && (lower(i + 1) == 'x' || lower(i + 1) == '*') &&
             lower(i + 2) == 'p') {
    i = at + 3;
    scheme = "ftp";
    if (lower(i) == 's') ++i, scheme = "ftps";
  } else {
    return {};
  }
  if (lower(i) == ':') return {scheme, i - at};
  if (i < text.size() && (text[i] == '[' || text[i] == '(' || text[i] == '{')) {
    if (ReadBracket(text, i).sign.starts_with(":")) return {scheme, i - at};
  }
  return {};
}

bool IsWordPoint(char32_t c) {
  if (c < 0x80) return IsAlnum(static_cast<char>(c));
  return !IsSpace(c) && !IsWidePunctuation(c) && !IsInvisible(c) && c != 0xFFFD;
}

}  // namespace

bool Refanged::HasDot(size_t begin, size_t end) const {
  const auto at = std::lower_bound(dots.begin(), dots.end(), begin);
  return at != dots.end() && *at < end;
}

Refanged Refang(std::string_view text) {
  Refanged out;
  std::string& to = out.text;
  to.reserve(text.size());
  const auto add_dot = [&] {
    out.dots.push_back(static_cast<uint32_t>(to.size()));
    to.push_back('.');
  };
  bool word_before = false;  // the last code point written is a letter or digit of a name
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (IsHigh(c)) {
      const size_t start = i;
      const char32_t point = NextCodePoint(text, i);
      if (IsInvisible(point)) continue;
      size_t peek = i;
      const char32_t after = peek < text.size() ? NextCodePoint(text, peek) : U' ';
      if (point == 0xFF0E && word_before && IsWordPoint(after)) {
        add_dot();
      } else if (point == 0xFF20 && word_before && IsWordPoint(after)) {
        to.push_back('@');
      } else if (point == 0xFF1A && (to.ends_with("http") || to.ends_with("https")) &&
                 (after == U'/' || after == 0xFF0F)) {
        to.push_back(':');
      } else if (point == 0xFF0F && (to.ends_with(":") || to.ends_with(":/"))) {
        to.push_back('/');
      } else {
        to.append(text.substr(start, i - start));
        word_before = IsWordPoint(point);
        continue;
      }
      word_before = false;
      continue;
    }
    if (c == '[' || c == '(' || c == '{') {
      const Bracket bracket = ReadBracket(text, i);
      if (bracket.end != 0) {
        size_t kept = to.size();
        while (kept > 0 && to.size() - kept < kMaxSpaces && to[kept - 1] == ' ') --kept;
        size_t next = bracket.end;
        while (next < text.size() && next - bracket.end < kMaxSpaces && text[next] == ' ') ++next;
        const bool spaced = kept < to.size() || next > bracket.end;
        const bool before = kept > 0 && IsNameChar(to[kept - 1]);
        const bool after = next < text.size() && (IsNameChar(text[next]) || text[next] == '[');
        if (bracket.sign == "." && before && after) {
          to.resize(kept);
          add_dot();
          word_before = false;
          i = next;
          continue;
        }
        if (bracket.sign == "@" && before && after && (!spaced || DomainFollows(text, next))) {
          to.resize(kept);
          to.push_back('@');
          word_before = false;
          i = next;
          continue;
        }
        const char follows = bracket.end < text.size() ? text[bracket.end] : ' ';
        const char precedes = to.empty() ? ' ' : to.back();
        const bool colon =
            bracket.sign == ":" && (follows == '/' || follows == '\\' || follows == '[' ||
                                    (c == '[' && (IsAlnum(follows) || follows == ':')));
        const bool slash = (bracket.sign == "/" || bracket.sign == "//") &&
                           (IsAlnum(precedes) || precedes == ':' || precedes == '/') &&
                           follows != ' ';
        if (colon || slash || bracket.sign == "://") {
          to.append(bracket.sign);
          word_before = false;
          i = bracket.end;
          continue;
        }
      } else if (c == '[' && i + 2 < text.size() && text[i + 1] == '.' && IsAlnum(text[i + 2]) &&
                 !to.empty() && IsAlnum(to.back())) {
        add_dot();  // "evil[.com"
        word_before = false;
        i += 2;
        continue;
      }
    } else if (c == '.' && i + 2 < text.size() && text[i + 1] == ']' && IsAlnum(text[i + 2]) &&
               word_before) {
      add_dot();  // "evil.]com"
      word_before = false;
      i += 2;
      continue;
    } else if (c == '\\' && i + 1 < text.size()) {
      if (text[i + 1] == '/') {  // a slash of a JSON string
        to.push_back('/');
        word_before = false;
        i += 2;
        continue;
      }
      if (text[i + 1] == '.' && word_before && i + 2 < text.size() && IsAlnum(text[i + 2])) {
        add_dot();  // of a regular expression
        word_before = false;
        i += 2;
        continue;
      }
    } else if ((c == 'h' || c == 'H' || c == 'm' || c == 'M' || c == 'f' || c == 'F') &&
               !word_before) {
      const auto [scheme, bytes] = ReadScheme(text, i);
      if (bytes != 0) {
        to.append(scheme);
        word_before = true;
        i += bytes;
        continue;
      }
    }
    to.push_back(c);
    word_before = IsAlnum(c);
    ++i;
  }
  return out;
}

}  // namespace mailreeve::observable
