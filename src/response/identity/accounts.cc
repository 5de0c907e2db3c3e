#include "response/identity/accounts.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/password.h"
#include "response/identity/rows.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

constexpr size_t kMaxNameBytes = 320;

Result<void> CheckNames(const std::string& name, const std::string& email) {
  if (LoginKey(name).empty() || name.size() > kMaxNameBytes || !IsValidUtf8(name) ||
      email.size() > kMaxNameBytes || email.find('@') == std::string::npos || !IsValidUtf8(email)) {
    return Fail(Code::kInvalid, "a user needs a name and an e-mail address of at most 320 bytes");
  }
  return {};
}

tl::unexpected<Error> NoUser() { return Fail(Code::kNotFound, "there is no such user"); }

audit::Entry::Actor ActorOf(const Caller& caller) {
  return caller.client_id.empty()
             ? audit::Entry::Actor{"user", caller.user_id, caller.user_name}
             : audit::Entry::Actor{"client", caller.client_id, caller.client_name};
}

// Who may give a stronger account a password he knows has its powers.
Result<void> CheckPower(const Caller& caller, Role role) {
  const ScopeSet missing = caller.scopes.Missing(ScopesOf(role));
  if (missing.empty()) return {};
  return Fail(Code::kDenied, "this user may do more than you: " + missing.ToString());
}

}  // namespace

// ---- making

Result<Secret> Accounts::MakeFirst(const std::string& login_name, const std::string& email) {
  NewAccount asked;
  asked.org_id = core_.FirstOrganisation().id;
  asked.name = login_name;
  asked.email = email;
  asked.role = Role::kAdmin;
  TRY_VOID(CheckNames(asked.name, asked.email));
  Secret generated(RandomToken(18));
  TRY(const std::string hash,
      crypto::HashPassword(generated.Reveal(), core_.options.password_cost));
  TRY(MadeAccount made,
      Insert(asked, hash, std::move(generated), true, Core::LocalActor(), {"local", ""}));
  return std::move(made.generated);
}

Result<MadeAccount> Accounts::Make(const NewAccount& asked, audit::Entry::Actor actor,
                                   const Origin& origin) {
  TRY_VOID(CheckNames(asked.name, asked.email));
  Secret generated;
  if (asked.password.empty()) {
    generated = Secret(RandomToken(18));
  } else {
    TRY_VOID(CheckPassword(core_.options.password_rules, asked.password.Reveal(), asked.name,
                           asked.email));
  }
  const Secret& password = asked.password.empty() ? generated : asked.password;
  TRY(const std::string hash, crypto::HashPassword(password.Reveal(), core_.options.password_cost));
  return Insert(asked, hash, std::move(generated), false, std::move(actor), origin);
}

Result<MadeAccount> Accounts::Insert(const NewAccount& asked, const std::string& hash,
                                     Secret generated, bool only_first, audit::Entry::Actor actor,
                                     const Origin& origin) {
  MadeAccount made;
  made.generated = std::move(generated);
  Account& account = made.account;
  account.id = RandomUuid();
  account.org_id = asked.org_id;
  account.name = std::string(TrimSpace(asked.name));
  account.nick = asked.nick.empty() ? account.name : asked.nick;
  account.email = std::string(TrimSpace(asked.email));
  account.role = asked.role;
  account.must_change_password = asked.must_change_password;
  account.created = account.updated = core_.clock.Now();
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    if (only_first) {
      TRY(auto count, core_.database.Prepare("SELECT count(*) FROM account"));
      TRY(const bool there, count.Step());
      if (there && count.Integer(0) > 0) {
        made.generated = Secret();
        return {};
      }
    }
    TRY(auto insert,
        core_.database.Prepare(
            "INSERT INTO account (id, org_id, name, nick, email, login_name, login_email, role, "
            "password_hash, enabled, created_at, updated_at, password_changed_at, "
            "must_change_password) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?10, ?10, ?11)"));
    TRY_VOID(insert.Bind(1, account.id)
                 .Bind(2, account.org_id)
                 .Bind(3, account.name)
                 .Bind(4, account.nick)
                 .Bind(5, account.email)
                 .Bind(6, LoginKey(account.name))
                 .Bind(7, LoginKey(account.email))
                 .Bind(8, RoleName(account.role))
                 .Bind(9, hash)
                 .Bind(10, ToEpochMicros(account.created))
                 .Bind(11, int64_t{account.must_change_password})
                 .Run());
    audit::Entry entry = core_.EntryOf(origin, "user.create", "success", "A user was made.");
    entry.actor = actor;
    if (origin.address == "local") entry.origin.channel = "local";
    entry.object = {"user", account.id};
    entry.details = {{"name", account.name}, {"role", RoleName(account.role)}};
    return core_.Audit(std::move(entry));
  }));
  return made;
}

