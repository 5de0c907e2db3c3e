#pragma once

#include "response/identity/accounts.h"
#include "response/identity/core.h"

#include <string>
#include <vector>

// API clients and their own tokens.
//
// Threads: Tasks on the executor. Ownership: borrows Core and Accounts. Errors: kUnauthenticated
// wrong secret, kLimited too many tries, kDenied scope or grant, kNotFound, kUnavailable.
namespace mailreeve::response::identity {

class Clients {
 public:
  Clients(Core& core, Accounts& accounts) : core_(core), accounts_(accounts) {}
  Clients(const Clients&) = delete;

  // Client credentials grant. `scope` empty: all that client and owner have in common. kInvalid:
  // none of the scopes asked for is held.
  io::Task<Result<IssuedToken>> Token(std::string client_id, Secret password, std::string scope,
                                      Origin origin);
  // kDenied: `asked` has scopes that the caller lacks.
  io::Task<Result<MadeClient>> Make(Caller caller, NewClient asked, Origin origin);
  io::Task<Result<std::vector<Client>>> List(Caller caller);
  // Its tokens are refused from now on. kNotFound also for another organisation's.
  io::Task<Result<void>> Delete(Caller caller, std::string client_id, Origin origin);

 private:
  // These run on the database thread.
  Result<IssuedToken> IssueToken(const std::string& client_id, const std::string& secret_hash,
                                 const std::string& scope, const Origin& origin);
  Result<MadeClient> Insert(const Caller& caller, const NewClient& asked, const Origin& origin);
  Result<std::vector<Client>> Select(const std::string& org_id);
  Result<void> Remove(const Caller& caller, const std::string& client_id, const Origin& origin);

  Core& core_;
  Accounts& accounts_;
};

}  // namespace mailreeve::response::identity
