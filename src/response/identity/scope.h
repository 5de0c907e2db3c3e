#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Scopes and their algebra (threat-response-api.md 1.7): what a token may do.
//
// A scope is a path of words and a set of accesses: "enrich/observables/observe:read". Without
// suffix it reads and writes. A scope grants every scope at or below its path whose accesses it
// has.
//
// Threads: values and pure functions; safe.
//
//   TRY(auto held, ScopeSet::Parse("enrich:read casebook"));
//   held.Grants("enrich/observables/observe:read");  // true
namespace mailreeve::response::identity {

struct Scope {
  enum Access : uint8_t { kNone = 0, kRead = 1, kWrite = 2, kReadWrite = 3 };

  std::vector<std::string> path;  // never empty
  uint8_t access = kReadWrite;    // an unknown suffix has none and grants nothing

  // kInvalid: empty words, or characters other than 0x21, 0x23-0x7E without ':' and '/'.
  static Result<Scope> Parse(std::string_view text);
  // "a/b", "a/b:read", "a/b:write"; "a/b:none" when it has no access.
  std::string ToString() const;
  // Whether a holder of this scope may do what `required` names.
  bool Grants(const Scope& required) const;
  bool IsAtOrAbove(const Scope& other) const;  // by whole words
  bool operator==(const Scope&) const = default;
};

// What both allow: the longer path when one is at or above the other, with the accesses of both.
// False: nothing.
bool Intersect(const Scope& a, const Scope& b, Scope& out);

class ScopeSet {
 public:
  ScopeSet() = default;
  explicit ScopeSet(std::vector<Scope> scopes);
  // Separated by spaces. kInvalid names the word that is wrong.
  static Result<ScopeSet> Parse(std::string_view text);
  static Result<ScopeSet> Parse(const std::vector<std::string>& words);

  bool Grants(const Scope& required) const;
  // False for text that is no scope.
  bool Grants(std::string_view required) const;
  bool GrantsAll(const ScopeSet& required) const;
  // The scopes of `required` that are not granted.
  ScopeSet Missing(const ScopeSet& required) const;
  ScopeSet Intersect(const ScopeSet& other) const;
  // This set without `taken`. kInvalid when a scope of this set is above it, since the rest has no
  // name.
  Result<ScopeSet> Without(const Scope& taken) const;

  // Normalised: accesses of equal paths are merged, scopes granted by another one and scopes
  // without access are dropped; in order of text.
  const std::vector<Scope>& scopes() const { return scopes_; }
  std::vector<std::string> ToStrings() const;
  std::string ToString() const;  // separated by spaces
  bool empty() const { return scopes_.empty(); }
  bool operator==(const ScopeSet&) const = default;

 private:
  std::vector<Scope> scopes_;
};

}  // namespace mailreeve::response::identity
