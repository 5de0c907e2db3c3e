#include "mail/address_fields.h"

#include "base/text.h"

#include <algorithm>

namespace mailreeve::mail {
namespace {

constexpr size_t kMaxAddressBytes = 1000;
constexpr size_t kMaxRawBytes = 2000;

void AddOnce(std::vector<std::string>& list, std::string_view item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.emplace_back(item);
}

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

// White space outside quotes taken out, and a source route "@a,@b:" (RFC 5322 section 4.4).
std::string CleanSpec(std::string_view text) {
  text = TrimSpace(text);
  if (!text.empty() && text[0] == '@') {
    const size_t colon = text.find(':');
    if (colon != std::string_view::npos) text = TrimSpace(text.substr(colon + 1));
  }
  if (AsciiEqualFold(text.substr(0, 7), "mailto:")) text.remove_prefix(7);
  std::string out;
  bool quoted = false;
  for (size_t i = 0; i < text.size() && out.size() <= kMaxAddressBytes; ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) {
      out.push_back(c);
      out.push_back(text[++i]);
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (!quoted && IsSpace(c)) continue;
    out.push_back(c);
  }
  return out;
}

// One mailbox of a list, as the scan collects it.
struct Piece {
  size_t start = 0;
  std::string
      words;  // outside quotes, brackets and comments; quotes stay in it for a quoted local part
  std::string display;  // the same unquoted
  std::vector<std::string> brackets;
  std::vector<std::string> comments;
  bool after_bracket = false;  // words behind the bracket
  bool has_quote = false;
  bool at_in_words = false;  // '@' outside quotes
  bool in_literal = false;   // behind a '[' of the words

  bool empty() const { return words.empty() && brackets.empty() && comments.empty(); }
};

class FieldReader {
 public:
  FieldReader(std::string_view s, size_t max_addresses, AddressReadings& out)
      : s_(s), max_addresses_(max_addresses), out_(out) {}

  void Run() {
    // A quote, comment or bracket that never closes is an ordinary character; looking for its end
    // once is enough.
    bool quotes_close = true, comments_close = true, brackets_close = true;
    size_t pos = 0;
    while (pos < s_.size()) {
      const char c = s_[pos];
      if (c == '"' && quotes_close) {
        const size_t end = QuoteEnd(pos);
        if (end == std::string_view::npos) {
          quotes_close = false;
          Odd("address:open_quote");
          continue;
        }
        const std::string_view quoted = s_.substr(pos, end - pos);
        piece_.has_quote = true;
        Append(piece_.words, quoted);
        for (size_t i = 1; i + 1 < quoted.size(); ++i) {
          if (quoted[i] == '\\' && i + 2 < quoted.size()) ++i;
          piece_.display.push_back(quoted[i]);
        }
        pos = end;
      } else if (c == '(' && comments_close) {
        const size_t end = CommentEnd(pos);
        if (end == std::string_view::npos) {
          comments_close = false;
          Odd("address:open_comment");
          continue;
        }
        if (piece_.comments.size() < 20) {
          piece_.comments.emplace_back(s_.substr(pos + 1, end - pos - 2));
        }
        piece_.display.push_back(' ');
        pos = end;
      } else if (c == '<' && brackets_close) {
        const size_t end = BracketEnd(pos);
        if (end == std::string_view::npos) {
          brackets_close = false;
          Odd("address:open_bracket");
          // What follows may still be the address: "<a@b.example".
          if (piece_.brackets.size() < 20) piece_.brackets.emplace_back(s_.substr(pos + 1));
          pos = s_.size();
          continue;
        }
        if (piece_.brackets.size() < 20) {
          piece_.brackets.push_back(WithoutComments(s_.substr(pos + 1, end - pos - 2)));
        }
        piece_.after_bracket = false;
        pos = end;
      } else if (c == ',' || c == ';') {
        Finish(pos);
        ++pos;
        piece_.start = pos;
      } else if (c == ':' && piece_.brackets.empty() && !piece_.at_in_words && !piece_.in_literal &&
                 !AsciiEqualFold(TrimSpace(piece_.words), "mailto")) {
        // A group's name; the members follow.
        out_.clean = false;
        Odd("address:group");
        piece_ = Piece();
        ++pos;
        piece_.start = pos;
      } else {
        if (c == '@') piece_.at_in_words = true;
        if (c == '[') piece_.in_literal = true;
        if (c == ']') piece_.in_literal = false;
        if (!piece_.brackets.empty() && !IsSpace(c)) piece_.after_bracket = true;
        Append(piece_.words, s_.substr(pos, 1));
        piece_.display.push_back(c);
        ++pos;
      }
    }
    Finish(s_.size());
  }

