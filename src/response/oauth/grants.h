#pragma once

#include "response/oauth/common.h"

#include <string>
#include <vector>

// What clients hold of people: access and refresh tokens, their withdrawal and introspection.
//
// Every grant is a family: a refresh token serves once, and one that is used again ends the family
// with its access tokens; so does a code that is used again (RFC 9700 sections 2.1.1 and 4.14).
//
// Threads: Tasks on the executor. Ownership: borrows Identity. Errors: the protocol's words
// (common.h), kLimited, kUnavailable. The client has been authenticated by the caller.
namespace mailreeve::response::oauth {

struct GrantInfo {
  std::string id, client_id, client_name, kind;
  ScopeSet scopes;
  Time created, last_used, expires;
};

class Grants {
 public:
  Grants(identity::Identity& identity, Options options)
      : identity_(identity), core_(identity.core()), options_(options) {}
  Grants(const Grants&) = delete;

  io::Task<Result<Tokens>> FromCode(Client client, Secret code, std::string redirect_uri,
                                    std::string verifier, Origin origin);
  // `scope` may ask for less than was granted, for this token.
  io::Task<Result<Tokens>> Refresh(Client client, Secret token, std::string scope, Origin origin);

  // RFC 7009: a refresh token goes with its family, an access token alone. What is no token of this
  // client is no error.
  io::Task<Result<void>> Withdraw(Client client, Secret token, Origin origin);
  // RFC 7662: what the token says, {"active":false} for all but the tokens of this client and, when
  // it holds oauth:read, of its organisation.
  io::Task<Result<json::object>> Introspect(Client client, Secret token);

  // What the caller allowed clients, and its end. Answers the number of grants that ended.
  io::Task<Result<std::vector<GrantInfo>>> ListOf(Caller caller);
  io::Task<Result<int64_t>> End(Caller caller, std::string client_id, Origin origin);

  // ---- database thread, in a transaction of the caller
  Result<Tokens> Start(const Client& client, const Account& account, const ScopeSet& scopes,
                       std::string_view kind, const std::string& nonce, Time authenticated,
                       const Origin& origin, std::string& grant_id);

 private:
  Result<Tokens> UseCode(const Client& client, const std::string& code,
                         const std::string& redirect_uri, const std::string& verifier,
                         const Origin& origin);
  Result<Tokens> UseRefresh(const Client& client, const std::string& token,
                            const std::string& scope, const Origin& origin);
  Result<void> EndGrant(const std::string& grant_id);
  Result<Secret> AddRefresh(const std::string& grant_id, Time grant_expires);
  Result<Tokens> Issue(const Client& client, const Account& account, const ScopeSet& scopes,
                       std::string_view kind, const std::string& grant_id, const std::string& nonce,
                       Time authenticated);

  identity::Identity& identity_;
  identity::Core& core_;
  const Options options_;
};

// RFC 7636 section 4.6.
bool VerifierFits(std::string_view challenge, std::string_view method, std::string_view verifier);

}  // namespace mailreeve::response::oauth
