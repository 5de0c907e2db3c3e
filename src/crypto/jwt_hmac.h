#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "json/json.h"

#include <string>
#include <string_view>

// Signed tokens (RFC 7515, 7519) with HS256: for a program that both makes and reads its tokens.
// The algorithm is fixed by the key, never by the token.
//
// Threads: const calls are safe. Errors: kUnauthenticated from Verify. Source:
// gateway-api.md 1.2.2.
//
//   crypto::HmacTokenKey key(Secret(RandomBytes(32)));
//   const std::string token = key.Sign({{"userName", "ann"}, {"exp", 1700000000}});
//   TRY(json::object claims, key.Verify(token));
namespace mailreeve::crypto {

class HmacTokenKey {
 public:
  // REQUIRES: at least 32 bytes; aborts otherwise (RFC 7518 section 3.2).
  explicit HmacTokenKey(Secret key);

  // Compact JWS with header {"alg":"HS256","typ":"JWT"}.
  std::string Sign(const json::object& claims) const;
  // Signature and form only; the caller checks the claims. Tokens over 8 KiB are refused unread.
  Result<json::object> Verify(std::string_view token) const;

 private:
  Secret key_;
};

}  // namespace mailreeve::crypto
