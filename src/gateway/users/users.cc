#include "gateway/users/users.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "io/file.h"

#include <algorithm>

namespace mailreeve::gateway::users {
namespace {

constexpr size_t kMaxName = 64, kMaxEmail = 320, kMaxPassword = 1024;
// Clients that renew a token when its life is over must not be refused for the way it took.
constexpr int64_t kGraceSeconds = 30;
constexpr size_t kMaxKnown = 1000;  // checked passwords that are remembered
constexpr std::string_view kExpired = "ExpiredSignatureError.", kBadToken = "InvalidTokenError.";

// Names stand in Basic credentials and on command lines.
bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '@' || c == '+';
  });
}

std::string NameKey(std::string_view name) { return AsciiLower(TrimSpace(name)); }

// An asker owns at least a /64 of IPv6, so that is what counts as one address.
std::string AddressKey(const std::string& address) {
  io::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error || !parsed.is_v6() || parsed.to_v6().is_v4_mapped()) return address;
  const auto bytes = parsed.to_v6().to_bytes();
  return HexEncode(std::string_view(reinterpret_cast<const char*>(bytes.data()), 8)) + "/64";
}

RateLimitOptions TenTimes(RateLimitOptions options) {
  options.burst *= 10;
  return options;
}

Result<Secret> LoadOrMakeKey(const std::string& path) {
  auto read = io::ReadFile(path, 1024);
  if (read) {
    if (read->size() < 32) {
      return Fail(Code::kCorrupt, path +
                                      ": is too short for a key; remove it to have a new one "
                                      "made (tokens issued so far are refused then)");
    }
    return Secret(*std::move(read));
  }
  if (read.error().code != Code::kNotFound) return Fail(std::move(read).error());
  std::string made = RandomBytes(32);
  TRY_VOID(io::WriteFileAtomically(path, made, 0600));
  return Secret(std::move(made));
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  Options options;
  options.token_life = std::chrono::seconds(snapshot.Integer("rest.token_life"));
  options.credential_memory = std::chrono::seconds(snapshot.Integer("rest.credential_memory"));
  options.min_password = static_cast<size_t>(snapshot.Integer("rest.min_passphrase"));
  options.per_user.burst = static_cast<double>(snapshot.Integer("rest.failures_per_user"));
  options.per_address.burst = static_cast<double>(snapshot.Integer("rest.failures_per_address"));
  options.per_user.window = options.per_address.window =
      std::chrono::seconds(snapshot.Integer("rest.failure_window"));
  return options;
}

Result<std::unique_ptr<Users>> Users::Open(Options options, const Clock& clock, audit::Log& audit,
                                           log::Logger& logger) {
  TRY(Secret key, LoadOrMakeKey(options.folder + "/rest-token.key"));
  TRY(sql::Database database, sql::Database::Open({.path = options.folder + "/users.db"}));
  TRY_VOID(database.Migrate("users", sql::MigrationsOf("users")));
  TRY(std::string dummy, crypto::HashPassword(RandomToken(18), options.password_cost));
  std::unique_ptr<Users> users(new Users(std::move(options), clock, audit, logger,
                                         std::move(database), std::move(key), std::move(dummy)));
  TRY_VOID(users->Load());
  return users;
}

Users::Users(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
             sql::Database database, Secret key, std::string dummy_hash)
    : options_(std::move(options)),
      clock_(clock),
      audit_(audit),
      logger_(logger),
      database_(std::move(database)),
      key_(std::move(key)),
      dummy_hash_(std::move(dummy_hash)),
      memory_key_(RandomBytes(32)),
      per_user_and_address_(options_.per_user, clock),
      per_user_(TenTimes(options_.per_user), clock),
      per_address_(options_.per_address, clock),
      database_pool_("users", 1, 1000),
      password_pool_("passwords", options_.password_threads, options_.max_pending) {}

Users::~Users() = default;

