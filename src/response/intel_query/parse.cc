#include "base/text.h"
#include "response/intel_query/query.h"

#include <charconv>

namespace mailreeve::response::intel_query {
namespace {

using Kind = Node::Kind;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
// Ends a bare word unless escaped.
bool IsSpecial(char c) {
  return IsSpace(c) || c == '(' || c == ')' || c == '[' || c == ']' || c == '{' || c == '}' ||
         c == '"' || c == '^' || c == '~';
}

// Text with escapes taken out, and its wildcards apart.
struct Word {
  std::string text;
  std::vector<Node::Piece> pattern;
  bool wild = false;
};

class Parser {
 public:
  Parser(std::string_view query, const Limits& limits, Time now)
      : in_(query), limits_(limits), now_(now) {}

  Result<Node> Parse() {
    SkipSpace();
    if (at_ == in_.size()) return Wrong("the query is empty");
    TRY(Node node, ParseOr("", 0));
    SkipSpace();
    if (at_ != in_.size()) return Wrong("unexpected '" + std::string(1, in_[at_]) + "'");
    return node;
  }

 private:
  tl::unexpected<Error> Wrong(const std::string& what) const {
    return Fail(Code::kInvalid, "query, at character " + std::to_string(at_ + 1) + ": " + what);
  }
  void SkipSpace() {
    while (at_ < in_.size() && IsSpace(in_[at_])) ++at_;
  }
  // A whole word AND, OR, NOT; the rest of the input must not go on with a word character.
  bool Keyword(std::string_view word) {
    if (in_.substr(at_, word.size()) != word) return false;
    const size_t end = at_ + word.size();
    if (end < in_.size() && !IsSpace(in_[end]) && in_[end] != '(' && in_[end] != ')') return false;
    at_ = end;
    return true;
  }
  bool Symbol(std::string_view symbol) {
    if (in_.substr(at_, symbol.size()) != symbol) return false;
    at_ += symbol.size();
    return true;
  }
  bool AtOr() {
    SkipSpace();
    const size_t before = at_;
    if (Keyword("OR") || Symbol("||")) return true;
    at_ = before;
    return false;
  }
  bool AtAnd() {
    SkipSpace();
    const size_t before = at_;
    if (Keyword("AND") || Symbol("&&")) return true;
    at_ = before;
    return false;
  }

  struct Clause {
    Node node;
    bool required = false;
  };

  Result<Node> ParseOr(const std::string& field, size_t depth) {
    if (depth > limits_.max_depth) {
      return Fail(Code::kLimited,
                  "query: it is nested more than " + std::to_string(limits_.max_depth) + " deep");
    }
    Node node{.kind = Kind::kOr};
    Node required{.kind = Kind::kAnd};
    do {
      TRY(Clause clause, ParseAnd(field, depth));
      if (clause.required) required.children.push_back(clause.node);
      node.children.push_back(std::move(clause.node));
    } while (AtOr());
    if (node.children.size() == 1) return std::move(node.children.front());
    // Beside a clause with '+', those without are only wishes.
    if (!required.children.empty()) return required;
    return node;
  }

  Result<Clause> ParseAnd(const std::string& field, size_t depth) {
    Node node{.kind = Kind::kAnd};
    bool required = false;
    while (true) {
      TRY(Clause clause, ParseNot(field, depth));
      required = required || clause.required;
      node.children.push_back(std::move(clause.node));
      if (AtAnd()) continue;
      SkipSpace();
      if (at_ == in_.size() || in_[at_] == ')') break;
      const size_t before = at_;
      if (Keyword("OR") || Symbol("||")) {
        at_ = before;
        break;
      }
      // Two clauses side by side: the default operator is AND.
    }
    if (node.children.size() == 1) return Clause{std::move(node.children.front()), required};
    return Clause{std::move(node), required};
  }

