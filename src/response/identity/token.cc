#include "response/identity/token.h"

#include "base/random.h"

namespace mailreeve::response::identity {
namespace {

std::string Claim(std::string_view name) { return std::string(kClaimPrefix) + std::string(name); }

json::array ToArray(const ScopeSet& scopes) {
  json::array out;
  for (const std::string& scope : scopes.ToStrings()) out.emplace_back(scope);
  return out;
}

tl::unexpected<Error> Refuse(std::string word, std::string why) {
  return Fail(Error(Code::kUnauthenticated, std::move(word)).Note(std::move(why)));
}

std::string TextOf(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<Time> TimeOf(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  // Beyond the year 9999 a number of seconds would overflow microseconds sooner or later.
  constexpr int64_t kMax = 253402300799;
  int64_t seconds = -1;
  if (value != nullptr && value->is_int64()) seconds = value->get_int64();
  if (value != nullptr && value->is_uint64() && value->get_uint64() <= kMax) {
    seconds = static_cast<int64_t>(value->get_uint64());
  }
  if (seconds < 0 || seconds > kMax) {
    return Refuse("jwt_missing_field", "claim " + std::string(name) + " is absent or no time");
  }
  return Time(std::chrono::seconds(seconds));
}

Result<ScopeSet> ScopesIn(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr || !value->is_array()) {
    return Refuse("jwt_missing_field", "claim " + std::string(name) + " is absent or no list");
  }
  std::vector<std::string> words;
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) return Refuse("jwt_missing_field", "a scope is no text");
    words.emplace_back(item.get_string());
  }
  Result<ScopeSet> scopes = ScopeSet::Parse(words);
  if (!scopes) return Refuse("jwt_custom_check_fail", scopes.error().message);
  return scopes;
}

}  // namespace

TokenIssuer::TokenIssuer(std::shared_ptr<const KeyRing> keys, TokenOptions options,
                         const Clock& clock)
    : keys_(std::move(keys)), options_(std::move(options)), clock_(clock) {}

Result<IssuedToken> TokenIssuer::Issue(const Caller& caller) const {
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.Now());
  const int64_t issued = now.time_since_epoch().count();
  json::object claims;
  claims["iss"] = options_.issuer;
  claims["sub"] = caller.user_id;
  claims["email"] = caller.user_email;
  claims["jti"] = RandomUuid();
  claims["iat"] = issued;
  claims["nbf"] = issued - options_.not_before.count();
  claims["exp"] = issued + options_.life.count();
  claims[Claim("version")] = "1";
  claims[Claim("user/id")] = caller.user_id;
  claims[Claim("user/email")] = caller.user_email;
  claims[Claim("user/name")] = caller.user_name;
  claims[Claim("user/nick")] = caller.user_nick;
  claims[Claim("user/scopes")] = ToArray(caller.user_scopes);
  claims[Claim("user/role")] = caller.role;
  claims[Claim("user/idp/id")] = "local";
  claims[Claim("user/idp/org-id")] = caller.org_id;
  claims[Claim("user/idp/user-id")] = caller.user_id;
  claims[Claim("org/id")] = caller.org_id;
  claims[Claim("org/name")] = caller.org_name;
  claims[Claim("scopes")] = ToArray(caller.scopes);
  claims[Claim("oauth/kind")] = caller.kind;
  claims[Claim("oauth/grant")] = caller.grant;
  claims[Claim("oauth/scopes")] = ToArray(caller.oauth_scopes);
  claims[Claim("oauth/user/id")] = caller.user_id;
  if (!caller.client_id.empty()) {
    claims[Claim("oauth/client/id")] = caller.client_id;
    claims[Claim("oauth/client/name")] = caller.client_name;
  }
  if (!caller.session_id.empty()) claims["sid"] = caller.session_id;
  TRY(std::string token, keys_->Signing()->SignJwt(claims));
  return IssuedToken{std::move(token), options_.life.count(), caller.scopes};
}

Result<Caller> TokenIssuer::Check(std::string_view token) const {
  if (token.size() > 64 * 1024)
    return Refuse("jwt_decode_failed_exception", "the token is too long");
  TRY(const std::string kid, crypto::KidOfJwt(token));
  const auto key = keys_->Find(kid);
  if (key == nullptr)
    return Refuse("jwt_public_key_not_found", "the token's key is not known here");
  TRY(const json::object claims, key->VerifyJwt(token));
  return FromClaims(claims);
}

Result<Caller> TokenIssuer::FromClaims(const json::object& claims) const {
  for (const std::string& name :
       {std::string("iss"), std::string("sub"), std::string("jti"), Claim("user/id"),
        Claim("user/email"), Claim("org/id"), Claim("oauth/kind")}) {
    if (TextOf(claims, name).empty()) {
      return Refuse("jwt_missing_field", "claim " + name + " is absent");
    }
  }
  Caller caller;
  TRY(caller.issued, TimeOf(claims, "iat"));
  TRY(const Time not_before, TimeOf(claims, "nbf"));
  TRY(caller.expires, TimeOf(claims, "exp"));
  TRY(caller.scopes, ScopesIn(claims, Claim("scopes")));

  const Time now = clock_.Now();
  if (not_before > now + options_.skew ||
      caller.issued > now + options_.skew + options_.not_before) {
    return Refuse("jwt_valid_in_future", "the token is not valid yet; compare the clocks");
  }
  if (caller.expires + options_.skew <= now)
    return Refuse("jwt_expired", "the token has run out; ask for a new one");
  if (caller.issued + options_.max_life <= now) {
    return Refuse("jwt_expired_via_max_jwt_lifetime", "the token is older than any token may be");
  }

  caller.user_id = TextOf(claims, "sub");
  caller.kind = TextOf(claims, Claim("oauth/kind"));
  if (TextOf(claims, "iss") != options_.issuer)
    return Refuse("jwt_custom_check_fail", "another issuer");
  if (caller.user_id != TextOf(claims, Claim("user/id"))) {
    return Refuse("jwt_custom_check_fail", "sub is not the user of the token");
  }
  if (caller.kind != "access-token" && caller.kind != "session-token") {
    return Refuse("jwt_custom_check_fail", "not an access token");
  }
  caller.user_name = TextOf(claims, Claim("user/name"));
  caller.user_nick = TextOf(claims, Claim("user/nick"));
  caller.user_email = TextOf(claims, Claim("user/email"));
  caller.role = TextOf(claims, Claim("user/role"));
  caller.org_id = TextOf(claims, Claim("org/id"));
  caller.org_name = TextOf(claims, Claim("org/name"));
  caller.client_id = TextOf(claims, Claim("oauth/client/id"));
  caller.client_name = TextOf(claims, Claim("oauth/client/name"));
  caller.grant = TextOf(claims, Claim("oauth/grant"));
  caller.session_id = TextOf(claims, "sid");
  caller.token_id = TextOf(claims, "jti");
  return caller;
}

}  // namespace mailreeve::response::identity
