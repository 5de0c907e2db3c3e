#pragma once

#include "audit/audit.h"
#include "base/rate_limit.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/password.h"
#include "io/pool.h"
#include "log/log.h"
#include "response/identity/token.h"
#include "settings/settings.h"
#include "sql/database.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

// Who may come in and with what: the organisation, people, API clients, sign-in sessions and their
// tokens (threat-response-api.md 1, docs/identity.md).
//
// Threads: every Task on one executor, any number at once; Authenticate and Jwks from that
// executor. SQL runs on a thread of Identity's own, key derivation on others. Ownership: borrows
// clock, audit log and logger. Errors: kUnauthenticated wrong secret, kLimited too many tries,
// kDenied scope of the asker, kNotFound, kUnavailable store or audit log; nothing is done that
// cannot be put into the audit log.
//
//   TRY(auto identity, Identity::Open(options, clock, audit_log, logger));
//   TRY(auto password, identity->CreateFirstUser("admin", "admin@example.org"));  // once: show it
//   auto signed_in = co_await identity->SignIn("admin", Secret(password), origin);
//   auto caller = identity->Authenticate(signed_in->token.access_token);
namespace mailreeve::response::identity {

struct Options {
  std::string database_path;               // shared with other components
  std::string key_path;                    // private key of the token issuer; never in the database
  int key_bits = 2048;                     // of a key that has to be made
  std::string organisation = "Mailreeve";  // name of the organisation made at the first start
  TokenOptions token;
  std::chrono::seconds session_life{12 * 3600};  // from the sign-in, however often refreshed
  // A second use of a refresh cookie within this is a race of two tabs; later it is a stolen
  // cookie.
  std::chrono::seconds rotation_grace{15};
  RateLimitOptions per_user_and_address{.burst = 10};
  RateLimitOptions per_user{.burst = 100};
  RateLimitOptions per_address{.burst = 30};
  crypto::PasswordCost password_cost;
  size_t password_threads = 2;
  size_t max_pending_passwords = 32;
  size_t max_pending_queries = 1000;
  size_t max_clients = 1000;  // of one organisation
};
// The settings identity.* of `snapshot` over the defaults; paths and keys are the caller's.
Options FromSettings(const settings::Snapshot& snapshot);

// Where a request came from, for the audit entry.
struct Origin {
  std::string address;
  std::string request_id;
};

struct Account {
  std::string id, org_id, name, nick, email;
  Role role = Role::kReadOnly;
  bool enabled = true;
  Time created, updated;
  std::optional<Time> last_logged;
};

struct Organisation {
  std::string id, name;
  Time created, updated;
};

struct Profile {
  Account account;
  Organisation organisation;
  ScopeSet scopes;
};

struct SignedIn {
  IssuedToken token;
  Account account;
  // Value for the refresh cookie; empty when the one sent stays in force.
  Secret refresh;
  std::chrono::seconds refresh_life{0};
};

struct NewClient {
  std::string name, description;
  ScopeSet scopes;
  std::vector<std::string> grants{"client-creds"};
  std::vector<std::string> redirects;
  std::string availability = "org";
};

struct Client {
  std::string id, org_id, owner_id, name, description;
  ScopeSet scopes;
  std::vector<std::string> grants, redirects;
  std::string availability;
  bool enabled = true;
  Time created;
  std::optional<Time> last_used;
};

class Identity {
 public:
  // Opens the database, applies migrations, makes organisation and signing key when there are none.
  // Blocking.
  static Result<std::unique_ptr<Identity>> Open(Options options, const Clock& clock,
                                                audit::Log& audit, log::Logger& logger);
  ~Identity();

  // When there is no user yet: makes an administrator and answers the generated password, which is
  // kept nowhere. Otherwise an empty Secret. Blocking: before the server runs.
  Result<Secret> CreateFirstUser(const std::string& login_name, const std::string& email);
  // A user with a password given or, when that is empty, generated and answered. Blocking.
  // kConflict: name or e-mail address is taken.
  Result<Secret> CreateUser(const std::string& login_name, const std::string& email, Role role,
                            Secret password);

