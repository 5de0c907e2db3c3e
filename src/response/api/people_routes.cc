#include "response/api/people_routes.h"

#include "base/text.h"
#include "response/api/api.h"
#include "response/api/body.h"
#include "response/api/errors.h"
#include "response/api/request.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::response::api {
namespace {

constexpr size_t kMaxBatch = 1000, kMaxPage = 1000;

json::object OrgJson(const identity::Organisation& organisation) {
  json::object org;
  org["id"] = organisation.id;
  org["name"] = organisation.name;
  org["enabled?"] = true;
  org["created-at"] = FormatTime(organisation.created);
  org["updated-at"] = FormatTime(organisation.updated);
  org["activation-status"] = "activated";
  org["scim-status"] = "activated";
  org["allow-all-role-to-login"] = false;
  org["allow-all-role-to-login-editable?"] = true;
  org["additional-scopes"] = json::array();
  return org;
}

// The vendor knows admin and user; ours are finer.
std::optional<identity::Role> ReadRole(Fields& fields, identity::Role present) {
  std::optional<identity::Role> role;
  if (fields.object().contains("role")) {
    const std::string text = fields.Choice("role", "user", {"admin", "user"});
    if (text == "admin") role = identity::Role::kAdmin;
    if (text == "user")
      role = present == identity::Role::kAdmin ? identity::Role::kAnalyst : present;
  }
  if (fields.object().contains("mailreeve-role")) {
    const auto ours = identity::RoleFromName(fields.Optional("mailreeve-role", "", 20));
    if (!ours) fields.Refuse("mailreeve-role", "must be admin, approver, analyst or read-only");
    role = ours;
  }
  return role;
}

std::string TextIn(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

size_t Number(const http::Request& request, std::string_view name, size_t otherwise) {
  const std::string text = request.Query(name).value_or("");
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? value
                                                                                   : otherwise;
}

}  // namespace

json::object UserJson(const identity::Account& account, const identity::ScopeSet& scopes) {
  json::object user;
  user["user-id"] = account.id;
  user["user-email"] = account.email;
  user["user-name"] = account.name;
  user["user-nick"] = account.nick;
  user["role"] = account.role == identity::Role::kAdmin ? "admin" : "user";
  user["mailreeve-role"] = identity::RoleName(account.role);
  user["scopes"] = ToArray(scopes.ToStrings());
  user["additional-scopes"] = json::array();
  user["org-id"] = account.org_id;
  user["enabled?"] = account.enabled;
  user["one-time-codes?"] = account.has_one_time_codes;
  user["created-at"] = FormatTime(account.created);
  user["updated-at"] = FormatTime(account.updated);
  if (account.last_logged) user["last-logged-at"] = FormatTime(*account.last_logged);
  json::object mapping;
  mapping["idp"] = "local";
  mapping["user-identity-id"] = account.id;
  mapping["organization-id"] = account.org_id;
  mapping["enabled?"] = account.enabled;
  json::array mappings;
  mappings.push_back(std::move(mapping));
  user["idp-mappings"] = std::move(mappings);
  return user;
}

void PeopleRoutes::AddTo(Api& api) {
  using Member = io::Task<http::Response> (PeopleRoutes::*)(http::Request, identity::Caller);
  const auto on = [&](std::string_view method, std::string_view pattern, Member member) {
    api.Add(method, pattern, [this, member](http::Request request, identity::Caller caller) {
      return (this->*member)(std::move(request), std::move(caller));
    });
  };
  // What concerns one's own account only.
  const auto own = [&](std::string_view method, std::string_view pattern, Member member) {
    api.Add(
        method, pattern,
        [this, member](http::Request request, identity::Caller caller) -> io::Task<http::Response> {
          if (caller.kind != "session-token") {
            co_return ErrorResponse(403, "session_needed",
                                    "Only a person who signed in may do this, no client.", request);
          }
          co_return co_await (this->*member)(std::move(request), std::move(caller));
        });
  };
  on("GET", "/iroh/profile/whoami", &PeopleRoutes::WhoAmI);
  on("GET", "/iroh/profile/org", &PeopleRoutes::GetOrg);
  on("POST", "/iroh/profile/org", &PeopleRoutes::SetOrg);
  on("GET", "/iroh/profile/scopes", &PeopleRoutes::Scopes);
  on("GET", "/iroh/user-mgmt/users/{user_id}", &PeopleRoutes::GetUser);
  on("POST", "/iroh/user-mgmt/users/{user_id}", &PeopleRoutes::ChangeUser);
  on("GET", "/iroh/user-mgmt/batch/users", &PeopleRoutes::BatchUsers);
  on("POST", "/iroh/user-mgmt/search/users", &PeopleRoutes::SearchUsers);
  on("POST", "/mailreeve/v1/users", &PeopleRoutes::MakeUser);
  on("POST", "/mailreeve/v1/users/{user_id}/reset-password", &PeopleRoutes::ResetPassword);
  on("POST", "/mailreeve/v1/users/{user_id}/reset-one-time-codes", &PeopleRoutes::ResetCodes);
  own("POST", "/mailreeve/v1/account/password", &PeopleRoutes::ChangePassword);
  own("POST", "/mailreeve/v1/account/one-time-codes", &PeopleRoutes::BeginCodes);
  own("POST", "/mailreeve/v1/account/one-time-codes/confirm", &PeopleRoutes::ConfirmCodes);
  own("POST", "/mailreeve/v1/account/one-time-codes/remove", &PeopleRoutes::RemoveCodes);
  own("GET", "/mailreeve/v1/account/sessions", &PeopleRoutes::ListSessions);
  own("DELETE", "/mailreeve/v1/account/sessions/{id}", &PeopleRoutes::EndSession);
}

http::Response PeopleRoutes::Failed(const Error& error, const http::Request& request,
                                    const identity::Caller& caller) const {
  switch (error.code) {
    case Code::kNotFound:
      return ErrorResponse(404, "user_not_found", "There is no such user.", request);
    case Code::kDenied:
      return MissingScopes(identity::ScopesOf(identity::Role::kAdmin), caller, request);
    case Code::kConflict:
      return ErrorResponse(409, "conflict", error.message, request);
    case Code::kUnauthenticated:
      // Not 401: the token is good, and a browser must not take it for run out.
      return ErrorResponse(403, "wrong_credentials", error.message, request);
    default:
      break;
  }
  http::Response response = ErrorResponse(error, request);
  if (error.code == Code::kLimited)
    response.headers.Set("Retry-After", std::to_string(identity_.retry_after_seconds()));
  return response;
}

// ---- profile

io::Task<http::Response> PeopleRoutes::WhoAmI(http::Request request, identity::Caller caller) {
  auto profile = co_await identity_.GetProfile(caller);
  if (!profile && profile.error().code == Code::kNotFound) {
    co_return BadToken(
        Error(Code::kUnauthenticated, "unauthenticated_user").Note("The token's user is gone."),
        request);
  }
  if (!profile) co_return Failed(profile.error(), request, caller);
  json::object out;
  out["user"] = UserJson(profile->account, profile->scopes);
  out["org"] = OrgJson(profile->organisation);
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> PeopleRoutes::GetOrg(http::Request, identity::Caller caller) {
  co_return http::Response::Json(200, OrgJson(identity_.FindOrganisation(caller.org_id)));
}

io::Task<http::Response> PeopleRoutes::SetOrg(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 16 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"name", "missing-required-key"}});
  Fields fields(body->get_object(), {"name"});
  const bool renames = fields.object().contains("name");
  const std::string name = renames ? fields.Required("name", 200) : std::string();
  if (!fields.ok()) co_return fields.Answer();
  if (caller.role != identity::RoleName(identity::Role::kAdmin)) {
    co_return ErrorResponse(403, "admin_needed", "Only an administrator may change this.", request);
  }
  if (renames) {
    auto done = co_await identity_.RenameOrganisation(caller, name, OriginOf(request));
    if (!done) co_return Failed(done.error(), request, caller);
  }
  co_return http::Response::Json(200, OrgJson(identity_.FindOrganisation(caller.org_id)));
}

