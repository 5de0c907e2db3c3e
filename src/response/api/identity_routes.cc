#include "base/bytes.h"
#include "base/text.h"
#include "response/api/api.h"
#include "response/api/body.h"
#include "response/api/errors.h"

namespace mailreeve::response::api {
namespace {

// With this prefix a browser takes the cookie only over TLS, for this host alone, from this host
// alone.
constexpr std::string_view kRefreshCookie = "__Host-mailreeve_refresh";

identity::Origin OriginOf(const http::Request& request) {
  return {request.remote_address, request.request_id};
}

json::array ToArray(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

std::string CookieOf(const http::Request& request, std::string_view name) {
  for (const auto& [field, value] : request.headers.fields()) {
    if (!AsciiEqualFold(field, "Cookie")) continue;
    for (const std::string_view pair : Split(value, ';')) {
      const std::string_view trimmed = TrimSpace(pair);
      const size_t equal = trimmed.find('=');
      if (equal != std::string_view::npos && trimmed.substr(0, equal) == name) {
        return std::string(trimmed.substr(equal + 1));
      }
    }
  }
  return {};
}

void SetRefreshCookie(http::Response& response, std::string_view value, int64_t seconds) {
  response.headers.Add("Set-Cookie", std::string(kRefreshCookie) + "=" + std::string(value) +
                                         "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" +
                                         std::to_string(seconds));
}

// A page of another origin can make a browser send our cookie in cases that SameSite does not
// cover. Browsers name the origin of each POST; a client that names none shows by this header,
// which no page may set without asking us first, that it is no browser led astray.
bool IsFromConsole(const http::Request& request, std::string_view public_url) {
  const std::string_view origin = request.headers.Get("Origin");
  if (origin.empty()) return request.headers.Get("X-Mailreeve-Console") == "1";
  const size_t scheme = origin.find("://");
  return origin == public_url || (scheme != std::string_view::npos &&
                                  origin.substr(scheme + 3) == request.headers.Get("Host"));
}

http::Response CrossSite(const http::Request& request) {
  return ErrorResponse(403, "cross_site_request",
                       "The request comes from another site, or does not say from where.", request);
}

http::Response OAuthError(int status, std::string_view word, std::string_view sentence,
                          const http::Request& request) {
  http::Response response = ErrorResponse(status, word, sentence, request);
  if (status == 401) response.headers.Set("WWW-Authenticate", "Basic realm=\"mailreeve\"");
  return response;
}

json::object ToJson(const identity::Client& client) {
  json::object out;
  out["id"] = client.id;
  out["name"] = client.name;
  out["description"] = client.description;
  out["scopes"] = ToArray(client.scopes.ToStrings());
  out["grants"] = ToArray(client.grants);
  out["redirects"] = ToArray(client.redirects);
  out["availability"] = client.availability;
  out["enabled?"] = client.enabled;
  out["owner-id"] = client.owner_id;
  out["org-id"] = client.org_id;
  out["created-at"] = FormatTime(client.created);
  if (client.last_used) out["last-used-at"] = FormatTime(*client.last_used);
  return out;
}

http::Response SignedInResponse(const identity::SignedIn& signed_in) {
  json::object user;
  user["id"] = signed_in.account.id;
  user["name"] = signed_in.account.name;
  user["email"] = signed_in.account.email;
  user["role"] = identity::RoleName(signed_in.account.role);
  json::object body;
  body["access_token"] = signed_in.token.access_token;
  body["token_type"] = "bearer";
  body["expires_in"] = signed_in.token.expires_in;
  body["scopes"] = ToArray(signed_in.token.scopes.ToStrings());
  body["user"] = std::move(user);
  http::Response response = http::Response::Json(200, body);
  if (!signed_in.refresh.empty()) {
    SetRefreshCookie(response, signed_in.refresh.Reveal(), signed_in.refresh_life.count());
  }
  return response;
}

// What a token request says, from Basic, form or JSON.
struct TokenRequest {
  std::string grant_type, scope, client_id;
  Secret password;
};

Result<TokenRequest> ReadTokenRequest(const http::Request& request) {
  TokenRequest out;
  std::string body_id, body_password;
  const auto take = [&](std::string_view key, std::string value) -> Result<void> {
    std::string* field = key == "grant_type"                                  ? &out.grant_type
                         : key == "scope"                                     ? &out.scope
                         : key == "client_id"                                 ? &body_id
                         : key == "client_password" || key == "client_secret" ? &body_password
                                                                              : nullptr;
    if (field == nullptr) return {};  // RFC 6749 section 3.2: unknown parameters are ignored
    if (!field->empty()) return Fail(Code::kInvalid, std::string(key) + " is given twice");
    *field = std::move(value);
    return {};
  };
  if (request.body.size() > 64 * 1024) return Fail(Code::kInvalid, "the request is too long");
  const std::string_view type = request.headers.Get("Content-Type");
  const std::string_view media = TrimSpace(type.substr(0, type.find(';')));
  if (AsciiEqualFold(media, "application/json")) {
    TRY(const json::value body,
        json::Parse(request.body,
                    {.max_bytes = 64 * 1024, .max_depth = 4, .refuse_duplicate_keys = true}));
    TRY(const json::object* object, json::AsObject(body, ""));
    for (const auto& item : *object) {
      if (!item.value().is_string()) continue;
      TRY_VOID(take(item.key(), std::string(item.value().get_string())));
    }
  } else {
    TRY(auto form, http::ParseForm(request.body));
    for (auto& [key, value] : form) TRY_VOID(take(key, std::move(value)));
  }
  const std::string_view header = request.headers.Get("Authorization");
  if (header.size() > 6 && AsciiEqualFold(header.substr(0, 6), "Basic ")) {
    Result<std::string> decoded = Base64Decode(TrimSpace(header.substr(6)));
    const size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos)
      return Fail(Code::kInvalid, "the Basic credentials cannot be read");
    out.client_id = decoded->substr(0, colon);
    out.password = Secret(decoded->substr(colon + 1));
    if (!body_password.empty() || (!body_id.empty() && body_id != out.client_id)) {
      return Fail(Code::kInvalid, "credentials are given in two ways");
    }
  } else {
    out.client_id = std::move(body_id);
    out.password = Secret(std::move(body_password));
  }
  return out;
}

}  // namespace

void Api::AddIdentityRoutes() {
  OnPublic("GET", "/.well-known/oauth-authorization-server", &Api::AuthorizationServer);
  OnPublic("GET", "/.well-known/openid-configuration", &Api::OpenidConfiguration);
  OnPublic("GET", "/.well-known/jwks", &Api::Jwks);
  OnPublic("GET", "/clouds.json", &Api::Clouds);
  OnPublic("POST", "/iroh/oauth2/token", &Api::Token);
  OnPublic("POST", "/mailreeve/v1/sign-in", &Api::SignIn);
  OnPublic("POST", "/mailreeve/v1/sign-in/refresh", &Api::RefreshSignIn);
  OnPublic("POST", "/mailreeve/v1/sign-out", &Api::SignOut);
  On("GET", "/iroh/profile/whoami", &Api::WhoAmI);
  On("GET", "/iroh/oauth2-clients/clients", &Api::ListClients);
  On("POST", "/iroh/oauth2-clients/clients", &Api::MakeClient);
  On("DELETE", "/iroh/oauth2-clients/clients/{id}", &Api::DeleteClient);
}

io::Task<http::Response> Api::AuthorizationServer(http::Request) {
  json::object out;
  out["issuer"] = "IROH Auth";
  out["token_endpoint"] = options_.public_url + "/iroh/oauth2/token";
  out["jwks_uri"] = options_.public_url + "/.well-known/jwks";
  out["scopes_supported"] = ToArray(identity::KnownScopes());
  // The first is the vendor's spelling, the second that of RFC 6749. Other grants are not served
  // and so not named.
  out["grant_types_supported"] = ToArray({"client_credential", "client_credentials"});
  out["token_endpoint_auth_methods_supported"] =
      ToArray({"client_secret_basic", "client_secret_post"});
  out["response_types_supported"] = json::array();
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> Api::OpenidConfiguration(http::Request request) {
  http::Response response = co_await AuthorizationServer(std::move(request));
  Result<json::value> body = json::Parse(response.body);
  if (!body) co_return response;
  json::object& out = body->get_object();
  out["subject_types_supported"] = ToArray({"pairwise"});
  out["id_token_signing_alg_values_supported"] = ToArray({"RS256"});
  co_return http::Response::Json(200, *body);
}

io::Task<http::Response> Api::Jwks(http::Request) {
  co_return http::Response::Json(200, identity_.Jwks());
}

io::Task<http::Response> Api::Clouds(http::Request) {
  json::object region;
  region["iroh-services"] = options_.public_url + "/iroh/";
  json::object out;
  out[options_.region] = std::move(region);
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> Api::Token(http::Request request) {
  Result<TokenRequest> asked = ReadTokenRequest(request);
  if (!asked) co_return OAuthError(400, "invalid_request", asked.error().message, request);
  if (asked->grant_type.empty())
    co_return OAuthError(400, "invalid_request", "grant_type is missing", request);
  if (asked->grant_type != "client_credentials") {
    co_return OAuthError(400, "unsupported_grant_type", "only client_credentials is served",
                         request);
  }
  auto issued = co_await identity_.clients().Token(asked->client_id, asked->password, asked->scope,
                                                   OriginOf(request));
  if (!issued) {
    switch (issued.error().code) {
      case Code::kUnauthenticated:
        co_return OAuthError(401, "invalid_client", "Wrong client id or password.", request);
      case Code::kInvalid:
        co_return OAuthError(400, "invalid_scope", issued.error().message, request);
      case Code::kDenied:
        co_return OAuthError(400, "unauthorized_client", issued.error().message, request);
      default:
        co_return Failed(issued.error(), request);
    }
  }
  json::object body;
  body["access_token"] = issued->access_token;
  body["token_type"] = "bearer";
  body["expires_in"] = issued->expires_in;
  body["scope"] = issued->scopes.ToString();
  http::Response response = http::Response::Json(200, body);
  response.headers.Set("Pragma", "no-cache");
  co_return response;
}

io::Task<http::Response> Api::SignIn(http::Request request) {
  // The type is demanded, so that a form of another site cannot sign a browser in.
  if (request.headers.Get("Content-Type").empty()) {
    co_return ErrorResponse(415, "unsupported_media_type", "the body must be application/json",
                            request);
  }
  auto body = ReadJsonBody(request, {.max_bytes = 16 * 1024, .max_depth = 4});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"user", "missing-required-key"}});
  Fields fields(body->get_object(), {"user", "password"});
  const std::string user = fields.Required("user", 320);
  Secret password(fields.Required("password", 1024));
  if (!fields.ok()) co_return fields.Answer();
  auto signed_in =
      co_await identity_.sessions().SignIn(user, std::move(password), OriginOf(request));
  if (!signed_in && signed_in.error().code == Code::kUnauthenticated) {
    co_return ErrorResponse(401, "wrong_credentials", "Wrong user or password.", request);
  }
  if (!signed_in) co_return Failed(signed_in.error(), request);
  co_return SignedInResponse(*signed_in);
}

