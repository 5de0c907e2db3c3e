#pragma once

#include "response/identity/core.h"

#include <optional>
#include <string>

// People: their accounts and passwords.
//
// Threads: the database thread, or before it runs. Ownership: borrows the Core. Errors: kNotFound,
// kConflict name or e-mail address taken, kInvalid, kUnavailable.
namespace mailreeve::response::identity {

class Accounts {
 public:
  explicit Accounts(Core& core) : core_(core) {}
  Accounts(const Accounts&) = delete;

  struct Found {
    Account account;
    std::string password_hash;
  };
  // `login` is a LoginKey.
  Result<std::optional<Found>> Find(const std::string& login);
  Result<Account> Get(const std::string& id);
  // A user with a password given or, when that is empty, generated and answered. With `only_first`
  // nothing, and an empty Secret, when there is a user already.
  Result<Secret> Make(const std::string& login_name, const std::string& email, Role role,
                      Secret password, bool only_first);

 private:
  Result<void> Insert(const Account& account, const std::string& login_name,
                      const std::string& password_hash, bool only_first, bool& made);

  Core& core_;
};

}  // namespace mailreeve::response::identity