Result<void> Users::Load() {
  TRY(auto select,
      database_.Prepare("SELECT name, role, email, password_hash, generation, created_at, "
                        "updated_at, last_login_at FROM gateway_user"));
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) return {};
    Account account;
    account.user.name = select.Text(0);
    const auto role = RoleFromName(select.Text(1));
    if (!role) {
      logger_.Error("user_of_unknown_role",
                    {{"user", account.user.name}, {"role", select.Text(1)}});
      continue;
    }
    account.user.role = *role;
    account.user.email = select.Text(2);
    account.password_hash = select.Text(3);
    account.generation = select.Text(4);
    account.user.created = FromEpochMicros(select.Integer(5));
    account.user.updated = FromEpochMicros(select.Integer(6));
    account.user.last_login = FromEpochMicros(select.OptionalInteger(7));
    accounts_[account.user.name] = std::move(account);
  }
}

// ---- changes

Result<void> Users::CheckPassword(const Secret& password, const std::string& name) const {
  const std::string_view text = password.Reveal();
  if (text.size() > kMaxPassword || !IsValidUtf8(text) || text.find('\0') != std::string::npos)
    return Fail(Code::kInvalid,
                "passphrase: must be text of at most " + std::to_string(kMaxPassword) + " bytes");
  size_t characters = 0;
  for (size_t at = 0; at < text.size(); ++characters) NextCodePoint(text, at);
  if (characters < options_.min_password) {
    return Fail(Code::kInvalid, "passphrase: needs at least " +
                                    std::to_string(options_.min_password) + " characters");
  }
  if (AsciiLower(text).find(name) != std::string::npos && text.size() < name.size() + 8)
    return Fail(Code::kInvalid, "passphrase: must not be made of the user's name");
  return {};
}

io::Task<Result<std::string>> Users::HashOf(Secret password) {
  co_return co_await password_pool_.Run([password, cost = options_.password_cost] {
    return crypto::HashPassword(password.Reveal(), cost);
  });
}

Result<void> Users::Save(const Account& account, bool is_new, audit::Entry entry) {
  return database_.Transaction([&]() -> Result<void> {
    TRY(auto write,
        database_.Prepare(
            is_new ? "INSERT INTO gateway_user (name, role, email, password_hash, generation, "
                     "created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                   : "UPDATE gateway_user SET role = ?2, email = ?3, password_hash = ?4, "
                     "generation = ?5, created_at = ?6, updated_at = ?7 WHERE name = ?1"));
    TRY(const int64_t rows, write.Bind(1, account.user.name)
                                .Bind(2, RoleName(account.user.role))
                                .Bind(3, account.user.email)
                                .Bind(4, account.password_hash)
                                .Bind(5, account.generation)
                                .Bind(6, ToEpochMicros(account.user.created))
                                .Bind(7, ToEpochMicros(account.user.updated))
                                .Run());
    if (rows != 1) return Fail(Code::kNotFound, "there is no such user");
    if (auto written = audit_.Append(std::move(entry)); !written) {
      logger_.Error("audit_failed", {{"error", written.error().ToString()}});
      return Fail(Code::kUnavailable,
                  "the change cannot be put into the audit log and so is not done");
    }
    return {};
  });
}

io::Task<Result<User>> Users::Change(Account account, bool is_new, audit::Entry entry) {
  account.user.updated = clock_.Now();
  account.generation = RandomToken(12);
  CO_TRY_VOID(co_await database_pool_.Run(
      [this, account, is_new, entry] { return Save(account, is_new, entry); }));
  const User user = account.user;
  accounts_[user.name] = std::move(account);
  co_return user;
}

io::Task<Result<User>> Users::Add(std::string name, Role role, std::string email, Secret password,
                                  Origin origin) {
  name = NameKey(name);
  if (!IsName(name)) {
    co_return Fail(Code::kInvalid,
                   "name: must be 1 to " + std::to_string(kMaxName) +
                       " of a-z, 0-9, '.', '_', '-', '@' and '+', and not begin with '-'");
  }
  if (email.size() > kMaxEmail || !IsValidUtf8(email))
    co_return Fail(Code::kInvalid, "email: must be text of at most 320 bytes");
  CO_TRY_VOID(CheckPassword(password, name));
  if (accounts_.contains(name))
    co_return Fail(Code::kConflict, "there is a user '" + name + "' already");
  Account account;
  CO_TRY(account.password_hash, co_await HashOf(std::move(password)));
  account.user.name = name;
  account.user.role = role;
  account.user.email = std::move(email);
  account.user.created = clock_.Now();
  audit::Entry entry = EntryOf(origin, "user.create", "success", name, "A user was made.");
  entry.details = {{"role", RoleName(role)}};
  auto done = co_await Change(std::move(account), true, std::move(entry));
  // Two at once: the database decides.
  if (!done && done.error().code == Code::kConflict)
    co_return Fail(Code::kConflict, "there is a user '" + name + "' already");
  co_return done;
}

