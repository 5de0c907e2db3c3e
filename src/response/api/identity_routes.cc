#include "base/text.h"
#include "response/api/api.h"
#include "response/api/body.h"
#include "response/api/errors.h"
#include "response/api/request.h"

namespace mailreeve::response::api {
namespace {

void SetRefreshCookie(http::Response& response, std::string_view value, int64_t seconds) {
  response.headers.Add("Set-Cookie", std::string(kRefreshCookie) + "=" + std::string(value) +
                                         "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" +
                                         std::to_string(seconds));
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
  json::array needs;
  if (signed_in.needs.new_password) needs.emplace_back("new-password");
  if (signed_in.needs.one_time_codes) needs.emplace_back("one-time-codes");
  body["needs"] = std::move(needs);
  http::Response response = http::Response::Json(200, body);
  if (!signed_in.refresh.empty()) {
    SetRefreshCookie(response, signed_in.refresh.Reveal(), signed_in.refresh_life.count());
  }
  return response;
}

}  // namespace

void Api::AddIdentityRoutes() {
  OnPublic("GET", "/.well-known/jwks", &Api::Jwks);
  OnPublic("GET", "/clouds.json", &Api::Clouds);
  OnPublic("POST", "/mailreeve/v1/sign-in", &Api::SignIn);
  OnPublic("POST", "/mailreeve/v1/sign-in/refresh", &Api::RefreshSignIn);
  OnPublic("POST", "/mailreeve/v1/sign-out", &Api::SignOut);
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

io::Task<http::Response> Api::SignIn(http::Request request) {
  // The type is demanded, so that a form of another site cannot sign a browser in.
  if (request.headers.Get("Content-Type").empty()) {
    co_return ErrorResponse(415, "unsupported_media_type", "the body must be application/json",
                            request);
  }
  auto body = ReadJsonBody(request, {.max_bytes = 16 * 1024, .max_depth = 4});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"user", "missing-required-key"}});
  Fields fields(body->get_object(), {"user", "password", "code"});
  const std::string user = fields.Required("user", 320);
  Secret password(fields.Required("password", 1024));
  const std::string code = fields.Optional("code", "", 64);
  if (!fields.ok()) co_return fields.Answer();
  auto signed_in =
      co_await identity_.sessions().SignIn(user, std::move(password), OriginOf(request), code);
  if (!signed_in && signed_in.error().message == identity::kCodeNeeded) {
    co_return ErrorResponse(401, identity::kCodeNeeded,
                            "The password is right; send the one-time code with it.", request);
  }
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

}  // namespace mailreeve::response::api