 private:
  static void Append(std::string& to, std::string_view text) { to.append(text); }
  void Odd(std::string_view what) {
    out_.clean = false;
    AddOnce(out_.oddities, what);
  }

  size_t QuoteEnd(size_t pos) const {
    for (size_t i = pos + 1; i < s_.size(); ++i) {
      if (s_[i] == '\\') {
        ++i;
      } else if (s_[i] == '"') {
        return i + 1;
      }
    }
    return std::string_view::npos;
  }
  size_t CommentEnd(size_t pos) const {
    size_t depth = 0;
    for (size_t i = pos; i < s_.size(); ++i) {
      if (s_[i] == '\\') {
        ++i;
      } else if (s_[i] == '(') {
        ++depth;
      } else if (s_[i] == ')' && --depth == 0) {
        return i + 1;
      }
    }
    return std::string_view::npos;
  }
  // '>' outside quotes; when the quotes do not work out, the next '>' at all.
  size_t BracketEnd(size_t pos) const {
    const size_t plain = s_.find('>', pos);
    if (plain == std::string_view::npos) return plain;
    const std::string_view inside = s_.substr(pos + 1, plain - pos - 1);
    if (inside.find('"') == std::string_view::npos) return plain + 1;
    for (size_t i = pos + 1; i < s_.size() && i < pos + kMaxAddressBytes; ++i) {
      if (s_[i] == '"') {
        const size_t end = QuoteEnd(i);
        if (end == std::string_view::npos || end > pos + kMaxAddressBytes) break;
        i = end - 1;
      } else if (s_[i] == '>') {
        return i + 1;
      }
    }
    return plain + 1;
  }

  std::string WithoutComments(std::string_view text) {
    if (text.find('(') == std::string_view::npos) return std::string(text);
    std::string out;
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\\' && i + 1 < text.size()) {
        if (depth == 0) out.append(text.substr(i, 2));
        ++i;
        continue;
      }
      if (c == '"' && depth == 0) quoted = !quoted;
      if (!quoted && c == '(') {
        ++depth;
        Odd("address:comment");
        continue;
      }
      if (!quoted && c == ')' && depth > 0) {
        --depth;
        continue;
      }
      if (depth == 0) out.push_back(c);
    }
    return out;
  }

  void Add(std::string address, std::string display, std::string_view raw, bool certain) {
    for (const AddressReading& a : out_.addresses) {
      if (!certain && a.address == address) return;
    }
    if (out_.addresses.size() >= max_addresses_) {
      out_.cut = true;
      return;
    }
    out_.addresses.push_back({std::move(address), std::move(display),
                              std::string(raw.substr(0, kMaxRawBytes)), certain});
  }

