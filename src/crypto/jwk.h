#pragma once

#include "base/result.h"
#include "json/json.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The public keys of another issuer (RFC 7517), to check its tokens with: RS256 with RSA keys of at
// least 2048 bits, ES256 with P-256 keys. Thread-safe once made.
//
//   TRY(auto keys, JwkSet::Parse(document));
//   TRY(json::object claims, keys.VerifyJwt(id_token));  // then check iss, aud, exp, nonce
namespace mailreeve::crypto {

class JwkSet {
 public:
  // {"keys":[…]}; keys of other kinds and uses are passed over. kInvalid: no such object, or more
  // than 100 keys.
  static Result<JwkSet> Parse(const json::value& document);
  JwkSet(JwkSet&&) noexcept;
  JwkSet& operator=(JwkSet&&) noexcept;
  ~JwkSet();

  size_t size() const;
  // Signature and form only. A token without kid is checked with the only key of its algorithm.
  // Errors, kUnauthenticated: "jwt_decode_failed_exception", "jwt_public_key_not_found" (fetch the
  // keys again), "jwt_invalid_signature".
  Result<json::object> VerifyJwt(std::string_view token) const;

 private:
  struct Impl;
  explicit JwkSet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailreeve::crypto
