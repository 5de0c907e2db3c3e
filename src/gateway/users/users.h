#pragma once

#include "audit/audit.h"
#include "base/rate_limit.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/jwt_hmac.h"
#include "crypto/password.h"
#include "gateway/users/access.h"
#include "io/pool.h"
#include "log/log.h"
#include "settings/settings.h"
#include "sql/database.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// The local users of the gateway (docs/rest-api.md): made by `mailreeve user`, checked by the REST
// API. There is none until one is made.
//
// Threads: one executor; hashing and the database run on pools of its own. Ownership: clock, audit
// and logger outlive it. Errors: kInvalid (name, role or password not acceptable), kConflict (there
// is such a user), kNotFound, kUnauthenticated, kLimited (too many failed tries, or too much at
// once), kUnavailable (database or audit log: nothing was changed). Source: gateway-api.md 1.2.
//
//   TRY(auto users, users::Users::Open({.folder = "/var/lib/mailreeve"}, clock, audit, logger));
//   CO_TRY_VOID(co_await users->Add("ann", Role::kOperator, "", Secret("…"), origin));
//   CO_TRY(User ann, co_await users->Check("ann", Secret("…"), origin));
//   const std::string token = users->IssueToken(ann);
namespace mailreeve::gateway::users {

struct Options {
  std::string folder;  // holds users.db and rest-token.key
  crypto::PasswordCost password_cost;

  // Settings (schema/settings/rest.json).
  std::chrono::seconds token_life{1800};
  std::chrono::seconds credential_memory{300};  // how long a checked password is known
  size_t min_password = 12;                     // characters
  // Failed tries of one user from one address; of one user from anywhere ten times as many, so that
  // a stranger's guesses do not lock the user out.
  RateLimitOptions per_user{.burst = 10};
  RateLimitOptions per_address{.burst = 50};

  size_t password_threads = 2;
  size_t max_pending = 64;  // checks of passwords running and waiting
};
Options FromSettings(const settings::Snapshot& snapshot);

struct User {
  std::string name;
  Role role = Role::kGuest;
  std::string email;
  Time created, updated;
  std::optional<Time> last_login;
};

struct Origin {
  std::string address;  // IP, or "unix"
  std::string channel;  // "https", "http", "admin-socket"
  std::string request_id;
};

class Users {
 public:
  // Makes the key of the tokens and the database when they are not there. Blocking.
  static Result<std::unique_ptr<Users>> Open(Options options, const Clock& clock, audit::Log& audit,
                                             log::Logger& logger);
  ~Users();
  Users(const Users&) = delete;

  io::Task<Result<User>> Add(std::string name, Role role, std::string email, Secret password,
                             Origin origin);
  io::Task<Result<User>> SetPassword(std::string name, Secret password, Origin origin);
  io::Task<Result<User>> SetRole(std::string name, Role role, Origin origin);
  io::Task<Result<void>> Remove(std::string name, Origin origin);
  std::vector<User> List() const;  // by name

  // kUnauthenticated for a wrong name or password. A password that was right lately is not hashed
  // again, so that clients that send it with every request are served quickly.
  io::Task<Result<User>> Check(std::string name, Secret password, Origin origin);
  // Notes a log-in in the audit log; `password` was checked.
  io::Task<Result<void>> NoteLogin(User user, Origin origin);

  // HS256; good until its time is over or the user's password or role changes.
  std::string IssueToken(const User& user) const;
  // kUnauthenticated with gateway-api.md's message: "ExpiredSignatureError." or
  // "InvalidTokenError.".
  Result<User> CheckToken(std::string_view token) const;

 private:
  struct Account {
    User user;
    std::string password_hash, generation;
  };
  struct Known {
    std::string name, generation;
    Time until;
  };

  Users(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
        sql::Database database, Secret key, std::string dummy_hash);
  Result<void> Load();
  Result<void> CheckPassword(const Secret& password, const std::string& name) const;
  io::Task<Result<std::string>> HashOf(Secret password);
  // On the database's thread: writes the row and the audit entry, or neither.
  Result<void> Save(const Account& account, bool is_new, audit::Entry entry);
  io::Task<Result<User>> Change(Account account, bool is_new, audit::Entry entry);
  bool TakeTry(const std::string& name, const std::string& address);
  void GiveTryBack(const std::string& name, const std::string& address);
  audit::Entry EntryOf(const Origin& origin, std::string action, std::string result,
                       std::string name, std::string message) const;
  io::Task<Result<void>> Audit(audit::Entry entry);
  std::string DigestOf(const std::string& name, const Secret& password) const;

  const Options options_;
  const Clock& clock_;
  audit::Log& audit_;
  log::Logger& logger_;
  sql::Database database_;
  const crypto::HmacTokenKey key_;
  const std::string dummy_hash_;  // what the password of an unknown user is compared with
  const std::string memory_key_;  // of the digests that `known_` is looked up by
  RateLimit per_user_and_address_, per_user_, per_address_;
  std::map<std::string, Account, std::less<>> accounts_;  // all of them; the database follows
  std::map<std::string, Known> known_;

  // Last, so that their threads have ended before anything they use goes.
  io::Pool database_pool_;
  io::Pool password_pool_;
};

}  // namespace mailreeve::gateway::users
