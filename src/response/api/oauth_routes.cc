#include "response/api/oauth_routes.h"

#include "base/bytes.h"
#include "base/text.h"
#include "response/api/api.h"
#include "response/api/errors.h"
#include "response/api/request.h"

#include <map>

namespace mailreeve::response::api {
namespace {

constexpr std::string_view kDeviceGrantType = "urn:ietf:params:oauth:grant-type:device_code";
constexpr size_t kMaxBodyBytes = 64 * 1024;

http::Response OAuthError(int status, std::string_view word, std::string_view sentence,
                          const http::Request& request) {
  http::Response response = ErrorResponse(status, word, sentence, request);
  if (status == 401) response.headers.Set("WWW-Authenticate", "Basic realm=\"mailreeve\"");
  response.headers.Set("Pragma", "no-cache");
  return response;
}

}  // namespace

// What a request to these endpoints says, from Basic, form or JSON.
struct OAuthRoutes::TokenRequest {
  std::map<std::string, std::string, std::less<>> fields;
  std::string client_id;
  Secret password;

  std::string Take(std::string_view name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  }
};

Result<OAuthRoutes::TokenRequest> OAuthRoutes::Read(const http::Request& request) {
  TokenRequest out;
  std::string body_id, body_password;
  const auto take = [&](const std::string& key, std::string value) -> Result<void> {
    // RFC 6749 section 3.2: unknown parameters are ignored, and none is given twice.
    if (key == "client_id" || key == "client_password" || key == "client_secret") {
      std::string& field = key == "client_id" ? body_id : body_password;
      if (!field.empty()) return Fail(Code::kInvalid, key + " is given twice");
      field = std::move(value);
      return {};
    }
    if (!out.fields.emplace(key, std::move(value)).second)
      return Fail(Code::kInvalid, key + " is given twice");
    return {};
  };
  if (request.body.size() > kMaxBodyBytes) return Fail(Code::kInvalid, "the request is too long");
  const std::string_view type = request.headers.Get("Content-Type");
  const std::string_view media = TrimSpace(type.substr(0, type.find(';')));
  if (AsciiEqualFold(media, "application/json")) {
    TRY(const json::value body,
        json::Parse(request.body,
                    {.max_bytes = kMaxBodyBytes, .max_depth = 4, .refuse_duplicate_keys = true}));
    TRY(const json::object* object, json::AsObject(body, ""));
    for (const auto& item : *object) {
      if (!item.value().is_string()) continue;
      TRY_VOID(take(std::string(item.key()), std::string(item.value().get_string())));
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

OAuthRoutes::OAuthRoutes(identity::Identity& identity, oauth::Options options,
                         std::string public_url)
    : identity_(identity),
      options_(options),
      public_url_(std::move(public_url)),
      authorization_(identity, options),
      grants_(identity, options),
      devices_(identity, grants_, options) {}

void OAuthRoutes::AddTo(Api& api) {
  using Public = io::Task<http::Response> (OAuthRoutes::*)(http::Request);
  const auto open = [&](std::string_view method, std::string_view pattern, Public member) {
    api.AddPublic(method, pattern, [this, member](http::Request request) {
      return (this->*member)(std::move(request));
    });
  };
  open("GET", "/.well-known/oauth-authorization-server", &OAuthRoutes::AuthorizationServer);
  open("GET", "/.well-known/openid-configuration", &OAuthRoutes::OpenidConfiguration);
  open("POST", "/iroh/oauth2/token", &OAuthRoutes::Token);
  open("POST", "/iroh/oauth2/device_authorization", &OAuthRoutes::DeviceAuthorization);
  open("POST", "/iroh/oauth2/revoke", &OAuthRoutes::Withdraw);
  open("POST", "/iroh/oauth2/introspect", &OAuthRoutes::Introspect);
  open("GET", "/iroh/oauth2/authorize", &OAuthRoutes::Authorize);
  open("POST", "/iroh/oauth2/authorize", &OAuthRoutes::Answer);
  open("GET", "/iroh/oauth2/device", &OAuthRoutes::DevicePage);
  open("POST", "/iroh/oauth2/device", &OAuthRoutes::DeviceCode);
  api.Add("GET", "/iroh/oauth2/app-grant", [this](http::Request request, identity::Caller caller) {
    return ListGrants(std::move(request), std::move(caller));
  });
  api.Add("DELETE", "/iroh/oauth2/app-grant/{client_id}",
          [this](http::Request request, identity::Caller caller) {
            return EndGrant(std::move(request), std::move(caller));
          });
}

json::object OAuthRoutes::Metadata() const {
  const std::string base = public_url_ + "/iroh/oauth2/";
  json::object out;
  out["issuer"] = identity_.core().options.token.issuer;
  out["authorization_endpoint"] = base + "authorize";
  out["token_endpoint"] = base + "token";
  out["device_authorization_endpoint"] = base + "device_authorization";
  out["revocation_endpoint"] = base + "revoke";
  out["introspection_endpoint"] = base + "introspect";
  out["jwks_uri"] = public_url_ + "/.well-known/jwks";
  out["scopes_supported"] = ToArray(identity::KnownScopes());
  // "client_credential" is the vendor's spelling, "client_credentials" that of RFC 6749.
  out["grant_types_supported"] =
      ToArray({"authorization_code", "client_credential", "client_credentials", "refresh_token",
               std::string(kDeviceGrantType)});
  out["code_challenge_methods_supported"] =
      options_.allow_plain_pkce ? ToArray({"S256", "plain"}) : ToArray({"S256"});
  out["response_types_supported"] = ToArray({"code"});
  out["response_modes_supported"] = ToArray({"query"});
  const json::array methods = ToArray({"client_secret_basic", "client_secret_post", "none"});
  out["token_endpoint_auth_methods_supported"] = methods;
  out["revocation_endpoint_auth_methods_supported"] = methods;
  out["introspection_endpoint_auth_methods_supported"] =
      ToArray({"client_secret_basic", "client_secret_post"});
  out["authorization_response_iss_parameter_supported"] = true;
  return out;
}

io::Task<http::Response> OAuthRoutes::AuthorizationServer(http::Request) {
  co_return http::Response::Json(200, Metadata());
}

io::Task<http::Response> OAuthRoutes::OpenidConfiguration(http::Request) {
  json::object out = Metadata();
  out["subject_types_supported"] = ToArray({"public"});
  out["id_token_signing_alg_values_supported"] = ToArray({"RS256"});
  out["claims_supported"] = ToArray({"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce",
                                     "at_hash", "email", "name", "nickname"});
  co_return http::Response::Json(200, out);
}

http::Response OAuthRoutes::Failed(const Error& error, const http::Request& request) const {
  if (const std::string word = oauth::WordOf(error); !word.empty())
    return OAuthError(400, word, oauth::WhyOf(error), request);
  switch (error.code) {
    case Code::kUnauthenticated:
      return OAuthError(401, "invalid_client", "Wrong client id or password.", request);
    case Code::kInvalid:
      return OAuthError(400, "invalid_scope", error.message, request);
    case Code::kDenied:
      return OAuthError(400, "unauthorized_client", error.message, request);
    default:
      break;
  }
  http::Response response = ErrorResponse(error, request);
  if (error.code == Code::kLimited)
    response.headers.Set("Retry-After", std::to_string(identity_.retry_after_seconds()));
  return response;
}

http::Response OAuthRoutes::TokensResponse(const oauth::Tokens& tokens) const {
  json::object body;
  body["access_token"] = tokens.access.access_token;
  body["token_type"] = "bearer";
  body["expires_in"] = tokens.access.expires_in;
  body["scope"] = tokens.access.scopes.ToString();
  if (!tokens.refresh.empty()) body["refresh_token"] = tokens.refresh.Reveal();
  if (!tokens.id_token.empty()) body["id_token"] = tokens.id_token;
  http::Response response = http::Response::Json(200, body);
  response.headers.Set("Pragma", "no-cache");
  return response;
}

io::Task<http::Response> OAuthRoutes::Token(http::Request request) {
  Result<TokenRequest> asked = Read(request);
  if (!asked) co_return OAuthError(400, "invalid_request", asked.error().message, request);
  const std::string grant = asked->Take("grant_type");
  if (grant.empty()) co_return OAuthError(400, "invalid_request", "grant_type is missing", request);
  const identity::Origin origin = OriginOf(request);
  if (grant == "client_credentials") {
    auto issued = co_await identity_.clients().Token(asked->client_id, asked->password,
                                                     asked->Take("scope"), origin);
    if (!issued) co_return Failed(issued.error(), request);
    co_return TokensResponse({.access = *std::move(issued)});
  }
  if (grant != "authorization_code" && grant != "refresh_token" && grant != kDeviceGrantType) {
    co_return OAuthError(400, "unsupported_grant_type", "this grant is not served", request);
  }
  Result<identity::Client> client =
      co_await identity_.clients().Authenticate(asked->client_id, asked->password, origin);
  if (!client) co_return Failed(client.error(), request);
  Result<oauth::Tokens> tokens = oauth::Refused("invalid_request", "");
  if (grant == "authorization_code") {
    tokens =
        co_await grants_.FromCode(*client, Secret(asked->Take("code")), asked->Take("redirect_uri"),
                                  asked->Take("code_verifier"), origin);
  } else if (grant == "refresh_token") {
    tokens = co_await grants_.Refresh(*client, Secret(asked->Take("refresh_token")),
                                      asked->Take("scope"), origin);
  } else {
    tokens = co_await devices_.Poll(*client, Secret(asked->Take("device_code")), origin);
  }
  if (!tokens) co_return Failed(tokens.error(), request);
  co_return TokensResponse(*tokens);
}

io::Task<http::Response> OAuthRoutes::DeviceAuthorization(http::Request request) {
  Result<TokenRequest> asked = Read(request);
  if (!asked) co_return OAuthError(400, "invalid_request", asked.error().message, request);
  Result<identity::Client> client = co_await identity_.clients().Authenticate(
      asked->client_id, asked->password, OriginOf(request));
  if (!client) co_return Failed(client.error(), request);
  auto codes = co_await devices_.Begin(*client, asked->Take("scope"));
  if (!codes) co_return Failed(codes.error(), request);
  const std::string page = public_url_ + "/iroh/oauth2/device";
  json::object body;
  body["device_code"] = codes->device_code.Reveal();
  body["user_code"] = codes->user_code;
  body["verification_uri"] = page;
  body["verification_uri_complete"] = page + "?user_code=" + codes->user_code;
  body["expires_in"] = codes->life.count();
  body["interval"] = codes->interval.count();
  co_return http::Response::Json(200, body);
}

io::Task<http::Response> OAuthRoutes::Withdraw(http::Request request) {
  Result<TokenRequest> asked = Read(request);
  if (!asked) co_return OAuthError(400, "invalid_request", asked.error().message, request);
  Result<identity::Client> client = co_await identity_.clients().Authenticate(
      asked->client_id, asked->password, OriginOf(request));
  if (!client) co_return Failed(client.error(), request);
  if (asked->Take("token").empty())
    co_return OAuthError(400, "invalid_request", "token is missing", request);
  auto done = co_await grants_.Withdraw(*client, Secret(asked->Take("token")), OriginOf(request));
  if (!done) co_return Failed(done.error(), request);
  co_return http::Response::Json(200, json::object());
}

io::Task<http::Response> OAuthRoutes::Introspect(http::Request request) {
  Result<TokenRequest> asked = Read(request);
  if (!asked) co_return OAuthError(400, "invalid_request", asked.error().message, request);
  Result<identity::Client> client = co_await identity_.clients().Authenticate(
      asked->client_id, asked->password, OriginOf(request));
  if (!client) co_return Failed(client.error(), request);
  // RFC 7662 section 2.1: whoever asks must prove who he is.
  if (client->is_public)
    co_return OAuthError(401, "invalid_client", "A public client may not ask.", request);
  if (asked->Take("token").empty())
    co_return OAuthError(400, "invalid_request", "token is missing", request);
  auto said = co_await grants_.Introspect(*client, Secret(asked->Take("token")));
  if (!said) co_return Failed(said.error(), request);
  co_return http::Response::Json(200, *said);
}

io::Task<http::Response> OAuthRoutes::ListGrants(http::Request request, identity::Caller caller) {
  auto grants = co_await grants_.ListOf(std::move(caller));
  if (!grants) co_return Failed(grants.error(), request);
  json::array out;
  for (const oauth::GrantInfo& grant : *grants) {
    out.push_back(json::object{{"id", grant.id},
                               {"client-id", grant.client_id},
                               {"client-name", grant.client_name},
                               {"grant", grant.kind},
                               {"scopes", ToArray(grant.scopes.ToStrings())},
                               {"created-at", FormatTime(grant.created)},
                               {"last-used-at", FormatTime(grant.last_used)},
                               {"expires-at", FormatTime(grant.expires)}});
  }
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> OAuthRoutes::EndGrant(http::Request request, identity::Caller caller) {
  auto ended = co_await grants_.End(std::move(caller), std::string(request.Param("client_id")),
                                    OriginOf(request));
  if (!ended) co_return Failed(ended.error(), request);
  if (*ended == 0) {
    co_return ErrorResponse(404, "grant_not_found", "You have allowed this client nothing.",
                            request);
  }
  co_return http::Response::Empty(204);
}

}  // namespace mailreeve::response::api
