#include "response/oauth/grants.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "response/identity/rows.h"

#include <algorithm>

namespace mailreeve::response::oauth {
namespace {

using identity::HashOfSecret;

audit::Entry EntryOf(identity::Core& core, const Client& client, const Origin& origin,
                     std::string action, std::string result, std::string message) {
  audit::Entry entry =
      core.EntryOf(origin, std::move(action), std::move(result), std::move(message));
  entry.actor = {"client", client.id, client.name};
  return entry;
}

}  // namespace

bool VerifierFits(std::string_view challenge, std::string_view method, std::string_view verifier) {
  if (challenge.empty()) return verifier.empty();
  if (verifier.size() < 43 || verifier.size() > 128) return false;
  return ConstantTimeEqual(challenge, method == "S256" ? Base64UrlEncode(crypto::Sha256(verifier))
                                                       : std::string(verifier));
}

// ---- codes

io::Task<Result<Tokens>> Grants::FromCode(Client client, Secret code, std::string redirect_uri,
                                          std::string verifier, Origin origin) {
  co_return co_await core_.database_pool.Run([this, client, code, redirect_uri, verifier, origin] {
    return UseCode(client, std::string(code.Reveal()), redirect_uri, verifier, origin);
  });
}

Result<Tokens> Grants::UseCode(const Client& client, const std::string& code,
                               const std::string& redirect_uri, const std::string& verifier,
                               const Origin& origin) {
  if (!client.HasGrant(kCodeGrant))
    return Refused("unauthorized_client", "this client may not use authorization codes");
  const std::string hash = HashOfSecret(code);
  const Time now = core_.clock.Now();
  // Outside of the transaction that fails, since the end of a stolen family must stay.
  std::string replayed;
  Tokens out;
  Result<void> done = core_.database.Transaction([&]() -> Result<void> {
    TRY(auto select,
        core_.database.Prepare(
            "SELECT client_id, account_id, redirect_uri, scopes, nonce, challenge, "
            "challenge_method, authenticated_at, expires_at, grant_id FROM oauth_code WHERE "
            "code_hash = ?1"));
    TRY(const bool there, select.Bind(1, hash).Step());
    if (!there || select.Text(0) != client.id)
      return Refused("invalid_grant", "there is no such code");
    if (!select.Text(9).empty()) {
      replayed = select.Text(9);
      return Refused("invalid_grant", "the code was used before");
    }
    const std::string account_id = select.Text(1), nonce = select.Text(4);
    const Time authenticated = FromEpochMicros(select.Integer(7));
    const bool in_time = select.Integer(8) > ToEpochMicros(now);
    const bool same_place = select.Text(2) == redirect_uri;
    const bool fits = VerifierFits(select.Text(5), select.Text(6), verifier);
    TRY(const ScopeSet scopes, ScopeSet::Parse(select.Text(3)));
    select.Reset();
    if (!in_time) return Refused("invalid_grant", "the code has run out");
    if (!same_place)
      return Refused("invalid_grant", "redirect_uri is not that of the authorization request");
    if (!fits) return Refused("invalid_grant", "code_verifier does not fit the request");
    TRY(const Account account, identity_.accounts().Get(account_id));
    TRY_VOID(CheckAvailability(client, account));
    std::string grant_id;
    TRY(out, Start(client, account, scopes, kCodeGrant, nonce, authenticated, origin, grant_id));
    TRY(auto used,
        core_.database.Prepare("UPDATE oauth_code SET grant_id = ?2 WHERE code_hash = ?1"));
    TRY_VOID(used.Bind(1, hash).Bind(2, grant_id).Run());
    return {};
  });
  if (done) return out;
  if (!replayed.empty()) {
    audit::Entry entry = EntryOf(core_, client, origin, "grant.revoke", "success",
                                 "An authorization code was used twice; its grant was ended.");
    entry.object = {"grant", replayed};
    TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
      TRY_VOID(EndGrant(replayed));
      return core_.Audit(std::move(entry));
    }));
  }
  return Fail(std::move(done.error()));
}

// ---- grants

