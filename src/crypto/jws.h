#pragma once

#include "base/result.h"
#include "json/json.h"

#include <openssl/evp.h>

#include <string>
#include <string_view>

// The parts of a compact JWS (RFC 7515), for crypto/*.cc only. Pure functions; thread-safe.
namespace mailreeve::crypto {

inline constexpr size_t kMaxTokenBytes = 16 * 1024;
inline constexpr std::string_view kDecodeFailed = "jwt_decode_failed_exception";

struct Jws {
  std::string algorithm, kid;  // as the header has them; empty when absent
  json::object header, claims;
  std::string signature;
  std::string_view signed_text;  // of the token that was read
};

// Form only. kUnauthenticated kDecodeFailed: too long, not three parts in strict base64url, no JSON
// objects, a key given twice, or an extension ("crit"), of which we know none.
Result<Jws> ReadJws(std::string_view token);
// With SHA-256, RSA PKCS #1 v1.5 or whatever else the key is for; ECDSA signatures in DER.
bool VerifySignature(EVP_PKEY* key, std::string_view text, std::string_view signature);

}  // namespace mailreeve::crypto
