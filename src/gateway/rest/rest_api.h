#pragma once

#include "base/time.h"
#include "gateway/details/details.h"
#include "gateway/rest/route_table.h"
#include "gateway/rest/search.h"
#include "gateway/rest/shapes.h"
#include "gateway/tracking/store.h"
#include "gateway/users/users.h"
#include "http/router.h"
#include "log/log.h"
#include "settings/settings.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

// The REST API of the gateway, as clients of "AsyncOS API v2.0" speak it (docs/rest-api.md,
// schema/openapi/gateway.json).
//
// Threads: one executor. Ownership: everything passed outlives the servers that use router().
// Errors: {"error":{"message","code","explanation"}}. Source: gateway-api.md 1.1 to 1.7.
//
//   rest::RestApi api({.name = "gateway-1", .serial = serial}, *store, *users, reports, running,
//                     clock, logger);
//   auto server = http::Server::Listen(address, tls, api.router(), limits, scope, logger);
namespace mailreeve::gateway::rest {

// Answers reporting/<report>[/<counter>] with the whole envelope.
using ReportHandler = std::function<io::Task<Result<json::value>>(
    std::string report, std::string counter,
    std::vector<std::pair<std::string, std::string>> parameters)>;

struct Options {
  std::string name;    // of the gateway
  std::string serial;  // Serial()
  std::string version;
};

class RestApi {
 public:
  RestApi(Options options, tracking::Store& store, users::Users& users, ReportHandler reports,
          const settings::Running& settings, const Clock& clock, log::Logger& logger);
  RestApi(const RestApi&) = delete;

  const http::Router& router() const { return router_; }
  // What every answer carries.
  static http::Headers CommonHeaders();
  // What the HTTP server answers to bytes that are no request.
  static http::Response Refusal(int status, std::string_view description);

 private:
  struct Caller {
    users::User user;
    bool is_sma = false;  // came by the prefix of the central appliance
  };
  using Member = io::Task<http::Response> (RestApi::*)(http::Request, Caller);

  io::Task<http::Response> Dispatch(http::Request request);
  void Serve(const RouteRule& rule, Member member);
  io::Task<http::Response> Authorised(const RouteRule& rule, Member member, bool is_sma,
                                      http::Request request);
  io::Task<Result<users::User>> Authenticate(const http::Request& request);
  users::Origin OriginOf(const http::Request& request) const;
  Identity IdentityOf(const Caller& caller) const;

  io::Task<http::Response> Login(http::Request request, Caller caller);
  io::Task<http::Response> Privileges(http::Request request, Caller caller);
  io::Task<http::Response> OpenApi(http::Request request, Caller caller);
  io::Task<http::Response> Health(http::Request request, Caller caller);
  io::Task<http::Response> LogSubscriptions(http::Request request, Caller caller);
  io::Task<http::Response> Messages(http::Request request, Caller caller);
  io::Task<http::Response> Details(http::Request request, Caller caller);
  io::Task<http::Response> ConnectionDetails(http::Request request, Caller caller);
  io::Task<http::Response> AmpDetails(http::Request request, Caller caller);
  io::Task<http::Response> DlpDetails(http::Request request, Caller caller);
  io::Task<http::Response> UrlDetails(http::Request request, Caller caller);
  io::Task<http::Response> RemediationDetails(http::Request request, Caller caller);
  io::Task<http::Response> Availability(http::Request request, Caller caller);
  io::Task<http::Response> Report(http::Request request, Caller caller);

  // The messages that a details route names by mid, icid and serialNumber, oldest first; empty when
  // there are none.
  io::Task<Result<std::vector<mail::MessageRecord>>> Named(http::Request request);
  details::Limits LineLimits() const;
  template <class Lines>
  io::Task<http::Response> SubDetails(http::Request request, Caller caller, std::string show,
                                      std::string list, Lines lines);

  const Options options_;
  tracking::Store& store_;
  users::Users& users_;
  const ReportHandler reports_;
  const settings::Running& settings_;
  const Clock& clock_;
  log::Logger& logger_;
  Search search_;
  http::Router routes_;  // by prefix and path
  http::Router router_;  // hands everything to Dispatch
};

// The text of schema/openapi/gateway.json.
std::string_view OpenApiDocument();

}  // namespace mailreeve::gateway::rest
