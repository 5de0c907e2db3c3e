#include "response/identity/clients.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "response/identity/rows.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string_view line : Split(text, '\n')) {
    if (!line.empty()) lines.emplace_back(line);
  }
  return lines;
}

constexpr std::string_view kClientColumns =
    "id, org_id, owner_id, name, description, scopes, grants, redirects, availability, enabled, "
    "created_at, last_used_at, is_public, allow_partial, expires_at, updated_at, previous_until, "
    "secret_hash, previous_hash";
constexpr int kSecretHash = 17, kPreviousHash = 18;

Result<Client> ReadClient(const sql::Statement& row) {
  Client client;
  client.id = row.Text(0);
  client.org_id = row.Text(1);
  client.owner_id = row.Text(2);
  client.name = row.Text(3);
  client.description = row.Text(4);
  TRY(client.scopes, ScopeSet::Parse(row.Text(5)));
  client.grants = SplitLines(row.Text(6));
  client.redirects = SplitLines(row.Text(7));
  client.availability = row.Text(8);
  client.enabled = row.Integer(9) != 0;
  client.created = FromEpochMicros(row.Integer(10));
  client.last_used = FromEpochMicros(row.OptionalInteger(11));
  client.is_public = row.Integer(12) != 0;
  client.allow_partial = row.Integer(13) != 0;
  client.expires = FromEpochMicros(row.OptionalInteger(14));
  client.updated = std::max(client.created, FromEpochMicros(row.Integer(15)));
  if (row.Integer(16) != 0) client.previous_until = FromEpochMicros(row.Integer(16));
  return client;
}

tl::unexpected<Error> WrongClient() {
  return Fail(Code::kUnauthenticated, "wrong client id or password");
}

std::string Select(std::string_view where) {
  return "SELECT " + std::string(kClientColumns) + " FROM api_client WHERE " + std::string(where);
}

}  // namespace

// ---- proof of the secret

template <class T, class F>
io::Task<Result<T>> Clients::Limited(std::string client_id, Secret password, Origin origin,
                                     F work) {
  if (client_id.empty() || client_id.size() > 100 || password.Reveal().size() > 1024)
    co_return WrongClient();
  const std::string limited = "client " + client_id;
  if (!core_.tries.Take(limited, origin.address)) {
    core_.logger.Warn("token_limited",
                      {{"address", origin.address}, {"request_id", origin.request_id}});
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  }
  Result<T> done = co_await core_.database_pool.Run(
      [this, client_id, password, origin, work = std::move(work)]() -> Result<T> {
        TRY(const Client client, Verify(client_id, password, origin));
        return work(client);
      });
  if (done || done.error().code != Code::kUnauthenticated)
    core_.tries.GiveBack(limited, origin.address);
  co_return done;
}

io::Task<Result<IssuedToken>> Clients::Token(std::string client_id, Secret password,
                                             std::string scope, Origin origin) {
  co_return co_await Limited<IssuedToken>(
      std::move(client_id), std::move(password), origin,
      [this, scope, origin](const Client& client) { return IssueToken(client, scope, origin); });
}

io::Task<Result<Client>> Clients::Authenticate(std::string client_id, Secret password,
                                               Origin origin) {
  co_return co_await Limited<Client>(std::move(client_id), std::move(password), origin,
                                     [](const Client& client) -> Result<Client> { return client; });
}

Result<Client> Clients::Verify(const std::string& client_id, const Secret& password,
                               const Origin& origin) {
  TRY(auto select, core_.database.Prepare(identity::Select("id = ?1")));
  TRY(const bool there, select.Bind(1, client_id).Step());
  const Time now = core_.clock.Now();
  // Compared in any case, so that the time does not tell which ids exist.
  const std::string hash = HashOfSecret(password.Reveal());
  const std::string nothing = HashOfSecret("");
  const bool current = ConstantTimeEqual(hash, there ? select.Text(kSecretHash) : nothing);
  const bool previous = ConstantTimeEqual(hash, there ? select.Text(kPreviousHash) : nothing) &&
                        there && select.Integer(16) > ToEpochMicros(now);
  const bool is_public = there && select.Integer(12) != 0;
  const bool right = there && (is_public ? password.empty() : current || previous);
  if (!right) {
    audit::Entry entry =
        core_.EntryOf(origin, "token.issue", "failure", "Wrong client id or password.");
    entry.actor = {"client", there ? client_id : "", there ? select.Text(3) : "unknown"};
    entry.object = {"client", there ? client_id : ""};
    select.Reset();
    TRY_VOID(core_.Audit(std::move(entry)));
    return WrongClient();
  }
  TRY(Client client, ReadClient(select));
  select.Reset();
  if (Result<Account> owner = CheckUsable(client); !owner) {
    if (owner.error().code != Code::kDenied) return Fail(std::move(owner.error()));
    audit::Entry entry = core_.EntryOf(origin, "token.issue", "denied", owner.error().message);
    entry.actor = {"client", client.id, client.name};
    entry.object = {"client", client.id};
    TRY_VOID(core_.Audit(std::move(entry)));
    return Fail(Code::kUnauthenticated, owner.error().message);
  }
  return client;
}

