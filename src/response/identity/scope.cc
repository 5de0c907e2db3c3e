#include "response/identity/scope.h"

#include "base/text.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

bool IsWordCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte == 0x21 || (byte >= 0x23 && byte <= 0x7E)) && c != ':' && c != '/';
}

}  // namespace

Result<Scope> Scope::Parse(std::string_view text) {
  if (text.size() > 512) return Fail(Code::kInvalid, "a scope is longer than 512 bytes");
  Scope scope;
  std::string_view path = text;
  if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    path = text.substr(0, colon);
    const std::string_view suffix = text.substr(colon + 1);
    if (suffix.empty() || !std::all_of(suffix.begin(), suffix.end(), IsWordCharacter)) {
      return Fail(Code::kInvalid, "not a scope: \"" + ToValidUtf8(text) + "\"");
    }
    if (suffix == "read") {
      scope.access = kRead;
    } else if (suffix == "write") {
      scope.access = kWrite;
    } else if (suffix != "rw") {
      scope.access = kNone;
    }
  }
  for (const std::string_view word : Split(path, '/')) {
    if (word.empty() || !std::all_of(word.begin(), word.end(), IsWordCharacter)) {
      return Fail(Code::kInvalid, "not a scope: \"" + ToValidUtf8(text) + "\"");
    }
    scope.path.emplace_back(word);
  }
  return scope;
}

std::string Scope::ToString() const {
  std::string text;
  for (const std::string& word : path) {
    if (!text.empty()) text += '/';
    text += word;
  }
  switch (access) {
    case kRead:
      return text + ":read";
    case kWrite:
      return text + ":write";
    case kReadWrite:
      return text;
    default:
      return text + ":none";
  }
}

bool Scope::IsAtOrAbove(const Scope& other) const {
  return path.size() <= other.path.size() &&
         std::equal(path.begin(), path.end(), other.path.begin());
}

bool Scope::Grants(const Scope& required) const {
  // Without access asked for nothing is named, and a demand that names nothing must not be met by
  // chance.
  return required.access != kNone && (access & required.access) == required.access &&
         IsAtOrAbove(required);
}

bool Intersect(const Scope& a, const Scope& b, Scope& out) {
  const bool a_above = a.IsAtOrAbove(b);
  if (!a_above && !b.IsAtOrAbove(a)) return false;
  const uint8_t access = a.access & b.access;
  if (access == Scope::kNone) return false;
  out = a_above ? b : a;
  out.access = access;
  return true;
}

ScopeSet::ScopeSet(std::vector<Scope> scopes) {
  std::erase_if(scopes, [](const Scope& s) { return s.access == Scope::kNone || s.path.empty(); });
  std::sort(scopes.begin(), scopes.end(),
            [](const Scope& a, const Scope& b) { return a.path < b.path; });
  std::vector<Scope> merged;
  for (Scope& scope : scopes) {
    if (!merged.empty() && merged.back().path == scope.path) {
      merged.back().access |= scope.access;
    } else {
      merged.push_back(std::move(scope));
    }
  }
  for (const Scope& scope : merged) {
    const bool granted_by_other =
        std::any_of(merged.begin(), merged.end(),
                    [&](const Scope& other) { return &other != &scope && other.Grants(scope); });
    if (!granted_by_other) scopes_.push_back(scope);
  }
}

Result<ScopeSet> ScopeSet::Parse(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view word : Split(text, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return Parse(words);
}

Result<ScopeSet> ScopeSet::Parse(const std::vector<std::string>& words) {
  if (words.size() > 500) return Fail(Code::kLimited, "more than 500 scopes");
  std::vector<Scope> scopes;
  for (const std::string& word : words) {
    TRY(Scope scope, Scope::Parse(word));
    scopes.push_back(std::move(scope));
  }
  return ScopeSet(std::move(scopes));
}

bool ScopeSet::Grants(const Scope& required) const {
  return std::any_of(scopes_.begin(), scopes_.end(),
                     [&](const Scope& held) { return held.Grants(required); });
}

bool ScopeSet::Grants(std::string_view required) const {
  const Result<Scope> scope = Scope::Parse(required);
  return scope && Grants(*scope);
}

bool ScopeSet::GrantsAll(const ScopeSet& required) const { return Missing(required).empty(); }

ScopeSet ScopeSet::Missing(const ScopeSet& required) const {
  std::vector<Scope> missing;
  for (const Scope& scope : required.scopes_) {
    if (Grants(scope)) continue;
    // Reading may be held at one path and writing at another above it.
    Scope rest = scope;
    for (const uint8_t access : {Scope::kRead, Scope::kWrite}) {
      Scope part = scope;
      part.access &= access;
      if (part.access != Scope::kNone && Grants(part)) rest.access &= ~access;
    }
    if (rest.access != Scope::kNone) missing.push_back(std::move(rest));
  }
  return ScopeSet(std::move(missing));
}

ScopeSet ScopeSet::Intersect(const ScopeSet& other) const {
  std::vector<Scope> both;
  for (const Scope& a : scopes_) {
    for (const Scope& b : other.scopes_) {
      Scope common;
      if (identity::Intersect(a, b, common)) both.push_back(std::move(common));
    }
  }
  return ScopeSet(std::move(both));
}

Result<ScopeSet> ScopeSet::Without(const Scope& taken) const {
  std::vector<Scope> left;
  for (Scope scope : scopes_) {
    if (taken.IsAtOrAbove(scope)) {
      scope.access &= ~taken.access;
    } else if (scope.IsAtOrAbove(taken) && (scope.access & taken.access) != Scope::kNone) {
      return Fail(Code::kInvalid, taken.ToString() + " cannot be taken from " + scope.ToString() +
                                      ", which is wider");
    }
    left.push_back(std::move(scope));
  }
  return ScopeSet(std::move(left));
}

std::vector<std::string> ScopeSet::ToStrings() const {
  std::vector<std::string> words;
  for (const Scope& scope : scopes_) words.push_back(scope.ToString());
  return words;
}

std::string ScopeSet::ToString() const {
  std::string text;
  for (const Scope& scope : scopes_) {
    if (!text.empty()) text += ' ';
    text += scope.ToString();
  }
  return text;
}

}  // namespace mailreeve::response::identity