Result<Tokens> Grants::Start(const Client& client, const Account& account, const ScopeSet& scopes,
                             std::string_view kind, const std::string& nonce, Time authenticated,
                             const Origin& origin, std::string& grant_id) {
  const Time now = core_.clock.Now();
  const Time expires = now + options_.grant_life;
  grant_id = "grant-" + RandomUuid();
  TRY(auto prune, core_.database.Prepare("DELETE FROM oauth_grant WHERE expires_at < ?1"));
  TRY_VOID(prune.Bind(1, ToEpochMicros(now)).Run());
  TRY(auto prune_refresh,
      core_.database.Prepare("DELETE FROM oauth_refresh WHERE expires_at < ?1"));
  TRY_VOID(prune_refresh.Bind(1, ToEpochMicros(now)).Run());
  TRY(auto insert,
      core_.database.Prepare(
          "INSERT INTO oauth_grant (id, client_id, account_id, org_id, kind, scopes, "
          "authenticated_at, created_at, last_used_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
          "?7, ?8, ?8, ?9)"));
  TRY_VOID(insert.Bind(1, grant_id)
               .Bind(2, client.id)
               .Bind(3, account.id)
               .Bind(4, account.org_id)
               .Bind(5, kind)
               .Bind(6, scopes.ToString())
               .Bind(7, ToEpochMicros(authenticated))
               .Bind(8, ToEpochMicros(now))
               .Bind(9, ToEpochMicros(expires))
               .Run());
  TRY(Tokens out, Issue(client, account, scopes, kind, grant_id, nonce, authenticated));
  TRY(out.refresh, AddRefresh(grant_id, expires));
  TRY_VOID(identity_.clients().Touch(client));
  audit::Entry entry = EntryOf(core_, client, origin, "token.issue", "success",
                               "A client got tokens to act for a user.");
  entry.object = {"grant", grant_id};
  entry.details = {{"user", account.id}, {"scope", out.access.scopes.ToString()}};
  TRY_VOID(core_.Audit(std::move(entry)));
  return out;
}

Result<Secret> Grants::AddRefresh(const std::string& grant_id, Time grant_expires) {
  Secret token(RandomToken(32));
  const Time expires = std::min(grant_expires, core_.clock.Now() + options_.refresh_life);
  TRY(auto insert, core_.database.Prepare("INSERT INTO oauth_refresh (token_hash, grant_id, "
                                          "used_at, expires_at) VALUES (?1, ?2, 0, ?3)"));
  TRY_VOID(insert.Bind(1, HashOfSecret(token.Reveal()))
               .Bind(2, grant_id)
               .Bind(3, ToEpochMicros(expires))
               .Run());
  return token;
}

Result<Tokens> Grants::Issue(const Client& client, const Account& account, const ScopeSet& scopes,
                             std::string_view kind, const std::string& grant_id,
                             const std::string& nonce, Time authenticated) {
  Caller caller = identity_.accounts().CallerOf(account);
  caller.client_id = client.id;
  caller.client_name = client.name;
  caller.grant = kind;
  caller.kind = "access-token";
  caller.session_id = grant_id;
  // Client and person may have lost scopes since.
  caller.oauth_scopes = scopes.Intersect(client.scopes);
  caller.scopes = caller.oauth_scopes.Intersect(caller.user_scopes);
  Tokens out;
  TRY(out.access, core_.issuer.Issue(caller));
  if (!caller.scopes.Grants("openid:read")) return out;
  const int64_t now =
      std::chrono::floor<std::chrono::seconds>(core_.clock.Now()).time_since_epoch().count();
  json::object claims{{"iss", core_.options.token.issuer},
                      {"sub", account.id},
                      {"aud", client.id},
                      {"iat", now},
                      {"exp", now + out.access.expires_in},
                      {"auth_time", ToEpochMillis(authenticated) / 1000},
                      {"email", account.email},
                      {"name", account.name},
                      {"nickname", account.nick}};
  if (!nonce.empty()) claims["nonce"] = nonce;
  // OpenID Connect Core 3.1.3.6: the left half of the access token's hash.
  claims["at_hash"] = Base64UrlEncode(crypto::Sha256(out.access.access_token).substr(0, 16));
  TRY(out.id_token, identity_.SignJwt(claims));
  return out;
}

Result<void> Grants::EndGrant(const std::string& grant_id) {
  TRY(auto remove, core_.database.Prepare("DELETE FROM oauth_grant WHERE id = ?1"));
  TRY_VOID(remove.Bind(1, grant_id).Run());
  return core_.Revoke("session " + grant_id);
}

// ---- refresh

io::Task<Result<Tokens>> Grants::Refresh(Client client, Secret token, std::string scope,
                                         Origin origin) {
  co_return co_await core_.database_pool.Run([this, client, token, scope, origin] {
    return UseRefresh(client, std::string(token.Reveal()), scope, origin);
  });
}

