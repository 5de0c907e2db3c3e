#include "response/identity/identity.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

std::string HashOfSecret(std::string_view secret) { return HexEncode(crypto::Sha256(secret)); }

std::string LoginKey(std::string_view login) { return AsciiLower(TrimSpace(login)); }

// An asker owns at least a /64 of IPv6, so that is what counts as one address.
std::string AddressKey(const std::string& address) {
  if (address.find(':') == std::string::npos || address.find('.') != std::string::npos)
    return address;
  asio::ip::address_v6::bytes_type bytes;
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address_v6(address, error);
  if (error) return address;
  bytes = parsed.to_bytes();
  return HexEncode(std::string_view(reinterpret_cast<const char*>(bytes.data()), 8)) + "/64";
}

constexpr std::string_view kAccountColumns =
    "a.id, a.org_id, a.name, a.nick, a.email, a.role, a.enabled, a.created_at, a.updated_at, "
    "a.last_logged_at";

Account ReadAccount(const sql::Statement& row) {
  Account account;
  account.id = row.Text(0);
  account.org_id = row.Text(1);
  account.name = row.Text(2);
  account.nick = row.Text(3);
  account.email = row.Text(4);
  account.role = RoleFromName(row.Text(5)).value_or(Role::kReadOnly);
  account.enabled = row.Integer(6) != 0;
  account.created = FromEpochMicros(row.Integer(7));
  account.updated = FromEpochMicros(row.Integer(8));
  if (!row.IsNull(9)) account.last_logged = FromEpochMicros(row.Integer(9));
  return account;
}

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

// "<session id>.<secret>"
bool SplitCookie(std::string_view cookie, std::string& id, std::string& secret) {
  const size_t dot = cookie.find('.');
  if (cookie.size() > 256 || dot == std::string_view::npos) return false;
  id = cookie.substr(0, dot);
  secret = cookie.substr(dot + 1);
  return !id.empty() && !secret.empty();
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options options;
  options.token.life = std::chrono::seconds(snapshot.Integer("identity.token_life"));
  options.token.skew = std::chrono::seconds(snapshot.Integer("identity.clock_skew"));
  options.session_life = std::chrono::seconds(snapshot.Integer("identity.session_life"));
  const std::chrono::seconds window(snapshot.Integer("identity.failure_window"));
  options.per_user_and_address.window = options.per_user.window = options.per_address.window =
      window;
  options.per_user_and_address.burst =
      static_cast<double>(snapshot.Integer("identity.failures_per_user"));
  options.per_user.burst = options.per_user_and_address.burst * 10;
  options.per_address.burst =
      static_cast<double>(snapshot.Integer("identity.failures_per_address"));
  return options;
}

Result<std::unique_ptr<Identity>> Identity::Open(Options options, const Clock& clock,
                                                 audit::Log& audit, log::Logger& logger) {
  TRY(crypto::SigningKey key, LoadOrMakeSigningKey(options.key_path, options.key_bits));
  TRY(sql::Database database, sql::Database::Open({.path = options.database_path}));
  TRY_VOID(database.Migrate("identity", sql::MigrationsOf("identity")));
  TRY(std::string dummy, crypto::HashPassword(RandomToken(18), options.password_cost));
  std::unique_ptr<Identity> identity(new Identity(std::move(options), clock, audit, logger,
                                                  std::move(database), std::move(key),
                                                  std::move(dummy)));
  TRY_VOID(identity->Start());
  return identity;
}

Identity::Identity(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
                   sql::Database database, crypto::SigningKey key, std::string dummy_hash)
    : options_(std::move(options)),
      clock_(clock),
      audit_(audit),
      logger_(logger),
      database_(std::move(database)),
      issuer_(std::move(key), options_.token, clock),
      dummy_hash_(std::move(dummy_hash)),
      per_user_and_address_(options_.per_user_and_address, clock),
      per_user_(options_.per_user, clock),
      per_address_(options_.per_address, clock),
      database_pool_("identity store", 1, options_.max_pending_queries),
      password_pool_("sign-in", options_.password_threads, options_.max_pending_passwords) {}