io::Task<http::Response> Api::RefreshSignIn(http::Request request) {
  if (!IsFromConsole(request, options_.public_url)) co_return CrossSite(request);
  auto signed_in = co_await identity_.sessions().Refresh(Secret(CookieOf(request, kRefreshCookie)),
                                                         OriginOf(request));
  if (!signed_in && signed_in.error().code == Code::kUnauthenticated) {
    http::Response response =
        ErrorResponse(401, "no_session", "There is no such session; sign in.", request);
    SetRefreshCookie(response, "", 0);
    co_return response;
  }
  if (!signed_in) co_return Failed(signed_in.error(), request);
  co_return SignedInResponse(*signed_in);
}

io::Task<http::Response> Api::SignOut(http::Request request) {
  if (!IsFromConsole(request, options_.public_url)) co_return CrossSite(request);
  auto done = co_await identity_.sessions().SignOut(Secret(CookieOf(request, kRefreshCookie)),
                                                    OriginOf(request));
  if (!done) co_return Failed(done.error(), request);
  http::Response response = http::Response::Empty(204);
  SetRefreshCookie(response, "", 0);
  co_return response;
}

io::Task<http::Response> Api::WhoAmI(http::Request request, identity::Caller caller) {
  auto profile = co_await identity_.GetProfile(caller);
  if (!profile && profile.error().code == Code::kNotFound) {
    co_return BadToken(
        Error(Code::kUnauthenticated, "unauthenticated_user").Note("The token's user is gone."),
        request);
  }
  if (!profile) co_return Failed(profile.error(), request);
  const identity::Account& account = profile->account;
  json::object mapping;
  mapping["idp"] = "local";
  mapping["user-identity-id"] = account.id;
  mapping["organization-id"] = account.org_id;
  mapping["enabled?"] = account.enabled;
  json::object user;
  user["user-id"] = account.id;
  user["user-email"] = account.email;
  user["user-name"] = account.name;
  user["user-nick"] = account.nick;
  user["role"] = account.role == identity::Role::kAdmin ? "admin" : "user";
  user["mailreeve-role"] = identity::RoleName(account.role);
  user["scopes"] = ToArray(profile->scopes.ToStrings());
  user["additional-scopes"] = json::array();
  user["org-id"] = account.org_id;
  user["enabled?"] = account.enabled;
  user["created-at"] = FormatTime(account.created);
  user["updated-at"] = FormatTime(account.updated);
  if (account.last_logged) user["last-logged-at"] = FormatTime(*account.last_logged);
  user["idp-mappings"] = json::array();
  user["idp-mappings"].get_array().push_back(std::move(mapping));
  json::object org;
  org["id"] = profile->organisation.id;
  org["name"] = profile->organisation.name;
  org["enabled?"] = true;
  org["created-at"] = FormatTime(profile->organisation.created);
  org["updated-at"] = FormatTime(profile->organisation.updated);
  org["activation-status"] = "activated";
  org["scim-status"] = "activated";
  org["allow-all-role-to-login"] = false;
  org["allow-all-role-to-login-editable?"] = true;
  org["additional-scopes"] = json::array();
  json::object out;
  out["user"] = std::move(user);
  out["org"] = std::move(org);
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> Api::ListClients(http::Request request, identity::Caller caller) {
  auto clients = co_await identity_.clients().List(std::move(caller));
  if (!clients) co_return Failed(clients.error(), request);
  json::array out;
  for (const identity::Client& client : *clients) out.push_back(ToJson(client));
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> Api::MakeClient(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 64 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"name", "missing-required-key"}});
  Fields fields(body->get_object(),
                {"name", "description", "scopes", "grants", "redirects", "availability"});
  identity::NewClient asked;
  asked.name = fields.Required("name", 200);
  asked.description = fields.Optional("description", "", 2000);
  if (!fields.object().contains("scopes")) fields.Refuse("scopes", "missing-required-key");
  Result<identity::ScopeSet> scopes = identity::ScopeSet::Parse(fields.Strings("scopes", 200, 200));
  if (!scopes) {
    fields.Refuse("scopes", scopes.error().message);
  } else if (scopes->empty()) {
    fields.Refuse("scopes", "must name at least one scope");
  } else {
    asked.scopes = *std::move(scopes);
  }
  if (fields.object().contains("grants")) asked.grants = fields.Strings("grants", 10, 100);
  for (const std::string& grant : asked.grants) {
    if (grant != "client-creds") fields.Refuse("grants", "only client-creds is served");
  }
  if (asked.grants.empty()) fields.Refuse("grants", "must name at least one grant");
  asked.redirects = fields.Strings("redirects", 20, 2000);
  for (const std::string& redirect : asked.redirects) {
    if (redirect.find('\n') != std::string::npos) fields.Refuse("redirects", "must be addresses");
  }
  asked.availability = fields.Choice("availability", "org", {"user", "org"});
  if (!fields.ok()) co_return fields.Answer();
  auto made = co_await identity_.clients().Make(caller, asked, OriginOf(request));
  if (!made && made.error().code == Code::kDenied)
    co_return MissingScopes(asked.scopes, caller, request);
  if (!made) co_return Failed(made.error(), request);
  json::object out = ToJson(made->client);
  out["password"] = made->password.Reveal();
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> Api::DeleteClient(http::Request request, identity::Caller caller) {
  auto done = co_await identity_.clients().Delete(
      std::move(caller), std::string(request.Param("id")), OriginOf(request));
  if (!done && done.error().code == Code::kNotFound) {
    co_return ErrorResponse(404, "client_not_found", "There is no such client.", request);
  }
  if (!done) co_return Failed(done.error(), request);
  co_return http::Response::Empty(204);
}

}  // namespace mailreeve::response::api
