#pragma once

#include "http/message.h"
#include "response/oauth/authorization.h"
#include "response/oauth/devices.h"
#include "response/oauth/grants.h"

#include <string>

// The routes and pages of OAuth (threat-response-api.md 1.1 to 1.4, docs/identity.md).
//
// Threads: the executor. Ownership: borrows Identity; the Api that the routes are added to outlives
// no request without this.
namespace mailreeve::response::api {

class Api;

class OAuthRoutes {
 public:
  OAuthRoutes(identity::Identity& identity, oauth::Options options, std::string public_url);
  void AddTo(Api& api);

 private:
  struct TokenRequest;
  static Result<TokenRequest> Read(const http::Request& request);
  io::Task<http::Response> AuthorizationServer(http::Request request);
  io::Task<http::Response> OpenidConfiguration(http::Request request);
  io::Task<http::Response> Token(http::Request request);
  io::Task<http::Response> DeviceAuthorization(http::Request request);
  io::Task<http::Response> Withdraw(http::Request request);
  io::Task<http::Response> Introspect(http::Request request);
  io::Task<http::Response> ListGrants(http::Request request, identity::Caller caller);
  io::Task<http::Response> EndGrant(http::Request request, identity::Caller caller);

  // authorize_routes.cc
  io::Task<http::Response> Authorize(http::Request request);
  io::Task<http::Response> Answer(http::Request request);
  io::Task<http::Response> DevicePage(http::Request request);
  io::Task<http::Response> DeviceCode(http::Request request);
  io::Task<http::Response> SignInStep(http::Request request, oauth::RequestKey key,
                                      oauth::Pending pending, identity::Account account);
  http::Response SignInPage(const http::Request& request, const oauth::RequestKey& key,
                            const oauth::Pending& pending, std::string_view error) const;
  http::Response ConsentPage(const http::Request& request, const oauth::RequestKey& key,
                             const oauth::Pending& pending) const;
  http::Response CodePage(const http::Request& request, std::string_view code,
                          std::string_view error, int status) const;
  http::Response ErrorPage(const http::Request& request, const Error& error) const;

  json::object Metadata() const;
  http::Response Failed(const Error& error, const http::Request& request) const;
  http::Response TokensResponse(const oauth::Tokens& tokens) const;

  identity::Identity& identity_;
  const oauth::Options options_;
  const std::string public_url_;
  oauth::Authorization authorization_;
  oauth::Grants grants_;
  oauth::Devices devices_;
};

}  // namespace mailreeve::response::api