io::Task<http::Response> PeopleRoutes::Scopes(http::Request, identity::Caller caller) {
  co_return http::Response::Json(200, ToArray(caller.scopes.ToStrings()));
}

// ---- users

io::Task<http::Response> PeopleRoutes::GetUser(http::Request request, identity::Caller caller) {
  auto account =
      co_await identity_.accounts().GetFor(caller, std::string(request.Param("user_id")));
  if (!account) co_return Failed(account.error(), request, caller);
  co_return http::Response::Json(200, UserJson(*account, identity::ScopesOf(account->role)));
}

io::Task<http::Response> PeopleRoutes::ChangeUser(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 16 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"role", "must be an object"}});
  const std::string id(request.Param("user_id"));
  auto present = co_await identity_.accounts().GetFor(caller, id);
  if (!present) co_return Failed(present.error(), request, caller);
  // Ids, organisation, scopes and times are not to be had by asking.
  Fields fields(body->get_object(),
                {"user-name", "user-nick", "user-email", "role", "mailreeve-role", "enabled?"});
  const auto given = [&](std::string_view key) { return fields.object().contains(key); };
  identity::AccountChange change;
  if (given("user-name")) change.name = fields.Required("user-name", 320);
  if (given("user-nick")) change.nick = fields.Required("user-nick", 320);
  if (given("user-email")) change.email = fields.Required("user-email", 320);
  change.role = ReadRole(fields, present->role);
  if (given("enabled?")) {
    const json::value& value = fields.object().at("enabled?");
    if (!value.is_bool()) fields.Refuse("enabled?", "must be true or false");
    if (value.is_bool()) change.enabled = value.get_bool();
  }
  if (!fields.ok()) co_return fields.Answer();
  auto changed = co_await identity_.accounts().ChangeFor(caller, id, change, OriginOf(request));
  if (!changed) co_return Failed(changed.error(), request, caller);
  co_return http::Response::Json(200, UserJson(*changed, identity::ScopesOf(changed->role)));
}

