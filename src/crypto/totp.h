#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// One-time codes by time (RFC 6238: SHA-1, 30 s, 6 digits, what every authenticator knows). Pure
// functions; thread-safe.
//
//   const Secret secret = NewTotpSecret();                     // 20 random bytes
//   OtpauthUri("Mailreeve", "ann@example.org", secret);        // for the QR code, once
//   auto step = MatchTotp(secret, typed, now, last_step);      // store *step: a code serves once
namespace mailreeve::crypto {

Secret NewTotpSecret();
// Raw bytes as people type them: RFC 4648 section 6, no padding.
std::string Base32Encode(std::string_view bytes);
Result<std::string> Base32Decode(std::string_view text);  // any case, spaces and '-' passed over
// RFC 4226 section 5.3, six digits.
std::string HotpCode(const Secret& secret, uint64_t counter);
// The step that `code` is right for, one step to either side of `now` and later than `after_step`
// (so that a code that was seen does not serve again); nullopt when it is none. All candidates are
// compared, in constant time.
std::optional<int64_t> MatchTotp(const Secret& secret, std::string_view code, Time now,
                                 int64_t after_step);
std::string OtpauthUri(std::string_view issuer, std::string_view account, const Secret& secret);

}  // namespace mailreeve::crypto
