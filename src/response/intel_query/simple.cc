#include "base/text.h"
#include "response/intel_query/query.h"

namespace mailreeve::response::intel_query {
namespace {

using Kind = Node::Kind;

// Reads on whatever comes: what has no meaning is skipped.
class Parser {
 public:
  Parser(std::string_view query, const Limits& limits) : in_(query), limits_(limits) {}

  Result<Node> ParseOr(size_t depth) {
    if (depth > limits_.max_depth) {
      return Fail(Code::kLimited, "simple_query: it is nested more than " +
                                      std::to_string(limits_.max_depth) + " deep");
    }
    Node alternatives{.kind = Kind::kOr};
    Node clauses{.kind = Kind::kAnd};
    bool negated = false;
    const auto add = [&](Node node) {
      if (negated) {
        Node inverse{.kind = Kind::kNot};
        inverse.children.push_back(std::move(node));
        node = std::move(inverse);
      }
      negated = false;
      clauses.children.push_back(std::move(node));
    };
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '+') {
        ++at_;
      } else if (c == '-') {
        ++at_;
        negated = !negated;
      } else if (c == '|') {
        ++at_;
        if (!clauses.children.empty()) alternatives.children.push_back(std::move(clauses));
        clauses = Node{.kind = Kind::kAnd};
      } else if (c == '(') {
        ++at_;
        TRY(Node inner, ParseOr(depth + 1));
        add(std::move(inner));
      } else if (c == ')') {
        ++at_;
        if (depth > 0) break;
      } else {
        TRY(Node leaf, ParseLeaf());
        add(std::move(leaf));
      }
    }
    if (!clauses.children.empty()) alternatives.children.push_back(std::move(clauses));
    // Nothing asked: nothing is found, as with an empty phrase.
    if (alternatives.children.empty()) return alternatives;
    for (Node& alternative : alternatives.children) {
      if (alternative.kind == Kind::kAnd && alternative.children.size() == 1) {
        Node only = std::move(alternative.children.front());
        alternative = std::move(only);
      }
    }
    if (alternatives.children.size() == 1) {
      Node only = std::move(alternatives.children.front());
      return only;
    }
    return alternatives;
  }

 private:
  Result<Node> ParseLeaf() {
    if (++terms_ > limits_.max_terms) {
      return Fail(Code::kLimited,
                  "simple_query: it has more than " + std::to_string(limits_.max_terms) + " terms");
    }
    std::string text;
    if (in_[at_] == '"') {
      ++at_;
      while (at_ < in_.size() && in_[at_] != '"') {
        if (in_[at_] == '\\' && at_ + 1 < in_.size()) ++at_;
        text += in_[at_++];
      }
      ++at_;
      SkipLoosening();
      return Node{.kind = Kind::kPhrase, .text = std::move(text)};
    }
    bool escaped_end = false;
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '|' || c == '(' || c == ')' ||
          c == '"' || c == '~')
        break;
      escaped_end = c == '\\' && at_ + 1 < in_.size();
      if (escaped_end) ++at_;
      text += in_[at_++];
    }
    SkipLoosening();
    if (text == "*" && !escaped_end) return Node{};
    if (text.size() > 1 && text.back() == '*' && !escaped_end) {
      if (++wildcards_ > limits_.max_wildcards) {
        return Fail(Code::kLimited, "simple_query: it has more than " +
                                        std::to_string(limits_.max_wildcards) + " wildcards");
      }
      std::string head = text.substr(0, text.size() - 1);
      return Node{.kind = Kind::kWildcard,
                  .text = text,
                  .pattern = {{Node::Piece::kText, std::move(head)}, {Node::Piece::kMany, ""}}};
    }
    return Node{.kind = Kind::kTerm, .text = std::move(text)};
  }

  void SkipLoosening() {
    if (at_ >= in_.size()) {
      at_ = in_.size();
      return;
    }
    while (at_ < in_.size() && in_[at_] == '~') {
      ++at_;
      while (at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9') ++at_;
    }
  }

  std::string_view in_;
  const Limits& limits_;
  size_t at_ = 0, terms_ = 0, wildcards_ = 0;
};

}  // namespace

Result<Node> ParseSimpleQuery(std::string_view query, const Limits& limits) {
  if (query.size() > limits.max_bytes) {
    return Fail(Code::kLimited,
                "simple_query: it is longer than " + std::to_string(limits.max_bytes) + " bytes");
  }
  if (!IsValidUtf8(query)) return Fail(Code::kInvalid, "simple_query: it is not UTF-8");
  return Parser(query, limits).ParseOr(0);
}

}  // namespace mailreeve::response::intel_query