io::Task<http::Response> PeopleRoutes::BatchUsers(http::Request request, identity::Caller caller) {
  const std::vector<std::string> ids = request.QueryAll("id");
  if (ids.empty() || ids.size() > kMaxBatch)
    co_return KeyErrors({{"id", "must be given 1 to 1000 times"}});
  auto accounts = co_await identity_.accounts().ListFor(caller);
  if (!accounts) co_return Failed(accounts.error(), request, caller);
  json::array out;
  for (const identity::Account& account : *accounts) {
    if (std::find(ids.begin(), ids.end(), account.id) != ids.end())
      out.push_back(UserJson(account, identity::ScopesOf(account.role)));
  }
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> PeopleRoutes::SearchUsers(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 64 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"filter", "must be an object"}});
  auto accounts = co_await identity_.accounts().ListFor(caller);
  if (!accounts) co_return Failed(accounts.error(), request, caller);
  // Each key of the filter must be a key of the user, and its value, or one of its values, that of
  // the user; of "search-term" any part of name and address.
  std::vector<json::object> found;
  for (const identity::Account& account : *accounts) {
    json::object user = UserJson(account, identity::ScopesOf(account.role));
    const bool fits =
        std::all_of(body->get_object().begin(), body->get_object().end(), [&](const auto& item) {
          if (item.key() == "search-term") {
            if (!item.value().is_string()) return false;
            const std::string term = AsciiLower(std::string_view(item.value().get_string()));
            const std::string all =
                AsciiLower(account.name + "\n" + account.nick + "\n" + account.email);
            return all.find(term) != std::string::npos;
          }
          const json::value* value = user.if_contains(item.key());
          if (value == nullptr) return false;
          if (!item.value().is_array()) return *value == item.value();
          const json::array& any = item.value().get_array();
          return std::find(any.begin(), any.end(), *value) != any.end();
        });
    if (fits) found.push_back(std::move(user));
  }
  const std::string sort = request.Query("sort_by").value_or("user-name");
  const bool descending = request.Query("sort_order").value_or("asc") == "desc";
  std::stable_sort(found.begin(), found.end(), [&](const json::object& a, const json::object& b) {
    const std::string left = TextIn(a, sort), right = TextIn(b, sort);
    return descending ? right < left : left < right;
  });
  const size_t offset = Number(request, "offset", 0),
               limit = std::min(Number(request, "limit", 100), kMaxPage);
  json::array out;
  for (size_t i = std::min(offset, found.size()); i < found.size() && out.size() < limit; ++i)
    out.push_back(found[i]);
  http::Response response = http::Response::Json(200, out);
  response.headers.Set("X-Total-Hits", std::to_string(found.size()));
  co_return response;
}

io::Task<http::Response> PeopleRoutes::MakeUser(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 16 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"user-name", "missing-required-key"}});
  Fields fields(body->get_object(), {"user-name", "user-nick", "user-email", "mailreeve-role"});
  identity::NewAccount asked;
  asked.name = fields.Required("user-name", 320);
  asked.email = fields.Required("user-email", 320);
  asked.nick = fields.Optional("user-nick", "", 320);
  if (!fields.object().contains("mailreeve-role"))
    fields.Refuse("mailreeve-role", "missing-required-key");
  asked.role = ReadRole(fields, identity::Role::kReadOnly).value_or(identity::Role::kReadOnly);
  asked.must_change_password = true;
  if (!fields.ok()) co_return fields.Answer();
  auto made = co_await identity_.accounts().MakeFor(caller, asked, OriginOf(request));
  if (!made) co_return Failed(made.error(), request, caller);
  json::object out = UserJson(made->account, identity::ScopesOf(made->account.role));
  out["password"] = made->generated.Reveal();
  co_return http::Response::Json(201, out);
}

