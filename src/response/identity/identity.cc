#include "response/identity/identity.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "response/identity/rows.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

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
