#include "response/api/api.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "response/api/integration_routes.h"
#include "response/api/module_system.h"
#include "response/identity/capabilities.h"
#include "response/identity/test_identity.h"
#include "response/modules/fake_modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::api {
namespace {

using identity::ScopeSet;
using testing::HasSubstr;

class ApiTest : public testing::Test, public identity::IdentityWorld {
 protected:
  ApiTest()
      : scope(context.get_executor(), logger),
        modules_(OpenModules(source, folder.path(), clock, logger)),
        enricher(modules_->registry(), scope, clock, logger, {}),
        issuer(identity::KeyRing::Open({.path = options.key_path}, clock).value(), {}, clock),
        api(*identity, enricher, clock, logger,
            {.public_url = "https://response.example", .metrics = &metrics, .witness = &witness}),
        integration_routes(api, modules_->registry(), modules_->catalogue()) {
    source.org_id = identity->organisation().id;
    for (const std::string& route : api.Unserved()) {
      const size_t space = route.find(' ');
      const std::string method = route.substr(0, space), pattern = route.substr(space + 1);
      if (FindRule(method, pattern)->is_public) {
        api.AddPublic(method, pattern, [](http::Request) { return Done(); });
      } else {
        api.Add(method, pattern, [](http::Request, identity::Caller) { return Done(); });
      }
    }
  }
  static std::unique_ptr<ModuleSystem> OpenModules(modules::FakeSource& source,
                                                   const std::string& folder, const Clock& clock,
                                                   log::Logger& logger) {
    auto opened = ModuleSystem::Open(
        {.database = {.path = ":memory:"}, .key_path = folder + "/module-keys.json"},
        *settings::Snapshot::Defaults(settings::Schema::Builtin(), "response"), {&source}, clock,
        logger);
    EXPECT_TRUE(opened) << opened.error().ToString();
    return *std::move(opened);
  }
  static io::Task<http::Response> Done() {
    co_return http::Response::Json(200, json::object{{"done", true}});
  }

  // A token for these scopes and nothing else.
  std::string TokenFor(std::string_view scopes) {
    if (password.empty()) password = FirstUser();
    if (user_id.empty()) {
      user_id = identity->Authenticate(SignIn("admin", password)->token.access_token)->user_id;
    }
    identity::Caller caller;
    caller.user_id = user_id;
    caller.user_name = "admin";
    caller.user_email = "admin@example.org";
    caller.org_id = identity->organisation().id;
    caller.kind = "access-token";
    caller.grant = "client-creds";
    caller.scopes = ScopeSet::Parse(scopes).value();
    return issuer.Issue(caller)->access_token;
  }

  http::Response Send(http::Request request) {
    std::optional<http::Response> out;
    EXPECT_TRUE(http::ParseTarget(request));
    asio::co_spawn(context, api.router().Dispatch(std::move(request)),
                   [&](std::exception_ptr thrown, http::Response response) {
                     if (thrown) std::rethrow_exception(thrown);
                     out = std::move(response);
                   });
    context.restart();
    context.run();
    return *std::move(out);
  }
  static http::Request Make(std::string method, std::string target, std::string body = "") {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.remote_address = "192.0.2.7";
    request.request_id = "request-1";
    if (!request.body.empty()) request.headers.Set("Content-Type", "application/json");
    request.headers.Set("Host", "response.example");
    return request;
  }
  http::Response Ask(std::string method, std::string target, std::string body = "",
                     std::string_view scopes = "*") {
    http::Request request = Make(std::move(method), std::move(target), std::move(body));
    request.headers.Set(
        "Authorization",
        "Bearer " + TokenFor(scopes == "*" ? identity::ScopesOf(identity::Role::kAdmin).ToString()
                                           : std::string(scopes)));
    return Send(std::move(request));
  }
  static json::object Json(const http::Response& response) {
    const auto value = json::Parse(response.body);
    return value && value->is_object() ? value->get_object() : json::object();
  }
  static std::string ErrorOf(const http::Response& response) {
    const json::object body = Json(response);
    return body.contains("error") ? std::string(body.at("error").as_string()) : "";
  }

