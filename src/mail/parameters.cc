#include "mail/parameters.h"

#include "base/text.h"
#include "mail/encoded_words.h"
#include "mail/header_fields.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::mail {
namespace {

void AddOnce(std::vector<std::string>& list, std::string item) {
  if (item.empty() || std::find(list.begin(), list.end(), item) != list.end()) return;
  list.push_back(std::move(item));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = AsciiLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string DecodePercent(std::string_view text, bool& junk) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) << 4 | HexDigit(text[i + 2])));
      i += 2;
    } else {
      if (text[i] == '%') junk = true;
      out.push_back(text[i]);
    }
  }
  return out;
}

// One step of a scan over a structured value: skips a quoted string or comment that begins at
// `pos`.
size_t SkipQuoted(std::string_view s, size_t pos) {
  for (size_t i = pos + 1; i < s.size(); ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == '"') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}
size_t SkipComment(std::string_view s, size_t pos) {
  size_t depth = 0;
  for (size_t i = pos; i < s.size(); ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == '(') {
      ++depth;
    } else if (s[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

std::string WithoutComments(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    if (s[i] == '(') {
      const size_t end = SkipComment(s, i);
      if (end == std::string_view::npos) break;
      i = end;
    } else {
      if (s[i] != ' ' && s[i] != '\t') out.push_back(AsciiLower(s[i]));
      ++i;
    }
  }
  return out;
}

std::string Unquote(std::string_view s) {  // s begins with '"'
  std::string out;
  for (size_t i = 1; i < s.size(); ++i) {
    if (s[i] == '\\' && i + 1 < s.size()) {
      out.push_back(s[++i]);
    } else if (s[i] == '"') {
      break;
    } else {
      out.push_back(s[i]);
    }
  }
  return out;
}

std::string Clean(std::string text, size_t max_length) {
  text = std::string(TrimSpace(text));
  return std::string(CutUtf8(text, max_length));
}

}  // namespace

std::string_view ParameterList::First(std::string_view name) const {
  for (const auto& p : parameters) {
    if (p.name == name) return p.value;
  }
  return {};
}

std::vector<std::string> ParameterList::All(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& p : parameters) {
    if (p.name == name) AddOnce(out, p.value);
  }
  return out;
}

ParameterList ParseParameters(std::string_view field_value) {
  ParameterList out;
  const std::string text = Unfold(field_value);
  const std::string_view s = text;
  size_t pos = 0;
  bool first = true;
  bool quotes_close = true;
  while (pos <= s.size()) {
    // The piece up to the next ';' outside quotes. A quote that never closes is an ordinary
    // character.
    size_t end = pos;
    while (end < s.size() && s[end] != ';') {
      if (s[end] == '"' && quotes_close) {
        const size_t next = SkipQuoted(s, end);
        if (next == std::string_view::npos) {
          quotes_close = false;
          ++end;
        } else {
          end = next;
        }
      } else {
        ++end;
      }
    }
    const std::string_view piece = TrimSpace(s.substr(pos, end - pos));
    pos = end + 1;
    if (first) {
      first = false;
      // Seen in real mail: "name=x" where the type should be.
      const std::string value = WithoutComments(piece);
      if (value.find('=') == std::string::npos) {
        out.value = ToValidUtf8(CutUtf8(value, 255));
        continue;
      }
    }
    if (piece.empty()) continue;
    if (out.parameters.size() >= ParameterList::kMaxParameters) {
      out.cut = true;
      break;
    }
    const size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    ParameterList::Parameter p;
    p.name = WithoutComments(TrimSpace(piece.substr(0, equals)));
    // "text/plain charset=x": a missing semicolon.
    if (const size_t slash = p.name.find('/'); slash != std::string::npos && out.value.empty()) {
      const std::string_view left = TrimSpace(piece.substr(0, equals));
      const size_t space = left.find_last_of(" \t");
      if (space != std::string_view::npos) {
        out.value = ToValidUtf8(CutUtf8(WithoutComments(left.substr(0, space)), 255));
        p.name = AsciiLower(left.substr(space + 1));
      }
    }
    if (p.name.empty() || p.name.size() > 100) continue;
    std::string_view value = TrimSpace(piece.substr(equals + 1));
    while (!value.empty() && value[0] == '(') {
      const size_t after = SkipComment(value, 0);
      if (after == std::string_view::npos) break;
      value = TrimSpace(value.substr(after));
    }
    if (!value.empty() && value[0] == '"') {
      p.quoted = true;
      p.value = Unquote(value);
    } else {
      p.value = std::string(value);
    }
    out.parameters.push_back(std::move(p));
  }
  return out;
}