io::Task<Result<User>> Users::SetPassword(std::string name, Secret password, Origin origin) {
  name = NameKey(name);
  CO_TRY_VOID(CheckPassword(password, name));
  CO_TRY(std::string hash, co_await HashOf(std::move(password)));
  const auto found = accounts_.find(name);
  if (found == accounts_.end()) co_return Fail(Code::kNotFound, "there is no user '" + name + "'");
  Account account = found->second;
  account.password_hash = std::move(hash);
  co_return co_await Change(
      std::move(account), false,
      EntryOf(origin, "user.set_password", "success", name, "A user's passphrase was set."));
}

io::Task<Result<User>> Users::SetRole(std::string name, Role role, Origin origin) {
  name = NameKey(name);
  const auto found = accounts_.find(name);
  if (found == accounts_.end()) co_return Fail(Code::kNotFound, "there is no user '" + name + "'");
  Account account = found->second;
  audit::Entry entry =
      EntryOf(origin, "user.set_role", "success", name, "A user's role was changed.");
  entry.details = {{"role", RoleName(role)}, {"role_before", RoleName(account.user.role)}};
  account.user.role = role;
  co_return co_await Change(std::move(account), false, std::move(entry));
}

io::Task<Result<void>> Users::Remove(std::string name, Origin origin) {
  name = NameKey(name);
  if (!accounts_.contains(name)) co_return Fail(Code::kNotFound, "there is no user '" + name + "'");
  const audit::Entry entry = EntryOf(origin, "user.delete", "success", name, "A user was removed.");
  CO_TRY_VOID(co_await database_pool_.Run([this, name, entry] {
    return database_.Transaction([&]() -> Result<void> {
      TRY(auto remove, database_.Prepare("DELETE FROM gateway_user WHERE name = ?1"));
      TRY_VOID(remove.Bind(1, name).Run());
      if (!audit_.Append(entry)) {
        return Fail(Code::kUnavailable,
                    "the change cannot be put into the audit log and so is not done");
      }
      return {};
    });
  }));
  accounts_.erase(name);
  co_return Result<void>();
}

std::vector<User> Users::List() const {
  std::vector<User> out;
  for (const auto& [name, account] : accounts_) out.push_back(account.user);
  return out;
}

// ---- log-in

std::string Users::DigestOf(const std::string& name, const Secret& password) const {
  std::string text = name;
  text += '\0';
  text += password.Reveal();
  return crypto::HmacSha256(memory_key_, text);
}

bool Users::TakeTry(const std::string& name, const std::string& address) {
  if (!per_address_.Take(address)) return false;
  if (!per_user_.Take(name)) {
    per_address_.GiveBack(address);
    return false;
  }
  if (!per_user_and_address_.Take(name + "\n" + address)) {
    per_address_.GiveBack(address);
    per_user_.GiveBack(name);
    return false;
  }
  return true;
}

void Users::GiveTryBack(const std::string& name, const std::string& address) {
  per_address_.GiveBack(address);
  per_user_.GiveBack(name);
  per_user_and_address_.GiveBack(name + "\n" + address);
}