  asio::io_context context;
  io::Scope scope;
  modules::FakeSource source;
  std::unique_ptr<ModuleSystem> modules_;
  enrich::Enricher enricher;
  identity::TokenIssuer issuer;
  metrics::Registry metrics;
  Api api;
  IntegrationRoutes integration_routes;
  std::string password, user_id;
};

std::string TargetOf(std::string_view pattern) {
  std::string out;
  for (const std::string_view part : Split(pattern.substr(1), '/')) {
    out += '/';
    out += part.front() == '{' ? std::string_view("7") : part;
  }
  return out;
}

TEST_F(ApiTest, EveryRouteIsInTheTableAndEveryRuleIsServed) {
  EXPECT_TRUE(api.Unserved().empty());
  EXPECT_EQ(api.router().routes().size(), RouteTable().size());
  for (const http::Route& route : api.router().routes()) {
    EXPECT_NE(FindRule(route.method, route.pattern), nullptr)
        << route.method << " " << route.pattern;
  }
  for (const RouteRule& rule : RouteTable()) {
    for (const std::string_view word : Split(rule.scopes, ' ')) {
      if (word.empty()) continue;
      const auto required = identity::Scope::Parse(word);
      ASSERT_TRUE(required) << rule.pattern;
      EXPECT_NE(required->access, identity::Scope::kNone) << rule.pattern;
      // No rule that not even an administrator meets.
      EXPECT_TRUE(identity::ScopesOf(identity::Role::kAdmin).Grants(word)) << rule.pattern;
    }
    if (rule.is_public) EXPECT_TRUE(rule.scopes.empty()) << rule.pattern;
  }
}

TEST_F(ApiTest, WhatChangesIsKnownByTheScopes) {
  EXPECT_TRUE(Changes({"POST", "/x", false, "sse:write"}));
  EXPECT_TRUE(Changes({"GET", "/x", false, "sse:write"}));
  EXPECT_TRUE(Changes({"POST", "/x", false, "private-intel"}));
  EXPECT_TRUE(Changes({"POST", "/x", false, "a:read b"}));
  EXPECT_TRUE(Changes({"DELETE", "/x", false, ""}));
  EXPECT_TRUE(Changes({"POST", "/x", true}));
  EXPECT_FALSE(Changes({"POST", "/x", false, "a:read b:read"}));
  EXPECT_FALSE(Changes({"GET", "/x", false, ""}));
}

// No change without an entry that says who, what, when and from where; and one is enough.
TEST_F(ApiTest, EveryChangeLeavesAnAuditEntry) {
  size_t changed = 0;
  const std::string token = TokenFor(identity::ScopesOf(identity::Role::kAdmin).ToString());
  for (const RouteRule& rule : RouteTable()) {
    if (rule.is_public || !Changes(rule)) continue;
    std::string body;
    if (rule.pattern == "/iroh/oauth2-clients/clients")
      body = R"({"name":"x","scopes":["inspect"]})";
    http::Request request = Make(std::string(rule.method), TargetOf(rule.pattern), body);
    request.request_id = "change-" + std::to_string(changed);
    request.headers.Set("Authorization", "Bearer " + token);
    const std::string id = request.request_id;
    const size_t before = audit.entries.size();
    const int status = Send(std::move(request)).status;
    // What was refused has changed nothing.
    if (status >= 400) continue;
    ++changed;
    ASSERT_EQ(audit.entries.size(), before + 1) << rule.method << " " << rule.pattern;
    const audit::Entry& entry = audit.entries.back();
    EXPECT_EQ(entry.actor.id, user_id) << rule.pattern;
    EXPECT_EQ(entry.origin.request_id, id) << rule.pattern;
    EXPECT_EQ(entry.origin.address, "192.0.2.7") << rule.pattern;
    EXPECT_FALSE(entry.action.empty());
    EXPECT_EQ(entry.time, clock.Now());
  }
  EXPECT_GE(changed, 5u);
}

TEST_F(ApiTest, RequestsAreCountedByRouteAndStatus) {
  Ask("GET", "/iroh/iroh-sse/device/7");
  Ask("GET", "/iroh/iroh-sse/device/8");
  Send(Make("GET", "/iroh/iroh-sse/device/8"));
  const std::string text = metrics.Render();
  EXPECT_THAT(text, HasSubstr("mailreeve_requests_total{method=\"GET\",route=\"/iroh/iroh-sse/"
                              "device/{id}\",status=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("route=\"/iroh/iroh-sse/device/{id}\",status=\"401\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("mailreeve_request_seconds_count{method=\"GET\",route=\"/iroh/"
                              "iroh-sse/device/{id}\"} 3\n"));
}

TEST_F(ApiTest, EveryRouteTakesExactlyTheScopesOfItsRule) {
  // Each scope of the table, each scope above it, with each access.
  std::set<std::string> scopes = {""};
  for (const RouteRule& rule : RouteTable()) {
    for (const std::string_view word : Split(rule.scopes, ' ')) {
      if (word.empty()) continue;
      identity::Scope at = identity::Scope::Parse(word).value();
      for (; !at.path.empty(); at.path.pop_back()) {
        for (const uint8_t access :
             {identity::Scope::kRead, identity::Scope::kWrite, identity::Scope::kReadWrite}) {
          at.access = access;
          scopes.insert(at.ToString());
        }
      }
    }
  }
  // Each root scope there is, with each access; and one that only begins like one.
  for (const std::string& root : identity::KnownScopes()) {
    const std::string path = root.substr(0, root.find(':'));
    for (const char* suffix : {"", ":read", ":write"}) scopes.insert(path + suffix);
  }
  for (const char* word : {"enrichment", "oauth2", "profile/whoami", "users:none", "ENRICH"})
    scopes.insert(word);
  size_t allowed = 0, refused = 0;
  for (const RouteRule& rule : RouteTable()) {
    if (rule.is_public || rule.intel != nullptr) continue;
    const std::string method(rule.method), target = TargetOf(rule.pattern);
    http::Request bare = Make(method, target);
    const http::Response none = Send(bare);
    EXPECT_EQ(none.status, 401) << target;
    EXPECT_EQ(ErrorOf(none), "invalid_request") << target;
    const ScopeSet required = ScopeSet::Parse(rule.scopes).value();
    for (const std::string& held : scopes) {
      const http::Response response = Ask(method, target, "", held);
      const bool may = ScopeSet::Parse(held)->GrantsAll(required);
      ASSERT_NE(response.status, 401) << method << " " << target << " with " << held;
      // Other refusals, such as that only a person may do this, come after the scopes.
      ASSERT_EQ(response.status != 403 || ErrorOf(response) != "missing_scope", may)
          << method << " " << target << " with " << held << ": " << response.body;
      if (!may) {
        const json::object body = Json(response);
        ASSERT_EQ(body.at("error"), "missing_scope");
        const auto list = [&](std::string_view key) {
          return ScopeSet::Parse(json::OptionalStrings(body, key).value()).value();
        };
        ASSERT_EQ(list("required-scopes"), required) << target;
        ASSERT_EQ(list("missing-scopes"), ScopeSet::Parse(held)->Missing(required)) << target;
        ASSERT_EQ(list("scopes"), ScopeSet::Parse(held).value()) << target;
        ASSERT_EQ(body.at("user-id").as_string(), user_id);
        ASSERT_EQ(body.at("org-id").as_string(), identity->organisation().id);
      }
      ++(may ? allowed : refused);
    }
  }
  EXPECT_GT(allowed, 100u);
  EXPECT_GT(refused, 1000u);
}

TEST_F(ApiTest, EveryRouteOfTheIntelligenceStoreTakesExactlyItsCapabilities) {
  const char* scopes[] = {"",
                          "private-intel",
                          "private-intel:read",
                          "private-intel:write",
                          "casebook",
                          "casebook:read",
                          "asset:write",
                          "private-intel/judgement",
                          "private-intel/sighting:read",
                          "private-intel/import-bundle:write",
                          "inspect:read",
                          "global-intel:read",
                          "global-intel",
                          "private-intel:read global-intel:read"};
  size_t allowed = 0, refused = 0;
  for (const RouteRule& rule : RouteTable()) {
    if (rule.is_public || rule.intel == nullptr) continue;
    const std::string method(rule.method), target = TargetOf(rule.pattern);
    const http::Response bare = Send(Make(method, target));
    EXPECT_EQ(bare.status, 401) << target;
    EXPECT_NE(bare.body.find("not_authenticated"), std::string::npos) << bare.body;
    for (const char* held : scopes) {
      const http::Response response = Ask(method, target, "", held);
      const ScopeSet set = ScopeSet::Parse(held).value();
      bool on_private = true, on_global = true;
      for (const std::string& capability : rule.intel->capabilities) {
        on_private = on_private && identity::HasCapability(set, capability);
        on_global = on_global && identity::HasCapability(set, capability, identity::kGlobalIntel) &&
                    (capability.starts_with("read-") || capability.starts_with("search-") ||
                     capability.starts_with("list-"));
      }
      const bool beside = set.GrantsAll(ScopeSet::Parse(rule.intel->scopes).value());
      ASSERT_EQ(response.status != 403, (on_private || on_global) && beside)
          << method << " " << target << " with " << held << ": " << response.body;
      ++(response.status != 403 ? allowed : refused);
    }
  }
  EXPECT_GT(allowed, 500u);
  EXPECT_GT(refused, 1000u);
  EXPECT_EQ(
      Ask("PUT", "/ctia/judgement/x", "{}", "private-intel")
          .body.find(
              R"({"message":"Missing capability","error":"missing_capability","capabilities":["create-judgement","developer"],"owner":)"),
      0u);
}

TEST_F(ApiTest, ErrorEnvelopesAreThoseOfTheProtocol) {
  http::Response none = Send(Make("POST", "/iroh/iroh-inspect/inspect", "{}"));
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(
      none.body,
      R"({"error":"invalid_request","error_description":"No JWT found in HTTP Authorization header","trace_id":"request-1"})");
  EXPECT_EQ(none.headers.Get("Cache-Control"), "no-store");
  for (const char* header : {"Bearer ", "Basic abc", "Bearer", "bearer  "}) {
    http::Request request = Make("GET", "/iroh/iroh-enrich/settings");
    request.headers.Set("Authorization", header);
    EXPECT_EQ(Send(request).status, 401) << header;
  }
  http::Request request = Make("GET", "/iroh/iroh-enrich/settings");
  request.headers.Set("Authorization", "Bearer garbage");
  EXPECT_EQ(ErrorOf(Send(request)), "jwt_decode_failed_exception");

  const http::Response missing =
      Ask("POST", "/iroh/iroh-response/respond/trigger/a/b", "", "inspect:read");
  EXPECT_EQ(missing.status, 403);
  const json::object body = Json(missing);
  EXPECT_EQ(body.at("error"), "missing_scope");
  EXPECT_EQ(json::Serialize(body.at("required-scopes")), R"(["response/trigger:write"])");
  EXPECT_EQ(json::Serialize(body.at("missing-scopes")), R"(["response/trigger:write"])");
  EXPECT_EQ(json::Serialize(body.at("scopes")), R"(["inspect:read"])");
  EXPECT_EQ(body.at("user-id").as_string(), user_id);
  EXPECT_EQ(body.at("org-id").as_string(), identity->organisation().id);
  EXPECT_EQ(body.at("trace_id"), "request-1");

  EXPECT_EQ(ErrorOf(Ask("GET", "/iroh/iroh-int/module-type/x")), "module_type_not_found");
  EXPECT_EQ(ErrorOf(Ask("GET", "/iroh/iroh-int/module-instance/x")), "module_instance_not_found");
  EXPECT_EQ(ErrorOf(Ask("GET", "/iroh/nothing")), "not_found");
  EXPECT_EQ(Ask("GET", "/iroh/iroh-inspect/inspect").status, 405);
}

TEST_F(ApiTest, InspectFindsAndRefuses) {
  const http::Response found = Ask("POST", "/iroh/iroh-inspect/inspect",
                                   R"({"content":"1.2.3.4 foo bar xyz.com www.xyz.com"})");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(
      found.body,
      R"([{"type":"ip","value":"1.2.3.4"},{"type":"domain","value":"xyz.com"},{"type":"domain","value":"www.xyz.com"}])");
  EXPECT_EQ(Ask("POST", "/iroh/iroh-inspect/inspect", R"({"content":""})").body, "[]");
  EXPECT_EQ(Ask("POST", "/iroh/iroh-inspect/inspect", "{}").body,
            R"({"content":"missing-required-key"})");
  EXPECT_EQ(Ask("POST", "/iroh/iroh-inspect/inspect", R"({"content":5})").status, 400);
  EXPECT_EQ(Ask("POST", "/iroh/iroh-inspect/inspect", R"({"content":"x","y":1})").body,
            R"({"y":"disallowed-key"})");
  EXPECT_EQ(Ask("POST", "/iroh/iroh-inspect/inspect", "").status, 400);
}

// hostile-input.md W09
TEST_F(ApiTest, HostileJsonIsRefused) {
  const std::string target = "/iroh/iroh-enrich/observe/observables";
  EXPECT_EQ(Ask("POST", target, std::string(100000, '[')).status, 400);
  EXPECT_EQ(Ask("POST", target, std::string(10000, '[') + std::string(10000, ']')).status, 400);
  EXPECT_EQ(Ask("POST", target, R"([{"type":"ip","type":"url","value":"1.2.3.4"}])").status, 400);
  EXPECT_EQ(Ask("POST", target, R"([{"type":"ip","t\u0079pe":"url","value":"x"}])").status, 400);
  EXPECT_EQ(Ask("POST", target, R"([{"type":"ip","value":"\ud800"}])").status, 400);
  EXPECT_EQ(Ask("POST", target, "[{\"type\":\"ip\",\"value\":\"\xff\"}]").status, 400);
  EXPECT_EQ(Ask("POST", target, R"([{"type":"ip","value":1e400}])").status, 400);
  EXPECT_EQ(Ask("POST", target, R"([{"type":"ip","value":"1.2.3.4"}] x)").status, 400);
  EXPECT_EQ(Ask("POST", target, "[\"" + std::string(1100000, 'x') + "\"]").status, 413);
  http::Request form = Make("POST", target, "[]");
  form.headers.Set("Content-Type", "text/plain");
  form.headers.Set("Authorization", "Bearer " + TokenFor("enrich"));
  EXPECT_EQ(Send(form).status, 415);
  EXPECT_EQ(Ask("POST", target, R"([{"type":"ip","value":"1"},{"type":"nope","value":"x"}])").body,
            R"({"errors":{"[1].type":"no type of observable is called that"}})");
}

TEST_F(ApiTest, TokenEndpointTakesBasicFormAndJson) {
  const http::Response made = Ask("POST", "/iroh/oauth2-clients/clients",
                                  R"({"name":"script","scopes":["inspect:read","enrich"]})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string id(Json(made).at("id").as_string()),
      secret(Json(made).at("password").as_string());
  const auto send = [&](std::string type, std::string body, std::string basic) {
    http::Request request = Make("POST", "/iroh/oauth2/token", std::move(body));
    request.headers.Set("Content-Type", std::move(type));
    if (!basic.empty()) request.headers.Set("Authorization", "Basic " + Base64Encode(basic));
    return Send(std::move(request));
  };
  const std::string form = "application/x-www-form-urlencoded";
  const http::Response basic = send(form, "grant_type=client_credentials", id + ":" + secret);
  ASSERT_EQ(basic.status, 200) << basic.body;
  const json::object answer = Json(basic);
  EXPECT_EQ(answer.at("token_type"), "bearer");
  EXPECT_EQ(answer.at("expires_in"), 600);
  EXPECT_EQ(answer.at("scope"), "enrich inspect:read");
  EXPECT_EQ(basic.headers.Get("Cache-Control"), "no-store");
  EXPECT_EQ(
      send(form, "grant_type=client_credentials&client_id=" + id + "&client_secret=" + secret, "")
          .status,
      200);
  for (const char* key : {"client_password", "client_secret"}) {
    EXPECT_EQ(send("application/json; charset=utf-8",
                   json::Serialize(json::object{
                       {"grant_type", "client_credentials"}, {"client_id", id}, {key, secret}}),
                   "")
                  .status,
              200);
  }
  EXPECT_EQ(Json(send(form, "grant_type=client_credentials&scope=enrich:read", id + ":" + secret))
                .at("scope"),
            "enrich:read");

  const http::Response wrong = send(form, "grant_type=client_credentials", id + ":wrong");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(ErrorOf(wrong), "invalid_client");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=client_credentials", "")), "invalid_client");
  EXPECT_EQ(ErrorOf(send(form, "", id + ":" + secret)), "invalid_request");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=password", id + ":" + secret)),
            "unsupported_grant_type");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=client_credentials&scope=admin", id + ":" + secret)),
            "invalid_scope");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=client_credentials&scope=%22", id + ":" + secret)),
            "invalid_scope");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=client_credentials&grant_type=x", id + ":" + secret)),
            "invalid_request");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=client_credentials&client_id=other", id + ":" + secret)),
            "invalid_request");
  EXPECT_EQ(ErrorOf(send("application/json", "{", "")), "invalid_request");
  EXPECT_EQ(ErrorOf(send(form, "grant_type=%zz", id + ":" + secret)), "invalid_request");
  for (int i = 0; i < 12; ++i) send(form, "grant_type=client_credentials", id + ":wrong");
  const http::Response limited = send(form, "grant_type=client_credentials", id + ":" + secret);
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.headers.Get("Retry-After"), "90");
}