  // `user` is the login name or e-mail address, in any case.
  io::Task<Result<SignedIn>> SignIn(std::string user, Secret password, Origin origin);
  io::Task<Result<SignedIn>> Refresh(Secret cookie, Origin origin);
  // Ends the session of the cookie and its access tokens; a cookie of no session is no error.
  io::Task<Result<void>> SignOut(Secret cookie, Origin origin);

  // Client credentials grant. `scope` empty: all that client and owner have in common. kInvalid:
  // none of the scopes asked for is held.
  io::Task<Result<IssuedToken>> ClientToken(std::string client_id, Secret password,
                                            std::string scope, Origin origin);

  struct MadeClient {
    Client client;
    Secret password;  // shown this once
  };
  // kDenied: `asked` has scopes that the caller lacks.
  io::Task<Result<MadeClient>> MakeClient(Caller caller, NewClient asked, Origin origin);
  io::Task<Result<std::vector<Client>>> ListClients(Caller caller);
  // Its tokens are refused from now on. kNotFound also for another organisation's.
  io::Task<Result<void>> DeleteClient(Caller caller, std::string client_id, Origin origin);

  io::Task<Result<Profile>> GetProfile(Caller caller);

  // The token's caller, or kUnauthenticated with a word of threat-response-api.md 0.4 as message.
  Result<Caller> Authenticate(std::string_view access_token) const;
  json::object Jwks() const;
  const Organisation& organisation() const { return organisation_; }
  int64_t retry_after_seconds() const { return per_user_and_address_.retry_after_seconds(); }

  // For what else must run where the audit log may be written without holding up the executor.
  io::Task<Result<void>> AppendAudit(audit::Entry entry);

 private:
  Identity(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
           sql::Database database, crypto::SigningKey key, std::string dummy_hash);
  Result<void> Start();

  struct Found {
    Account account;
    std::string password_hash;
  };
  struct Session {
    std::string id;
    std::string secret_hash, previous_hash;
    Time rotated, created, expires;
    Account account;
  };
  // These run on the database thread.
  Result<std::optional<Found>> FindAccount(const std::string& login);
  Result<Account> GetAccount(const std::string& id);
  Result<SignedIn> StartSession(const Account& account, const Origin& origin);
  Result<SignedIn> RefreshSession(const std::string& cookie, const Origin& origin);
  Result<void> EndSession(const std::string& cookie, const Origin& origin);
  Result<std::optional<Session>> FindSession(const std::string& id);
  Result<IssuedToken> IssueClientToken(const std::string& client_id, const std::string& secret_hash,
                                       const std::string& scope, const Origin& origin);
  Result<MadeClient> InsertClient(const Caller& caller, const NewClient& asked,
                                  const Origin& origin);
  Result<std::vector<Client>> SelectClients(const std::string& org_id);
  Result<void> RemoveClient(const Caller& caller, const std::string& client_id,
                            const Origin& origin);
  Result<Profile> SelectProfile(const Caller& caller);
  Result<void> InsertAccount(const Account& account, const std::string& login_name,
                             const std::string& password_hash, bool only_first, bool& made);
  Result<Secret> MakeUser(const std::string& login_name, const std::string& email, Role role,
                          Secret password, bool only_first);
  Result<IssuedToken> IssueSessionToken(const Account& account, const std::string& session_id);

  Result<void> Revoke(const std::string& subject);
  bool IsRevoked(const std::string& subject) const;
  Result<void> Audit(audit::Entry entry);
  audit::Entry EntryOf(const Origin& origin, std::string action, std::string result,
                       std::string message) const;
  bool TakeTry(const std::string& user, const std::string& address);
  void GiveTryBack(const std::string& user, const std::string& address);

  const Options options_;
  const Clock& clock_;
  audit::Log& audit_;
  log::Logger& logger_;
  sql::Database database_;
  const TokenIssuer issuer_;
  const std::string dummy_hash_;  // what the password of an unknown user is compared with
  Organisation organisation_;
  RateLimit per_user_and_address_, per_user_, per_address_;

  mutable std::mutex revoked_mutex_;  // written on the database thread, read on the executor
  std::unordered_map<std::string, Time> revoked_;

  // Last, so that their threads have ended before anything they use goes.
  io::Pool database_pool_;
  io::Pool password_pool_;
};

}  // namespace mailreeve::response::identity
