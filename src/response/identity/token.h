#pragma once

#include "base/time.h"
#include "json/json.h"
#include "response/identity/keys.h"
#include "response/identity/roles.h"

#include <memory>
#include <string>
#include <string_view>

// Access tokens: RS256 JWTs with the claims of threat-response-api.md 1.6, made and checked.
namespace mailreeve::response::identity {

inline constexpr std::string_view kClaimPrefix = "https://schemas.cisco.com/iroh/identity/claims/";

// Whom a token speaks for and what it may do.
struct Caller {
  std::string user_id, user_name, user_nick, user_email;
  std::string role;  // ours: RoleName
  std::string org_id, org_name;
  std::string client_id, client_name;  // empty for a person at the console
  std::string grant;                   // "client-creds", "password"
  std::string kind;                    // "access-token", "session-token"
  std::string session_id;              // of a session-token
  ScopeSet scopes;                     // the effective ones; the only thing to authorise with
  ScopeSet user_scopes, oauth_scopes;  // what they were cut from
  std::string token_id;                // jti
  Time issued, expires;
};

struct TokenOptions {
  std::string issuer = "IROH Auth";
  std::chrono::seconds life{600};
  std::chrono::seconds max_life{86400};  // counted from iat, whatever exp says
  std::chrono::seconds skew{30};         // by which clocks may differ
  std::chrono::seconds not_before{60};   // nbf is so much before iat
};

struct IssuedToken {
  std::string access_token;
  int64_t expires_in = 0;
  ScopeSet scopes;
};

// Threads: safe. Ownership: borrows the clock.
class TokenIssuer {
 public:
  TokenIssuer(std::shared_ptr<const KeyRing> keys, TokenOptions options, const Clock& clock);

  // Fills token_id, issued, expires itself.
  Result<IssuedToken> Issue(const Caller& caller) const;
  // Checks signature, form and times. Errors, kUnauthenticated, have one of the words of
  // threat-response-api.md 0.4 as message: jwt_invalid_signature, jwt_public_key_not_found,
  // jwt_decode_failed_exception, jwt_valid_in_future, jwt_expired,
  // jwt_expired_via_max_jwt_lifetime, jwt_missing_field, jwt_custom_check_fail; the note says more.
  Result<Caller> Check(std::string_view token) const;
  const TokenOptions& options() const { return options_; }

 private:
  Result<Caller> FromClaims(const json::object& claims) const;

  const std::shared_ptr<const KeyRing> keys_;
  const TokenOptions options_;
  const Clock& clock_;
};

}  // namespace mailreeve::response::identity
