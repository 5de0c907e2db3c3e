#pragma once

#include "base/result.h"
#include "observable/types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Observables: the types of CTIM (threat-response-api.md 4.1, a closed list of 63) and one
// canonical form for each that mail can show. docs/observables.md is the definition,
// src/observable/vectors.json its test vectors. Pure functions, linear time, thread-safe.
namespace mailreeve::observable {

struct Observable {
  Type type;
  std::string value;
  bool operator==(const Observable&) const = default;
};

// The canonical form of `value`, or kInvalid with what is wrong. Values over 64 KiB are kLimited.
// Types without a rule of their own: trimmed, valid UTF-8, not empty.
Result<std::string> Canonical(Type type, std::string_view value);

// True only when Canonical(type, value) would give `value` itself, told without making it; false
// says nothing. Most of what mail shows is of this kind.
bool IsPlainCanonical(Type type, std::string_view value);

// 64 bits of type and canonical value (XXH3); what indexes store. Never 0.
uint64_t Fingerprint(Type type, std::string_view canonical);

// The registrable domain of a canonical domain by the public suffix list; the domain itself when it
// has none.
std::string RegistrableDomain(std::string_view canonical_domain);

struct RecogniserLimits {
  size_t max_text_bytes = 4 * 1024 * 1024;  // the rest is not looked at, and `cut` is set
  size_t max_found = 10000;
};
struct Recognised {
  std::vector<Observable>
      observables;  // value as written, re-fanged and trimmed; unique by type and canonical form
  bool cut = false;
};
// Finds observables in free text, re-fanging hxxp, [.], (at) and the like; rules of
// threat-response-api.md 2.1.
Recognised Recognise(std::string_view text, const RecogniserLimits& limits = {});

// ---- For readers of mail
// ------------------------------------------------------------------------------------------

struct FoundUrlText {
  std::string raw;        // the bytes of the text, without trailing punctuation
  std::string canonical;  // Canonical(Type::kUrl, raw)
  size_t offset = 0;      // of raw in the text
  bool operator==(const FoundUrlText&) const = default;
};
struct FindUrlsLimits {
  size_t max_text_bytes = 64 * 1024 * 1024;  // the rest is not looked at, and `cut` is set
  size_t max_urls = 10000;                   // more set `cut`
};
struct FoundUrls {
  std::vector<FoundUrlText> urls;  // in order of appearance, duplicates kept
  bool cut = false;                // a limit was hit, or a URL over 64 KiB was left out
};
// URLs in plain text (any bytes; UTF-8 is understood), as a mail program would make links of them:
// known schemes with
// "://" (also its backslash forms) and "www." without a scheme, which counts as http. Does not
// re-fang. Looks at most bytes only through memchr.
FoundUrls FindUrls(std::string_view text, const FindUrlsLimits& limits = {});

// Canonical() without the error; nullopt when there is no canonical form.
std::optional<std::string> CanonicalUrl(std::string_view value);
std::optional<std::string> CanonicalDomain(std::string_view value);    // at least two labels
std::optional<std::string> CanonicalHostname(std::string_view value);  // one label is enough
std::optional<std::string> CanonicalEmail(
    std::string_view value);  // "<a@b>" and "a@b"; no display name
std::optional<std::string> CanonicalMessageId(std::string_view value);
std::optional<std::string> CanonicalFileName(std::string_view value);
std::optional<std::string> CanonicalSubject(std::string_view value);
// IPv4 or IPv6 (with or without brackets); an IPv6 form contains ':'.
std::optional<std::string> CanonicalAddress(std::string_view value);

// The host of a canonical URL: A-label name, IPv4, or IPv6 without brackets. Empty when it has none
// (data:, mailto:).
std::string_view UrlHost(std::string_view canonical_url);
// What follows the last '@' of a canonical address; empty when there is none.
std::string_view EmailDomain(std::string_view canonical_email);

// Loads the public suffix list (Debian's publicsuffix file, or the one inside libpsl). Called by
// itself on first use; a process that gives up its files calls it before.
void Prepare();

}  // namespace mailreeve::observable
