#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

// STIX 2.1 patterns (section 9), read as far as feeds use them: which single values make the
// pattern match on their own.
//
//   [a:b = 'x' OR a:c IN ('y','z')]     three terms
//   [file:hashes.MD5 = 'x' AND file:name = 'y']   the hash: it names the file by itself
//   [a:b = 'x' AND c:d = 'y'], [..] FOLLOWEDBY [..]   none: no value suffices
//   NOT, !=, LIKE, MATCHES, <, ISSUBSET, EXISTS   none
//
// Threads: pure functions, time linear in the text. Errors: kInvalid with the place for text that
// is no pattern, kLimited over a limit.
//
//   TRY(auto pattern, stix::ReadPattern("[ipv4-addr:value = '192.0.2.1']"));
//   pattern.terms[0].path;   // "ipv4-addr:value"
namespace mailreeve::stix {

struct PatternLimits {
  size_t max_bytes = 64 * 1024;
  size_t max_depth = 32;      // of parentheses and brackets
  size_t max_terms = 10'000;  // comparisons and members of sets
};

struct Term {
  std::string path;  // "file:hashes.SHA-256": quotes around steps removed
  std::string value;
  bool operator==(const Term&) const = default;
};

struct Pattern {
  std::vector<Term> terms;  // each makes the pattern match by itself; in order of appearance
  bool whole = true;        // nothing was left out: no other value makes it match
};

Result<Pattern> ReadPattern(std::string_view text, const PatternLimits& limits = {});

// 'it''s' in pattern text: quoted, \ and ' escaped.
std::string QuotePatternText(std::string_view value);

}  // namespace mailreeve::stix
