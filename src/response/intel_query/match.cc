#include "response/intel_query/match.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace mailreeve::response::intel_query {
namespace {

using Kind = Node::Kind;
constexpr size_t kMaxWordBytes = 64;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsUuid(std::string_view text) {
  return text.size() == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' &&
         text[23] == '-' && IsHex(text.substr(0, 8)) && IsHex(text.substr(9, 4)) &&
         IsHex(text.substr(14, 4)) && IsHex(text.substr(19, 4)) && IsHex(text.substr(24));
}

char32_t Fold(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c >= 0x0391 && c <= 0x03A9 && c != 0x03A2) return c + 32;
  if (c >= 0x0410 && c <= 0x042F) return c + 32;
  if (c >= 0x0400 && c <= 0x040F) return c + 80;
  return c;
}

bool IsLetterOrDigit(char32_t c) {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  // General punctuation, CJK punctuation, full-width punctuation, no-break spaces, the replacement
  // character.
  if (c < 0xC0 || c == 0xD7 || c == 0xF7) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if ((c >= 0x2000 && c <= 0x206F) || (c >= 0x2190 && c <= 0x2BFF)) return false;
  if (c >= 0x3000 && c <= 0x303F) return false;
  if ((c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20)) return false;
  return c != 0xFFFD;
}

