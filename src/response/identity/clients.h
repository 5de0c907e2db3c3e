#pragma once

#include "response/identity/accounts.h"
#include "response/identity/core.h"

#include <string>
#include <vector>

// API clients and their own tokens.
//
// Threads: Tasks on the executor; what is named so on the database thread. Ownership: borrows Core
// and Accounts. Errors: kUnauthenticated wrong id or secret, kLimited too many tries, kDenied scope
// or grant, kNotFound also for another organisation's, kConflict, kUnavailable.
namespace mailreeve::response::identity {

class Clients {
 public:
  Clients(Core& core, Accounts& accounts) : core_(core), accounts_(accounts) {}
  Clients(const Clients&) = delete;

  // Client credentials grant. `scope` empty: all that client and owner have in common. kInvalid:
  // none of the scopes asked for is held.
  io::Task<Result<IssuedToken>> Token(std::string client_id, Secret password, std::string scope,
                                      Origin origin);
  // The client that the secret proves, or a public client that gives none. Disabled, expired and
  // those of a disabled owner are kUnauthenticated too.
  io::Task<Result<Client>> Authenticate(std::string client_id, Secret password, Origin origin);

  // kDenied: `asked` has scopes that the caller lacks.
  io::Task<Result<MadeClient>> Make(Caller caller, NewClient asked, Origin origin);
  io::Task<Result<std::vector<Client>>> List(Caller caller);
  io::Task<Result<Client>> Get(Caller caller, std::string client_id);
  // kDenied: the client has or would get scopes that the caller lacks; switching it off is always
  // allowed. Tokens of a client that was switched off are refused.
  io::Task<Result<Client>> Change(Caller caller, std::string client_id, ClientChange change,
                                  Origin origin);
  // A new secret; the one before serves for Options::secret_grace, or not at all.
  io::Task<Result<MadeClient>> Rotate(Caller caller, std::string client_id, bool keep_old,
                                      Origin origin);
  // Its tokens are refused from now on.
  io::Task<Result<void>> Delete(Caller caller, std::string client_id, Origin origin);

  // ---- database thread
  Result<Client> Find(const std::string& client_id);
  // Whether it may be used now, and its owner.
  Result<Account> CheckUsable(const Client& client);
  Result<void> Touch(const Client& client);
  Result<Client> Verify(const std::string& client_id, const Secret& password, const Origin& origin);
  Result<MadeClient> Insert(const Caller& caller, const NewClient& asked, const Origin& origin);
  Result<std::vector<Client>> Select(const std::string& org_id);
  Result<MadeClient> Replace(const Caller& caller, const std::string& client_id, bool keep_old,
                             const Origin& origin);

 private:
  template <class T, class F>
  io::Task<Result<T>> Limited(std::string client_id, Secret password, Origin origin, F work);
  Result<IssuedToken> IssueToken(const Client& client, const std::string& scope,
                                 const Origin& origin);
  Result<Client> Own(const Caller& caller, const std::string& client_id);
  Result<Client> Update(const Caller& caller, const std::string& client_id,
                        const ClientChange& change, const Origin& origin);
  Result<void> Remove(const Caller& caller, const std::string& client_id, const Origin& origin);
  Result<void> Refuse(audit::Entry entry, const ScopeSet& missing);

  Core& core_;
  Accounts& accounts_;
};

}  // namespace mailreeve::response::identity
