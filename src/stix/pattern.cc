#include "stix/pattern.h"

#include "base/text.h"

#include <fmt/format.h>

#include <optional>

namespace mailreeve::stix {
namespace {

enum class Mark { kEnd, kWord, kText, kNumber, kSymbol };

struct Token {
  Mark mark = Mark::kEnd;
  std::string text;  // of kText: unescaped
  size_t at = 0;
};

bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordChar(char c) { return IsWordStart(c) || IsDigit(c) || c == '-'; }

// What is said by a part of a pattern.
struct Meaning {
  std::vector<Term> terms;
  bool whole = true;

  static Meaning Nothing() { return {{}, false}; }
};

bool IsHash(const Term& term) { return term.path.starts_with("file:hashes"); }

bool AllHashes(const Meaning& meaning) {
  if (meaning.terms.empty()) return false;
  for (const auto& term : meaning.terms)
    if (!IsHash(term)) return false;
  return true;
}

void Or(Meaning& into, Meaning other) {
  into.whole &= other.whole;
  into.terms.insert(into.terms.end(), std::make_move_iterator(other.terms.begin()),
                    std::make_move_iterator(other.terms.end()));
}

// Both must hold, so neither suffices, unless one names the file itself.
void And(Meaning& into, Meaning other) {
  const bool left = AllHashes(into), right = AllHashes(other);
  if (left && right) {
    Or(into, std::move(other));
  } else if (right) {
    into = std::move(other);
  } else if (!left) {
    into = Meaning::Nothing();
  }
  into.whole = false;
}

class Reader {
 public:
  Reader(std::string_view text, const PatternLimits& limits) : text_(text), limits_(limits) {}

  Result<Pattern> Read() {
    if (text_.size() > limits_.max_bytes) {
      return Fail(Code::kLimited,
                  fmt::format("the pattern is longer than {} bytes", limits_.max_bytes));
    }
    TRY_VOID(Next());
    TRY(Meaning meaning, Followed());
    if (token_.mark != Mark::kEnd) return Unexpected("the end");
    return Pattern{std::move(meaning.terms), meaning.whole};
  }

 private:
  tl::unexpected<Error> Unexpected(std::string_view wanted) const {
    const std::string found =
        token_.mark == Mark::kEnd ? "the end" : "'" + std::string(CutUtf8(token_.text, 40)) + "'";
    return Fail(Code::kInvalid,
                fmt::format("pattern, byte {}: {} is wanted, not {}", token_.at, wanted, found));
  }

  bool Is(std::string_view symbol) const {
    return token_.mark == Mark::kSymbol && token_.text == symbol;
  }
  bool IsWord(std::string_view word) const {
    return token_.mark == Mark::kWord && token_.text == word;
  }
  Result<void> Take(std::string_view symbol) {
    if (!Is(symbol)) return Unexpected("'" + std::string(symbol) + "'");
    return Next();
  }