io::Task<http::Response> PeopleRoutes::ResetPassword(http::Request request,
                                                     identity::Caller caller) {
  auto reset = co_await identity_.accounts().ResetPasswordFor(
      caller, std::string(request.Param("user_id")), OriginOf(request));
  if (!reset) co_return Failed(reset.error(), request, caller);
  co_return http::Response::Json(200, json::object{{"password", reset->Reveal()}});
}

io::Task<http::Response> PeopleRoutes::ResetCodes(http::Request request, identity::Caller caller) {
  auto done = co_await identity_.ResetCodesFor(caller, std::string(request.Param("user_id")),
                                               OriginOf(request));
  if (!done) co_return Failed(done.error(), request, caller);
  co_return http::Response::Empty(204);
}

// ---- own account

io::Task<http::Response> PeopleRoutes::ChangePassword(http::Request request,
                                                      identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 16 * 1024, .max_depth = 4});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"present", "missing-required-key"}});
  Fields fields(body->get_object(), {"present", "new"});
  Secret present(fields.Required("present", 1024)), next(fields.Required("new", 1024));
  if (!fields.ok()) co_return fields.Answer();
  auto done = co_await identity_.accounts().ChangePassword(caller, std::move(present),
                                                           std::move(next), OriginOf(request));
  if (!done && done.error().code == Code::kInvalid)
    co_return KeyErrors({{"new", done.error().message}});
  if (!done) co_return Failed(done.error(), request, caller);
  co_return http::Response::Empty(204);
}

io::Task<http::Response> PeopleRoutes::BeginCodes(http::Request request, identity::Caller caller) {
  auto begun = co_await identity_.BeginCodes(caller);
  if (!begun) co_return Failed(begun.error(), request, caller);
  co_return http::Response::Json(
      200, json::object{{"secret", begun->secret.Reveal()}, {"uri", begun->uri.Reveal()}});
}

io::Task<http::Response> PeopleRoutes::ConfirmCodes(http::Request request,
                                                    identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 4096, .max_depth = 4});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"code", "missing-required-key"}});
  Fields fields(body->get_object(), {"code"});
  const std::string code = fields.Required("code", 64);
  if (!fields.ok()) co_return fields.Answer();
  auto codes = co_await identity_.ConfirmCodes(caller, code, OriginOf(request));
  if (!codes && codes.error().code == Code::kInvalid)
    co_return KeyErrors({{"code", codes.error().message}});
  if (!codes) co_return Failed(codes.error(), request, caller);
  json::array list;
  for (const Secret& one : *codes) list.emplace_back(one.Reveal());
  co_return http::Response::Json(200, json::object{{"recovery-codes", std::move(list)}});
}

io::Task<http::Response> PeopleRoutes::RemoveCodes(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 4096, .max_depth = 4});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"password", "missing-required-key"}});
  Fields fields(body->get_object(), {"password", "code"});
  Secret password(fields.Required("password", 1024));
  const std::string code = fields.Required("code", 64);
  if (!fields.ok()) co_return fields.Answer();
  // The proof of a whole sign-in: a token that was left lying about is not enough.
  auto proven = co_await identity_.sessions().Verify(caller.user_name, std::move(password),
                                                     OriginOf(request), code);
  if (proven && proven->id != caller.user_id)
    co_return Failed(Error(Code::kUnauthenticated, "wrong password or code"), request, caller);
  if (!proven) co_return Failed(proven.error(), request, caller);
  auto done = co_await identity_.RemoveCodes(caller, OriginOf(request));
  if (!done) co_return Failed(done.error(), request, caller);
  co_return http::Response::Empty(204);
}

io::Task<http::Response> PeopleRoutes::ListSessions(http::Request request,
                                                    identity::Caller caller) {
  auto sessions = co_await identity_.sessions().List(caller);
  if (!sessions) co_return Failed(sessions.error(), request, caller);
  json::array out;
  for (const identity::SessionInfo& session : *sessions) {
    out.push_back(json::object{{"id", session.id},
                               {"address", session.address},
                               {"created-at", FormatTime(session.created)},
                               {"last-used-at", FormatTime(session.last_used)},
                               {"expires-at", FormatTime(session.expires)},
                               {"current?", session.is_current}});
  }
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> PeopleRoutes::EndSession(http::Request request, identity::Caller caller) {
  auto done = co_await identity_.sessions().End(caller, std::string(request.Param("id")),
                                                OriginOf(request));
  if (!done && done.error().code == Code::kNotFound)
    co_return ErrorResponse(404, "session_not_found", "You have no such session.", request);
  if (!done) co_return Failed(done.error(), request, caller);
  co_return http::Response::Empty(204);
}

}  // namespace mailreeve::response::api