Identity::~Identity() = default;

Result<void> Identity::Start() {
  const int64_t now = ToEpochMicros(clock_.Now());
  {
    TRY(auto select,
        database_.Prepare(
            "SELECT id, name, created_at, updated_at FROM organisation ORDER BY created_at"));
    TRY(const bool there, select.Step());
    if (there) {
      organisation_ = {select.Text(0), select.Text(1), FromEpochMicros(select.Integer(2)),
                       FromEpochMicros(select.Integer(3))};
    }
  }
  if (organisation_.id.empty()) {
    organisation_ = {RandomUuid(), options_.organisation, FromEpochMicros(now),
                     FromEpochMicros(now)};
    TRY(auto insert,
        database_.Prepare(
            "INSERT INTO organisation (id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)"));
    TRY_VOID(insert.Bind(1, organisation_.id).Bind(2, organisation_.name).Bind(3, now).Run());
  }
  TRY(auto prune, database_.Prepare("DELETE FROM revocation WHERE revoked_until < ?1"));
  TRY_VOID(prune.Bind(1, now).Run());
  TRY(auto select, database_.Prepare("SELECT subject, revoked_until FROM revocation"));
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) break;
    revoked_[select.Text(0)] = FromEpochMicros(select.Integer(1));
  }
  return {};
}

// ---- accounts

Result<Secret> Identity::CreateFirstUser(const std::string& login_name, const std::string& email) {
  return MakeUser(login_name, email, Role::kAdmin, Secret(), true);
}

Result<Secret> Identity::CreateUser(const std::string& login_name, const std::string& email,
                                    Role role, Secret password) {
  return MakeUser(login_name, email, role, std::move(password), false);
}

Result<Secret> Identity::MakeUser(const std::string& login_name, const std::string& email,
                                  Role role, Secret password, bool only_first) {
  if (LoginKey(login_name).empty() || login_name.size() > 320 || !IsValidUtf8(login_name) ||
      email.size() > 320 || email.find('@') == std::string::npos || !IsValidUtf8(email)) {
    return Fail(Code::kInvalid, "a user needs a name and an e-mail address of at most 320 bytes");
  }
  Secret generated;
  if (password.empty()) {
    generated = Secret(RandomToken(18));
    password = generated;
  }
  TRY(const std::string hash, crypto::HashPassword(password.Reveal(), options_.password_cost));
  Account account;
  account.id = RandomUuid();
  account.org_id = organisation_.id;
  account.name = account.nick = std::string(TrimSpace(login_name));
  account.email = std::string(TrimSpace(email));
  account.role = role;
  account.created = account.updated = clock_.Now();
  bool made = false;
  TRY_VOID(InsertAccount(account, account.name, hash, only_first, made));
  if (!made) return Secret();
  return generated;
}

Result<void> Identity::InsertAccount(const Account& account, const std::string& login_name,
                                     const std::string& password_hash, bool only_first,
                                     bool& made) {
  return database_.Transaction([&]() -> Result<void> {
    if (only_first) {
      TRY(auto count, database_.Prepare("SELECT count(*) FROM account"));
      TRY(const bool there, count.Step());
      if (there && count.Integer(0) > 0) return {};
    }
    TRY(auto insert,
        database_.Prepare(
            "INSERT INTO account (id, org_id, name, nick, email, login_name, login_email, role, "
            "password_hash, enabled, created_at, updated_at) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?10)"));
    TRY_VOID(insert.Bind(1, account.id)
                 .Bind(2, account.org_id)
                 .Bind(3, account.name)
                 .Bind(4, account.nick)
                 .Bind(5, account.email)
                 .Bind(6, LoginKey(login_name))
                 .Bind(7, LoginKey(account.email))
                 .Bind(8, RoleName(account.role))
                 .Bind(9, password_hash)
                 .Bind(10, ToEpochMicros(account.created))
                 .Run());
    audit::Entry entry = EntryOf({"local", ""}, "user.create", "success", "A user was made.");
    entry.actor = {"system", "mailreeve-response", "mailreeve-response"};
    entry.origin.channel = "local";
    entry.object = {"user", account.id};
    entry.details = {{"name", account.name}, {"role", RoleName(account.role)}};
    TRY_VOID(Audit(std::move(entry)));
    made = true;
    return {};
  });
}

