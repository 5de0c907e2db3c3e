#include "response/oauth/common.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace mailreeve::response::oauth {
namespace {

constexpr auto kWords = std::to_array<std::string_view>(
    {"invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client",
     "unsupported_grant_type", "unsupported_response_type", "access_denied",
     "authorization_pending", "slow_down", "expired_token", "unsupported_token_type"});

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options out;
  out.code_life = std::chrono::seconds(snapshot.Integer("oauth.code_life"));
  out.refresh_life = std::chrono::hours(24 * snapshot.Integer("oauth.refresh_life"));
  out.grant_life = std::chrono::hours(24 * snapshot.Integer("oauth.grant_life"));
  out.device_life = std::chrono::seconds(snapshot.Integer("oauth.device_life"));
  out.max_pending = static_cast<size_t>(snapshot.Integer("oauth.max_pending"));
  out.allow_plain_pkce = snapshot.Bool("oauth.allow_plain_pkce");
  out.pkce_for_all = snapshot.Bool("oauth.pkce_for_all");
  return out;
}

tl::unexpected<Error> Refused(std::string word, std::string why) {
  return Fail(Error(Code::kInvalid, std::move(word)).Note(std::move(why)));
}

std::string WordOf(const Error& error) {
  const bool is_word = std::find(kWords.begin(), kWords.end(), error.message) != kWords.end();
  return is_word ? error.message : std::string();
}

std::string WhyOf(const Error& error) {
  return error.notes.empty() ? error.message : error.notes.front();
}

Result<void> CheckAvailability(const Client& client, const Account& account) {
  if (!account.enabled) return Refused("access_denied", "the user is disabled");
  if (client.availability == "everyone") return {};
  const bool may = client.availability == "user" ? account.id == client.owner_id
                                                 : account.org_id == client.org_id;
  if (!may) return Refused("access_denied", "this client is not for this user");
  return {};
}

Result<ScopeSet> AskedScopes(const Client& client, const std::string& scope) {
  if (TrimSpace(scope).empty()) return client.scopes;
  Result<ScopeSet> asked = ScopeSet::Parse(scope);
  if (!asked) return Refused("invalid_scope", asked.error().message);
  ScopeSet cut = client.scopes.Intersect(*asked);
  if (cut.empty()) return Refused("invalid_scope", "the client holds none of the scopes asked for");
  return cut;
}

Result<ScopeSet> ScopesFor(const Client& client, const Account& account, const ScopeSet& asked) {
  const ScopeSet wanted = client.scopes.Intersect(asked);
  const ScopeSet& held = identity::ScopesOf(account.role);
  if (!client.allow_partial && !held.GrantsAll(wanted)) {
    return Refused("invalid_scope", "the user lacks scopes that the client wants: " +
                                        held.Missing(wanted).ToString());
  }
  ScopeSet out = wanted.Intersect(held);
  if (out.empty()) return Refused("invalid_scope", "nothing is left of the scopes asked for");
  return out;
}

}  // namespace mailreeve::response::oauth
