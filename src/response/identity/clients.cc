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
    "created_at, "
    "last_used_at, secret_hash";

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
  if (!row.IsNull(11)) client.last_used = FromEpochMicros(row.Integer(11));
  return client;
}

}  // namespace

io::Task<Result<IssuedToken>> Clients::Token(std::string client_id, Secret password,
                                             std::string scope, Origin origin) {
  if (client_id.empty() || client_id.size() > 100 || password.Reveal().size() > 1024) {
    co_return Fail(Code::kUnauthenticated, "wrong client id or password");
  }
  const std::string limited = "client " + client_id;
  if (!core_.tries.Take(limited, origin.address)) {
    core_.logger.Warn("token_limited",
                      {{"address", origin.address}, {"request_id", origin.request_id}});
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  }
  auto issued = co_await core_.database_pool.Run(
      [this, client_id, hash = HashOfSecret(password.Reveal()), scope, origin] {
        return IssueToken(client_id, hash, scope, origin);
      });
  if (issued || issued.error().code != Code::kUnauthenticated)
    core_.tries.GiveBack(limited, origin.address);
  co_return issued;
}

Result<IssuedToken> Clients::IssueToken(const std::string& client_id,
                                        const std::string& secret_hash, const std::string& scope,
                                        const Origin& origin) {
  TRY(auto select, core_.database.Prepare("SELECT " + std::string(kClientColumns) +
                                          " FROM api_client WHERE id = ?1"));
  TRY(const bool there, select.Bind(1, client_id).Step());
  // Compared in any case, so that the time does not tell which ids exist.
  const bool right = ConstantTimeEqual(secret_hash, there ? select.Text(12) : HashOfSecret(""));
  audit::Entry entry =
      core_.EntryOf(origin, "token.issue", "failure", "Wrong client id or password.");
  entry.actor = {"client", there ? client_id : "", there ? select.Text(3) : "unknown"};
  entry.object = {"client", there ? client_id : ""};
  if (!there || !right || select.Integer(9) == 0) {
    TRY_VOID(core_.Audit(std::move(entry)));
    return Fail(Code::kUnauthenticated, "wrong client id or password");
  }
  TRY(const Client client, ReadClient(select));
  select.Reset();
  TRY(const Account owner, accounts_.Get(client.owner_id));
  if (!owner.enabled) {
    entry.result = "denied";
    entry.message = "The client's owner is disabled.";
    TRY_VOID(core_.Audit(std::move(entry)));
    return Fail(Code::kDenied, "the client's owner is disabled");
  }
  if (std::find(client.grants.begin(), client.grants.end(), "client-creds") ==
      client.grants.end()) {
    return Fail(Code::kDenied, "this client may not use client credentials");
  }
  Caller caller;
  caller.user_id = owner.id;
  caller.user_name = owner.name;
  caller.user_nick = owner.nick;
  caller.user_email = owner.email;
  caller.role = RoleName(owner.role);
  caller.org_id = client.org_id;
  caller.org_name = core_.FindOrganisation(client.org_id).name;
  caller.client_id = client.id;
  caller.client_name = client.name;
  caller.grant = "client-creds";
  caller.kind = "access-token";
  caller.user_scopes = ScopesOf(owner.role);
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

  const Time now = core_.clock.Now();
  if (!client.last_used || now - *client.last_used > std::chrono::minutes(1)) {
    TRY(auto update,
        core_.database.Prepare("UPDATE api_client SET last_used_at = ?2 WHERE id = ?1"));
    TRY_VOID(update.Bind(1, client.id).Bind(2, ToEpochMicros(now)).Run());
  }
  entry.result = "success";
  entry.message = "A client got an access token.";
  entry.details = {{"scope", token.scopes.ToString()}, {"owner", owner.id}};
  TRY_VOID(core_.Audit(std::move(entry)));
  return token;
}

io::Task<Result<MadeClient>> Clients::Make(Caller caller, NewClient asked, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, caller, asked, origin] { return Insert(caller, asked, origin); });
}

Result<MadeClient> Clients::Insert(const Caller& caller, const NewClient& asked,
                                   const Origin& origin) {
  audit::Entry entry = core_.EntryOf(caller, origin, "client.create", "An API client was made.");
  if (const ScopeSet missing = caller.scopes.Missing(asked.scopes); !missing.empty()) {
    entry.result = "denied";
    entry.message = "An API client was asked for with more scopes than its maker has.";
    entry.details = {{"missing", missing.ToString()}};
    TRY_VOID(core_.Audit(std::move(entry)));
    return Fail(Code::kDenied,
                "a client can have no scopes that its maker lacks: " + missing.ToString());
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
  made.client.created = core_.clock.Now();
  made.password = Secret(RandomToken(32));
  entry.object = {"client", made.client.id};
  entry.details = {{"name", asked.name}, {"scopes", asked.scopes.ToString()}};
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
            "grants, redirects, availability, enabled, created_at) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11)"));
    TRY_VOID(insert.Bind(1, made.client.id)
                 .Bind(2, made.client.org_id)
                 .Bind(3, made.client.owner_id)
                 .Bind(4, made.client.name)
                 .Bind(5, made.client.description)
                 .Bind(6, HashOfSecret(made.password.Reveal()))
                 .Bind(7, made.client.scopes.ToString())
                 .Bind(8, JoinLines(made.client.grants))
                 .Bind(9, JoinLines(made.client.redirects))
                 .Bind(10, made.client.availability)
                 .Bind(11, ToEpochMicros(made.client.created))
                 .Run());
    return core_.Audit(entry);
  }));
  return made;
}

io::Task<Result<std::vector<Client>>> Clients::List(Caller caller) {
  co_return co_await core_.database_pool.Run([this, org = caller.org_id] { return Select(org); });
}

Result<std::vector<Client>> Clients::Select(const std::string& org_id) {
  TRY(auto select,
      core_.database.Prepare("SELECT " + std::string(kClientColumns) +
                             " FROM api_client WHERE org_id = ?1 ORDER BY created_at, id"));
  select.Bind(1, org_id);
  std::vector<Client> clients;
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) return clients;
    TRY(Client client, ReadClient(select));
    clients.push_back(std::move(client));
  }
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