Result<Account> Clients::CheckUsable(const Client& client) {
  if (!client.enabled) return Fail(Code::kDenied, "the client is disabled");
  if (client.expires && *client.expires <= core_.clock.Now())
    return Fail(Code::kDenied, "the client has expired");
  TRY(Account owner, accounts_.Get(client.owner_id));
  if (!owner.enabled) return Fail(Code::kDenied, "the client's owner is disabled");
  return owner;
}

Result<void> Clients::Touch(const Client& client) {
  const Time now = core_.clock.Now();
  if (client.last_used && now - *client.last_used <= std::chrono::minutes(1)) return {};
  TRY(auto update, core_.database.Prepare("UPDATE api_client SET last_used_at = ?2 WHERE id = ?1"));
  TRY_VOID(update.Bind(1, client.id).Bind(2, ToEpochMicros(now)).Run());
  return {};
}

Result<IssuedToken> Clients::IssueToken(const Client& client, const std::string& scope,
                                        const Origin& origin) {
  if (!client.HasGrant("client-creds") || client.is_public)
    return Fail(Code::kDenied, "this client may not use client credentials");
  TRY(const Account owner, accounts_.Get(client.owner_id));
  Caller caller = accounts_.CallerOf(owner);
  caller.client_id = client.id;
  caller.client_name = client.name;
  caller.grant = "client-creds";
  caller.kind = "access-token";
  caller.oauth_scopes = client.scopes;
  if (!TrimSpace(scope).empty()) {
    TRY(const ScopeSet asked, ScopeSet::Parse(scope));
    caller.oauth_scopes = client.scopes.Intersect(asked);
    if (caller.oauth_scopes.empty())
      return Fail(Code::kInvalid, "the client holds none of the scopes asked for");
  }
  // The owner may have lost scopes since the client was made.
  caller.scopes = caller.oauth_scopes.Intersect(caller.user_scopes);
  TRY(IssuedToken token, core_.issuer.Issue(caller));
  TRY_VOID(Touch(client));
  audit::Entry entry =
      core_.EntryOf(origin, "token.issue", "success", "A client got an access token.");
  entry.actor = {"client", client.id, client.name};
  entry.object = {"client", client.id};
  entry.details = {{"scope", token.scopes.ToString()}, {"owner", owner.id}};
  TRY_VOID(core_.Audit(std::move(entry)));
  return token;
}

// ---- management

io::Task<Result<MadeClient>> Clients::Make(Caller caller, NewClient asked, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, caller, asked, origin] { return Insert(caller, asked, origin); });
}

Result<void> Clients::Refuse(audit::Entry entry, const ScopeSet& missing) {
  entry.result = "denied";
  entry.message = "An API client has or would get more scopes than the asker.";
  entry.details = {{"missing", missing.ToString()}};
  TRY_VOID(core_.Audit(std::move(entry)));
  return Fail(Code::kDenied,
              "a client can have no scopes that its maker lacks: " + missing.ToString());
}

