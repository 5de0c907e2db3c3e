#pragma once

#include "audit/audit.h"
#include "crypto/seal.h"
#include "io/pool.h"
#include "log/log.h"
#include "response/identity/keys.h"
#include "response/identity/model.h"
#include "response/identity/options.h"
#include "sql/database.h"

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

// What the parts of identity share: database, keys, audit log, limits, and which tokens are
// withdrawn.
//
// Threads: members say which. Ownership: made and owned by Identity; borrows clock, audit log and
// logger.
namespace mailreeve::response::identity {

// What counts as one address: of IPv6 a /64, since an asker owns at least that.
std::string AddressKey(const std::string& address);

// Tries to guess a secret, counted per user and address, per user, and per address. Executor only.
class TryLimits {
 public:
  TryLimits(const Options& options, const Clock& clock);
  // False: no try is left, nothing was taken. A try that turned out right is given back.
  // From an address that is known the user's failures elsewhere do not count, or anybody could
  // keep him out.
  bool Take(const std::string& user, const std::string& address, bool is_known = false);
  void GiveBack(const std::string& user, const std::string& address, bool is_known = false);
  // By address alone: for what no one person or client is asked for.
  bool TakeAddress(const std::string& address);
  void GiveBackAddress(const std::string& address);
  int64_t retry_after_seconds() const { return per_user_and_address_.retry_after_seconds(); }

 private:
  RateLimit per_user_and_address_, per_user_, per_address_;
};

class Core {
 public:
  Core(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
       sql::Database database, std::shared_ptr<KeyRing> keys, crypto::SealingKeys sealing,
       std::string dummy_hash);

  // ---- database thread

  // Refuses from now on what was issued until now to `subject`: "client <id>", "session <id>",
  // "user <id>", "token <jti>". Within a transaction of the caller.
  Result<void> Revoke(const std::string& subject);
  // Reads again what other processes may have changed: withdrawn tokens, organisations.
  Result<void> Reload();
  Result<void> Audit(audit::Entry entry);

  // ---- executor

  // For what else must run where the audit log may be written without holding up the executor.
  io::Task<Result<void>> AppendAudit(audit::Entry entry);

  // ---- any thread

  bool IsRevoked(const std::string& subject, Time issued) const;
  // Empty id when there is none.
  Organisation FindOrganisation(const std::string& id) const;
  Organisation FirstOrganisation() const;
  std::vector<Organisation> Organisations() const;  // by name
  audit::Entry EntryOf(const Origin& origin, std::string action, std::string result,
                       std::string message) const;
  // The same with the caller as actor.
  audit::Entry EntryOf(const Caller& caller, const Origin& origin, std::string action,
                       std::string message) const;

  // Who acts when a command at the server's own terminal does.
  static audit::Entry::Actor LocalActor() {
    return {"system", "mailreeve-response", "mailreeve-response"};
  }

  const Options options;
  const Clock& clock;
  audit::Log& audit_log;
  log::Logger& logger;
  sql::Database database;  // database thread
  const std::shared_ptr<KeyRing> keys;
  const crypto::SealingKeys sealing;  // of the secrets of one-time codes
  const TokenIssuer issuer;
  const std::string dummy_hash;  // what the password of an unknown user is compared with
  TryLimits tries;               // executor

 private:
  struct Withdrawn {
    Time issued_until, remember_until;
  };
  mutable std::mutex mutex_;  // written on the database thread, read on any
  std::unordered_map<std::string, Withdrawn> withdrawn_;
  std::unordered_map<std::string, Organisation> organisations_;
  Organisation first_organisation_;

 public:
  // Last, so that their threads have ended before anything they use goes.
  io::Pool database_pool;
  io::Pool password_pool;
};

}  // namespace mailreeve::response::identity