TEST_F(ApiTest, ClientsAreMadeListedAndDeleted) {
  const auto make = [&](std::string body, std::string_view scopes = "*") {
    return Ask("POST", "/iroh/oauth2-clients/clients", std::move(body), scopes);
  };
  const http::Response made =
      make(R"({"name":"a","description":"d","scopes":["inspect:read"],"grants":["client-creds"],
                                       "redirects":[],"availability":"org"})");
  ASSERT_EQ(made.status, 200);
  const std::string id(Json(made).at("id").as_string());
  const http::Response list = Ask("GET", "/iroh/oauth2-clients/clients");
  EXPECT_THAT(list.body, HasSubstr(id));
  EXPECT_THAT(list.body, testing::Not(HasSubstr("password")));
  EXPECT_EQ(make("{}").body,
            R"({"errors":{"name":"missing-required-key","scopes":"missing-required-key"}})");
  EXPECT_EQ(make(R"({"name":"a","scopes":["inspect"],"org-id":"x"})").body,
            R"({"errors":{"org-id":"disallowed-key"}})");
  EXPECT_EQ(make(R"({"name":"a","scopes":[]})").status, 400);
  EXPECT_EQ(make(R"({"name":"a","scopes":["a b"]})").status, 400);
  EXPECT_EQ(make(R"({"name":"a","scopes":["inspect"],"grants":["auth-code"]})").status, 400);
  const http::Response more = make(R"({"name":"a","scopes":["inspect","oauth"]})", "oauth");
  EXPECT_EQ(more.status, 403);
  EXPECT_EQ(json::Serialize(Json(more).at("missing-scopes")), R"(["inspect"])");
  EXPECT_EQ(Ask("DELETE", "/iroh/oauth2-clients/clients/" + id).status, 204);
  EXPECT_EQ(ErrorOf(Ask("DELETE", "/iroh/oauth2-clients/clients/" + id)), "client_not_found");
}