Result<MadeClient> Clients::Insert(const Caller& caller, const NewClient& asked,
                                   const Origin& origin) {
  audit::Entry entry = core_.EntryOf(caller, origin, "client.create", "An API client was made.");
  if (const ScopeSet missing = caller.scopes.Missing(asked.scopes); !missing.empty()) {
    TRY_VOID(Refuse(std::move(entry), missing));
  }
  MadeClient made;
  made.client.id = "client-" + RandomUuid();
  made.client.org_id = caller.org_id;
  made.client.owner_id = caller.user_id;
  made.client.name = asked.name;
  made.client.description = asked.description;
  made.client.scopes = asked.scopes;
  made.client.grants = asked.grants;
  made.client.redirects = asked.redirects;
  made.client.availability = asked.availability;
  made.client.is_public = asked.is_public;
  made.client.allow_partial = asked.allow_partial;
  made.client.expires = asked.expires;
  made.client.created = made.client.updated = core_.clock.Now();
  if (!asked.is_public) made.password = Secret(RandomToken(32));
  entry.object = {"client", made.client.id};
  entry.details = {
      {"name", asked.name}, {"scopes", asked.scopes.ToString()}, {"public", asked.is_public}};
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto count, core_.database.Prepare("SELECT count(*) FROM api_client WHERE org_id = ?1"));
    TRY(const bool there, count.Bind(1, caller.org_id).Step());
    if (there && count.Integer(0) >= static_cast<int64_t>(core_.options.max_clients)) {
      return Fail(Code::kLimited, "the organisation has as many API clients as it may have");
    }
    count.Reset();
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO api_client (id, org_id, owner_id, name, description, secret_hash, scopes, "
            "grants, redirects, availability, enabled, created_at, updated_at, is_public, "
            "allow_partial, expires_at) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?11, ?12, ?13, ?14)"));
    TRY_VOID(insert.Bind(1, made.client.id)
                 .Bind(2, made.client.org_id)
                 .Bind(3, made.client.owner_id)
                 .Bind(4, made.client.name)
                 .Bind(5, made.client.description)
                 .Bind(6, asked.is_public ? std::string() : HashOfSecret(made.password.Reveal()))
                 .Bind(7, made.client.scopes.ToString())
                 .Bind(8, JoinLines(made.client.grants))
                 .Bind(9, JoinLines(made.client.redirects))
                 .Bind(10, made.client.availability)
                 .Bind(11, ToEpochMicros(made.client.created))
                 .Bind(12, int64_t{asked.is_public})
                 .Bind(13, int64_t{asked.allow_partial})
                 .Bind(14, ToEpochMicros(asked.expires))
                 .Run());
    return core_.Audit(entry);
  }));
  return made;
}

io::Task<Result<std::vector<Client>>> Clients::List(Caller caller) {
  co_return co_await core_.database_pool.Run([this, org = caller.org_id] { return Select(org); });
}

Result<std::vector<Client>> Clients::Select(const std::string& org_id) {
  TRY(auto select, core_.database.Prepare(identity::Select("org_id = ?1 ORDER BY created_at, id")));
  select.Bind(1, org_id);
  std::vector<Client> clients;
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) return clients;
    TRY(Client client, ReadClient(select));
    clients.push_back(std::move(client));
  }
}

Result<Client> Clients::Find(const std::string& client_id) {
  TRY(auto select, core_.database.Prepare(identity::Select("id = ?1")));
  TRY(const bool there, select.Bind(1, client_id).Step());
  if (!there) return Fail(Code::kNotFound, "there is no such client");
  return ReadClient(select);
}

Result<Client> Clients::Own(const Caller& caller, const std::string& client_id) {
  TRY(Client client, Find(client_id));
  if (client.org_id != caller.org_id) return Fail(Code::kNotFound, "there is no such client");
  return client;
}

io::Task<Result<Client>> Clients::Get(Caller caller, std::string client_id) {
  co_return co_await core_.database_pool.Run(
      [this, caller, client_id] { return Own(caller, client_id); });
}

io::Task<Result<Client>> Clients::Change(Caller caller, std::string client_id, ClientChange change,
                                         Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, client_id, change, origin] {
    return Update(caller, client_id, change, origin);
  });
}