// ---- finding

Result<std::optional<Accounts::Found>> Accounts::Find(const std::string& login,
                                                      const std::string& address) {
  TRY(auto select,
      core_.database.Prepare(
          "SELECT " + std::string(kAccountColumns) +
          ", a.password_hash, k.seen_at FROM account a LEFT JOIN known_address k ON k.account_id = "
          "a.id AND k.address = ?2 WHERE a.login_name = ?1 OR a.login_email = ?1 "
          "ORDER BY CASE WHEN a.login_name = ?1 THEN 0 ELSE 1 END"));
  TRY(const bool there, select.Bind(1, login).Bind(2, AddressKey(address)).Step());
  if (!there) return std::nullopt;
  const auto seen = FromEpochMicros(select.OptionalInteger(kAccountColumnCount + 1));
  return Found{ReadAccount(select), select.Text(kAccountColumnCount),
               seen && core_.clock.Now() - *seen <= core_.options.known_address_life};
}

Result<void> Accounts::RememberAddress(const std::string& id, const std::string& address) {
  const Time now = core_.clock.Now();
  TRY(auto prune, core_.database.Prepare("DELETE FROM known_address WHERE seen_at < ?1"));
  TRY_VOID(prune.Bind(1, ToEpochMicros(now - core_.options.known_address_life)).Run());
  TRY(auto insert,
      core_.database.Prepare("INSERT INTO known_address (account_id, address, seen_at) VALUES (?1, "
                             "?2, ?3) ON CONFLICT "
                             "(account_id, address) DO UPDATE SET seen_at = excluded.seen_at"));
  TRY_VOID(insert.Bind(1, id).Bind(2, AddressKey(address)).Bind(3, ToEpochMicros(now)).Run());
  return {};
}

Result<Account> Accounts::Get(const std::string& id) {
  TRY(auto select, core_.database.Prepare("SELECT " + std::string(kAccountColumns) +
                                          " FROM account a WHERE a.id = ?1"));
  TRY(const bool there, select.Bind(1, id).Step());
  if (!there) return NoUser();
  return ReadAccount(select);
}

Result<std::vector<Account>> Accounts::List(const std::string& org_id) {
  TRY(auto select,
      core_.database.Prepare("SELECT " + std::string(kAccountColumns) +
                             " FROM account a WHERE a.org_id = ?1 ORDER BY a.created_at, a.id"));
  select.Bind(1, org_id);
  std::vector<Account> out;
  while (true) {
    TRY(const bool more, select.Step());
    if (!more) return out;
    out.push_back(ReadAccount(select));
  }
}

Result<Account> Accounts::Own(const Caller& caller, const std::string& id) {
  TRY(Account account, Get(id));
  if (account.org_id != caller.org_id) return NoUser();
  return account;
}

Caller Accounts::CallerOf(const Account& account) const {
  Caller caller;
  caller.user_id = account.id;
  caller.user_name = account.name;
  caller.user_nick = account.nick;
  caller.user_email = account.email;
  caller.role = RoleName(account.role);
  caller.org_id = account.org_id;
  caller.org_name = core_.FindOrganisation(account.org_id).name;
  caller.user_scopes = ScopesOf(account.role);
  return caller;
}

Needs Accounts::NeedsOf(const Account& account) const {
  const std::vector<Role>& roles = core_.options.one_time_code_roles;
  return {account.must_change_password,
          !account.has_one_time_codes &&
              std::find(roles.begin(), roles.end(), account.role) != roles.end()};
}

// ---- changing