  Result<Clause> ParseNot(const std::string& field, size_t depth) {
    if (depth > limits_.max_depth) {
      return Fail(Code::kLimited,
                  "query: it is nested more than " + std::to_string(limits_.max_depth) + " deep");
    }
    SkipSpace();
    bool negated = false, required = false;
    if (Keyword("NOT")) {
      negated = true;
    } else if (at_ < in_.size() && (in_[at_] == '!' || in_[at_] == '-')) {
      ++at_;
      negated = true;
    } else if (at_ < in_.size() && in_[at_] == '+') {
      ++at_;
      required = true;
    }
    if (negated) {
      TRY(Clause inner, ParseNot(field, depth + 1));
      Node node{.kind = Kind::kNot};
      node.children.push_back(std::move(inner.node));
      return Clause{std::move(node), false};
    }
    TRY(Node node, ParsePrimary(field, depth));
    return Clause{std::move(node), required};
  }

  Result<void> CountTerm(bool wild) {
    if (++terms_ > limits_.max_terms) {
      return Fail(Code::kLimited,
                  "query: it has more than " + std::to_string(limits_.max_terms) + " terms");
    }
    if (wild && ++wildcards_ > limits_.max_wildcards) {
      return Fail(Code::kLimited, "query: it has more than " +
                                      std::to_string(limits_.max_wildcards) + " wildcards");
    }
    return {};
  }

  // "^2" weighs and "~3" loosens; neither changes what is found here but a loosened word, which is
  // refused rather than misread.
  Result<void> SkipWeight(bool phrase) {
    while (at_ < in_.size() && (in_[at_] == '^' || in_[at_] == '~')) {
      if (in_[at_] == '~' && !phrase)
        return Wrong("fuzzy search with '~' is not offered; escape it as \\~");
      const size_t start = ++at_;
      while (at_ < in_.size() && ((in_[at_] >= '0' && in_[at_] <= '9') || in_[at_] == '.')) ++at_;
      if (at_ == start && in_[start - 1] == '^') return Wrong("a number after '^' is missing");
    }
    return {};
  }

  Result<Node> ParsePrimary(const std::string& field, size_t depth) {
    SkipSpace();
    if (at_ == in_.size()) return Wrong("a term is missing");
    const char c = in_[at_];
    if (c == '(') {
      ++at_;
      TRY(Node node, ParseOr(field, depth + 1));
      SkipSpace();
      if (at_ == in_.size() || in_[at_] != ')') return Wrong("a ')' is missing");
      ++at_;
      TRY_VOID(SkipWeight(false));
      return node;
    }
    if (c == '"') return ParsePhrase(field);
    if (c == '[' || c == '{') return ParseRange(field);
    if (c == '/' && !field.empty()) return Wrong("regular expressions are not offered");
    if (c == '>' || c == '<') return ParseComparison(field);
    if (c == ')' || c == ']' || c == '}' || c == '^' || c == '~')
      return Wrong("unexpected '" + std::string(1, c) + "'");

    // "name:" makes what follows a search in that field.
    if (field.empty()) {
      const size_t before = at_;
      TRY(const Word name, ReadWord(/*stop_at_colon=*/true));
      if (at_ < in_.size() && in_[at_] == ':' && !name.text.empty()) {
        ++at_;
        if (name.text == "*" || (name.wild && name.pattern.size() == 1)) {
          TRY_VOID(CountTerm(false));
          TRY(const Word value, ReadWord(false));
          if (value.text == "*") return Node{};
          at_ = before;
          return Wrong("'*:' takes only '*'");
        }
        if (name.wild) return Wrong("a field's name takes no wildcards");
        if (name.text == "_exists_") {
          TRY(const Word value, ReadWord(false));
          if (value.text.empty() || value.wild) return Wrong("_exists_: takes the name of a field");
          TRY_VOID(CountTerm(false));
          return Node{.kind = Kind::kExists, .field = value.text};
        }
        if (at_ < in_.size() && IsSpace(in_[at_])) SkipSpace();
        if (at_ == in_.size()) return Wrong("a value for " + name.text + " is missing");
        return ParsePrimary(name.text, depth);
      }
      at_ = before;
    }
    return ParseTerm(field);
  }