Result<Client> Clients::Update(const Caller& caller, const std::string& client_id,
                               const ClientChange& change, const Origin& origin) {
  TRY(Client client, Own(caller, client_id));
  audit::Entry entry = core_.EntryOf(caller, origin, "client.update", "An API client was changed.");
  entry.object = {"client", client.id};
  ScopeSet needed = client.scopes;
  const bool was_enabled = client.enabled;
  json::object changed;
  if (change.name) changed["name"] = client.name = *change.name;
  if (change.description) client.description = *change.description;
  if (change.scopes) {
    client.scopes = *change.scopes;
    changed["scopes"] = client.scopes.ToString();
    std::vector<Scope> both = needed.scopes();
    both.insert(both.end(), client.scopes.scopes().begin(), client.scopes.scopes().end());
    needed = ScopeSet(std::move(both));
  }
  if (change.grants) client.grants = *change.grants;
  if (change.redirects) {
    client.redirects = *change.redirects;
    changed["redirects"] = JoinLines(client.redirects);
  }
  if (change.availability) client.availability = *change.availability;
  if (change.allow_partial) client.allow_partial = *change.allow_partial;
  if (change.expires) client.expires = *change.expires;
  if (change.enabled) changed["enabled"] = client.enabled = *change.enabled;
  // Who may set a client's redirects or switch it on could make it work for himself.
  const bool only_off = change.enabled && !*change.enabled && !change.name && !change.description &&
                        !change.scopes && !change.grants && !change.redirects &&
                        !change.availability && !change.allow_partial && !change.expires;
  if (const ScopeSet missing = caller.scopes.Missing(needed); !missing.empty() && !only_off)
    TRY_VOID(Refuse(std::move(entry), missing));
  client.updated = core_.clock.Now();
  entry.details = std::move(changed);
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto update,
        core_.database.Prepare(
            "UPDATE api_client SET name = ?2, description = ?3, scopes = ?4, grants = ?5, "
            "redirects = ?6, availability = ?7, enabled = ?8, allow_partial = ?9, expires_at = "
            "?10, updated_at = ?11 WHERE id = ?1"));
    TRY_VOID(update.Bind(1, client.id)
                 .Bind(2, client.name)
                 .Bind(3, client.description)
                 .Bind(4, client.scopes.ToString())
                 .Bind(5, JoinLines(client.grants))
                 .Bind(6, JoinLines(client.redirects))
                 .Bind(7, client.availability)
                 .Bind(8, int64_t{client.enabled})
                 .Bind(9, int64_t{client.allow_partial})
                 .Bind(10, ToEpochMicros(client.expires))
                 .Bind(11, ToEpochMicros(client.updated))
                 .Run());
    if (change.scopes || (was_enabled && !client.enabled))
      TRY_VOID(core_.Revoke("client " + client.id));
    return core_.Audit(std::move(entry));
  }));
  return client;
}

io::Task<Result<MadeClient>> Clients::Rotate(Caller caller, std::string client_id, bool keep_old,
                                             Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, client_id, keep_old, origin] {
    return Replace(caller, client_id, keep_old, origin);
  });
}

Result<MadeClient> Clients::Replace(const Caller& caller, const std::string& client_id,
                                    bool keep_old, const Origin& origin) {
  MadeClient made;
  TRY(made.client, Own(caller, client_id));
  audit::Entry entry =
      core_.EntryOf(caller, origin, "client.rotate", "An API client got a new secret.");
  entry.object = {"client", client_id};
  if (made.client.is_public) return Fail(Code::kConflict, "a public client has no secret");
  if (const ScopeSet missing = caller.scopes.Missing(made.client.scopes); !missing.empty())
    TRY_VOID(Refuse(std::move(entry), missing));
  made.password = Secret(RandomToken(32));
  const Time now = core_.clock.Now();
  if (keep_old) made.client.previous_until = now + core_.options.secret_grace;
  if (!keep_old) made.client.previous_until.reset();
  entry.details = {{"old_secret_serves_on", keep_old}};
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto update,
        core_.database.Prepare(
            "UPDATE api_client SET previous_hash = CASE WHEN CAST(?3 AS BIGINT) = 0 THEN "
            "'' ELSE secret_hash END, previous_until = ?3, secret_hash = ?2, updated_at = ?4 "
            "WHERE id = ?1"));
    TRY_VOID(update.Bind(1, client_id)
                 .Bind(2, HashOfSecret(made.password.Reveal()))
                 .Bind(3, keep_old ? ToEpochMicros(now + core_.options.secret_grace) : int64_t{0})
                 .Bind(4, ToEpochMicros(now))
                 .Run());
    // A secret that must not serve on may be in other hands, and so may its tokens.
    if (!keep_old) TRY_VOID(core_.Revoke("client " + client_id));
    return core_.Audit(std::move(entry));
  }));
  return made;
}

io::Task<Result<void>> Clients::Delete(Caller caller, std::string client_id, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, caller, client_id, origin] { return Remove(caller, client_id, origin); });
}

Result<void> Clients::Remove(const Caller& caller, const std::string& client_id,
                             const Origin& origin) {
  audit::Entry entry = core_.EntryOf(caller, origin, "client.delete", "An API client was removed.");
  entry.object = {"client", client_id};
  return core_.database.Transaction([&]() -> Result<void> {
    TRY(auto remove,
        core_.database.Prepare("DELETE FROM api_client WHERE id = ?1 AND org_id = ?2"));
    TRY(const int64_t removed, remove.Bind(1, client_id).Bind(2, caller.org_id).Run());
    if (removed == 0) return Fail(Code::kNotFound, "there is no such client");
    TRY_VOID(core_.Revoke("client " + client_id));
    return core_.Audit(entry);
  });
}

}  // namespace mailreeve::response::identity
