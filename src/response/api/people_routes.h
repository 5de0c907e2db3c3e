#pragma once

#include "http/message.h"
#include "response/identity/identity.h"

#include <vector>

// The routes of people: profile and organisation (threat-response-api.md 3.5), user management
// (3.6 and our own), and what each does about their own account.
//
// Threads: the executor. Ownership: borrows Identity; outlives the Api's requests.
namespace mailreeve::response::api {

class Api;

class PeopleRoutes {
 public:
  explicit PeopleRoutes(identity::Identity& identity) : identity_(identity) {}
  void AddTo(Api& api);

 private:
  // Profile.
  io::Task<http::Response> WhoAmI(http::Request request, identity::Caller caller);
  io::Task<http::Response> GetOrg(http::Request request, identity::Caller caller);
  io::Task<http::Response> SetOrg(http::Request request, identity::Caller caller);
  io::Task<http::Response> Scopes(http::Request request, identity::Caller caller);
  // Users of the organisation.
  io::Task<http::Response> GetUser(http::Request request, identity::Caller caller);
  io::Task<http::Response> ChangeUser(http::Request request, identity::Caller caller);
  io::Task<http::Response> BatchUsers(http::Request request, identity::Caller caller);
  io::Task<http::Response> SearchUsers(http::Request request, identity::Caller caller);
  io::Task<http::Response> MakeUser(http::Request request, identity::Caller caller);
  io::Task<http::Response> ResetPassword(http::Request request, identity::Caller caller);
  io::Task<http::Response> ResetCodes(http::Request request, identity::Caller caller);
  // One's own account: for tokens of a session only, never of a client.
  io::Task<http::Response> ChangePassword(http::Request request, identity::Caller caller);
  io::Task<http::Response> BeginCodes(http::Request request, identity::Caller caller);
  io::Task<http::Response> ConfirmCodes(http::Request request, identity::Caller caller);
  io::Task<http::Response> RemoveCodes(http::Request request, identity::Caller caller);
  io::Task<http::Response> ListSessions(http::Request request, identity::Caller caller);
  io::Task<http::Response> EndSession(http::Request request, identity::Caller caller);

  http::Response Failed(const Error& error, const http::Request& request,
                        const identity::Caller& caller) const;

  identity::Identity& identity_;
};

// A person as the wire has them; `scopes` are those of their role, or of the token.
json::object UserJson(const identity::Account& account, const identity::ScopeSet& scopes);

}  // namespace mailreeve::response::api