Result<std::optional<Identity::Found>> Identity::FindAccount(const std::string& login) {
  TRY(auto select,
      database_.Prepare(
          "SELECT " + std::string(kAccountColumns) +
          ", a.password_hash FROM account a WHERE a.login_name = ?1 OR a.login_email = ?1 "
          "ORDER BY CASE WHEN a.login_name = ?1 THEN 0 ELSE 1 END"));
  TRY(const bool there, select.Bind(1, login).Step());
  if (!there) return std::nullopt;
  return Found{ReadAccount(select), select.Text(10)};
}

Result<Account> Identity::GetAccount(const std::string& id) {
  TRY(auto select, database_.Prepare("SELECT " + std::string(kAccountColumns) +
                                     " FROM account a WHERE a.id = ?1"));
  TRY(const bool there, select.Bind(1, id).Step());
  if (!there) return Fail(Code::kNotFound, "there is no such user");
  return ReadAccount(select);
}

// ---- sign-in

bool Identity::TakeTry(const std::string& user, const std::string& address) {
  const std::string from = AddressKey(address);
  if (!per_address_.Take(from)) return false;
  if (!per_user_.Take(user)) {
    per_address_.GiveBack(from);
    return false;
  }
  if (!per_user_and_address_.Take(user + "\n" + from)) {
    per_address_.GiveBack(from);
    per_user_.GiveBack(user);
    return false;
  }
  return true;
}

void Identity::GiveTryBack(const std::string& user, const std::string& address) {
  const std::string from = AddressKey(address);
  per_address_.GiveBack(from);
  per_user_.GiveBack(user);
  per_user_and_address_.GiveBack(user + "\n" + from);
}

io::Task<Result<SignedIn>> Identity::SignIn(std::string user, Secret password, Origin origin) {
  const std::string login = LoginKey(user);
  if (login.empty() || login.size() > 320 || !IsValidUtf8(login) ||
      password.Reveal().size() > 1024) {
    co_return Fail(Code::kUnauthenticated, "wrong user or password");
  }
  // One spelling for the limit, whether they come by name or by address.
  CO_TRY(std::optional<Found> found,
         co_await database_pool_.Run([this, login] { return FindAccount(login); }));
  const std::string limited = found ? "user " + found->account.id : "login " + login;
  if (!TakeTry(limited, origin.address)) {
    logger_.Warn("sign_in_limited",
                 {{"address", origin.address}, {"request_id", origin.request_id}});
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  }
  const std::string hash = found ? found->password_hash : dummy_hash_;
  CO_TRY(const bool right, co_await password_pool_.Run([hash, password]() -> Result<bool> {
    return crypto::VerifyPassword(password.Reveal(), hash);
  }));
  if (!found || !right || !found->account.enabled) {
    audit::Entry entry =
        EntryOf(origin, "user.sign_in", "failure", "Sign-in with a wrong user or password.");
    // What was typed as a name of nobody may be a password, so it is not kept.
    entry.actor = {"user", found ? found->account.id : "", found ? found->account.name : "unknown"};
    entry.object = {"user", found ? found->account.id : ""};
    CO_TRY_VOID(co_await AppendAudit(std::move(entry)));
    co_return Fail(Code::kUnauthenticated, "wrong user or password");
  }
  GiveTryBack(limited, origin.address);
  co_return co_await database_pool_.Run(
      [this, account = found->account, origin] { return StartSession(account, origin); });
}