  void SkipSpace() {
    while (pos_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[pos_]);
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++pos_;
      } else if (text_.substr(pos_, 2) == "//") {
        while (pos_ < text_.size() && text_[pos_] != '\n') ++pos_;
      } else if (text_.substr(pos_, 2) == "/*") {
        const size_t end = text_.find("*/", pos_ + 2);
        pos_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  Result<void> Next() {
    SkipSpace();
    token_ = {Mark::kEnd, {}, pos_};
    if (pos_ >= text_.size()) return {};
    const char c = text_[pos_];
    const char next = pos_ + 1 < text_.size() ? text_[pos_ + 1] : '\0';
    if (c == '\'') return ReadText();
    // Typed texts: hex, binary, timestamp. Their content is kept as written.
    if ((c == 'h' || c == 'b' || c == 't') && next == '\'') {
      ++pos_;
      return ReadText();
    }
    if (IsDigit(c) || ((c == '-' || c == '+') && IsDigit(next))) {
      token_.mark = Mark::kNumber;
      const size_t start = pos_++;
      while (pos_ < text_.size() && (IsDigit(text_[pos_]) || text_[pos_] == '.')) ++pos_;
      token_.text = std::string(text_.substr(start, pos_ - start));
      return {};
    }
    if (IsWordStart(c)) {
      token_.mark = Mark::kWord;
      const size_t start = pos_++;
      while (pos_ < text_.size() && IsWordChar(text_[pos_])) ++pos_;
      token_.text = std::string(text_.substr(start, pos_ - start));
      return {};
    }
    token_.mark = Mark::kSymbol;
    for (const std::string_view two : {"==", "!=", "<>", "<=", ">="}) {
      if (text_.substr(pos_, 2) != two) continue;
      token_.text = std::string(two);
      pos_ += 2;
      return {};
    }
    if (std::string_view("[]().,:=<>*").find(c) == std::string_view::npos) {
      token_.text = std::string(1, c);
      return Unexpected("a part of a pattern");
    }
    token_.text = std::string(1, c);
    ++pos_;
    return {};
  }

  Result<void> ReadText() {
    token_.mark = Mark::kText;
    for (++pos_; pos_ < text_.size(); ++pos_) {
      char c = text_[pos_];
      if (c == '\'') {
        ++pos_;
        return {};
      }
      if (c == '\\' && pos_ + 1 < text_.size()) c = text_[++pos_];
      token_.text.push_back(c);
    }
    return Fail(Code::kInvalid, fmt::format("pattern, byte {}: a text has no end", token_.at));
  }

  Result<void> Deeper() {
    if (++depth_ <= limits_.max_depth) return {};
    return Fail(Code::kLimited,
                fmt::format("the pattern is nested more than {} deep", limits_.max_depth));
  }
  Result<void> CountTerm() {
    if (++terms_ <= limits_.max_terms) return {};
    return Fail(Code::kLimited,
                fmt::format("the pattern has more than {} terms", limits_.max_terms));
  }

  // ---- Observations -----------------------------------------------------------------------------

  Result<Meaning> Followed() {
    TRY(Meaning out, ObservationOr());
    while (IsWord("FOLLOWEDBY")) {
      TRY_VOID(Next());
      TRY(const Meaning other, ObservationOr());
      out = Meaning::Nothing();
    }
    return out;
  }

  Result<Meaning> ObservationOr() {
    TRY(Meaning out, ObservationAnd());
    while (IsWord("OR")) {
      TRY_VOID(Next());
      TRY(Meaning other, ObservationAnd());
      Or(out, std::move(other));
    }
    return out;
  }

  // Two observations: one file's hash does not tell the other.
  Result<Meaning> ObservationAnd() {
    TRY(Meaning out, Observation());
    while (IsWord("AND")) {
      TRY_VOID(Next());
      TRY(const Meaning other, Observation());
      out = Meaning::Nothing();
    }
    return out;
  }

  Result<Meaning> Observation() {
    TRY_VOID(Deeper());
    Meaning out;
    if (Is("[")) {
      TRY_VOID(Next());
      TRY(out, ComparisonOr());
      TRY_VOID(Take("]"));
    } else if (Is("(")) {
      TRY_VOID(Next());
      TRY(out, Followed());
      TRY_VOID(Take(")"));
    } else {
      return Unexpected("'['");
    }
    --depth_;
    while (IsWord("WITHIN") || IsWord("REPEATS") || IsWord("START")) {
      TRY_VOID(Qualifier());
      out.whole = false;
    }
    return out;
  }

  Result<void> Qualifier() {
    const bool start = IsWord("START");
    const std::string_view unit = IsWord("WITHIN") ? "SECONDS" : "TIMES";
    TRY_VOID(Next());
    if (token_.mark != Mark::kNumber && token_.mark != Mark::kText)
      return Unexpected("a number or time");
    TRY_VOID(Next());
    if (!start) {
      if (!IsWord(unit)) return Unexpected(unit);
      return Next();
    }
    if (!IsWord("STOP")) return Unexpected("STOP");
    TRY_VOID(Next());
    if (token_.mark != Mark::kText) return Unexpected("a time");
    return Next();
  }

  // ---- Comparisons ------------------------------------------------------------------------------

  Result<Meaning> ComparisonOr() {
    TRY(Meaning out, ComparisonAnd());
    while (IsWord("OR")) {
      TRY_VOID(Next());
      TRY(Meaning other, ComparisonAnd());
      Or(out, std::move(other));
    }
    return out;
  }

  Result<Meaning> ComparisonAnd() {
    TRY(Meaning out, Comparison());
    while (IsWord("AND")) {
      TRY_VOID(Next());
      TRY(Meaning other, Comparison());
      And(out, std::move(other));
    }
    return out;
  }

  Result<Meaning> Comparison() {
    bool plain = true;  // what follows says what a value is, not what it is not
    if (IsWord("NOT")) {
      plain = false;
      TRY_VOID(Next());
    }
    if (Is("(")) {
      TRY_VOID(Deeper());
      TRY_VOID(Next());
      TRY(Meaning out, ComparisonOr());
      TRY_VOID(Take(")"));
      --depth_;
      return plain ? std::move(out) : Meaning::Nothing();
    }
    TRY_VOID(CountTerm());
    if (IsWord("EXISTS")) {
      TRY_VOID(Next());
      TRY(const std::string path, Path());
      return Meaning::Nothing();
    }
    TRY(const std::string path, Path());
    if (IsWord("NOT")) {
      plain = false;
      TRY_VOID(Next());
    }
    if (IsWord("IN")) {
      TRY_VOID(Next());
      TRY(Meaning out, Set(path));
      return plain ? std::move(out) : Meaning::Nothing();
    }
    bool equal = false;
    if (Is("=") || Is("==")) {
      equal = true;
    } else if (!(Is("!=") || Is("<>") || Is("<") || Is(">") || Is("<=") || Is(">=") ||
                 IsWord("LIKE") || IsWord("MATCHES") || IsWord("ISSUBSET") ||
                 IsWord("ISSUPERSET"))) {
      return Unexpected("a comparison");
    }
    TRY_VOID(Next());
    TRY(std::string value, Literal());
    if (!equal || !plain) return Meaning::Nothing();
    Meaning out;
    out.terms.push_back({path, std::move(value)});
    return out;
  }

  Result<Meaning> Set(const std::string& path) {
    TRY_VOID(Take("("));
    Meaning out;
    while (!Is(")")) {
      TRY_VOID(CountTerm());
      TRY(std::string value, Literal());
      out.terms.push_back({path, std::move(value)});
      if (Is(",")) {
        TRY_VOID(Next());
      } else if (!Is(")")) {
        return Unexpected("',' or ')'");
      }
    }
    TRY_VOID(Next());
    if (out.terms.empty()) return Fail(Code::kInvalid, "pattern: a set is empty");
    return out;
  }

  Result<std::string> Literal() {
    const bool truth = IsWord("true") || IsWord("false");
    if (token_.mark != Mark::kText && token_.mark != Mark::kNumber && !truth)
      return Unexpected("a value");
    std::string out = std::move(token_.text);
    TRY_VOID(Next());
    return out;
  }

  // type:step.step, steps quoted or not; positions in lists are left out.
  Result<std::string> Path() {
    if (token_.mark != Mark::kWord) return Unexpected("an object path");
    std::string out = std::move(token_.text);
    TRY_VOID(Next());
    TRY_VOID(Take(":"));
    char before = ':';
    while (true) {
      if (token_.mark != Mark::kWord && token_.mark != Mark::kText) return Unexpected("a property");
      out += before + token_.text;
      TRY_VOID(Next());
      while (Is("[")) {
        TRY_VOID(Next());
        if (token_.mark != Mark::kNumber && !Is("*")) return Unexpected("a position or '*'");
        TRY_VOID(Next());
        TRY_VOID(Take("]"));
      }
      if (!Is(".")) return out;
      before = '.';
      TRY_VOID(Next());
    }
  }

  std::string_view text_;
  const PatternLimits& limits_;
  size_t pos_ = 0;
  Token token_;
  size_t depth_ = 0;
  size_t terms_ = 0;
};

}  // namespace

Result<Pattern> ReadPattern(std::string_view text, const PatternLimits& limits) {
  return Reader(text, limits).Read();
}

std::string QuotePatternText(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('\'');
  return out;
}

}  // namespace mailreeve::stix