TEST_F(ApiTest, SignsInRefreshesAndSignsOut) {
  password = FirstUser();
  const http::Response in =
      Send(Make("POST", "/mailreeve/v1/sign-in",
                json::Serialize(json::object{{"user", "admin"}, {"password", password}})));
  ASSERT_EQ(in.status, 200) << in.body;
  EXPECT_EQ(Json(in).at("user").at("role"), "admin");
  const std::string set(in.headers.Get("Set-Cookie"));
  for (const char* part :
       {"__Host-mailreeve_refresh=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"}) {
    EXPECT_THAT(set, HasSubstr(part));
  }
  const std::string cookie = set.substr(0, set.find(';'));
  const auto post = [&](const char* target, std::string with, const char* origin, bool header) {
    http::Request request = Make("POST", target);
    request.headers.Set("Cookie", "a=b; " + with);
    if (origin != nullptr) request.headers.Set("Origin", origin);
    if (header) request.headers.Set("X-Mailreeve-Console", "1");
    return Send(std::move(request));
  };
  EXPECT_EQ(post("/mailreeve/v1/sign-in/refresh", cookie, nullptr, false).status, 403);
  EXPECT_EQ(post("/mailreeve/v1/sign-in/refresh", cookie, "null", true).status, 403);
  EXPECT_EQ(post("/mailreeve/v1/sign-in/refresh", cookie, "https://evil.example", true).status,
            403);
  EXPECT_EQ(post("/mailreeve/v1/sign-out", cookie, "https://evil.example", false).status, 403);
  const http::Response again =
      post("/mailreeve/v1/sign-in/refresh", cookie, "https://response.example", false);
  ASSERT_EQ(again.status, 200) << again.body;
  const std::string next(again.headers.Get("Set-Cookie"));
  EXPECT_NE(next.substr(0, next.find(';')), cookie);
  EXPECT_EQ(post("/mailreeve/v1/sign-out", next.substr(0, next.find(';')), nullptr, true).status,
            204);
  const http::Response over =
      post("/mailreeve/v1/sign-in/refresh", next.substr(0, next.find(';')), nullptr, true);
  EXPECT_EQ(over.status, 401);
  EXPECT_THAT(std::string(over.headers.Get("Set-Cookie")), HasSubstr("Max-Age=0"));
  http::Request request = Make("GET", "/iroh/iroh-enrich/settings");
  request.headers.Set("Authorization",
                      "Bearer " + std::string(Json(again).at("access_token").as_string()));
  EXPECT_EQ(ErrorOf(Send(request)), "jwt_revoked");

  EXPECT_EQ(
      Send(Make("POST", "/mailreeve/v1/sign-in", R"({"user":"admin","password":"x"})")).status,
      401);
  EXPECT_EQ(Send(Make("POST", "/mailreeve/v1/sign-in", R"({"user":"admin"})")).status, 400);
  http::Request form = Make("POST", "/mailreeve/v1/sign-in", "user=admin&password=x");
  form.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  EXPECT_EQ(Send(form).status, 415);
}

