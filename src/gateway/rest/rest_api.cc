#include "gateway/rest/rest_api.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "gateway/rest/errors.h"

#include <algorithm>
#include <array>
#include <set>

namespace mailreeve::gateway::rest {
namespace {

constexpr std::array<std::string_view, 2> kPrefixes = {"/esa/api/v2.0", "/sma/api/v2.0"};

SearchLimits LimitsFrom(const settings::Snapshot& snapshot) {
  SearchLimits limits;
  limits.max_examined = static_cast<size_t>(snapshot.Integer("rest.max_examined"));
  return limits;
}

bool LooksLikeToken(std::string_view text) {
  return std::count(text.begin(), text.end(), '.') == 2;
}

}  // namespace

RestApi::RestApi(Options options, tracking::Store& store, users::Users& users,
                 ReportHandler reports, const settings::Running& settings, const Clock& clock,
                 log::Logger& logger)
    : options_(std::move(options)),
      store_(store),
      users_(users),
      reports_(std::move(reports)),
      settings_(settings),
      clock_(clock),
      logger_(logger),
      search_(store, clock, LimitsFrom(*settings.Get())) {
  const std::vector<std::pair<std::string_view, Member>> members = {
      {"/login", &RestApi::Login},
      {"/login/privileges", &RestApi::Privileges},
      {"/openapi.json", &RestApi::OpenApi},
      {"/health", &RestApi::Health},
      {"/config/logs/subscriptions", &RestApi::LogSubscriptions},
      {"/message-tracking/messages", &RestApi::Messages},
      {"/message-tracking/details", &RestApi::Details},
      {"/message-tracking/connection-details", &RestApi::ConnectionDetails},
      {"/message-tracking/amp-details", &RestApi::AmpDetails},
      {"/message-tracking/dlp-details", &RestApi::DlpDetails},
      {"/message-tracking/url-details", &RestApi::UrlDetails},
      {"/message-tracking/remediation-details", &RestApi::RemediationDetails},
      {"/message-tracking/availability", &RestApi::Availability},
      {"/reporting/{report}", &RestApi::Report},
      {"/reporting/{report}/{counter}", &RestApi::Report},
  };
  CHECK(members.size() == RouteTable().size());
  for (const RouteRule& rule : RouteTable()) {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const auto& member) { return member.first == rule.path; });
    CHECK(found != members.end());
    Serve(rule, found->second);
  }
  const RouteRule* document = nullptr;
  for (const RouteRule& rule : RouteTable()) {
    if (rule.path == "/openapi.json") document = &rule;
  }
  routes_.Add("GET", "/swagger", [this, document](http::Request request) {
    return Authorised(*document, &RestApi::OpenApi, false, std::move(request));
  });
  router_.set_fallback([this](http::Request request) { return Dispatch(std::move(request)); });
}

void RestApi::Serve(const RouteRule& rule, Member member) {
  for (const std::string_view prefix : kPrefixes) {
    const bool is_sma = prefix == kPrefixes[1];
    routes_.Add(std::string(rule.method), std::string(prefix) + std::string(rule.path),
                [this, rule = &rule, member, is_sma](http::Request request) {
                  return Authorised(*rule, member, is_sma, std::move(request));
                });
  }
}

http::Headers RestApi::CommonHeaders() {
  http::Headers headers;
  headers.Set("Server", "API/2.0");
  headers.Set("Cache-Control", "no-store");
  headers.Set("Access-Control-Allow-Origin", "*");
  headers.Set("Access-Control-Allow-Headers", "content-type, jwttoken, mid, h, email");
  headers.Set("Access-Control-Allow-Credentials", "true");
  headers.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, PUT, OPTIONS");
  headers.Set("Access-Control-Expose-Headers", "Content-Disposition, jwtToken");
  return headers;
}

http::Response RestApi::Refusal(int status, std::string_view description) {
  return ErrorResponse(status, description);
}

io::Task<http::Response> RestApi::Dispatch(http::Request request) {
  if (request.method == "OPTIONS") {
    http::Response out = http::Response::Empty(200);
    out.headers.Set("Content-Type", "application/json");
    co_return out;
  }
  const http::Router::Match match = routes_.Find(request);
  if (match.route != nullptr) co_return co_await match.route->handler(std::move(request));
  if (match.allowed.empty()) co_return ErrorResponse(404, "Not Found.");
  std::string allow;
  for (const std::string& method : match.allowed) allow += (allow.empty() ? "" : ", ") + method;
  http::Response refused = ErrorResponse(405, "Method Not Allowed.");
  refused.headers.Set("Allow", allow);
  co_return refused;
}

users::Origin RestApi::OriginOf(const http::Request& request) const {
  return {request.remote_address, "rest", request.request_id};
}

Identity RestApi::IdentityOf(const Caller& caller) const {
  // A gateway that answers for itself names no host; a central appliance does.
  return {caller.is_sma ? options_.name : "", options_.serial};
}

io::Task<http::Response> RestApi::Authorised(const RouteRule& rule, Member member, bool is_sma,
                                             http::Request request) {
  Caller caller;
  caller.is_sma = is_sma;
  if (!rule.is_public) {
    auto user = co_await Authenticate(request);
    if (!user) {
      http::Response refused = ErrorResponse(user.error());
      if (refused.status == 429) refused.headers.Set("Retry-After", "60");
      co_return refused;
    }
    if (rule.privilege && !users::Allows(user->role, *rule.privilege))
      co_return ErrorResponse(403, "Forbidden.");
    caller.user = *std::move(user);
  }
  co_return co_await (this->*member)(std::move(request), std::move(caller));
}

