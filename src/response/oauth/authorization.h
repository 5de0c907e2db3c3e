#pragma once

#include "response/oauth/common.h"

#include <optional>
#include <string>

// The browser's half of the authorization code grant and of the device grant: a request is begun,
// a person signs in, and allows or refuses it.
//
// A request is known to one browser only: its id stands in the page, another secret in a cookie.
//
// Threads: Tasks on the executor. Ownership: borrows Identity. Errors: the protocol's words
// (common.h); kNotFound no such request, or of another browser, or run out.
//
//   TRY(auto begun, co_await authorization.Begin(query, origin));   // page: sign in
//   TRY_VOID(co_await authorization.SetAccount(key, account));      // page: consent
//   TRY(auto outcome, co_await authorization.Answer(key, true, origin));  // redirect
namespace mailreeve::response::oauth {

struct AuthorizeQuery {
  std::string response_type, client_id, redirect_uri, scope, state, nonce, challenge,
      challenge_method;
};

// Where an error may be sent; empty: it must be shown, since the address is not known to be the
// client's.
struct BeginFailure {
  Error error;
  std::string redirect;  // complete
};

struct RequestKey {
  Secret id, browser;
};

struct Pending {
  Client client;
  std::string redirect_uri, state, nonce;  // redirect_uri is empty for a device
  std::string challenge, challenge_method;
  ScopeSet scopes;
  bool is_device = false;
  std::string device_hash;
  std::optional<Account> account;
  Time authenticated;
};

class Authorization {
 public:
  Authorization(identity::Identity& identity, Options options)
      : identity_(identity), core_(identity.core()), options_(options) {}
  Authorization(const Authorization&) = delete;

  io::Task<tl::expected<RequestKey, BeginFailure>> Begin(AuthorizeQuery query, Origin origin);
  // For the code of a device that a person typed. "invalid_grant": no such code.
  io::Task<Result<RequestKey>> BeginDevice(std::string user_code, Origin origin);
  io::Task<Result<Pending>> Load(RequestKey key);
  // The person who signed in, after CheckAvailability and ScopesFor.
  io::Task<Result<void>> SetAccount(RequestKey key, Account account);
  // Ends the request. Answers the address to send the browser to; empty for a device.
  io::Task<Result<std::string>> Answer(RequestKey key, bool allowed, Origin origin);

 private:
  // These run on the database thread.
  tl::expected<RequestKey, BeginFailure> BeginNow(const AuthorizeQuery& query);
  Result<void> CheckQuery(const AuthorizeQuery& query, const Client& client);
  Result<RequestKey> Insert(const std::string& client_id, const AuthorizeQuery& query,
                            const ScopeSet& scopes, const std::string& device_hash);
  Result<Pending> Read(const RequestKey& key);
  Result<std::string> Finish(const RequestKey& key, bool allowed, const Origin& origin);
  // With "iss" (RFC 9207), so that a client that asks several servers knows whose answer it is.
  std::string RedirectTo(const std::string& address, const std::string& state,
                         std::vector<std::pair<std::string, std::string>> parameters) const;

  identity::Identity& identity_;
  identity::Core& core_;
  const Options options_;
};

// Upper case without separators, or empty when it cannot be a user code.
std::string NormalUserCode(std::string_view typed);

}  // namespace mailreeve::response::oauth
