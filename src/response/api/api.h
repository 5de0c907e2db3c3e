#pragma once

#include "audit/witness.h"
#include "http/router.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "response/api/client_routes.h"
#include "response/api/oauth_routes.h"
#include "response/api/people_routes.h"
#include "response/api/route_table.h"
#include "response/enrich/enricher.h"
#include "response/identity/identity.h"
#include "response/intel_api/intel_api.h"

#include <deque>
#include <functional>
#include <string>
#include <vector>

// The routes of mailreeve-response, guarded by the route table (docs/api.md).
//
// Threads: one executor. Ownership: borrows identity, enricher, clock and logger; outlives the
// server that uses router(). Errors: as HTTP answers, docs/api.md.
//
//   Api api(identity, enricher, clock, logger, {.public_url = "https://response.example.org"});
//   for (auto& route : exchange::ApiRoutes(exchange)) api.Add(route.method, route.pattern,
//   WithRelayCaller(route.handler)); http::Response answer = co_await
//   api.router().Dispatch(request);
namespace mailreeve::response::api {

struct Options {
  std::string public_url;            // "https://response.example.org:8443", without trailing slash
  std::string region = "Mailreeve";  // name of this server in clouds.json
  std::string version = "0.1.0";
  size_t max_body_bytes = 1024 * 1024;         // of JSON, unless a route says otherwise
  size_t max_inspect_bytes = 5 * 1024 * 1024;  // of an inspect request
  size_t max_json_depth = 32;
  observable::RecogniserLimits recogniser;
  // Null: requests are not measured; changes are not watched. Both outlive the Api.
  metrics::Registry* metrics = nullptr;
  audit::Witness* witness = nullptr;
  bool log_requests = false;  // a line for each
  oauth::Options oauth;
};

class Api {
 public:
  using Handler = std::function<io::Task<http::Response>(http::Request, identity::Caller)>;

  Api(identity::Identity& identity, enrich::Enricher& enricher, const Clock& clock,
      log::Logger& logger, Options options);
  Api(const Api&) = delete;

  // A route of the table; aborts when the table does not have it, or has it as public or not
  // contrary to the call.
  void Add(std::string_view method, std::string_view pattern, Handler handler);
  void AddPublic(std::string_view method, std::string_view pattern, http::Handler handler);
  // The routes of /ctia. `intel` outlives the Api.
  void AddIntel(intel_api::IntelApi& intel);
  // Answers what no route fits and no name of an API begins: the console's files.
  void set_files(http::Handler files);

  // Where sighting_ref finds sightings; null: nowhere. Outlives the requests.
  void set_sightings(enrich::SightingReader* sightings) { sightings_ = sightings; }

  enum class From { kObservables, kSighting, kSightingRef };
  // The observables that the body of one of these names, or the answer that refuses it.
  tl::expected<std::vector<observable::Observable>, http::Response> ReadQuestion(
      const http::Request& request, From from) const;

  const http::Router& router() const { return router_; }
  const Options& options() const { return options_; }
  // Puts an act into the audit log.
  io::Task<Result<void>> AuditAct(const identity::Caller& caller, const http::Request& request,
                                  std::string action, std::string object_type,
                                  std::string object_id, std::string result, std::string message,
                                  json::object details);
  // The answer to an error; what is our own fault goes to the log.
  http::Response Failed(const Error& error, const http::Request& request) const;
  // Rules of the table that nothing answers: empty once everything is wired.
  std::vector<std::string> Unserved() const;
  // For http::Server::set_default_headers: content security policy and the like.
  static http::Headers SecurityHeaders(const std::string& version, bool tls);

 private:
  struct Guarded {
    const RouteRule* rule;
    identity::ScopeSet scopes;
    Handler handler;
    http::Handler public_handler;
  };
  io::Task<http::Response> Guard(const Guarded* guarded, http::Request request);
  io::Task<http::Response> Authorise(const Guarded* guarded, http::Request request);
  // The handler; a change that left no audit entry of its own gets one.
  io::Task<http::Response> Handle(const Guarded* guarded, http::Request request,
                                  identity::Caller caller);
  // What every module says now of observables: {"deliberate","observe"}.
  io::Task<Result<json::object>> AnswersOf(json::array observables, identity::Caller caller,
                                           std::string request_id);
  io::Task<http::Response> GuardIntel(const Guarded* guarded, http::Request request);
  io::Task<http::Response> Fallback(http::Request request);
  using Member = io::Task<http::Response> (Api::*)(http::Request, identity::Caller);
  using PublicMember = io::Task<http::Response> (Api::*)(http::Request);
  void On(std::string_view method, std::string_view pattern, Member member);
  void OnPublic(std::string_view method, std::string_view pattern, PublicMember member);

  // identity_routes.cc
  void AddIdentityRoutes();
  io::Task<http::Response> Jwks(http::Request request);
  io::Task<http::Response> Clouds(http::Request request);
  io::Task<http::Response> SignIn(http::Request request);
  io::Task<http::Response> RefreshSignIn(http::Request request);
  io::Task<http::Response> SignOut(http::Request request);

  // enrich_routes.cc
  void AddEnrichRoutes();
  io::Task<http::Response> Inspect(http::Request request, identity::Caller caller);
  io::Task<http::Response> Health(http::Request request, identity::Caller caller);
  io::Task<http::Response> HealthOf(http::Request request, identity::Caller caller);
  io::Task<http::Response> Enrich(enrich::Verb verb, From from, http::Request request,
                                  identity::Caller caller);
  io::Task<http::Response> Actions(From from, http::Request request, identity::Caller caller);
  io::Task<http::Response> Trigger(http::Request request, identity::Caller caller);
  io::Task<http::Response> ObserveTargets(http::Request request, identity::Caller caller);
  io::Task<http::Response> Reputation(http::Request request, identity::Caller caller);
  // The request with a stored sighting in the place of its reference, where one is stored.
  io::Task<http::Request> Dereferenced(http::Request request, identity::Caller caller);
  io::Task<http::Response> EnrichSettings(http::Request request, identity::Caller caller);

  // console_routes.cc
  void AddConsoleRoutes();
  io::Task<http::Response> Status(http::Request request, identity::Caller caller);
  io::Task<http::Response> SearchMessages(http::Request request, identity::Caller caller);
  io::Task<http::Response> GetMessage(http::Request request, identity::Caller caller);
  io::Task<http::Response> MakePlan(http::Request request, identity::Caller caller);
  io::Task<http::Response> StartBatch(http::Request request, identity::Caller caller);
  io::Task<http::Response> GetBatch(http::Request request, identity::Caller caller);

  identity::Identity& identity_;
  enrich::Enricher& enricher_;
  const Clock& clock_;
  log::Logger& logger_;
  const Options options_;
  OAuthRoutes oauth_routes_{identity_, options_.oauth, options_.public_url};
  ClientRoutes client_routes_{identity_};
  PeopleRoutes people_routes_{identity_};
  http::Router router_;
  std::deque<Guarded> guarded_;
  intel_api::IntelApi* intel_ = nullptr;
  http::Handler files_;
  enrich::SightingReader* sightings_ = nullptr;
};

// mids, flags, product_categories of a request.
enrich::Filter FilterOf(const http::Request& request);
// The caller as modules and the exchange know it.
relay::Caller ToRelayCaller(const identity::Caller& caller, const http::Request& request);
// Fits a handler that knows relay::Caller only.
Api::Handler WithRelayCaller(
    std::function<io::Task<http::Response>(http::Request, relay::Caller)> handler);

}  // namespace mailreeve::response::api