Result<IssuedToken> Identity::IssueSessionToken(const Account& account,
                                                const std::string& session_id) {
  Caller caller;
  caller.user_id = account.id;
  caller.user_name = account.name;
  caller.user_nick = account.nick;
  caller.user_email = account.email;
  caller.role = RoleName(account.role);
  caller.org_id = account.org_id;
  caller.org_name = organisation_.name;
  caller.grant = "password";
  caller.kind = "session-token";
  caller.session_id = session_id;
  caller.scopes = caller.user_scopes = caller.oauth_scopes = ScopesOf(account.role);
  return issuer_.Issue(caller);
}

Result<SignedIn> Identity::StartSession(const Account& account, const Origin& origin) {
  const Time now = clock_.Now();
  const std::string id = RandomUuid();
  const std::string secret = RandomToken(32);
  SignedIn out;
  TRY_VOID(database_.Transaction([&]() -> Result<void> {
    TRY(auto prune, database_.Prepare("DELETE FROM session WHERE expires_at < ?1"));
    TRY_VOID(prune.Bind(1, ToEpochMicros(now)).Run());
    TRY(auto insert,
        database_.Prepare(
            "INSERT INTO session (id, account_id, secret_hash, previous_hash, rotated_at, "
            "created_at, expires_at, address) VALUES (?1, ?2, ?3, '', ?4, ?4, ?5, ?6)"));
    TRY_VOID(insert.Bind(1, id)
                 .Bind(2, account.id)
                 .Bind(3, HashOfSecret(secret))
                 .Bind(4, ToEpochMicros(now))
                 .Bind(5, ToEpochMicros(now + options_.session_life))
                 .Bind(6, origin.address)
                 .Run());
    TRY(auto touch, database_.Prepare("UPDATE account SET last_logged_at = ?2 WHERE id = ?1"));
    TRY_VOID(touch.Bind(1, account.id).Bind(2, ToEpochMicros(now)).Run());
    TRY(out.token, IssueSessionToken(account, id));
    audit::Entry entry = EntryOf(origin, "user.sign_in", "success", "A user signed in.");
    entry.actor = {"user", account.id, account.name};
    entry.object = {"session", id};
    return Audit(std::move(entry));
  }));
  out.account = account;
  out.refresh = Secret(id + "." + secret);
  out.refresh_life = options_.session_life;
  return out;
}

Result<std::optional<Identity::Session>> Identity::FindSession(const std::string& id) {
  TRY(auto select,
      database_.Prepare(
          "SELECT " + std::string(kAccountColumns) +
          ", s.id, s.secret_hash, s.previous_hash, s.rotated_at, s.created_at, s.expires_at "
          "FROM session s JOIN account a ON a.id = s.account_id WHERE s.id = ?1"));
  TRY(const bool there, select.Bind(1, id).Step());
  if (!there) return std::nullopt;
  Session session;
  session.account = ReadAccount(select);
  session.id = select.Text(10);
  session.secret_hash = select.Text(11);
  session.previous_hash = select.Text(12);
  session.rotated = FromEpochMicros(select.Integer(13));
  session.created = FromEpochMicros(select.Integer(14));
  session.expires = FromEpochMicros(select.Integer(15));
  return session;
}

io::Task<Result<SignedIn>> Identity::Refresh(Secret cookie, Origin origin) {
  co_return co_await database_pool_.Run(
      [this, cookie, origin] { return RefreshSession(std::string(cookie.Reveal()), origin); });
}