  void Finish(size_t end) {
    Piece piece = std::move(piece_);
    piece_ = Piece();
    if (piece.empty() ||
        (piece.brackets.empty() && TrimSpace(piece.words).empty() && piece.comments.empty())) {
      return;
    }
    const std::string_view raw = TrimSpace(s_.substr(piece.start, end - piece.start));
    std::string display(TrimSpace(piece.display));
    if (!piece.brackets.empty()) {
      if (piece.brackets.size() > 1 || piece.after_bracket) Odd("address:several_brackets");
      if (display.empty() && !piece.comments.empty()) display = piece.comments.front();
      const bool one = piece.brackets.size() == 1;
      for (const std::string& bracket : piece.brackets) {
        const std::string_view inside = TrimSpace(bracket);
        std::string spec = CleanSpec(inside);
        if (spec.empty()) {
          if (piece.brackets.size() == 1) Add("", display, raw, true);
          continue;
        }
        if (inside.starts_with("@")) Odd("address:source_route");
        if (!LooksLikeAddress(spec)) Odd("address:malformed");
        Add(std::move(spec), display, raw, one);
      }
      // "a@b <c@d>": some readers take the first.
      if (piece.at_in_words) {
        Odd("address:ambiguous");
        Words(piece.words, raw);
      }
      return;
    }
    if (!piece.comments.empty() && !piece.at_in_words) Odd("address:comment");
    std::string spec = CleanSpec(piece.words);
    if (piece.at_in_words && LooksLikeAddress(spec) && WordCount(piece.words) == 1) {
      Add(std::move(spec), piece.comments.empty() ? "" : piece.comments.back(), raw, true);
      return;
    }
    if (piece.at_in_words) {
      Odd("address:ambiguous");
      Words(piece.words, raw);
      if (LooksLikeAddress(spec)) Add(std::move(spec), "", raw, false);
      return;
    }
    Odd("address:malformed");
    Add("", display, raw, true);
  }

  static size_t WordCount(std::string_view text) {
    size_t count = 0;
    bool in = false, quoted = false;
    for (const char c : text) {
      if (c == '"') quoted = !quoted;
      const bool space = IsSpace(c) && !quoted;
      if (!space && !in) ++count;
      in = !space;
    }
    return count;
  }

  // Each word with '@' in it.
  void Words(std::string_view text, std::string_view raw) {
    size_t pos = 0;
    for (size_t guard = 0; pos < text.size() && guard < 1000; ++guard) {
      const size_t start = text.find_first_not_of(" \t\"<>()[]{}", pos);
      if (start == std::string_view::npos) return;
      size_t end = text.find_first_of(" \t\"<>(){}", start);
      if (end == std::string_view::npos) end = text.size();
      const std::string_view word = text.substr(start, end - start);
      if (LooksLikeAddress(word)) Add(std::string(word), "", raw, false);
      pos = end;
    }
  }

  std::string_view s_;
  size_t max_addresses_;
  AddressReadings& out_;
  Piece piece_;
};

}  // namespace

bool LooksLikeAddress(std::string_view text) {
  if (text.size() > kMaxAddressBytes) return false;
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size()) return false;
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) <= ' ' || text[i] == '<' || text[i] == '>' ||
        text[i] == '"')
      return false;
  }
  return true;
}

std::vector<std::string> BracketedAddresses(std::string_view text, size_t max_addresses) {
  std::vector<std::string> out;
  size_t last = 0;
  for (size_t close = text.find('>'); close != std::string_view::npos && out.size() < max_addresses;
       last = close + 1, close = text.find('>', last)) {
    const size_t from = std::max(last, close > kMaxAddressBytes ? close - kMaxAddressBytes : 0);
    const std::string_view before = text.substr(from, close - from);
    const size_t open = before.rfind('<');
    if (open == std::string_view::npos) continue;
    std::string spec = CleanSpec(before.substr(open + 1));
    if (LooksLikeAddress(spec)) out.push_back(std::move(spec));
  }
  return out;
}

AddressReadings ReadAddresses(std::string_view value, size_t max_addresses) {
  AddressReadings out;
  FieldReader(value, max_addresses, out).Run();
  if (value.find('<') != std::string_view::npos) {
    for (std::string& spec : BracketedAddresses(value, max_addresses)) {
      const bool known = std::any_of(out.addresses.begin(), out.addresses.end(),
                                     [&](const AddressReading& a) { return a.address == spec; });
      if (known) continue;
      AddOnce(out.oddities, "address:hidden_bracket");
      out.clean = false;
      if (out.addresses.size() >= max_addresses) {
        out.cut = true;
        break;
      }
      out.addresses.push_back(
          {std::move(spec), "", std::string(value.substr(0, kMaxRawBytes)), false});
    }
  }
  return out;
}

}  // namespace mailreeve::mail