Result<void> Accounts::EndAll(const std::string& id, const std::string& keep_session) {
  std::vector<std::string> ended;
  for (const char* text : {"SELECT id FROM session WHERE account_id = ?1",
                           "SELECT id FROM oauth_grant WHERE account_id = ?1"}) {
    TRY(auto select, core_.database.Prepare(text));
    select.Bind(1, id);
    while (true) {
      TRY(const bool more, select.Step());
      if (!more) break;
      if (select.Text(0) != keep_session) ended.push_back(select.Text(0));
    }
  }
  for (const std::string& session : ended) TRY_VOID(core_.Revoke("session " + session));
  for (const char* text : {"DELETE FROM session WHERE account_id = ?1 AND id <> ?2",
                           "DELETE FROM oauth_grant WHERE account_id = ?1 AND id <> ?2"}) {
    TRY(auto remove, core_.database.Prepare(text));
    TRY_VOID(remove.Bind(1, id).Bind(2, keep_session).Run());
  }
  return {};
}

Result<Account> Accounts::Change(const std::string& id, const AccountChange& change,
                                 audit::Entry::Actor actor, const Origin& origin) {
  TRY(Account account, Get(id));
  const Account before = account;
  if (change.name) account.name = std::string(TrimSpace(*change.name));
  if (change.nick) account.nick = *change.nick;
  if (change.email) account.email = std::string(TrimSpace(*change.email));
  if (change.role) account.role = *change.role;
  if (change.enabled) account.enabled = *change.enabled;
  TRY_VOID(CheckNames(account.name, account.email));
  account.updated = core_.clock.Now();
  TRY_VOID(core_.database.Transaction([&]() -> Result<void> {
    if (before.role == Role::kAdmin && before.enabled &&
        (account.role != Role::kAdmin || !account.enabled)) {
      TRY(auto count, core_.database.Prepare("SELECT count(*) FROM account WHERE org_id = ?1 AND "
                                             "role = 'admin' AND enabled = 1 AND id <> ?2"));
      TRY(const bool there, count.Bind(1, account.org_id).Bind(2, id).Step());
      if (!there || count.Integer(0) == 0)
        return Fail(Code::kConflict, "the organisation would have no administrator");
    }
    TRY(auto update,
        core_.database.Prepare("UPDATE account SET name = ?2, nick = ?3, email = ?4, login_name = "
                               "?5, login_email = ?6, role = ?7, enabled = ?8, updated_at = ?9 "
                               "WHERE id = ?1"));
    TRY_VOID(update.Bind(1, id)
                 .Bind(2, account.name)
                 .Bind(3, account.nick)
                 .Bind(4, account.email)
                 .Bind(5, LoginKey(account.name))
                 .Bind(6, LoginKey(account.email))
                 .Bind(7, RoleName(account.role))
                 .Bind(8, int64_t{account.enabled})
                 .Bind(9, ToEpochMicros(account.updated))
                 .Run());
    // Tokens hold the scopes of before; sessions get new ones.
    if (account.role != before.role || !account.enabled) TRY_VOID(core_.Revoke("user " + id));
    if (!account.enabled) TRY_VOID(EndAll(id, ""));
    audit::Entry entry = core_.EntryOf(origin, "user.update", "success", "A user was changed.");
    entry.actor = actor;
    if (origin.address == "local") entry.origin.channel = "local";
    entry.object = {"user", id};
    entry.details = {{"role", RoleName(account.role)}, {"enabled", account.enabled}};
    return core_.Audit(std::move(entry));
  }));
  return account;
}

Result<void> Accounts::SetPassword(const Account& account, const std::string& hash,
                                   bool must_change, const std::string& keep_session,
                                   audit::Entry entry) {
  entry.object = {"user", account.id};
  return core_.database.Transaction([&]() -> Result<void> {
    TRY(auto update,
        core_.database.Prepare("UPDATE account SET password_hash = ?2, password_changed_at = ?3, "
                               "must_change_password = ?4, updated_at = ?3 WHERE id = ?1"));
    TRY_VOID(update.Bind(1, account.id)
                 .Bind(2, hash)
                 .Bind(3, ToEpochMicros(core_.clock.Now()))
                 .Bind(4, int64_t{must_change})
                 .Run());
    TRY_VOID(EndAll(account.id, keep_session));
    return core_.Audit(entry);
  });
}

