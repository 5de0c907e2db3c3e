#pragma once

#include "base/result.h"
#include "json/json.h"

#include <memory>
#include <string>
#include <string_view>

// Signed tokens (RFC 7515, 7519): RS256 only where we verify; the algorithm is fixed by the key,
// never by the token. Thread-safe once made.
namespace mailreeve::crypto {

class SigningKey {
 public:
  static Result<SigningKey> GenerateRsa(int bits);
  static Result<SigningKey> FromPem(std::string_view pem);  // private key
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  std::string ToPem() const;       // PKCS #8
  const std::string& kid() const;  // RFC 7638 thumbprint
  json::object PublicJwk() const;  // kty, kid, use, alg, n, e
  // Compact JWS with header {"alg":"RS256","typ":"JWT","kid":…}.
  Result<std::string> SignJwt(const json::object& claims) const;
  // Signature and form only; the caller checks the claims. Errors, kUnauthenticated, have one of
  // these messages: "jwt_decode_failed_exception", "jwt_public_key_not_found" (other kid),
  // "jwt_invalid_signature".
  Result<json::object> VerifyJwt(std::string_view token) const;

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The key id in the header of a token whose form is right, unverified; empty when it names none.
// kUnauthenticated "jwt_decode_failed_exception".
Result<std::string> KidOfJwt(std::string_view token);

}  // namespace mailreeve::crypto
