#pragma once

#include "response/identity/accounts.h"
#include "response/identity/core.h"

#include <optional>
#include <string>

// Signing in, and the sessions of people.
//
// Threads: Tasks on the executor. Ownership: borrows Core and Accounts. Errors: kUnauthenticated
// wrong secret, kLimited too many tries, kUnavailable.
namespace mailreeve::response::identity {

class Sessions {
 public:
  Sessions(Core& core, Accounts& accounts) : core_(core), accounts_(accounts) {}
  Sessions(const Sessions&) = delete;

  // `user` is the login name or e-mail address, in any case.
  io::Task<Result<SignedIn>> SignIn(std::string user, Secret password, Origin origin);
  io::Task<Result<SignedIn>> Refresh(Secret cookie, Origin origin);
  // Ends the session of the cookie and its access tokens; a cookie of no session is no error.
  io::Task<Result<void>> SignOut(Secret cookie, Origin origin);

 private:
  struct Session {
    std::string id;
    std::string secret_hash, previous_hash;
    Time rotated, created, expires;
    Account account;
  };
  // These run on the database thread.
  Result<SignedIn> StartSession(const Account& account, const Origin& origin);
  Result<SignedIn> RefreshSession(const std::string& cookie, const Origin& origin);
  Result<void> EndSession(const std::string& cookie, const Origin& origin);
  Result<std::optional<Session>> FindSession(const std::string& id);
  Result<IssuedToken> IssueSessionToken(const Account& account, const std::string& session_id);

  Core& core_;
  Accounts& accounts_;
};

}  // namespace mailreeve::response::identity