TEST_F(ApiTest, WhoAmINamesUserAndOrganisation) {
  const http::Response answer = Ask("GET", "/iroh/profile/whoami");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(Json(answer).at("user").at("user-id").as_string(), user_id);
  EXPECT_EQ(Json(answer).at("user").at("enabled?"), true);
  EXPECT_EQ(Json(answer).at("org").at("id").as_string(), identity->organisation().id);
}

TEST_F(ApiTest, DiscoveryNamesPublicAddresses) {
  EXPECT_EQ(Json(Send(Make("GET", "/.well-known/oauth-authorization-server"))).at("token_endpoint"),
            "https://response.example/iroh/oauth2/token");
  EXPECT_EQ(Json(Send(Make("GET", "/.well-known/openid-configuration"))).at("jwks_uri"),
            "https://response.example/.well-known/jwks");
  EXPECT_EQ(json::Serialize(Json(Send(Make("GET", "/clouds.json")))),
            R"({"Mailreeve":{"iroh-services":"https://response.example/iroh/"}})");
  const json::object jwks = Json(Send(Make("GET", "/.well-known/jwks")));
  EXPECT_EQ(jwks.at("keys").at(0).at("alg"), "RS256");
}

TEST_F(ApiTest, SightingsAreAskedByTheirObservables) {
  auto module =
      source.Add("gw", "gateway", [](const relay::Call&) { return json::Parse(R"({"data":{}})"); });
  for (const char* noun : {"sighting", "sighting_ref"}) {
    const http::Response answer =
        Ask("POST", std::string("/iroh/iroh-enrich/observe/") + noun,
            R"({"id":"transient:s","observables":[{"type":"ip","value":"1.2.3.4"}]})");
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  EXPECT_EQ(module->calls.size(), 2u);
  EXPECT_EQ(ErrorOf(Ask("POST", "/iroh/iroh-enrich/observe/sighting_ref", R"("sighting-1")")),
            "sighting_not_found");
  EXPECT_EQ(ErrorOf(Ask("POST", "/iroh/iroh-enrich/observe/sighting_ref", R"({"id":"x"})")),
            "sighting_not_found");
  EXPECT_EQ(Ask("POST", "/iroh/iroh-enrich/observe/sighting", R"({"id":"x"})").status, 400);
  EXPECT_EQ(Ask("POST", "/iroh/iroh-enrich/observe/observables?mids=other", "[]").status, 200);
  EXPECT_EQ(module->calls.size(), 2u);
}

TEST_F(ApiTest, TriggerIsAuditedBeforeAndAfter) {
  source.Add("gw", "gateway",
             [](const relay::Call&) { return json::Parse(R"({"data":{"status":"success"}})"); });
  TokenFor("");
  audit.entries.clear();
  const http::Response answer =
      Ask("POST",
          "/iroh/iroh-response/respond/trigger/gw/"
          "forward%2Fdelete?observable_type=cisco_mid&observable_value=5");
  EXPECT_EQ(answer.body, R"({"data":{"status":"success"},"errors":[]})");
  ASSERT_EQ(audit.entries.size(), 2u);
  EXPECT_EQ(audit.entries[0].action, "action.request");
  EXPECT_EQ(audit.entries[1].action, "action.trigger");
  EXPECT_EQ(audit.entries[1].result, "success");
  EXPECT_EQ(audit.entries[1].details.at("observable"), "cisco_mid:5");
  EXPECT_EQ(audit.entries[1].details.at("action"), "forward/delete");
  EXPECT_EQ(audit.entries[1].origin.address, "192.0.2.7");
  EXPECT_EQ(ErrorOf(Ask("POST", "/iroh/iroh-response/respond/trigger/nobody/x")),
            "module_instance_not_found");
  EXPECT_EQ(audit.entries.back().result, "failure");
  EXPECT_EQ(Ask("POST",
                "/iroh/iroh-response/respond/trigger/gw/x?observable_type=nope&observable_value=1")
                .status,
            400);
  EXPECT_EQ(Ask("POST", "/iroh/iroh-response/respond/trigger/gw/x?observable_type=ip").status, 400);
}

TEST_F(ApiTest, MessageSearchGoesToEveryGateway) {
  auto one = source.Add("a", "one", [](const relay::Call&) {
    return json::Parse(
        R"({"data":{"messages":[{"mid":1}],"next_cursor":"c1"},"coverage":{"complete":true}})");
  });
  auto two = source.Add("b", "two",
                        [](const relay::Call&) { return json::Parse(R"({"data":{"rows":[]}})"); });
  const http::Response answer =
      Ask("POST", "/mailreeve/v1/messages/search",
          R"({"subject":"x","mid":"18446744073709551615","from":"2026-01-01T00:00:00Z"})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Json(answer).at("data").as_array().size(), 1u);
  EXPECT_EQ(Json(answer).at("errors").at(0).at("module"), "two");
  EXPECT_EQ(json::Serialize(one->calls[0].body),
            R"({"subject":"x","mid":18446744073709551615,"from":"2026-01-01T00:00:00.000Z"})");
  EXPECT_EQ(one->calls[0].route, "/mailreeve/messages");

  EXPECT_EQ(Ask("POST", "/mailreeve/v1/messages/search", R"({"subject":"x","cursors":{"a":"c1"}})")
                .status,
            200);
  EXPECT_EQ(one->calls.size(), 2u);
  EXPECT_EQ(two->calls.size(), 1u);
  EXPECT_EQ(json::Serialize(one->calls[1].body), R"({"subject":"x","cursor":"c1"})");
  for (const char* bad : {R"({"nope":1})", R"({"mid":0})", R"({"mid":"x"})", R"({"limit":5000})",
                          R"({"from":"then"})", R"({"direction":"up"})",
                          R"({"observables":[{"type":"x","value":"y"}]})", R"({"sender":5})", "[]",
                          R"({"cursors":[]})"}) {
    EXPECT_EQ(Ask("POST", "/mailreeve/v1/messages/search", bad).status, 400) << bad;
  }
}

TEST_F(ApiTest, RemediationGoesToItsGateway) {
  std::string next = R"({"data":{"id":"p","hash":"h"}})";
  auto gateway = source.Add("a", "one", [&next](const relay::Call&) { return json::Parse(next); });
  http::Response answer =
      Ask("POST", "/mailreeve/v1/remediation/plans",
          R"({"module_instance_id":"a","action":"forward_and_delete","mids":[1,"2"]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Json(answer).at("data").at("hash"), "h");
  EXPECT_EQ(json::Serialize(gateway->calls[0].body),
            R"({"action":"forward_and_delete","mids":[1,2]})");
  EXPECT_EQ(gateway->calls[0].route, "/mailreeve/remediation/plan");

  next = R"({"data":{"batch_id":"b"}})";
  audit.entries.clear();
  answer = Ask(
      "POST", "/mailreeve/v1/remediation/batches",
      R"({"module_instance_id":"a","plan_id":"p","plan_hash":"h","idempotency_key":"12345678","name":"n"})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(json::Serialize(gateway->calls[1].body),
            R"({"plan_id":"p","plan_hash":"h","idempotency_key":"12345678","name":"n"})");
  ASSERT_EQ(audit.entries.size(), 2u);
  EXPECT_EQ(audit.entries[1].action, "remediation.start");
  EXPECT_EQ(audit.entries[1].details.at("batch_id"), "b");

  next = R"({"errors":[{"code":"conflict","message":"the plan has changed"}]})";
  answer = Ask(
      "POST", "/mailreeve/v1/remediation/batches",
      R"({"module_instance_id":"a","plan_id":"p","plan_hash":"x","idempotency_key":"12345678"})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(Json(answer).at("error_description"), "the plan has changed");
  EXPECT_EQ(audit.entries.back().result, "failure");
  next = R"({"errors":[{"code":"not found","message":"no such batch"}]})";
  EXPECT_EQ(Ask("GET", "/mailreeve/v1/remediation/batches/a/b").status, 404);
  EXPECT_EQ(Ask("GET", "/mailreeve/v1/messages/a/5").status, 404);
  EXPECT_EQ(Ask("GET", "/mailreeve/v1/messages/a/x").status, 400);
  EXPECT_EQ(ErrorOf(Ask("GET", "/mailreeve/v1/messages/z/5")), "module_instance_not_found");
  for (const char* bad : {R"({"module_instance_id":"a","action":"burn","mids":[1]})",
                          R"({"module_instance_id":"a","action":"delete"})",
                          R"({"module_instance_id":"a","action":"delete","mids":[]})",
                          R"({"action":"delete","mids":[1]})",
                          R"({"module_instance_id":"a","action":"delete","mids":[-1]})",
                          R"({"module_instance_id":"a","mids":[1]})"}) {
    EXPECT_EQ(Ask("POST", "/mailreeve/v1/remediation/plans", bad).status, 400) << bad;
  }
}

TEST_F(ApiTest, FilesAreServedOutsideOfTheApi) {
  api.set_files([](http::Request request) -> io::Task<http::Response> {
    co_return http::Response::Text(200, "file " + std::string(request.Param("path")));
  });
  EXPECT_EQ(Send(Make("GET", "/")).body, "file ");
  EXPECT_EQ(Send(Make("GET", "/assets/a.js")).body, "file assets/a.js");
  EXPECT_EQ(Send(Make("POST", "/assets/a.js")).status, 404);
  for (const char* target :
       {"/iroh/x", "/ctia/x", "/mailreeve/v1/x", "/device/x", "/.well-known/x"}) {
    EXPECT_EQ(Send(Make("GET", target)).status, 404) << target;
  }
}

TEST_F(ApiTest, SecurityHeadersAreStrict) {
  const http::Headers headers = Api::SecurityHeaders("1", true);
  const std::string policy(headers.Get("Content-Security-Policy"));
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("require-trusted-types-for 'script'"));
  EXPECT_THAT(policy, testing::Not(HasSubstr("unsafe")));
  EXPECT_EQ(headers.Get("x-iroh-version"), "1");
}

}  // namespace
}  // namespace mailreeve::response::api