// What clients send: a jwtToken header; Basic; Basic or Bearer with a token in it; and, where that
// is allowed, base64 without a scheme.
io::Task<Result<users::User>> RestApi::Authenticate(const http::Request& request) {
  const auto unauthorised = [] { return Fail(Code::kUnauthenticated, "Unauthorized."); };
  if (const auto token = TrimSpace(request.headers.Get("jwtToken")); !token.empty())
    co_return users_.CheckToken(token);
  const std::string_view field = TrimSpace(request.headers.Get("Authorization"));
  if (field.empty()) co_return unauthorised();
  std::string_view payload = field;
  if (const size_t blank = field.find(' '); blank != std::string_view::npos) {
    const std::string_view scheme = field.substr(0, blank);
    if (!AsciiEqualFold(scheme, "Basic") && !AsciiEqualFold(scheme, "Bearer"))
      co_return unauthorised();
    payload = TrimSpace(field.substr(blank));
    if (LooksLikeToken(payload)) co_return users_.CheckToken(payload);
    if (AsciiEqualFold(scheme, "Bearer"))
      co_return Fail(Code::kUnauthenticated, "InvalidTokenError.");
  } else {
    if (LooksLikeToken(payload)) co_return users_.CheckToken(payload);
    if (!settings_.Get()->Bool("rest.lenient_authorization")) co_return unauthorised();
  }
  const auto text = Base64Decode(payload);
  if (!text) co_return unauthorised();
  const size_t colon = text->find(':');
  if (colon == std::string::npos) co_return unauthorised();
  co_return co_await users_.Check(text->substr(0, colon), Secret(text->substr(colon + 1)),
                                  OriginOf(request));
}

// ---- log-in

io::Task<http::Response> RestApi::Login(http::Request request, Caller) {
  std::string name;
  Secret password;
  const auto read = [&]() -> Result<void> {
    TRY(const json::value document,
        json::Parse(request.body, {.max_bytes = 64 * 1024, .max_depth = 8}));
    TRY(const json::object* body, json::AsObject(document, ""));
    const json::value* data = body->if_contains("data");
    if (data == nullptr) return Fail(Code::kInvalid, "data must be given.");
    TRY(const json::object* fields, json::AsObject(*data, "data"));
    TRY(const std::string given_name, json::RequireString(*fields, "userName", "data"));
    TRY(const std::string given_word, json::RequireString(*fields, "passphrase", "data"));
    auto plain_name = Base64Decode(TrimSpace(given_name));
    auto plain_word = Base64Decode(TrimSpace(given_word));
    if (!plain_name || !plain_word)
      return Fail(Code::kInvalid, "userName and passphrase must be base64 of their text.");
    name = *std::move(plain_name);
    password = Secret(*std::move(plain_word));
    return {};
  };
  if (auto good = read(); !good) co_return ErrorResponse(400, good.error().message);
  auto user = co_await users_.Check(std::move(name), std::move(password), OriginOf(request));
  if (!user) {
    http::Response refused = ErrorResponse(user.error());
    if (refused.status == 429) refused.headers.Set("Retry-After", "60");
    co_return refused;
  }
  if (auto noted = co_await users_.NoteLogin(*user, OriginOf(request)); !noted)
    co_return ErrorResponse(noted.error());
  json::array email;
  if (!user->email.empty()) email.emplace_back(user->email);
  co_return http::Response::Json(200, json::object{{"data",
                                                    {{"userName", user->name},
                                                     {"is2FactorRequired", false},
                                                     {"is2FactorRedirectRequired", false},
                                                     {"role", users::RoleName(user->role)},
                                                     {"email", std::move(email)},
                                                     {"jwtToken", users_.IssueToken(*user)}}}});
}

io::Task<http::Response> RestApi::Privileges(http::Request, Caller caller) {
  json::array names;
  for (const users::Privilege each : users::PrivilegesOf(caller.user.role))
    names.emplace_back(users::PrivilegeName(each));
  co_return http::Response::Json(200, json::object{{"data", std::move(names)}});
}

io::Task<http::Response> RestApi::OpenApi(http::Request, Caller) {
  co_return http::Response::Text(200, std::string(OpenApiDocument()), "application/json");
}

// Logs are the machine's, so there is no subscription; clients ask for them to see whether the
// gateway answers.
io::Task<http::Response> RestApi::LogSubscriptions(http::Request, Caller) {
  co_return http::Response::Json(
      200, json::object{{"meta", {{"totalCount", 0}}}, {"data", json::array()}});
}

io::Task<http::Response> RestApi::Report(http::Request request, Caller) {
  auto answer = co_await reports_(std::string(request.Param("report")),
                                  std::string(request.Param("counter")), [&] {
                                    auto parameters = request.query;
                                    for (auto& [name, value] : parameters) {
                                      if (name == "startDate" || name == "endDate")
                                        value = TidyDate(value);
                                    }
                                    return parameters;
                                  }());
  if (!answer) co_return ErrorResponse(answer.error());
  co_return http::Response::Json(200, *answer);
}

}  // namespace mailreeve::gateway::rest