bool IsIdeograph(char32_t c) {
  return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

std::optional<double> NumberOf(std::string_view text) {
  if (text.empty() || text.size() > 64) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

bool LooksLikeDate(std::string_view text) {
  return text.size() >= 4 && text.size() <= 40 && text[0] >= '0' && text[0] <= '9' &&
         (text.size() == 4 || text[4] == '-');
}

// A date may be short: "2026", "2026-01", "2026-01-02", "2026-01-02T10:00". As an upper inclusive
// bound it means its whole span.
std::optional<Time> DateOf(std::string_view text, bool end_of_span) {
  if (!LooksLikeDate(text)) return std::nullopt;
  if (const auto time = ParseTime(text)) return *time;
  static constexpr std::string_view kRest = "0000-01-01T00:00:00Z";
  std::string full(text);
  std::chrono::microseconds span{0};
  switch (text.size()) {
    case 4:
      span = std::chrono::hours(24 * 365);
      break;
    case 7:
      span = std::chrono::hours(24 * 28);
      break;
    case 10:
      span = std::chrono::hours(24);
      break;
    case 16:
      span = std::chrono::minutes(1);
      break;
    case 19:
      span = std::chrono::seconds(1);
      break;
    default:
      return std::nullopt;
  }
  full += kRest.substr(text.size());
  const auto time = ParseTime(full);
  if (!time) return std::nullopt;
  return end_of_span ? *time + span - std::chrono::microseconds(1) : *time;
}

std::string TextOf(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (value.is_null()) return "";
  return json::Serialize(value);
}

// Backtracks to the last '*' only: time is at most the product of both lengths.
bool Glob(const std::vector<Node::Piece>& pattern, std::string_view text) {
  // Character by character: pieces of text are flattened once.
  struct Unit {
    Node::Piece::Kind kind;
    char c;
  };
  std::vector<Unit> units;
  for (const Node::Piece& piece : pattern) {
    if (piece.kind != Node::Piece::kText) {
      units.push_back({piece.kind, 0});
      continue;
    }
    for (const char c : FoldCase(piece.text)) units.push_back({Node::Piece::kText, c});
  }
  size_t u = 0, t = 0, star = std::string::npos, resume = 0;
  const auto char_end = [&](size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return at;
  };
  while (t < text.size()) {
    if (u < units.size() && units[u].kind == Node::Piece::kMany) {
      star = u++;
      resume = t;
    } else if (u < units.size() && units[u].kind == Node::Piece::kOne) {
      ++u;
      t = char_end(t);
    } else if (u < units.size() && units[u].kind == Node::Piece::kText && units[u].c == text[t]) {
      ++u;
      ++t;
    } else if (star != std::string::npos) {
      u = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (u < units.size() && units[u].kind == Node::Piece::kMany) ++u;
  return u == units.size();
}

bool HasWordsInRow(const std::vector<std::string>& words, const std::vector<std::string>& row) {
  if (row.empty() || row.size() > words.size()) return false;
  return std::search(words.begin(), words.end(), row.begin(), row.end()) != words.end();
}

// What is compared is prepared once for a leaf and all its values.
class Leaf {
 public:
  Leaf(const Node& node, std::string_view field, bool any_field)
      : node_(node), id_(IsIdField(field)), by_word_(!id_ && (any_field || IsTextField(field))) {
    if (node.kind == Kind::kTerm || node.kind == Kind::kPhrase) {
      folded_ = FoldCase(id_ ? ShortIdOf(node.text) : std::string_view(node.text));
      if (by_word_) words_ = WordsOf(node.text);
      number_ = NumberOf(node.text);
    } else if (node.kind == Kind::kWildcard && id_) {
      const std::string_view short_id = ShortIdOf(node.text);
      if (short_id.size() != node.text.size()) folded_ = std::string(short_id);
    }
  }

  bool Fits(const json::value& value) const {
    const std::string raw = TextOf(value);
    switch (node_.kind) {
      case Kind::kTerm:
      case Kind::kPhrase:
        return FitsText(value, raw);
      case Kind::kWildcard:
        return FitsPattern(raw);
      case Kind::kRange:
        return FitsRange(value, raw);
      default:
        return false;
    }
  }

 private:
  bool FitsText(const json::value& value, const std::string& raw) const {
    const std::string folded = FoldCase(id_ ? ShortIdOf(raw) : std::string_view(raw));
    if (folded == folded_) return true;
    if (value.is_number()) {
      const auto number = NumberOf(raw);
      return number && number_ && *number == *number_;
    }
    if (by_word_) return HasWordsInRow(WordsOf(raw), words_);
    if (LooksLikeDate(raw) && LooksLikeDate(node_.text)) {
      const auto have = ParseTime(raw);
      const auto low = DateOf(node_.text, false), high = DateOf(node_.text, true);
      return have && low && high && *have >= *low && *have <= *high;
    }
    return false;
  }

  bool FitsPattern(const std::string& raw) const {
    if (id_) {
      const std::string folded = FoldCase(raw);
      if (!folded_.empty()) return ShortIdOf(folded) == folded_;
      return Glob(node_.pattern, folded) || Glob(node_.pattern, ShortIdOf(folded));
    }
    if (Glob(node_.pattern, FoldCase(raw))) return true;
    if (!by_word_) return false;
    for (const std::string& word : WordsOf(raw)) {
      if (Glob(node_.pattern, word)) return true;
    }
    return false;
  }

  bool FitsRange(const json::value& value, const std::string& raw) const {
    const auto inside = [&](const auto& have, const auto& convert) -> std::optional<bool> {
      if (node_.low) {
        const auto low = convert(node_.low->text, !node_.low->inclusive);
        if (!low) return std::nullopt;
        if (node_.low->inclusive ? have < *low : have <= *low) return false;
      }
      if (node_.high) {
        const auto high = convert(node_.high->text, node_.high->inclusive);
        if (!high) return std::nullopt;
        if (node_.high->inclusive ? have > *high : have >= *high) return false;
      }
      return true;
    };
    if (value.is_number()) {
      const auto have = NumberOf(raw);
      return have && inside(*have, [](const std::string& text, bool) {
                       return NumberOf(text);
                     }).value_or(false);
    }
    if (LooksLikeDate(raw)) {
      if (const auto have = ParseTime(raw)) {
        if (const auto found = inside(
                *have, [](const std::string& text, bool end) { return DateOf(text, end); })) {
          return *found;
        }
      }
    }
    return inside(FoldCase(raw), [](const std::string& text,
                                    bool) { return std::optional<std::string>(FoldCase(text)); })
        .value_or(false);
  }

  const Node& node_;
  bool id_, by_word_;
  std::string folded_;
  std::vector<std::string> words_;
  std::optional<double> number_;
};

bool Exists(const json::value& value, std::string_view path);

bool ExistsIn(const json::object& object, std::string_view path) {
  const size_t dot = path.find('.');
  const json::value* next = object.if_contains(path.substr(0, dot));
  return next != nullptr &&
         Exists(*next, dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1));
}

bool Exists(const json::value& value, std::string_view path) {
  if (value.is_null()) return false;
  if (const json::array* list = value.if_array()) {
    return std::any_of(list->begin(), list->end(),
                       [&](const json::value& item) { return Exists(item, path); });
  }
  if (path.empty()) return true;
  const json::object* object = value.if_object();
  return object != nullptr && ExistsIn(*object, path);
}

bool EachIn(const json::value& value, std::string_view path,
            const std::function<bool(const json::value&)>& visit) {
  if (const json::array* list = value.if_array()) {
    for (const json::value& item : *list) {
      if (!EachIn(item, path, visit)) return false;
    }
    return true;
  }
  if (path.empty()) return value.is_null() || value.is_object() || visit(value);
  const json::object* object = value.if_object();
  return object == nullptr || ForEachValue(*object, path, visit);
}

bool LeafMatches(const Node& node, const json::object& document,
                 const std::vector<std::string>& searched) {
  bool found = false;
  const auto look = [&](std::string_view field, bool any_field) {
    const Leaf leaf(node, field, any_field);
    ForEachValue(document, field, [&](const json::value& value) {
      found = leaf.Fits(value);
      return !found;
    });
  };
  if (!node.field.empty()) {
    look(node.field, false);
    return found;
  }
  for (const std::string& field : searched) {
    look(field, true);
    if (found) return true;
  }
  return false;
}

}  // namespace

bool ForEachValue(const json::object& document, std::string_view path,
                  const std::function<bool(const json::value&)>& visit) {
  const size_t dot = path.find('.');
  const json::value* next = document.if_contains(path.substr(0, dot));
  if (next == nullptr) return true;
  return EachIn(*next, dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1),
                visit);
}

std::string FoldCase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    const unsigned char c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      out += AsciiLower(text[at++]);
      continue;
    }
    const size_t start = at;
    const char32_t code = NextCodePoint(text, at);
    const char32_t folded = Fold(code);
    if (folded == code) {
      out.append(text.substr(start, at - start));
    } else {
      AppendUtf8(out, folded);
    }
  }
  return out;
}

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (word.empty()) return;
    if (word.size() > kMaxWordBytes) word.resize(CutUtf8(word, kMaxWordBytes).size());
    words.push_back(std::move(word));
    word.clear();
  };
  size_t at = 0;
  while (at < text.size()) {
    const char32_t c = NextCodePoint(text, at);
    if (!IsLetterOrDigit(c)) {
      end_word();
    } else if (IsIdeograph(c)) {
      end_word();
      AppendUtf8(word, c);
      end_word();
    } else {
      AppendUtf8(word, Fold(c));
    }
  }
  end_word();
  return words;
}