  // Up to the first special character; `\` takes the next one as it is.
  Result<Word> ReadWord(bool stop_at_colon) {
    Word word;
    std::string run;
    const auto flush = [&] {
      if (!run.empty()) word.pattern.push_back({Node::Piece::kText, std::move(run)});
      run.clear();
    };
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        if (at_ + 1 == in_.size()) return Wrong("nothing follows the '\\'");
        const char next = in_[at_ + 1];
        word.text += next;
        run += next;
        at_ += 2;
        continue;
      }
      if (IsSpecial(c) || (stop_at_colon && c == ':')) break;
      if (c == '*' || c == '?') {
        flush();
        const Node::Piece piece{c == '*' ? Node::Piece::kMany : Node::Piece::kOne, ""};
        if (word.pattern.empty() || c == '?' || !(word.pattern.back() == piece))
          word.pattern.push_back(piece);
        word.wild = true;
      } else {
        run += c;
      }
      word.text += c;
      ++at_;
    }
    flush();
    return word;
  }

  Result<Node> ParseTerm(const std::string& field) {
    const size_t start = at_;
    TRY(const Word word, ReadWord(false));
    if (at_ == start) return Wrong("a term is missing");
    const std::string_view raw = in_.substr(start, at_ - start);
    if (raw == "AND" || raw == "OR" || raw == "NOT" || raw == "&&" || raw == "||") {
      at_ = start;
      return Wrong("'" + std::string(raw) + "' stands where a term is expected");
    }
    TRY_VOID(SkipWeight(false));
    TRY_VOID(CountTerm(word.wild));
    if (word.wild && word.pattern.size() == 1 && word.pattern[0].kind == Node::Piece::kMany) {
      if (field.empty()) return Node{};
      return Node{.kind = Kind::kExists, .field = field};
    }
    if (word.wild) {
      return Node{
          .kind = Kind::kWildcard, .field = field, .text = word.text, .pattern = word.pattern};
    }
    return Node{.kind = Kind::kTerm, .field = field, .text = word.text};
  }

  Result<std::string> ReadQuoted() {
    std::string text;
    ++at_;
    while (true) {
      if (at_ == in_.size()) return Wrong("the closing '\"' is missing");
      const char c = in_[at_++];
      if (c == '"') return text;
      if (c == '\\') {
        if (at_ == in_.size()) return Wrong("the closing '\"' is missing");
        text += in_[at_++];
      } else {
        text += c;
      }
    }
  }

  Result<Node> ParsePhrase(const std::string& field) {
    TRY(std::string text, ReadQuoted());
    TRY_VOID(SkipWeight(true));
    TRY_VOID(CountTerm(false));
    return Node{.kind = Kind::kPhrase, .field = field, .text = std::move(text)};
  }

  Result<std::optional<Node::Bound>> ReadBound(bool inclusive) {
    SkipSpace();
    std::string text;
    if (at_ < in_.size() && in_[at_] == '"') {
      TRY(text, ReadQuoted());
    } else {
      const size_t start = at_;
      TRY(const Word word, ReadWord(false));
      if (at_ == start) return Wrong("a bound of the range is missing");
      if (word.text == "*" && word.wild) return std::optional<Node::Bound>();
      text = word.text;
    }
    return std::optional<Node::Bound>(Node::Bound{DateMath(std::move(text)), inclusive});
  }

  Result<Node> ParseRange(const std::string& field) {
    if (field.empty()) return Wrong("a range needs the name of a field before it");
    const bool low_inclusive = in_[at_++] == '[';
    Node node{.kind = Kind::kRange, .field = field};
    TRY(node.low, ReadBound(low_inclusive));
    SkipSpace();
    if (!Keyword("TO")) return Wrong("'TO' is missing in the range");
    // The bracket decides about the upper bound; it stands behind it.
    TRY(node.high, ReadBound(true));
    SkipSpace();
    if (at_ == in_.size() || (in_[at_] != ']' && in_[at_] != '}'))
      return Wrong("the range is not closed by ']' or '}'");
    if (node.high) node.high->inclusive = in_[at_] == ']';
    ++at_;
    TRY_VOID(SkipWeight(false));
    TRY_VOID(CountTerm(false));
    return node;
  }