NameReadings ReadNames(const ParameterList& list, std::string_view name, Charsets& charsets,
                       size_t max_name_length) {
  NameReadings out;
  struct Segment {
    size_t number;
    bool extended;
    std::string_view value;
  };
  std::vector<Segment> segments;
  size_t forms = 0;
  for (const auto& p : list.parameters) {
    if (!p.name.starts_with(name)) continue;
    std::string_view rest = std::string_view(p.name).substr(name.size());
    if (rest.empty()) {
      ++forms;
      const HeaderText text = DecodeHeaderText(p.value, charsets);
      AddOnce(out.names, Clean(text.text, max_name_length));
      if (text.encoded) AddOnce(out.oddities, "name:encoded_word");
      if (text.unknown_charset) AddOnce(out.oddities, "charset:unknown");
      if (!p.quoted) {
        // Without quotes some readers end the name at a blank.
        const std::string_view whole = p.value;
        const std::string_view word = whole.substr(0, whole.find_first_of(" \t"));
        if (word.size() != whole.size()) {
          AddOnce(out.names, Clean(charsets.Guess(word), max_name_length));
          AddOnce(out.oddities, "name:unquoted_space");
        }
      }
      continue;
    }
    if (rest[0] != '*') continue;
    rest.remove_prefix(1);
    if (rest.empty()) {
      ++forms;
      bool junk = false;
      const std::string_view value = p.value;
      const size_t first = value.find('\'');
      const size_t second = first == std::string_view::npos ? first : value.find('\'', first + 1);
      if (second == std::string_view::npos) {
        AddOnce(out.names, Clean(charsets.Guess(DecodePercent(value, junk)), max_name_length));
        AddOnce(out.oddities, "name:no_charset");
      } else {
        Charsets::Outcome outcome{};
        AddOnce(out.names, Clean(charsets.ToUtf8(DecodePercent(value.substr(second + 1), junk),
                                                 value.substr(0, first), &outcome),
                                 max_name_length));
        if (outcome == Charsets::Outcome::kUnknownCharset) AddOnce(out.oddities, "charset:unknown");
      }
      if (junk) AddOnce(out.oddities, "name:bad_percent");
      continue;
    }
    Segment segment{0, false, p.value};
    if (rest.back() == '*') {
      segment.extended = true;
      rest.remove_suffix(1);
    }
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), segment.number);
    if (error != std::errc() || end != rest.data() + rest.size()) {
      AddOnce(out.oddities, "name:bad_continuation");
      continue;
    }
    segments.push_back(segment);
  }
  if (!segments.empty()) {
    ++forms;
    const auto join = [&](const std::vector<Segment>& parts) {
      std::string bytes;
      std::string_view charset;
      bool junk = false;
      for (size_t i = 0; i < parts.size(); ++i) {
        std::string_view value = parts[i].value;
        if (parts[i].extended && i == 0) {
          const size_t first = value.find('\'');
          const size_t second =
              first == std::string_view::npos ? first : value.find('\'', first + 1);
          if (second != std::string_view::npos) {
            charset = value.substr(0, first);
            value.remove_prefix(second + 1);
          }
        }
        bytes += parts[i].extended ? DecodePercent(value, junk) : std::string(value);
      }
      if (junk) AddOnce(out.oddities, "name:bad_percent");
      const std::string text =
          charset.empty() ? charsets.Guess(bytes) : charsets.ToUtf8(bytes, charset);
      AddOnce(out.names, Clean(DecodeHeaderText(text, charsets).text, max_name_length));
    };
    std::vector<Segment> sorted = segments;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Segment& a, const Segment& b) { return a.number < b.number; });
    join(sorted);
    bool in_order = true;
    for (size_t i = 0; i < segments.size(); ++i) {
      if (segments[i].number != sorted[i].number) in_order = false;
      if (sorted[i].number != i) AddOnce(out.oddities, "name:bad_continuation");
    }
    if (!in_order) {
      AddOnce(out.oddities, "name:continuation_order");
      join(segments);
    }
  }
  if (forms > 1 && out.names.size() > 1) AddOnce(out.oddities, "name:several");
  return out;
}

}  // namespace mailreeve::mail
