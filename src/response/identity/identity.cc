#include "response/identity/identity.h"

#include "base/random.h"
#include "crypto/password.h"

namespace mailreeve::response::identity {

Result<std::unique_ptr<Identity>> Identity::Open(Options options, const Clock& clock,
                                                 audit::Log& audit, log::Logger& logger) {
  TRY(std::shared_ptr<KeyRing> keys, KeyRing::Open({.path = options.key_path,
                                                    .bits = options.key_bits,
                                                    .life = options.key_life,
                                                    .publish_ahead = options.key_publish_ahead,
                                                    .keep = options.token.max_life},
                                                   clock));
  TRY(sql::Database database, sql::Database::Open(options.database));
  TRY_VOID(database.Migrate("identity", sql::MigrationsOf("identity")));
  TRY(std::string dummy, crypto::HashPassword(RandomToken(18), options.password_cost));
  std::unique_ptr<Identity> identity(new Identity(std::move(options), clock, audit, logger,
                                                  std::move(database), std::move(keys),
                                                  std::move(dummy)));
  TRY_VOID(identity->Start());
  return identity;
}

Identity::Identity(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
                   sql::Database database, std::shared_ptr<KeyRing> keys, std::string dummy_hash)
    : core_(std::move(options), clock, audit, logger, std::move(database), std::move(keys),
            std::move(dummy_hash)) {}

Result<void> Identity::Start() {
  TRY_VOID(core_.Reload());
  if (!core_.FirstOrganisation().id.empty()) return {};
  {
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO organisation (id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)"));
    TRY_VOID(insert.Bind(1, RandomUuid())
                 .Bind(2, core_.options.organisation)
                 .Bind(3, ToEpochMicros(core_.clock.Now()))
                 .Run());
  }
  return core_.Reload();
}

Result<Secret> Identity::CreateFirstUser(const std::string& login_name, const std::string& email) {
  return accounts_.Make(login_name, email, Role::kAdmin, Secret(), true);
}

Result<Secret> Identity::CreateUser(const std::string& login_name, const std::string& email,
                                    Role role, Secret password) {
  return accounts_.Make(login_name, email, role, std::move(password), false);
}

io::Task<Result<Profile>> Identity::GetProfile(Caller caller) {
  co_return co_await core_.database_pool.Run([this, caller]() -> Result<Profile> {
    Profile profile;
    TRY(profile.account, accounts_.Get(caller.user_id));
    if (profile.account.org_id != caller.org_id)
      return Fail(Code::kNotFound, "there is no such user");
    profile.organisation = core_.FindOrganisation(caller.org_id);
    profile.scopes = caller.scopes;
    return profile;
  });
}

Result<Caller> Identity::Authenticate(std::string_view access_token) const {
  TRY(Caller caller, core_.issuer.Check(access_token));
  const auto withdrawn = [&](std::string_view kind, const std::string& id) {
    return !id.empty() && core_.IsRevoked(std::string(kind) + " " + id, caller.issued);
  };
  if (withdrawn("client", caller.client_id) || withdrawn("session", caller.session_id) ||
      withdrawn("user", caller.user_id) || withdrawn("token", caller.token_id)) {
    return Fail(Error(Code::kUnauthenticated, "jwt_revoked").Note("the token was withdrawn"));
  }
  return caller;
}

io::Task<Result<void>> Identity::Maintain() {
  co_return co_await core_.database_pool.Run([this]() -> Result<void> {
    TRY_VOID(core_.Reload());
    return core_.keys->Maintain();
  });
}

}  // namespace mailreeve::response::identity
