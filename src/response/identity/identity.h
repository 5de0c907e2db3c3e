#pragma once

#include "response/identity/accounts.h"
#include "response/identity/clients.h"
#include "response/identity/core.h"
#include "response/identity/model.h"
#include "response/identity/second_factor.h"
#include "response/identity/sessions.h"

#include <memory>
#include <string>
#include <string_view>

// Who may come in and with what: the organisations, people, API clients, sign-in sessions and their
// tokens (threat-response-api.md 1, docs/identity.md). The parts are in accounts.h, sessions.h and
// clients.h; this opens and joins them.
//
// Threads: every Task on one executor, any number at once; Authenticate and Jwks from that
// executor. SQL runs on a thread of its own, key derivation on others. Ownership: borrows clock,
// audit log and logger. Errors: kUnauthenticated wrong secret, kLimited too many tries, kDenied
// scope of the asker, kNotFound, kUnavailable store or audit log; nothing is done that cannot be
// put into the audit log.
//
//   TRY(auto identity, Identity::Open(options, clock, audit_log, logger));
//   TRY(auto password, identity->CreateFirstUser("admin", "admin@example.org"));  // once: show it
//   auto signed_in = co_await identity->sessions().SignIn("admin", Secret(password), origin);
//   auto caller = identity->Authenticate(signed_in->token.access_token);
namespace mailreeve::response::identity {

class Identity {
 public:
  // Opens the database, applies migrations, makes organisation and signing key when there are none.
  // Blocking.
  static Result<std::unique_ptr<Identity>> Open(Options options, const Clock& clock,
                                                audit::Log& audit, log::Logger& logger);
  Identity(const Identity&) = delete;

  // When there is no user yet: makes an administrator and answers the generated password, which is
  // kept nowhere. Otherwise an empty Secret. Blocking: before the server runs.
  Result<Secret> CreateFirstUser(const std::string& login_name, const std::string& email);
  // A user with a password given or, when that is empty, generated and answered. Blocking.
  // kConflict: name or e-mail address is taken.
  Result<Secret> CreateUser(const std::string& login_name, const std::string& email, Role role,
                            Secret password);
  // Another organisation, without people. Blocking; kConflict: there is one of that name.
  Result<Organisation> MakeOrganisation(const std::string& name);

  io::Task<Result<Profile>> GetProfile(Caller caller);
  io::Task<Result<void>> RenameOrganisation(Caller caller, std::string name, Origin origin);
  // One-time codes of the caller, see SecondFactor; the last is for who may change the other user.
  io::Task<Result<SecondFactor::Enrolment>> BeginCodes(Caller caller);
  io::Task<Result<std::vector<Secret>>> ConfirmCodes(Caller caller, std::string code,
                                                     Origin origin);
  io::Task<Result<void>> RemoveCodes(Caller caller, Origin origin);
  io::Task<Result<void>> ResetCodesFor(Caller caller, std::string user_id, Origin origin);

  // The token's caller, or kUnauthenticated with a word of threat-response-api.md 0.4 as message.
  Result<Caller> Authenticate(std::string_view access_token) const;
  json::object Jwks() const { return core_.keys->Jwks(); }
  // Signs with the present key, whose public half is in Jwks(): for tokens of other kinds, as
  // modules get them. They must not live longer than a day.
  Result<std::string> SignJwt(const json::object& claims) const {
    return core_.keys->Signing()->SignJwt(claims);
  }
  // Sees what other processes changed (keys, withdrawn tokens, organisations) and turns keys over.
  // To be called every few seconds.
  io::Task<Result<void>> Maintain();

  Organisation organisation() const { return core_.FirstOrganisation(); }
  // Empty id when there is none.
  Organisation FindOrganisation(const std::string& id) const { return core_.FindOrganisation(id); }
  int64_t retry_after_seconds() const { return core_.tries.retry_after_seconds(); }
  // For what else must run where the audit log may be written without holding up the executor.
  io::Task<Result<void>> AppendAudit(audit::Entry entry) {
    return core_.AppendAudit(std::move(entry));
  }

  Core& core() { return core_; }
  Accounts& accounts() { return accounts_; }
  SecondFactor& second_factor() { return second_factor_; }
  Sessions& sessions() { return sessions_; }
  Clients& clients() { return clients_; }

 private:
  Identity(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
           sql::Database database, std::shared_ptr<KeyRing> keys, crypto::SealingKeys sealing,
           std::string dummy_hash);
  Result<void> Start();

  Core core_;
  Accounts accounts_{core_};
  SecondFactor second_factor_{core_};
  Sessions sessions_{core_, accounts_, second_factor_};
  Clients clients_{core_, accounts_};
};

}  // namespace mailreeve::response::identity
