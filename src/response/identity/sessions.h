#pragma once

#include "response/identity/accounts.h"
#include "response/identity/core.h"
#include "response/identity/second_factor.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Signing in, and the sessions of people.
//
// Threads: Tasks on the executor. Ownership: borrows Core and Accounts. Errors: kUnauthenticated
// wrong secret, kLimited too many tries, kUnavailable.
namespace mailreeve::response::identity {

inline constexpr std::string_view kCodeNeeded = "one_time_code_required";

class Sessions {
 public:
  Sessions(Core& core, Accounts& accounts, SecondFactor& factor)
      : core_(core), accounts_(accounts), factor_(factor) {}
  Sessions(const Sessions&) = delete;

  // `user` is the login name or e-mail address, in any case.
  // `code` is the one-time or recovery code. kUnauthenticated with message kCodeNeeded: the
  // password is right, and the person uses one-time codes.
  io::Task<Result<SignedIn>> SignIn(std::string user, Secret password, Origin origin,
                                    std::string code = "");
  // The proof alone, without a session: for the consent page.
  io::Task<Result<Account>> Verify(std::string user, Secret password, Origin origin,
                                   std::string code = "");
  // Whose session the refresh cookie is; it stays as it is.
  io::Task<Result<Account>> Peek(Secret cookie);
  io::Task<Result<SignedIn>> Refresh(Secret cookie, Origin origin);
  // Ends the session of the cookie and its access tokens; a cookie of no session is no error.
  io::Task<Result<void>> SignOut(Secret cookie, Origin origin);
  // The caller's own.
  io::Task<Result<std::vector<SessionInfo>>> List(Caller caller);
  // kNotFound also for somebody else's.
  io::Task<Result<void>> End(Caller caller, std::string session_id, Origin origin);

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
  SecondFactor& factor_;
};

}  // namespace mailreeve::response::identity
