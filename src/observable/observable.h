#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Observables: the types of CTIM (threat-response-api.md 4.1, a closed list of 63) and one canonical form for each that
// mail can show. docs/observables.md is the definition, src/observable/vectors.json its test vectors.
// Pure functions, linear time, thread-safe.
namespace mailreeve::observable {

enum class Type : uint8_t;  // kAcudid … kUserAgent, in the order of the list; see types.h

std::string_view TypeName(Type type);                     // "email_messageid"
std::optional<Type> TypeFromName(std::string_view name);  // ASCII case does not matter

struct Observable {
  Type type;
  std::string value;
  bool operator==(const Observable&) const = default;
};

// The canonical form of `value`, or kInvalid with what is wrong. Values over 64 KiB are kLimited. Types without a rule
// of their own: trimmed, valid UTF-8, not empty.
Result<std::string> Canonical(Type type, std::string_view value);

// 64 bits of type and canonical value (XXH3); what indexes store. Never 0.
uint64_t Fingerprint(Type type, std::string_view canonical);

// The registrable domain of a canonical domain by the public suffix list; the domain itself when it has none.
std::string RegistrableDomain(std::string_view canonical_domain);

struct RecogniserLimits {
  size_t max_text_bytes = 4 * 1024 * 1024;  // the rest is not looked at, and `cut` is set
  size_t max_found = 10000;
};
struct Recognised {
  std::vector<Observable> observables;  // value as written, re-fanged and trimmed; unique by type and canonical form
  bool cut = false;
};
// Finds observables in free text, re-fanging hxxp, [.], (at) and the like; rules of threat-response-api.md 2.1.
Recognised Recognise(std::string_view text, const RecogniserLimits& limits = {});

}  // namespace mailreeve::observable