Result<Tokens> Grants::UseRefresh(const Client& client, const std::string& token,
                                  const std::string& scope, const Origin& origin) {
  const std::string hash = HashOfSecret(token);
  const Time now = core_.clock.Now();
  std::string replayed;
  Tokens out;
  Result<void> done = core_.database.Transaction([&]() -> Result<void> {
    TRY(auto select,
        core_.database.Prepare(
            "SELECT r.used_at, r.expires_at, g.id, g.client_id, g.account_id, g.scopes, g.kind, "
            "g.authenticated_at, g.expires_at FROM oauth_refresh r JOIN oauth_grant g ON g.id = "
            "r.grant_id WHERE r.token_hash = ?1"));
    TRY(const bool there, select.Bind(1, hash).Step());
    if (!there || select.Text(3) != client.id)
      return Refused("invalid_grant", "there is no such refresh token");
    const std::string grant_id = select.Text(2), account_id = select.Text(4), kind = select.Text(6);
    if (select.Integer(0) != 0) {
      replayed = grant_id;
      return Refused("invalid_grant", "the refresh token was used before; ask the user again");
    }
    const Time expires = FromEpochMicros(select.Integer(8));
    if (select.Integer(1) <= ToEpochMicros(now) || expires <= now)
      return Refused("invalid_grant", "the refresh token has run out");
    TRY(ScopeSet scopes, ScopeSet::Parse(select.Text(5)));
    const Time authenticated = FromEpochMicros(select.Integer(7));
    select.Reset();
    if (!TrimSpace(scope).empty()) {
      Result<ScopeSet> asked = ScopeSet::Parse(scope);
      if (!asked || !scopes.GrantsAll(*asked))
        return Refused("invalid_scope", "more scopes are asked for than were granted");
      scopes = *std::move(asked);
    }
    TRY(const Account account, identity_.accounts().Get(account_id));
    if (!CheckAvailability(client, account))
      return Refused("invalid_grant", "the user may not use this client any more");
    // Only the first of two uses at once sets it.
    TRY(auto use,
        core_.database.Prepare(
            "UPDATE oauth_refresh SET used_at = ?2 WHERE token_hash = ?1 AND used_at = 0"));
    TRY(const int64_t changed, use.Bind(1, hash).Bind(2, ToEpochMicros(now)).Run());
    if (changed == 0) {
      replayed = grant_id;
      return Refused("invalid_grant", "the refresh token was used before; ask the user again");
    }
    TRY(auto touch,
        core_.database.Prepare("UPDATE oauth_grant SET last_used_at = ?2 WHERE id = ?1"));
    TRY_VOID(touch.Bind(1, grant_id).Bind(2, ToEpochMicros(now)).Run());
    TRY(out, Issue(client, account, scopes, kind, grant_id, "", authenticated));
    TRY(out.refresh, AddRefresh(grant_id, expires));
    TRY_VOID(identity_.clients().Touch(client));
    audit::Entry entry = EntryOf(core_, client, origin, "token.issue", "success",
                                 "A client renewed its tokens to act for a user.");
    entry.object = {"grant", grant_id};
    entry.details = {{"user", account.id}};
    return core_.Audit(std::move(entry));
  });
  if (done) return out;
  if (!replayed.empty()) {
    audit::Entry entry = EntryOf(core_, client, origin, "grant.revoke", "success",
                                 "A refresh token was used twice; its grant was ended.");
    entry.object = {"grant", replayed};
    TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
      TRY_VOID(EndGrant(replayed));
      return core_.Audit(std::move(entry));
    }));
  }
  return Fail(std::move(done.error()));
}

// ---- withdrawal, introspection

io::Task<Result<void>> Grants::Withdraw(Client client, Secret token, Origin origin) {
  co_return co_await core_.database_pool.Run([this, client, token, origin]() -> Result<void> {
    return core_.database.Transaction([&]() -> Result<void> {
      audit::Entry entry =
          EntryOf(core_, client, origin, "token.revoke", "success", "A client gave a token back.");
      TRY(auto select,
          core_.database.Prepare("SELECT g.id, g.client_id FROM oauth_refresh r JOIN oauth_grant g "
                                 "ON g.id = r.grant_id WHERE r.token_hash = ?1"));
      TRY(const bool there, select.Bind(1, HashOfSecret(token.Reveal())).Step());
      if (there) {
        const std::string grant_id = select.Text(0);
        if (select.Text(1) != client.id) return {};
        select.Reset();
        entry.object = {"grant", grant_id};
        TRY_VOID(EndGrant(grant_id));
        return core_.Audit(std::move(entry));
      }
      const Result<Caller> caller = identity_.Authenticate(token.Reveal());
      if (!caller || caller->client_id != client.id) return {};
      entry.object = {"token", caller->token_id};
      TRY_VOID(core_.Revoke("token " + caller->token_id));
      return core_.Audit(std::move(entry));
    });
  });
}

