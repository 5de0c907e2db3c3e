#pragma once

#include "response/identity/core.h"

#include <optional>
#include <string>
#include <vector>

// People: their accounts and passwords.
//
// Threads: what is a Task on the executor; all else on the database thread, or before it runs.
// Ownership: borrows the Core. Errors: kNotFound also for another organisation's, kConflict name or
// e-mail address taken, or no administrator would be left, kDenied the other one may do more than
// the asker, kInvalid, kUnavailable.
namespace mailreeve::response::identity {

struct NewAccount {
  std::string org_id, name, nick, email;
  Role role = Role::kReadOnly;
  Secret password;  // empty: one is generated
  bool must_change_password = false;
};

struct MadeAccount {
  Account account;
  Secret generated;  // shown this once; empty when the password was given
};

class Accounts {
 public:
  explicit Accounts(Core& core) : core_(core) {}
  Accounts(const Accounts&) = delete;

  // ---- executor
  // The asker must hold all scopes of the other's role, before and after.
  io::Task<Result<MadeAccount>> MakeFor(Caller caller, NewAccount asked, Origin origin);
  io::Task<Result<Account>> GetFor(Caller caller, std::string id);
  io::Task<Result<std::vector<Account>>> ListFor(Caller caller);
  io::Task<Result<Account>> ChangeFor(Caller caller, std::string id, AccountChange change,
                                      Origin origin);
  // A generated password that must be changed at the next sign-in; ends sessions and grants.
  io::Task<Result<Secret>> ResetPasswordFor(Caller caller, std::string id, Origin origin);
  // One's own; other sessions and all grants end.
  io::Task<Result<void>> ChangePassword(Caller caller, Secret present, Secret next, Origin origin);

  // ---- database thread
  struct Found {
    Account account;
    std::string password_hash;
    bool address_known = false;
  };
  // `login` is a LoginKey.
  Result<std::optional<Found>> Find(const std::string& login, const std::string& address);
  Result<Account> Get(const std::string& id);
  Result<std::vector<Account>> List(const std::string& org_id);
  // kInvalid when the password given breaks the rules; derives the key: slow.
  Result<MadeAccount> Make(const NewAccount& asked, audit::Entry::Actor actor,
                           const Origin& origin);
  // Nothing, and an empty Secret, when there is a user already.
  Result<Secret> MakeFirst(const std::string& login_name, const std::string& email);
  Result<Account> Change(const std::string& id, const AccountChange& change,
                         audit::Entry::Actor actor, const Origin& origin);
  Result<Secret> ResetPassword(const std::string& id, audit::Entry::Actor actor,
                               const Origin& origin);
  Result<void> RememberAddress(const std::string& id, const std::string& address);

  // ---- any thread
  // The person as a token speaks for them: names, organisation, scopes of the role; the rest is the
  // caller's.
  Caller CallerOf(const Account& account) const;
  Needs NeedsOf(const Account& account) const;

 private:
  Result<MadeAccount> Insert(const NewAccount& asked, const std::string& hash, Secret generated,
                             bool only_first, audit::Entry::Actor actor, const Origin& origin);
  Result<Account> Own(const Caller& caller, const std::string& id);
  Result<void> SetPassword(const Account& account, const std::string& hash, bool must_change,
                           const std::string& keep_session, audit::Entry entry);
  // Ends what the account holds; a session may be spared.
  Result<void> EndAll(const std::string& id, const std::string& keep_session);

  Core& core_;
};

}  // namespace mailreeve::response::identity