  Result<Node> ParseComparison(const std::string& field) {
    if (field.empty()) return Wrong("a comparison needs the name of a field before it");
    const bool greater = in_[at_++] == '>';
    bool inclusive = false;
    if (at_ < in_.size() && in_[at_] == '=') {
      ++at_;
      inclusive = true;
    }
    TRY(const std::optional<Node::Bound> bound, ReadBound(inclusive));
    TRY_VOID(CountTerm(false));
    Node node{.kind = Kind::kRange, .field = field};
    (greater ? node.low : node.high) = bound;
    return node;
  }

  // "now-7d", "now+1h": anything else is left as it is.
  std::string DateMath(std::string text) const {
    if (text.substr(0, 3) != "now") return text;
    std::string_view rest = std::string_view(text).substr(3);
    Time time = now_;
    while (!rest.empty()) {
      const bool minus = rest[0] == '-';
      if (!minus && rest[0] != '+') return text;
      rest.remove_prefix(1);
      int64_t count = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
      if (error != std::errc() || count < 0 || count > 1000000) return text;
      rest.remove_prefix(static_cast<size_t>(end - rest.data()));
      if (rest.empty()) return text;
      std::chrono::seconds unit{};
      switch (rest[0]) {
        case 's':
          unit = std::chrono::seconds(1);
          break;
        case 'm':
          unit = std::chrono::minutes(1);
          break;
        case 'h':
        case 'H':
          unit = std::chrono::hours(1);
          break;
        case 'd':
          unit = std::chrono::hours(24);
          break;
        case 'w':
          unit = std::chrono::hours(24 * 7);
          break;
        case 'M':
          unit = std::chrono::hours(24 * 30);
          break;
        case 'y':
          unit = std::chrono::hours(24 * 365);
          break;
        default:
          return text;
      }
      if (unit * count > std::chrono::hours(24 * 365 * 1000)) return text;
      time += minus ? -unit * count : unit * count;
      rest.remove_prefix(1);
    }
    return FormatTime(time);
  }

  std::string_view in_;
  const Limits& limits_;
  Time now_;
  size_t at_ = 0, terms_ = 0, wildcards_ = 0;
};

void Print(const Node& node, std::string& out) {
  const std::string field = node.field.empty() ? "" : node.field + ":";
  const auto children = [&](const char* word) {
    out += std::string("(") + word;
    for (const Node& child : node.children) {
      out += ' ';
      Print(child, out);
    }
    out += ')';
  };
  switch (node.kind) {
    case Kind::kAll:
      out += "*";
      break;
    case Kind::kAnd:
      children("and");
      break;
    case Kind::kOr:
      children("or");
      break;
    case Kind::kNot:
      children("not");
      break;
    case Kind::kTerm:
      out += field + node.text;
      break;
    case Kind::kPhrase:
      out += field + '"' + node.text + '"';
      break;
    case Kind::kWildcard:
      out += field + '~' + node.text;
      break;
    case Kind::kExists:
      out += "_exists_:" + node.field;
      break;
    case Kind::kRange:
      out += field + (node.low ? (node.low->inclusive ? "[" : "{") + node.low->text : "[*");
      out += " TO ";
      out += node.high ? node.high->text + (node.high->inclusive ? "]" : "}") : "*]";
      break;
  }
}

}  // namespace

Result<Node> ParseQuery(std::string_view query, const Limits& limits, Time now) {
  if (query.size() > limits.max_bytes) {
    return Fail(Code::kLimited,
                "query: it is longer than " + std::to_string(limits.max_bytes) + " bytes");
  }
  if (!IsValidUtf8(query)) return Fail(Code::kInvalid, "query: it is not UTF-8");
  return Parser(query, limits, now).Parse();
}

std::string ToString(const Node& node) {
  std::string out;
  Print(node, out);
  return out;
}

}  // namespace mailreeve::response::intel_query