io::Task<Result<json::object>> Grants::Introspect(Client client, Secret token) {
  co_return co_await core_.database_pool.Run([this, client, token]() -> Result<json::object> {
    const json::object inactive{{"active", false}};
    const bool sees_organisation = client.scopes.Grants("oauth:read") && !client.is_public;
    const auto visible = [&](const std::string& client_id, const std::string& org_id) {
      return client_id == client.id || (sees_organisation && org_id == client.org_id);
    };
    json::object out{{"active", true}, {"iss", core_.options.token.issuer}};
    if (const Result<Caller> caller = identity_.Authenticate(token.Reveal())) {
      if (!visible(caller->client_id, caller->org_id)) return inactive;
      out["scope"] = caller->scopes.ToString();
      out["client_id"] = caller->client_id;
      out["username"] = caller->user_name;
      out["sub"] = caller->user_id;
      out["token_type"] = "bearer";
      out["jti"] = caller->token_id;
      out["iat"] = ToEpochMillis(caller->issued) / 1000;
      out["exp"] = ToEpochMillis(caller->expires) / 1000;
      return out;
    }
    TRY(auto select,
        core_.database.Prepare(
            "SELECT g.client_id, g.org_id, g.account_id, g.scopes, r.used_at, r.expires_at FROM "
            "oauth_refresh r JOIN oauth_grant g ON g.id = r.grant_id WHERE r.token_hash = ?1"));
    TRY(const bool there, select.Bind(1, HashOfSecret(token.Reveal())).Step());
    if (!there || select.Integer(4) != 0 || select.Integer(5) <= ToEpochMicros(core_.clock.Now()) ||
        !visible(select.Text(0), select.Text(1))) {
      return inactive;
    }
    out["client_id"] = select.Text(0);
    out["sub"] = select.Text(2);
    out["scope"] = select.Text(3);
    out["token_type"] = "refresh_token";
    out["exp"] = select.Integer(5) / 1000000;
    return out;
  });
}

// ---- the person's own

io::Task<Result<std::vector<GrantInfo>>> Grants::ListOf(Caller caller) {
  co_return co_await core_.database_pool.Run([this, caller]() -> Result<std::vector<GrantInfo>> {
    TRY(auto select,
        core_.database.Prepare(
            "SELECT g.id, g.client_id, c.name, g.kind, g.scopes, g.created_at, g.last_used_at, "
            "g.expires_at FROM oauth_grant g JOIN api_client c ON c.id = g.client_id WHERE "
            "g.account_id = ?1 AND g.expires_at > ?2 ORDER BY g.created_at, g.id"));
    select.Bind(1, caller.user_id).Bind(2, ToEpochMicros(core_.clock.Now()));
    std::vector<GrantInfo> out;
    while (true) {
      TRY(const bool more, select.Step());
      if (!more) return out;
      GrantInfo info;
      info.id = select.Text(0);
      info.client_id = select.Text(1);
      info.client_name = select.Text(2);
      info.kind = select.Text(3);
      TRY(info.scopes, ScopeSet::Parse(select.Text(4)));
      info.created = FromEpochMicros(select.Integer(5));
      info.last_used = FromEpochMicros(select.Integer(6));
      info.expires = FromEpochMicros(select.Integer(7));
      out.push_back(std::move(info));
    }
  });
}

io::Task<Result<int64_t>> Grants::End(Caller caller, std::string client_id, Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, client_id,
                                              origin]() -> Result<int64_t> {
    std::vector<std::string> ids;
    {
      TRY(auto select, core_.database.Prepare(
                           "SELECT id FROM oauth_grant WHERE account_id = ?1 AND client_id = ?2"));
      select.Bind(1, caller.user_id).Bind(2, client_id);
      while (true) {
        TRY(const bool more, select.Step());
        if (!more) break;
        ids.push_back(select.Text(0));
      }
    }
    if (ids.empty()) return int64_t{0};
    audit::Entry entry = core_.EntryOf(caller, origin, "grant.revoke",
                                       "A user took back what a client was allowed.");
    entry.object = {"client", client_id};
    TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
      for (const std::string& id : ids) TRY_VOID(EndGrant(id));
      return core_.Audit(std::move(entry));
    }));
    return static_cast<int64_t>(ids.size());
  });
}

}  // namespace mailreeve::response::oauth