std::string_view ShortIdOf(std::string_view text) {
  if (text.size() < 38 || !IsUuid(text.substr(text.size() - 36))) return text;
  size_t start = text.size() - 36;
  if (text[start - 1] != '-') return text;
  --start;
  while (start > 0 &&
         ((text[start - 1] >= 'a' && text[start - 1] <= 'z') || text[start - 1] == '-'))
    --start;
  return text.substr(start);
}

bool IsIdField(std::string_view field) {
  const auto ends = [&](std::string_view tail) { return field.ends_with(tail); };
  return field == "id" || ends("_ref") || ends("_refs") || ends("indicator_id") ||
         ends("entity_id") || ends("entity.id") || ends("judgement_id") || ends("object_ids") ||
         ends("indicator_ids") || ends("COA_id");
}

bool IsTextField(std::string_view field) {
  const size_t dot = field.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? field : field.substr(dot + 1);
  return last == "title" || last == "description" || last == "short_description" ||
         last == "reason" || last == "content" || last == "text" || last == "likely_impact" ||
         last == "impact" || last == "planning_and_operational_support" || last == "author" ||
         last == "tips";
}

bool Matches(const Node& node, const json::object& document,
             const std::vector<std::string>& searched) {
  switch (node.kind) {
    case Kind::kAll:
      return true;
    case Kind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(),
                         [&](const Node& child) { return Matches(child, document, searched); });
    case Kind::kOr:
      return std::any_of(node.children.begin(), node.children.end(),
                         [&](const Node& child) { return Matches(child, document, searched); });
    case Kind::kNot:
      return !Matches(node.children.front(), document, searched);
    case Kind::kExists:
      return ExistsIn(document, node.field);
    case Kind::kTerm:
    case Kind::kPhrase:
    case Kind::kWildcard:
    case Kind::kRange:
      return LeafMatches(node, document, searched);
  }
  return false;
}

}  // namespace mailreeve::response::intel_query