Result<Secret> Accounts::ResetPassword(const std::string& id, audit::Entry::Actor actor,
                                       const Origin& origin) {
  TRY(const Account account, Get(id));
  Secret generated(RandomToken(18));
  TRY(const std::string hash,
      crypto::HashPassword(generated.Reveal(), core_.options.password_cost));
  audit::Entry entry =
      core_.EntryOf(origin, "user.reset_password", "success", "A user's password was reset.");
  entry.actor = std::move(actor);
  if (origin.address == "local") entry.origin.channel = "local";
  TRY_VOID(SetPassword(account, hash, true, "", std::move(entry)));
  return generated;
}

// ---- for a caller

io::Task<Result<MadeAccount>> Accounts::MakeFor(Caller caller, NewAccount asked, Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, caller, asked, origin]() -> Result<MadeAccount> {
        TRY_VOID(CheckPower(caller, asked.role));
        NewAccount own = asked;
        own.org_id = caller.org_id;
        return Make(own, ActorOf(caller), origin);
      });
}

io::Task<Result<Account>> Accounts::GetFor(Caller caller, std::string id) {
  co_return co_await core_.database_pool.Run([this, caller, id] { return Own(caller, id); });
}

io::Task<Result<std::vector<Account>>> Accounts::ListFor(Caller caller) {
  co_return co_await core_.database_pool.Run([this, org = caller.org_id] { return List(org); });
}

io::Task<Result<Account>> Accounts::ChangeFor(Caller caller, std::string id, AccountChange change,
                                              Origin origin) {
  co_return co_await core_.database_pool.Run(
      [this, caller, id, change, origin]() -> Result<Account> {
        TRY(const Account account, Own(caller, id));
        TRY_VOID(CheckPower(caller, account.role));
        if (change.role) TRY_VOID(CheckPower(caller, *change.role));
        return Change(id, change, ActorOf(caller), origin);
      });
}

io::Task<Result<Secret>> Accounts::ResetPasswordFor(Caller caller, std::string id, Origin origin) {
  co_return co_await core_.database_pool.Run([this, caller, id, origin]() -> Result<Secret> {
    TRY(const Account account, Own(caller, id));
    TRY_VOID(CheckPower(caller, account.role));
    return ResetPassword(id, ActorOf(caller), origin);
  });
}

io::Task<Result<void>> Accounts::ChangePassword(Caller caller, Secret present, Secret next,
                                                Origin origin) {
  const std::string limited = "user " + caller.user_id;
  if (!core_.tries.Take(limited, origin.address, true))
    co_return Fail(Code::kLimited, "too many failed tries; wait before the next one");
  CO_TRY(const std::optional<Found> found,
         co_await core_.database_pool.Run([this, caller, origin]() -> Result<std::optional<Found>> {
           TRY(const Account account, Get(caller.user_id));
           return Find(LoginKey(account.name), origin.address);
         }));
  if (!found || found->account.id != caller.user_id) co_return NoUser();
  CO_TRY(const bool right, co_await core_.password_pool.Run([found, present]() -> Result<bool> {
    return crypto::VerifyPassword(present.Reveal(), found->password_hash);
  }));
  if (!right) co_return Fail(Code::kUnauthenticated, "the present password is wrong");
  core_.tries.GiveBack(limited, origin.address, true);
  if (present.Reveal() == next.Reveal())
    co_return Fail(Code::kInvalid, "the new password is the present one");
  CO_TRY(const std::string hash,
         co_await core_.password_pool.Run([this, found, next]() -> Result<std::string> {
           TRY_VOID(CheckPassword(core_.options.password_rules, next.Reveal(), found->account.name,
                                  found->account.email));
           return crypto::HashPassword(next.Reveal(), core_.options.password_cost);
         }));
  co_return co_await core_.database_pool.Run([this, caller, found, hash, origin] {
    return SetPassword(
        found->account, hash, false, caller.session_id,
        core_.EntryOf(caller, origin, "user.change_password", "A user changed their password."));
  });
}

}  // namespace mailreeve::response::identity
