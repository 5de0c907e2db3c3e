// AdminApi: the users of the REST API.
#include "gateway/api/admin_api.h"
#include "gateway/api/answers.h"

namespace mailreeve::gateway::api {
namespace {

json::object UserJson(const users::User& user) {
  json::object out{{"name", user.name},
                   {"role", users::RoleName(user.role)},
                   {"email", user.email},
                   {"created", FormatTime(user.created)},
                   {"updated", FormatTime(user.updated)},
                   {"last_login", nullptr}};
  if (user.last_login) out["last_login"] = FormatTime(*user.last_login);
  return out;
}

Result<users::Role> ReadRole(const json::object& body) {
  TRY(const std::string name, json::RequireString(body, "role"));
  if (const auto role = users::RoleFromName(name)) return *role;
  std::string known;
  for (uint8_t i = 0; i <= users::kMaxRole; ++i) {
    known += (i == 0 ? "" : ", ") + std::string(users::RoleName(static_cast<users::Role>(i)));
  }
  return Fail(Code::kInvalid, "role: must be one of " + known);
}

Result<json::object> ReadBody(const http::Request& request,
                              std::initializer_list<std::string_view> known) {
  TRY(const json::value document,
      json::Parse(request.body, {.max_bytes = 16 * 1024, .max_depth = 4}));
  TRY(const json::object* body, json::AsObject(document, ""));
  TRY_VOID(json::RefuseUnknownKeys(*body, known));
  return *body;
}

users::Origin OriginOf(const http::Request& request) {
  return {"unix", "admin-socket", request.request_id};
}

http::Response Answer(const Result<users::User>& user, int status) {
  return user ? http::Response::Json(status, UserJson(*user)) : Failed(user.error());
}

}  // namespace

io::Task<http::Response> AdminApi::ListUsers(http::Request) {
  json::array list;
  for (const auto& user : users_.List()) list.push_back(UserJson(user));
  co_return http::Response::Json(200, json::object{{"users", std::move(list)}});
}

io::Task<http::Response> AdminApi::AddUser(http::Request request) {
  std::string name, email;
  users::Role role = users::Role::kGuest;
  Secret passphrase;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object body, ReadBody(request, {"name", "role", "email", "passphrase"}));
    TRY(name, json::RequireString(body, "name"));
    TRY(role, ReadRole(body));
    TRY(email, json::OptionalString(body, "email", ""));
    TRY(std::string text, json::RequireString(body, "passphrase"));
    passphrase = Secret(std::move(text));
    return {};
  };
  if (auto good = read(); !good) co_return Failed(good.error());
  co_return Answer(co_await users_.Add(std::move(name), role, std::move(email),
                                       std::move(passphrase), OriginOf(request)),
                   201);
}

io::Task<http::Response> AdminApi::SetPassphrase(http::Request request) {
  Secret passphrase;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object body, ReadBody(request, {"passphrase"}));
    TRY(std::string text, json::RequireString(body, "passphrase"));
    passphrase = Secret(std::move(text));
    return {};
  };
  if (auto good = read(); !good) co_return Failed(good.error());
  co_return Answer(co_await users_.SetPassword(std::string(request.Param("name")),
                                               std::move(passphrase), OriginOf(request)),
                   200);
}

io::Task<http::Response> AdminApi::SetRole(http::Request request) {
  users::Role role = users::Role::kGuest;
  const auto read = [&]() -> Result<void> {
    TRY(const json::object body, ReadBody(request, {"role"}));
    TRY(role, ReadRole(body));
    return {};
  };
  if (auto good = read(); !good) co_return Failed(good.error());
  co_return Answer(
      co_await users_.SetRole(std::string(request.Param("name")), role, OriginOf(request)), 200);
}

io::Task<http::Response> AdminApi::RemoveUser(http::Request request) {
  auto done = co_await users_.Remove(std::string(request.Param("name")), OriginOf(request));
  if (!done) co_return Failed(done.error());
  co_return http::Response::Json(200, json::object{{"removed", true}});
}

}  // namespace mailreeve::gateway::api
