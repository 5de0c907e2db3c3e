#include "response/identity/identity.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/password.h"
#include "io/file.h"

namespace mailreeve::response::identity {
namespace {

Result<crypto::SealingKeys> LoadOrMakeSealingKeys(const Options& options) {
  std::string path = options.sealing_path;
  if (path.empty()) {
    const size_t slash = options.key_path.rfind('/');
    path = (slash == std::string::npos ? "" : options.key_path.substr(0, slash + 1)) +
           "one-time-codes.key";
  }
  Result<std::string> text = io::ReadFile(path, 64 * 1024);
  if (text) return crypto::SealingKeys::FromText(*text);
  if (text.error().code != Code::kNotFound) return Fail(std::move(text.error()));
  crypto::SealingKeys made = crypto::SealingKeys::Make();
  TRY_VOID(io::WriteFileAtomically(path, made.ToText().Reveal(), 0600));
  return made;
}

}  // namespace

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
  TRY(crypto::SealingKeys sealing, LoadOrMakeSealingKeys(options));
  std::unique_ptr<Identity> identity(new Identity(std::move(options), clock, audit, logger,
                                                  std::move(database), std::move(keys),
                                                  std::move(sealing), std::move(dummy)));
  TRY_VOID(identity->Start());
  return identity;
}

Identity::Identity(Options options, const Clock& clock, audit::Log& audit, log::Logger& logger,
                   sql::Database database, std::shared_ptr<KeyRing> keys,
                   crypto::SealingKeys sealing, std::string dummy_hash)
    : core_(std::move(options), clock, audit, logger, std::move(database), std::move(keys),
            std::move(sealing), std::move(dummy_hash)) {}

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
  return accounts_.MakeFirst(login_name, email);
}

Result<Secret> Identity::CreateUser(const std::string& login_name, const std::string& email,
                                    Role role, Secret password) {
  NewAccount asked;
  asked.org_id = core_.FirstOrganisation().id;
  asked.name = login_name;
  asked.email = email;
  asked.role = role;
  asked.password = std::move(password);
  TRY(MadeAccount made, accounts_.Make(asked, Core::LocalActor(), {"local", ""}));
  return std::move(made.generated);
}

Result<Organisation> Identity::MakeOrganisation(const std::string& name) {
  if (TrimSpace(name).empty() || name.size() > 200 || !IsValidUtf8(name))
    return Fail(Code::kInvalid, "an organisation needs a name of at most 200 bytes");
  for (const Organisation& present : core_.Organisations()) {
    if (present.name == name)
      return Fail(Code::kConflict, "there is an organisation of that name already");
  }
  const std::string id = RandomUuid();
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO organisation (id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)"));
    TRY_VOID(insert.Bind(1, id).Bind(2, name).Bind(3, ToEpochMicros(core_.clock.Now())).Run());
    audit::Entry entry =
        core_.EntryOf({"local", ""}, "organisation.create", "success", "An organisation was made.");
    entry.actor = Core::LocalActor();
    entry.origin.channel = "local";
    entry.object = {"organisation", id};
    entry.details = {{"name", name}};
    return core_.Audit(std::move(entry));
  }));
  TRY_VOID(core_.Reload());
  return core_.FindOrganisation(id);
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

io::Task<Result<void>> Identity::RenameOrganisation(Caller caller, std::string name,
                                                    Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, name, origin]() -> Result<void> {
    audit::Entry entry =
        core_.EntryOf(caller, origin, "organisation.update", "The organisation was renamed.");
    entry.object = {"organisation", caller.org_id};
    entry.details = {{"name", name}};
    TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
      TRY(auto update, core_.database.Prepare(
                           "UPDATE organisation SET name = ?2, updated_at = ?3 WHERE id = ?1"));
      TRY_VOID(update.Bind(1, caller.org_id)
                   .Bind(2, name)
                   .Bind(3, ToEpochMicros(core_.clock.Now()))
                   .Run());
      return core_.Audit(entry);
    }));
    return core_.Reload();
  });
}

// ---- one-time codes

io::Task<Result<SecondFactor::Enrolment>> Identity::BeginCodes(Caller caller) {
  co_return co_await core_.database_pool.Run([this, caller]() -> Result<SecondFactor::Enrolment> {
    TRY(const Account account, accounts_.Get(caller.user_id));
    return second_factor_.Begin(account);
  });
}

io::Task<Result<std::vector<Secret>>> Identity::ConfirmCodes(Caller caller, std::string code,
                                                             Origin origin) {
  const std::string limited = "user " + caller.user_id;
  if (!core_.tries.Take(limited, origin.address, true))
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  auto codes = co_await core_.database_pool.Run(
      [this, caller, code, origin]() -> Result<std::vector<Secret>> {
        TRY(const Account account, accounts_.Get(caller.user_id));
        audit::Entry entry = core_.EntryOf(caller, origin, "user.add_one_time_codes",
                                           "A user began to use one-time codes.");
        entry.object = {"user", account.id};
        return second_factor_.Confirm(account, code, std::move(entry));
      });
  if (codes || codes.error().code != Code::kInvalid)
    core_.tries.GiveBack(limited, origin.address, true);
  co_return codes;
}

io::Task<Result<void>> Identity::RemoveCodes(Caller caller, Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, origin]() -> Result<void> {
    audit::Entry entry = core_.EntryOf(caller, origin, "user.remove_one_time_codes",
                                       "A user ceased to use one-time codes.");
    entry.object = {"user", caller.user_id};
    return second_factor_.Remove(caller.user_id, std::move(entry));
  });
}

io::Task<Result<void>> Identity::ResetCodesFor(Caller caller, std::string user_id, Origin origin) {
  // Checks organisation and powers, and changes nothing.
  CO_TRY(const Account account, co_await accounts_.ChangeFor(caller, user_id, {}, origin));
  co_return co_await core_.database_pool.Run([this, caller, account, origin]() -> Result<void> {
    audit::Entry entry = core_.EntryOf(caller, origin, "user.remove_one_time_codes",
                                       "A user's one-time codes were taken away.");
    entry.object = {"user", account.id};
    return second_factor_.Remove(account.id, std::move(entry));
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