Result<SignedIn> Identity::RefreshSession(const std::string& cookie, const Origin& origin) {
  const auto refuse = [] {
    return Fail(Code::kUnauthenticated, "there is no such session; sign in");
  };
  std::string id, secret;
  if (!SplitCookie(cookie, id, secret)) return refuse();
  TRY(const std::optional<Session> session, FindSession(id));
  const Time now = clock_.Now();
  if (!session || session->expires <= now || !session->account.enabled) return refuse();
  const std::string hash = HashOfSecret(secret);
  const bool current = ConstantTimeEqual(hash, session->secret_hash);
  if (!current) {
    if (session->previous_hash.empty() || !ConstantTimeEqual(hash, session->previous_hash))
      return refuse();
    if (now - session->rotated > options_.rotation_grace) {
      // Somebody holds a copy of a cookie that was replaced: owner or thief, the session is not
      // safe any more.
      audit::Entry entry = EntryOf(
          origin, "session.revoke", "success",
          "A refresh cookie was used again after it had been replaced; the session was ended.");
      entry.actor = {"system", "mailreeve-response", "mailreeve-response"};
      entry.object = {"session", id};
      entry.details = {{"user", session->account.id}};
      TRY_VOID(database_.Transaction([&]() -> Result<void> {
        TRY(auto remove, database_.Prepare("DELETE FROM session WHERE id = ?1"));
        TRY_VOID(remove.Bind(1, id).Run());
        TRY_VOID(Revoke("session " + id));
        return Audit(std::move(entry));
      }));
      return refuse();
    }
  }
  SignedIn out;
  out.account = session->account;
  out.refresh_life = std::chrono::duration_cast<std::chrono::seconds>(session->expires - now);
  TRY(out.token, IssueSessionToken(session->account, id));
  if (current) {
    const std::string next = RandomToken(32);
    TRY(auto update, database_.Prepare(
                         "UPDATE session SET secret_hash = ?2, previous_hash = ?3, rotated_at = ?4 "
                         "WHERE id = ?1"));
    TRY_VOID(update.Bind(1, id)
                 .Bind(2, HashOfSecret(next))
                 .Bind(3, hash)
                 .Bind(4, ToEpochMicros(now))
                 .Run());
    out.refresh = Secret(id + "." + next);
  }
  audit::Entry entry =
      EntryOf(origin, "token.issue", "success", "A session got a new access token.");
  entry.actor = {"user", out.account.id, out.account.name};
  entry.object = {"session", id};
  TRY_VOID(Audit(std::move(entry)));
  return out;
}

io::Task<Result<void>> Identity::SignOut(Secret cookie, Origin origin) {
  co_return co_await database_pool_.Run(
      [this, cookie, origin] { return EndSession(std::string(cookie.Reveal()), origin); });
}

Result<void> Identity::EndSession(const std::string& cookie, const Origin& origin) {
  std::string id, secret;
  if (!SplitCookie(cookie, id, secret)) return {};
  TRY(const std::optional<Session> session, FindSession(id));
  if (!session) return {};
  const std::string hash = HashOfSecret(secret);
  if (!ConstantTimeEqual(hash, session->secret_hash) &&
      !ConstantTimeEqual(hash, session->previous_hash))
    return {};
  audit::Entry entry = EntryOf(origin, "user.sign_out", "success", "A user signed out.");
  entry.actor = {"user", session->account.id, session->account.name};
  entry.object = {"session", id};
  return database_.Transaction([&]() -> Result<void> {
    TRY(auto remove, database_.Prepare("DELETE FROM session WHERE id = ?1"));
    TRY_VOID(remove.Bind(1, id).Run());
    TRY_VOID(Revoke("session " + id));
    return Audit(std::move(entry));
  });
}

// ---- API clients

io::Task<Result<IssuedToken>> Identity::ClientToken(std::string client_id, Secret password,
                                                    std::string scope, Origin origin) {
  if (client_id.empty() || client_id.size() > 100 || password.Reveal().size() > 1024) {
    co_return Fail(Code::kUnauthenticated, "wrong client id or password");
  }
  const std::string limited = "client " + client_id;
  if (!TakeTry(limited, origin.address)) {
    logger_.Warn("token_limited", {{"address", origin.address}, {"request_id", origin.request_id}});
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  }
  auto issued = co_await database_pool_.Run(
      [this, client_id, hash = HashOfSecret(password.Reveal()), scope, origin] {
        return IssueClientToken(client_id, hash, scope, origin);
      });
  if (issued || issued.error().code != Code::kUnauthenticated) GiveTryBack(limited, origin.address);
  co_return issued;
}

