#pragma once

#include "base/result.h"
#include "base/time.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Queries as people and scripts write them, read into a tree.
//
// Threads: values and pure functions; safe. Errors: kInvalid with the offset and what was expected,
// kLimited for a limit.
//
//   TRY(Node node, ParseQuery(R"(title:"phish kit" AND NOT severity:Low)", {}));
//   bool fits = Matches(node, document, {"title", "description"});
namespace mailreeve::response::intel_query {

struct Limits {
  size_t max_bytes = 8 * 1024;
  size_t max_depth = 32;      // of parentheses and negations
  size_t max_terms = 512;     // leaves of the tree
  size_t max_wildcards = 32;  // leaves with '*' or '?'
};

struct Node {
  enum class Kind {
    kAll,       // everything
    kAnd,       // all children; none: everything
    kOr,        // any child; none: nothing
    kNot,       // not the one child
    kTerm,      // `text` is the value, or a word of it
    kPhrase,    // the words of `text` one after another
    kWildcard,  // `pattern`
    kRange,     // between low and high
    kExists,    // the field has a value
  };
  struct Bound {
    std::string text;
    bool inclusive = true;
  };
  // Of a pattern: a run of text, any one character, or any characters.
  struct Piece {
    enum Kind { kText, kOne, kMany } kind = kText;
    std::string text;
    bool operator==(const Piece&) const = default;
  };

  Kind kind = Kind::kAll;
  std::string field;  // "title", "observables.value"; empty: the searched fields
  std::string text;   // unescaped
  std::vector<Piece> pattern;
  std::optional<Bound> low, high;  // nullopt: open
  std::vector<Node> children;
};

// `now` is what the word "now" means in ranges (`created:[now-7d TO now]`).
Result<Node> ParseQuery(std::string_view query, const Limits& limits, Time now = {});
// Elasticsearch's forgiving form: + and, | or, - not, "phrase", prefix*, ( ). Never kInvalid for
// its syntax; limits apply.
Result<Node> ParseSimpleQuery(std::string_view query, const Limits& limits);

// The tree in words, for tests and logs: (and title:"a b" (not severity:low)).
std::string ToString(const Node& node);

}  // namespace mailreeve::response::intel_query