io::Task<Result<User>> Users::Check(std::string name, Secret password, Origin origin) {
  name = NameKey(name);
  const auto wrong = [] { return Fail(Code::kUnauthenticated, "Invalid username or passphrase."); };
  if (!IsName(name) || password.empty() || password.Reveal().size() > kMaxPassword)
    co_return wrong();
  const std::string digest = DigestOf(name, password);
  if (const auto known = known_.find(digest); known != known_.end()) {
    const auto account = accounts_.find(known->second.name);
    if (clock_.Now() < known->second.until && account != accounts_.end() &&
        account->second.generation == known->second.generation) {
      co_return account->second.user;
    }
    known_.erase(known);
  }
  const std::string from = AddressKey(origin.address);
  if (!TakeTry(name, from)) {
    logger_.Warn("log_in_limited", {{"address", origin.address}, {"user", name}});
    co_return Fail(Code::kLimited, "Too many failed log-ins; wait before the next one.");
  }
  const auto found = accounts_.find(name);
  const bool exists = found != accounts_.end();
  const std::string hash = exists ? found->second.password_hash : dummy_hash_;
  const std::string generation = exists ? found->second.generation : "";
  auto right = co_await password_pool_.Run([hash, password]() -> Result<bool> {
    return crypto::VerifyPassword(password.Reveal(), hash);
  });
  if (!right) {
    GiveTryBack(name, from);
    co_return Fail(std::move(right).error());
  }
  const auto now = accounts_.find(name);  // may have changed meanwhile
  if (!*right || !exists || now == accounts_.end() || now->second.generation != generation) {
    // What was typed as a name of nobody may be a password, so it is not kept.
    audit::Entry entry = EntryOf(origin, "user.login", "failure", exists ? name : "unknown",
                                 "A log-in with a wrong user or passphrase.");
    CO_TRY_VOID(co_await Audit(std::move(entry)));
    co_return wrong();
  }
  GiveTryBack(name, from);
  if (known_.size() >= kMaxKnown) known_.clear();
  known_[digest] = {name, generation, clock_.Now() + options_.credential_memory};
  co_return now->second.user;
}

io::Task<Result<void>> Users::NoteLogin(User user, Origin origin) {
  audit::Entry entry = EntryOf(origin, "user.login", "success", user.name, "A user logged in.");
  const Time now = clock_.Now();
  CO_TRY_VOID(co_await database_pool_.Run([this, name = user.name, now, entry]() -> Result<void> {
    TRY(auto touch,
        database_.Prepare("UPDATE gateway_user SET last_login_at = ?2 WHERE name = ?1"));
    TRY_VOID(touch.Bind(1, name).Bind(2, ToEpochMicros(now)).Run());
    if (!audit_.Append(entry))
      return Fail(Code::kUnavailable, "the log-in cannot be put into the audit log");
    return {};
  }));
  if (const auto found = accounts_.find(user.name); found != accounts_.end())
    found->second.user.last_login = now;
  co_return Result<void>();
}

// ---- tokens

std::string Users::IssueToken(const User& user) const {
  const int64_t now = ToEpochMillis(clock_.Now()) / 1000;
  const auto found = accounts_.find(user.name);
  return key_.Sign({{"userName", user.name},
                    {"role", RoleName(user.role)},
                    {"iat", now},
                    {"exp", now + options_.token_life.count()},
                    {"jti", RandomToken(12)},
                    {"gen", found == accounts_.end() ? "" : found->second.generation}});
}

Result<User> Users::CheckToken(std::string_view token) const {
  const auto refuse = [](std::string_view why) {
    return Fail(Code::kUnauthenticated, std::string(why));
  };
  auto claims = key_.Verify(token);
  if (!claims) return refuse(kBadToken);
  const auto name = json::RequireString(*claims, "userName");
  const auto expires = json::RequireInteger(*claims, "exp");
  const auto generation = json::RequireString(*claims, "gen");
  if (!name || !expires || !generation) return refuse(kBadToken);
  if (ToEpochMillis(clock_.Now()) / 1000 >= *expires + kGraceSeconds) return refuse(kExpired);
  const auto found = accounts_.find(*name);
  if (found == accounts_.end() || found->second.generation != *generation) return refuse(kBadToken);
  return found->second.user;
}

// ---- audit

audit::Entry Users::EntryOf(const Origin& origin, std::string action, std::string result,
                            std::string name, std::string message) const {
  audit::Entry entry;
  entry.time = clock_.Now();
  entry.actor = action == "user.login"
                    ? audit::Entry::Actor{"user", name, name}
                    : audit::Entry::Actor{"administrator", "administrator", "administrator"};
  entry.origin = {origin.address, origin.channel, origin.request_id};
  entry.action = std::move(action);
  entry.object = {"user", std::move(name)};
  entry.result = std::move(result);
  entry.message = std::move(message);
  return entry;
}

io::Task<Result<void>> Users::Audit(audit::Entry entry) {
  co_return co_await database_pool_.Run([this, entry]() -> Result<void> {
    if (auto written = audit_.Append(entry); !written) {
      logger_.Error("audit_failed", {{"error", written.error().ToString()}});
      return Fail(Code::kUnavailable, "the audit log cannot be written");
    }
    return {};
  });
}

}  // namespace mailreeve::gateway::users
