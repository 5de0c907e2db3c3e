#include "response/api/api.h"

#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include "response/api/errors.h"

#include <chrono>

namespace mailreeve::response::api {

Api::Api(identity::Identity& identity, enrich::Enricher& enricher, const Clock& clock,
         log::Logger& logger, Options options)
    : identity_(identity),
      enricher_(enricher),
      clock_(clock),
      logger_(logger),
      options_(std::move(options)) {
  router_.set_fallback([this](http::Request request) { return Fallback(std::move(request)); });
  AddIdentityRoutes();
  oauth_routes_.AddTo(*this);
  client_routes_.AddTo(*this);
  people_routes_.AddTo(*this);
  AddEnrichRoutes();
  AddConsoleRoutes();
}

void Api::Add(std::string_view method, std::string_view pattern, Handler handler) {
  const RouteRule* rule = FindRule(method, pattern);
  CHECK(rule != nullptr && !rule->is_public);
  Result<identity::ScopeSet> scopes = identity::ScopeSet::Parse(rule->scopes);
  CHECK(scopes.has_value());
  guarded_.push_back({rule, *std::move(scopes), std::move(handler), nullptr});
  const Guarded* guarded = &guarded_.back();
  router_.Add(std::string(method), std::string(pattern), [this, guarded](http::Request request) {
    return Guard(guarded, std::move(request));
  });
}

void Api::AddPublic(std::string_view method, std::string_view pattern, http::Handler handler) {
  const RouteRule* rule = FindRule(method, pattern);
  CHECK(rule != nullptr && rule->is_public);
  guarded_.push_back({rule, {}, nullptr, std::move(handler)});
  const Guarded* guarded = &guarded_.back();
  router_.Add(std::string(method), std::string(pattern), [this, guarded](http::Request request) {
    return Guard(guarded, std::move(request));
  });
}

void Api::On(std::string_view method, std::string_view pattern, Member member) {
  Add(method, pattern, [this, member](http::Request request, identity::Caller caller) {
    return (this->*member)(std::move(request), std::move(caller));
  });
}

void Api::OnPublic(std::string_view method, std::string_view pattern, PublicMember member) {
  AddPublic(method, pattern,
            [this, member](http::Request request) { return (this->*member)(std::move(request)); });
}

void Api::set_files(http::Handler files) { files_ = std::move(files); }

io::Task<http::Response> Api::Guard(const Guarded* guarded, http::Request request) {
  if (request.request_id.empty()) request.request_id = RandomUuid();
  // Also when the handler throws or is cancelled: then no status is known here.
  struct Measure {
    const Api& api;
    const RouteRule& rule;
    const std::string request_id, address;
    const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    int status = 0;

    ~Measure() {
      const auto took = std::chrono::steady_clock::now() - start;
      const std::string text = status == 0 ? "broken_off" : std::to_string(status);
      if (metrics::Registry* metrics = api.options_.metrics) {
        const metrics::Labels route = {{"method", rule.method}, {"route", rule.pattern}};
        metrics->Add("mailreeve_requests_total", "Requests by route and status.",
                     {{"method", rule.method}, {"route", rule.pattern}, {"status", text}});
        metrics->Observe("mailreeve_request_seconds", "Time to answer, by route.", route, took);
      }
      if (api.options_.log_requests) {
        api.logger_.Info(
            "request",
            {{"request_id", request_id},
             {"address", address},
             {"method", rule.method},
             {"route", rule.pattern},
             {"status", text},
             {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
      }
    }
  } measure{*this, *guarded->rule, request.request_id, request.remote_address};
  http::Response response = co_await Authorise(guarded, std::move(request));
  measure.status = response.status;
  // Answers depend on who asks and on the moment; nothing between may keep them.
  if (!response.headers.Has("Cache-Control")) response.headers.Set("Cache-Control", "no-store");
  co_return response;
}

io::Task<http::Response> Api::Authorise(const Guarded* guarded, http::Request request) {
  if (guarded->rule->is_public) co_return co_await guarded->public_handler(std::move(request));
  if (guarded->rule->intel != nullptr) co_return co_await GuardIntel(guarded, std::move(request));
  const std::string_view header = request.headers.Get("Authorization");
  if (header.size() <= 7 || !AsciiEqualFold(header.substr(0, 7), "Bearer "))
    co_return NoToken(request);
  Result<identity::Caller> caller = identity_.Authenticate(TrimSpace(header.substr(7)));
  if (!caller) co_return BadToken(caller.error(), request);
  if (!caller->scopes.GrantsAll(guarded->scopes))
    co_return MissingScopes(guarded->scopes, *caller, request);
  co_return co_await Handle(guarded, std::move(request), *std::move(caller));
}

io::Task<http::Response> Api::Handle(const Guarded* guarded, http::Request request,
                                     identity::Caller caller) {
  audit::Witness* witness = options_.witness;
  if (witness == nullptr || !Changes(*guarded->rule))
    co_return co_await guarded->handler(std::move(request), std::move(caller));
  struct Watch {
    audit::Witness& witness;
    const std::string id;
    bool ended = false;
    bool End() {
      ended = true;
      return witness.Saw(id);
    }
    ~Watch() {
      if (!ended) (void)witness.Saw(id);
    }
  } watch{*witness, request.request_id};
  witness->Watch(watch.id);
  http::Request origin;
  origin.request_id = request.request_id;
  origin.remote_address = request.remote_address;
  std::string path = request.target.substr(0, request.target.find('?'));
  http::Response response = co_await guarded->handler(std::move(request), caller);
  if (watch.End() || response.status >= 400) co_return response;
  json::object details{{"method", guarded->rule->method},
                       {"route", guarded->rule->pattern},
                       {"status", response.status}};
  auto noted =
      co_await AuditAct(caller, origin, "api.change", "route", std::move(path), "success",
                        "A request that may change something was answered.", std::move(details));
  if (!noted) co_return Failed(noted.error(), origin);
  co_return response;
}

void Api::AddIntel(intel_api::IntelApi& intel) {
  intel_ = &intel;
  intel.set_enricher([this](json::array asked, identity::Caller caller, std::string request_id) {
    return AnswersOf(std::move(asked), std::move(caller), std::move(request_id));
  });
  for (intel_api::IntelApi::Route& route : intel.Routes()) {
    if (route.rule->is_public) {
      AddPublic(route.rule->method, route.rule->pattern,
                [handler = std::move(route.handler)](http::Request request) {
                  return handler(std::move(request), identity::Caller());
                });
    } else {
      Add(route.rule->method, route.rule->pattern, std::move(route.handler));
    }
  }
}

io::Task<Result<json::object>> Api::AnswersOf(json::array asked, identity::Caller caller,
                                              std::string request_id) {
  CO_TRY(const std::vector<observable::Observable> observables,
         enrich::ReadObservables(asked, enricher_.options()));
  http::Request request;
  request.request_id = std::move(request_id);
  const relay::Caller who = ToRelayCaller(caller, request);
  json::object out;
  CO_TRY(out["deliberate"],
         co_await enricher_.Enrich(enrich::Verb::kDeliberate, observables, {}, who));
  CO_TRY(out["observe"], co_await enricher_.Enrich(enrich::Verb::kObserve, observables, {}, who));
  co_return out;
}

// /ctia takes its token from a query parameter, too, and has words of its own for who may not.
io::Task<http::Response> Api::GuardIntel(const Guarded* guarded, http::Request request) {
  std::string token(request.headers.Get("Authorization"));
  if (token.empty()) token = request.Query("Authorization").value_or("");
  if (token.size() <= 7 || !AsciiEqualFold(std::string_view(token).substr(0, 7), "Bearer "))
    co_return intel_api::NotAuthenticated();
  Result<identity::Caller> caller = identity_.Authenticate(TrimSpace(token).substr(7));
  if (!caller) co_return BadToken(caller.error(), request);
  const intel_api::Rule& rule = *guarded->rule->intel;
  const bool global_host = intel_ != nullptr && intel_->IsGlobalHost(request);
  if (!intel_api::AccessFor(rule, caller->scopes, global_host).granted)
    co_return intel_api::MissingCapability(rule, *caller);
  if (!caller->scopes.GrantsAll(guarded->scopes))
    co_return MissingScopes(guarded->scopes, *caller, request);
  co_return co_await Handle(guarded, std::move(request), *std::move(caller));
}

io::Task<http::Response> Api::Fallback(http::Request request) {
  const std::string first = request.segments.empty() ? std::string() : request.segments.front();
  const bool is_api = first == "iroh" || first == "ctia" || first == "mailreeve" ||
                      first == "device" || first == ".well-known";
  if (files_ && !is_api && (request.method == "GET" || request.method == "HEAD")) {
    std::string path;
    for (const std::string& segment : request.segments) {
      if (!path.empty()) path += '/';
      path += segment;
    }
    request.params.emplace_back("path", std::move(path));
    co_return co_await files_(std::move(request));
  }
  http::Response response =
      ErrorResponse(404, "not_found", "There is nothing at this address.", request);
  response.headers.Set("Cache-Control", "no-store");
  co_return response;
}

std::vector<std::string> Api::Unserved() const {
  std::vector<std::string> out;
  for (const RouteRule& rule : RouteTable()) {
    const bool served = std::any_of(guarded_.begin(), guarded_.end(),
                                    [&](const Guarded& guarded) { return guarded.rule == &rule; });
    if (!served) out.push_back(std::string(rule.method) + " " + std::string(rule.pattern));
  }
  return out;
}

http::Headers Api::SecurityHeaders(const std::string& version, bool tls) {
  http::Headers headers;
  headers.Set("Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
              "font-src 'self'; "
              "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
              "require-trusted-types-for 'script'; trusted-types lit-html");
  headers.Set("Referrer-Policy", "no-referrer");
  headers.Set("X-Frame-Options", "DENY");
  headers.Set("Cross-Origin-Opener-Policy", "same-origin");
  headers.Set("Cross-Origin-Resource-Policy", "same-origin");
  headers.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
  if (tls) headers.Set("Strict-Transport-Security", "max-age=31536000");
  headers.Set("x-iroh-version", version);
  headers.Set("x-iroh-api-version", "1");
  return headers;
}

io::Task<Result<void>> Api::AuditAct(const identity::Caller& caller, const http::Request& request,
                                     std::string action, std::string object_type,
                                     std::string object_id, std::string result, std::string message,
                                     json::object details) {
  audit::Entry entry;
  entry.time = clock_.Now();
  entry.actor = caller.client_id.empty()
                    ? audit::Entry::Actor{"user", caller.user_id, caller.user_name}
                    : audit::Entry::Actor{"client", caller.client_id, caller.client_name};
  entry.origin = {request.remote_address, "https", request.request_id};
  entry.action = std::move(action);
  entry.object = {std::move(object_type), std::move(object_id)};
  entry.result = std::move(result);
  entry.message = std::move(message);
  entry.details = std::move(details);
  return identity_.AppendAudit(std::move(entry));
}

http::Response Api::Failed(const Error& error, const http::Request& request) const {
  if (error.code == Code::kInternal || error.code == Code::kCorrupt) {
    logger_.Error("request_failed",
                  {{"request_id", request.request_id}, {"error", error.ToString()}});
  }
  http::Response response = ErrorResponse(error, request);
  if (error.code == Code::kLimited) {
    response.headers.Set("Retry-After", std::to_string(identity_.retry_after_seconds()));
  }
  return response;
}

relay::Caller ToRelayCaller(const identity::Caller& caller, const http::Request& request) {
  relay::Caller out;
  out.user_id = caller.user_id;
  out.user_name = caller.user_name;
  out.client_id = caller.client_id;
  out.org_id = caller.org_id;
  out.request_id = request.request_id;
  return out;
}

Api::Handler WithRelayCaller(
    std::function<io::Task<http::Response>(http::Request, relay::Caller)> handler) {
  return [handler = std::move(handler)](http::Request request, identity::Caller caller) {
    relay::Caller relay_caller = ToRelayCaller(caller, request);
    return handler(std::move(request), std::move(relay_caller));
  };
}

}  // namespace mailreeve::response::api
