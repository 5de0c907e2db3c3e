#include "response/identity/accounts.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/password.h"
#include "response/identity/rows.h"

namespace mailreeve::response::identity {

Result<Secret> Accounts::Make(const std::string& login_name, const std::string& email, Role role,
                              Secret password, bool only_first) {
  if (LoginKey(login_name).empty() || login_name.size() > 320 || !IsValidUtf8(login_name) ||
      email.size() > 320 || email.find('@') == std::string::npos || !IsValidUtf8(email)) {
    return Fail(Code::kInvalid, "a user needs a name and an e-mail address of at most 320 bytes");
  }
  Secret generated;
  if (password.empty()) {
    generated = Secret(RandomToken(18));
    password = generated;
  }
  TRY(const std::string hash, crypto::HashPassword(password.Reveal(), core_.options.password_cost));
  Account account;
  account.id = RandomUuid();
  account.org_id = core_.FirstOrganisation().id;
  account.name = account.nick = std::string(TrimSpace(login_name));
  account.email = std::string(TrimSpace(email));
  account.role = role;
  account.created = account.updated = core_.clock.Now();
  bool made = false;
  TRY_VOID(Insert(account, account.name, hash, only_first, made));
  if (!made) return Secret();
  return generated;
}

Result<void> Accounts::Insert(const Account& account, const std::string& login_name,
                              const std::string& password_hash, bool only_first, bool& made) {
  return core_.database.Transaction([&]() -> Result<void> {
    if (only_first) {
      TRY(auto count, core_.database.Prepare("SELECT count(*) FROM account"));
      TRY(const bool there, count.Step());
      if (there && count.Integer(0) > 0) return {};
    }
    TRY(auto insert,
        core_.database.Prepare(
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
    audit::Entry entry = core_.EntryOf({"local", ""}, "user.create", "success", "A user was made.");
    entry.actor = {"system", "mailreeve-response", "mailreeve-response"};
    entry.origin.channel = "local";
    entry.object = {"user", account.id};
    entry.details = {{"name", account.name}, {"role", RoleName(account.role)}};
    TRY_VOID(core_.Audit(std::move(entry)));
    made = true;
    return {};
  });
}

Result<std::optional<Accounts::Found>> Accounts::Find(const std::string& login) {
  TRY(auto select,
      core_.database.Prepare(
          "SELECT " + std::string(kAccountColumns) +
          ", a.password_hash FROM account a WHERE a.login_name = ?1 OR a.login_email = ?1 "
          "ORDER BY CASE WHEN a.login_name = ?1 THEN 0 ELSE 1 END"));
  TRY(const bool there, select.Bind(1, login).Step());
  if (!there) return std::nullopt;
  return Found{ReadAccount(select), select.Text(10)};
}

Result<Account> Accounts::Get(const std::string& id) {
  TRY(auto select, core_.database.Prepare("SELECT " + std::string(kAccountColumns) +
                                          " FROM account a WHERE a.id = ?1"));
  TRY(const bool there, select.Bind(1, id).Step());
  if (!there) return Fail(Code::kNotFound, "there is no such user");
  return ReadAccount(select);
}

}  // namespace mailreeve::response::identity