Result<IssuedToken> Identity::IssueClientToken(const std::string& client_id,
                                               const std::string& secret_hash,
                                               const std::string& scope, const Origin& origin) {
  TRY(auto select, database_.Prepare("SELECT " + std::string(kClientColumns) +
                                     " FROM api_client WHERE id = ?1"));
  TRY(const bool there, select.Bind(1, client_id).Step());
  // Compared in any case, so that the time does not tell which ids exist.
  const bool right = ConstantTimeEqual(secret_hash, there ? select.Text(12) : HashOfSecret(""));
  audit::Entry entry = EntryOf(origin, "token.issue", "failure", "Wrong client id or password.");
  entry.actor = {"client", there ? client_id : "", there ? select.Text(3) : "unknown"};
  entry.object = {"client", there ? client_id : ""};
  if (!there || !right || select.Integer(9) == 0) {
    TRY_VOID(Audit(std::move(entry)));
    return Fail(Code::kUnauthenticated, "wrong client id or password");
  }
  TRY(const Client client, ReadClient(select));
  select.Reset();
  TRY(const Account owner, GetAccount(client.owner_id));
  if (!owner.enabled) {
    entry.result = "denied";
    entry.message = "The client's owner is disabled.";
    TRY_VOID(Audit(std::move(entry)));
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
  caller.org_name = organisation_.name;
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
  TRY(IssuedToken token, issuer_.Issue(caller));

  const Time now = clock_.Now();
  if (!client.last_used || now - *client.last_used > std::chrono::minutes(1)) {
    TRY(auto update, database_.Prepare("UPDATE api_client SET last_used_at = ?2 WHERE id = ?1"));
    TRY_VOID(update.Bind(1, client.id).Bind(2, ToEpochMicros(now)).Run());
  }
  entry.result = "success";
  entry.message = "A client got an access token.";
  entry.details = {{"scope", token.scopes.ToString()}, {"owner", owner.id}};
  TRY_VOID(Audit(std::move(entry)));
  return token;
}

io::Task<Result<Identity::MadeClient>> Identity::MakeClient(Caller caller, NewClient asked,
                                                            Origin origin) {
  co_return co_await database_pool_.Run(
      [this, caller, asked, origin] { return InsertClient(caller, asked, origin); });
}

Result<Identity::MadeClient> Identity::InsertClient(const Caller& caller, const NewClient& asked,
                                                    const Origin& origin) {
  audit::Entry entry = EntryOf(origin, "client.create", "success", "An API client was made.");
  entry.actor = caller.client_id.empty()
                    ? audit::Entry::Actor{"user", caller.user_id, caller.user_name}
                    : audit::Entry::Actor{"client", caller.client_id, caller.client_name};
  if (const ScopeSet missing = caller.scopes.Missing(asked.scopes); !missing.empty()) {
    entry.result = "denied";
    entry.message = "An API client was asked for with more scopes than its maker has.";
    entry.details = {{"missing", missing.ToString()}};
    TRY_VOID(Audit(std::move(entry)));
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
  made.client.created = clock_.Now();
  made.password = Secret(RandomToken(32));
  entry.object = {"client", made.client.id};
  entry.details = {{"name", asked.name}, {"scopes", asked.scopes.ToString()}};
  TRY_VOID(database_.Transaction([&]() -> Result<void> {
    TRY(auto count, database_.Prepare("SELECT count(*) FROM api_client WHERE org_id = ?1"));
    TRY(const bool there, count.Bind(1, caller.org_id).Step());
    if (there && count.Integer(0) >= static_cast<int64_t>(options_.max_clients)) {
      return Fail(Code::kLimited, "the organisation has as many API clients as it may have");
    }
    count.Reset();
    TRY(auto insert,
        database_.Prepare(
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
    return Audit(std::move(entry));
  }));
  return made;
}

io::Task<Result<std::vector<Client>>> Identity::ListClients(Caller caller) {
  co_return co_await database_pool_.Run([this, org = caller.org_id] { return SelectClients(org); });
}

Result<std::vector<Client>> Identity::SelectClients(const std::string& org_id) {
  TRY(auto select, database_.Prepare("SELECT " + std::string(kClientColumns) +
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

io::Task<Result<void>> Identity::DeleteClient(Caller caller, std::string client_id, Origin origin) {
  co_return co_await database_pool_.Run(
      [this, caller, client_id, origin] { return RemoveClient(caller, client_id, origin); });
}

Result<void> Identity::RemoveClient(const Caller& caller, const std::string& client_id,
                                    const Origin& origin) {
  audit::Entry entry = EntryOf(origin, "client.delete", "success", "An API client was removed.");
  entry.actor = caller.client_id.empty()
                    ? audit::Entry::Actor{"user", caller.user_id, caller.user_name}
                    : audit::Entry::Actor{"client", caller.client_id, caller.client_name};
  entry.object = {"client", client_id};
  return database_.Transaction([&]() -> Result<void> {
    TRY(auto remove, database_.Prepare("DELETE FROM api_client WHERE id = ?1 AND org_id = ?2"));
    TRY(const int64_t removed, remove.Bind(1, client_id).Bind(2, caller.org_id).Run());
    if (removed == 0) return Fail(Code::kNotFound, "there is no such client");
    TRY_VOID(Revoke("client " + client_id));
    return Audit(std::move(entry));
  });
}

io::Task<Result<Profile>> Identity::GetProfile(Caller caller) {
  co_return co_await database_pool_.Run([this, caller] { return SelectProfile(caller); });
}

Result<Profile> Identity::SelectProfile(const Caller& caller) {
  Profile profile;
  TRY(profile.account, GetAccount(caller.user_id));
  if (profile.account.org_id != caller.org_id)
    return Fail(Code::kNotFound, "there is no such user");
  profile.organisation = organisation_;
  profile.scopes = caller.scopes;
  return profile;
}

// ---- tokens

Result<Caller> Identity::Authenticate(std::string_view access_token) const {
  TRY(Caller caller, issuer_.Check(access_token));
  if ((!caller.client_id.empty() && IsRevoked("client " + caller.client_id)) ||
      (!caller.session_id.empty() && IsRevoked("session " + caller.session_id))) {
    return Fail(Error(Code::kUnauthenticated, "jwt_revoked").Note("the token was withdrawn"));
  }
  return caller;
}

json::object Identity::Jwks() const { return issuer_.Jwks(); }

Result<void> Identity::Revoke(const std::string& subject) {
  const Time until = clock_.Now() + options_.token.life + 2 * options_.token.skew;
  TRY(auto insert,
      database_.Prepare(
          "INSERT INTO revocation (subject, revoked_until) VALUES (?1, ?2) "
          "ON CONFLICT (subject) DO UPDATE SET revoked_until = excluded.revoked_until"));
  TRY_VOID(insert.Bind(1, subject).Bind(2, ToEpochMicros(until)).Run());
  std::lock_guard lock(revoked_mutex_);
  std::erase_if(revoked_, [now = clock_.Now()](const auto& item) { return item.second < now; });
  revoked_[subject] = until;
  return {};
}

bool Identity::IsRevoked(const std::string& subject) const {
  std::lock_guard lock(revoked_mutex_);
  return revoked_.contains(subject);
}

// ---- audit

audit::Entry Identity::EntryOf(const Origin& origin, std::string action, std::string result,
                               std::string message) const {
  audit::Entry entry;
  entry.time = clock_.Now();
  entry.origin = {origin.address, "https", origin.request_id};
  entry.action = std::move(action);
  entry.result = std::move(result);
  entry.message = std::move(message);
  return entry;
}

Result<void> Identity::Audit(audit::Entry entry) {
  auto written = audit_.Append(std::move(entry));
  if (!written) {
    logger_.Error("audit_failed", {{"error", written.error().ToString()}});
    return Fail(Code::kUnavailable, "the act cannot be put into the audit log and so is not done");
  }
  return {};
}

io::Task<Result<void>> Identity::AppendAudit(audit::Entry entry) {
  co_return co_await database_pool_.Run([this, entry] { return Audit(entry); });
}

}  // namespace mailreeve::response::identity
