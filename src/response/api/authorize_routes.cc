// OAuthRoutes: the pages on which a person signs in and allows a client to act for them.
#include "base/text.h"
#include "response/api/errors.h"
#include "response/api/oauth_routes.h"
#include "response/api/pages.h"
#include "response/api/request.h"
#include "response/identity/redirect.h"

namespace mailreeve::response::api {
namespace {

// Sent back to us on the way from the client's page, so not Strict; it opens nothing without the
// secret in the page.
constexpr std::string_view kCookie = "__Host-mailreeve_authorize";
constexpr std::string_view kAuthorize = "/iroh/oauth2/authorize";

void SetCookie(http::Response& response, std::string_view value, int64_t seconds) {
  response.headers.Add("Set-Cookie", std::string(kCookie) + "=" + std::string(value) +
                                         "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=" +
                                         std::to_string(seconds));
}

http::Response RedirectTo(std::string address) {
  // 303: whatever was posted, password too, is not posted on (RFC 9700 section 4.12).
  http::Response response = http::Response::Empty(303);
  response.headers.Set("Location", std::move(address));
  response.headers.Set("Referrer-Policy", "no-referrer");
  return response;
}

Result<std::vector<std::pair<std::string, std::string>>> ReadForm(const http::Request& request) {
  const std::string_view type = request.headers.Get("Content-Type");
  if (!AsciiEqualFold(TrimSpace(type.substr(0, type.find(';'))),
                      "application/x-www-form-urlencoded") ||
      request.body.size() > 16 * 1024) {
    return Fail(Code::kInvalid, "a form is expected");
  }
  return http::ParseForm(request.body);
}

std::string FieldOf(const std::vector<std::pair<std::string, std::string>>& form,
                    std::string_view name) {
  for (const auto& [key, value] : form) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace

http::Response OAuthRoutes::ErrorPage(const http::Request& request, const Error& error) const {
  const Language language = LanguageOf(request);
  Page page;
  page.title = Say(language, "The request cannot be served");
  const std::string word = oauth::WordOf(error);
  if (error.code == Code::kLimited) {
    page.status = 429;
    page.error = Say(language, "Too many failed tries. Wait a while before the next one.");
  } else if (error.code == Code::kNotFound) {
    page.status = 400;
    page.error = Say(language,
                     "The request has run out or belongs to another browser. Begin again in the "
                     "application.");
  } else if (!word.empty() || error.code == Code::kInvalid) {
    page.status = 400;
    page.error =
        Say(language, "There is no such client, or it may not send you back to this address.");
  } else {
    page.status = 503;
    page.error = Say(language, "Something failed on our side. Try again later.");
  }
  return Render(language, page);
}

http::Response OAuthRoutes::SignInPage(const http::Request& request, const oauth::RequestKey& key,
                                       const oauth::Pending& pending,
                                       std::string_view error) const {
  const Language language = LanguageOf(request);
  const auto say = [&](std::string_view text) { return std::string(Say(language, text)); };
  Page page;
  page.title = say("Sign in");
  page.error = say(error);
  if (!error.empty()) page.status = 401;
  page.paragraphs = {say("This application asks for access: ") + pending.client.name};
  const std::vector<std::pair<std::string, std::string>> hidden{
      {"request", std::string(key.id.Reveal())}};
  page.forms.push_back(
      {.action = std::string(kAuthorize),
       .hidden = hidden,
       .fields = {{"user", say("User or e-mail address"), "text", "username", ""},
                  {"password", say("Password"), "password", "current-password", ""},
                  {"code", say("One-time code, if you use one"), "text", "one-time-code", "",
                   false}},
       .buttons = {{"sign-in", say("Sign in")}}});
  page.forms.push_back({.action = std::string(kAuthorize),
                        .hidden = hidden,
                        .fields = {},
                        .buttons = {{"session", say("Go on as signed in in this browser")},
                                    {"refuse", say("Refuse")}}});
  if (!pending.is_device) page.form_target = identity::RedirectSource(pending.redirect_uri);
  return Render(language, page);
}

http::Response OAuthRoutes::ConsentPage(const http::Request& request, const oauth::RequestKey& key,
                                        const oauth::Pending& pending) const {
  const Language language = LanguageOf(request);
  const auto say = [&](std::string_view text) { return std::string(Say(language, text)); };
  Page page;
  page.title = say("Allow access");
  page.paragraphs = {say("This application asks for access: ") + pending.client.name,
                     say("Signed in as: ") + pending.account->name};
  if (pending.is_device) {
    page.paragraphs.push_back(
        say("Only go on if you see this on a device of your own that you are setting up."));
  } else {
    page.paragraphs.push_back(say("You will be sent to: ") + pending.redirect_uri);
    page.form_target = identity::RedirectSource(pending.redirect_uri);
  }
  page.paragraphs.push_back(say("It may then, in your name:"));
  page.list = pending.scopes.ToStrings();
  page.forms.push_back({.action = std::string(kAuthorize),
                        .hidden = {{"request", std::string(key.id.Reveal())}},
                        .fields = {},
                        .buttons = {{"allow", say("Allow")}, {"refuse", say("Refuse")}}});
  return Render(language, page);
}

io::Task<http::Response> OAuthRoutes::Authorize(http::Request request) {
  oauth::AuthorizeQuery query;
  for (const auto& [name, field] :
       {std::pair<std::string_view, std::string*>{"response_type", &query.response_type},
        {"client_id", &query.client_id},
        {"redirect_uri", &query.redirect_uri},
        {"scope", &query.scope},
        {"state", &query.state},
        {"nonce", &query.nonce},
        {"code_challenge", &query.challenge},
        {"code_challenge_method", &query.challenge_method}}) {
    const std::vector<std::string> values = request.QueryAll(name);
    // RFC 6749 section 3.1: a parameter given twice could mean one thing here and another there.
    if (values.size() > 1)
      co_return ErrorPage(request, Error(Code::kInvalid, std::string(name) + " is given twice"));
    if (!values.empty()) *field = values.front();
  }
  auto begun = co_await authorization_.Begin(query, OriginOf(request));
  if (!begun && !begun.error().redirect.empty()) co_return RedirectTo(begun.error().redirect);
  if (!begun) co_return ErrorPage(request, begun.error().error);
  auto pending = co_await authorization_.Load(*begun);
  if (!pending) co_return ErrorPage(request, pending.error());
  http::Response response = SignInPage(request, *begun, *pending, "");
  SetCookie(response, begun->browser.Reveal(), options_.request_life.count());
  co_return response;
}

io::Task<http::Response> OAuthRoutes::Answer(http::Request request) {
  if (!IsFromConsole(request, public_url_)) co_return CrossSite(request);
  const auto form = ReadForm(request);
  if (!form) co_return ErrorPage(request, Error(Code::kNotFound, form.error().message));
  const oauth::RequestKey key{Secret(FieldOf(*form, "request")),
                              Secret(CookieOf(request, kCookie))};
  auto pending = co_await authorization_.Load(key);
  if (!pending) co_return ErrorPage(request, pending.error());
  const std::string step = FieldOf(*form, "step");
  if (step == "sign-in") {
    auto account = co_await identity_.sessions().Verify(FieldOf(*form, "user"),
                                                        Secret(FieldOf(*form, "password")),
                                                        OriginOf(request), FieldOf(*form, "code"));
    if (account) co_return co_await SignInStep(std::move(request), key, *pending, *account);
    if (account.error().code == Code::kUnauthenticated) {
      co_return SignInPage(request, key, *pending, "Wrong user, password or one-time code.");
    }
    co_return ErrorPage(request, account.error());
  }
  if (step == "session") {
    auto account = co_await identity_.sessions().Peek(Secret(CookieOf(request, kRefreshCookie)));
    if (account) co_return co_await SignInStep(std::move(request), key, *pending, *account);
    if (account.error().code == Code::kUnauthenticated) {
      co_return SignInPage(request, key, *pending, "Nobody is signed in in this browser.");
    }
    co_return ErrorPage(request, account.error());
  }
  if (step != "allow" && step != "refuse")
    co_return ErrorPage(request, Error(Code::kNotFound, "no such step"));
  if (step == "allow" && !pending->account) co_return SignInPage(request, key, *pending, "");
  auto to = co_await authorization_.Answer(key, step == "allow", OriginOf(request));
  if (!to) co_return ErrorPage(request, to.error());
  http::Response response;
  if (to->empty()) {
    const Language language = LanguageOf(request);
    Page page;
    page.title = Say(language, "Done");
    page.paragraphs = {std::string(
        Say(language, step == "allow" ? "The device has access now. You may close this page."
                                      : "Access was refused. You may close this page."))};
    response = Render(language, page);
  } else {
    response = RedirectTo(*to);
  }
  SetCookie(response, "", 0);
  co_return response;
}

io::Task<http::Response> OAuthRoutes::SignInStep(http::Request request, oauth::RequestKey key,
                                                 oauth::Pending pending,
                                                 identity::Account account) {
  if (identity_.accounts().NeedsOf(account).any()) {
    co_return SignInPage(request, key, pending,
                         "Sign in at the console first: your account needs a new password or a "
                         "one-time code.");
  }
  if (auto set = co_await authorization_.SetAccount(key, account); !set) {
    if (!oauth::WordOf(set.error()).empty()) {
      co_return SignInPage(request, key, pending,
                           "This client is not for you, or it wants more than you may do.");
    }
    co_return ErrorPage(request, set.error());
  }
  auto with_account = co_await authorization_.Load(key);
  if (!with_account) co_return ErrorPage(request, with_account.error());
  co_return ConsentPage(request, key, *with_account);
}

// ---- devices

http::Response OAuthRoutes::CodePage(const http::Request& request, std::string_view code,
                                     std::string_view error, int status) const {
  const Language language = LanguageOf(request);
  const auto say = [&](std::string_view text) { return std::string(Say(language, text)); };
  Page page;
  page.status = status;
  page.title = say("Connect a device");
  page.error = say(error);
  page.paragraphs = {
      say("Only go on if you see this on a device of your own that you are setting up.")};
  page.forms.push_back({.action = "/iroh/oauth2/device",
                        .hidden = {},
                        .fields = {{"user_code", say("Code shown by the device"), "text", "off",
                                    std::string(CutUtf8(code, 32))}},
                        .buttons = {{"code", say("Continue")}}});
  return Render(language, page);
}

io::Task<http::Response> OAuthRoutes::DevicePage(http::Request request) {
  const std::string code = request.Query("user_code").value_or("");
  co_return CodePage(request, code, "", 200);
}

io::Task<http::Response> OAuthRoutes::DeviceCode(http::Request request) {
  if (!IsFromConsole(request, public_url_)) co_return CrossSite(request);
  const auto form = ReadForm(request);
  if (!form) co_return CodePage(request, "", "There is no such code, or it has run out.", 400);
  const std::string code = FieldOf(*form, "user_code");
  auto begun = co_await authorization_.BeginDevice(code, OriginOf(request));
  if (!begun && begun.error().code == Code::kLimited) {
    co_return CodePage(request, code, "Too many failed tries. Wait a while before the next one.",
                       429);
  }
  if (!begun && !oauth::WordOf(begun.error()).empty())
    co_return CodePage(request, code, "There is no such code, or it has run out.", 400);
  if (!begun) co_return ErrorPage(request, begun.error());
  auto pending = co_await authorization_.Load(*begun);
  if (!pending) co_return ErrorPage(request, pending.error());
  http::Response response = SignInPage(request, *begun, *pending, "");
  SetCookie(response, begun->browser.Reveal(), options_.request_life.count());
  co_return response;
}

}  // namespace mailreeve::response::api
