#include "response/api/client_routes.h"

#include "base/text.h"
#include "response/api/api.h"
#include "response/api/body.h"
#include "response/api/errors.h"
#include "response/api/request.h"
#include "response/identity/redirect.h"
#include "response/identity/scope_catalogue.h"

#include <algorithm>

namespace mailreeve::response::api {
namespace {

json::object ToJson(const identity::Client& client) {
  json::object out;
  out["id"] = client.id;
  out["name"] = client.name;
  out["description"] = client.description;
  out["scopes"] = ToArray(client.scopes.ToStrings());
  out["grants"] = ToArray(client.grants);
  out["redirects"] = ToArray(client.redirects);
  out["availability"] = client.availability;
  out["allow-partial-user-scopes"] = client.allow_partial;
  out["public?"] = client.is_public;
  out["enabled?"] = client.enabled;
  out["owner-id"] = client.owner_id;
  out["org-id"] = client.org_id;
  out["created-at"] = FormatTime(client.created);
  out["updated-at"] = FormatTime(client.updated);
  if (client.last_used) out["last-used-at"] = FormatTime(*client.last_used);
  if (client.expires) out["expires-at"] = FormatTime(*client.expires);
  if (client.previous_until) out["old-secret-until"] = FormatTime(*client.previous_until);
  return out;
}

std::optional<bool> ReadBool(Fields& fields, std::string_view key) {
  const json::value* value = fields.object().if_contains(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (!value->is_bool()) {
    fields.Refuse(key, "must be true or false");
    return std::nullopt;
  }
  return value->get_bool();
}

// Absent: nullopt; null: never.
std::optional<std::optional<Time>> ReadExpiry(Fields& fields, Time now) {
  const json::value* value = fields.object().if_contains("expires-at");
  if (value == nullptr) return std::nullopt;
  if (value->is_null()) return std::optional<Time>();
  const Result<Time> time = ParseTime(fields.Optional("expires-at", "", 40));
  if (!time || *time <= now) {
    fields.Refuse("expires-at", "must be a time to come, like 2027-01-01T00:00:00Z");
    return std::nullopt;
  }
  return std::optional<Time>(*time);
}

identity::ScopeSet ReadScopes(Fields& fields) {
  Result<identity::ScopeSet> scopes = identity::ScopeSet::Parse(fields.Strings("scopes", 200, 200));
  if (!scopes) {
    fields.Refuse("scopes", scopes.error().message);
  } else if (scopes->empty()) {
    fields.Refuse("scopes", "must name at least one scope");
  } else {
    return *std::move(scopes);
  }
  return {};
}

std::vector<std::string> ReadGrants(Fields& fields) {
  std::vector<std::string> grants = fields.Strings("grants", 10, 100);
  for (const std::string& grant : grants) {
    if (grant != "client-creds" && grant != oauth::kCodeGrant && grant != oauth::kDeviceGrant)
      fields.Refuse("grants", "must be of client-creds, auth-code, device-grant");
  }
  if (grants.empty()) fields.Refuse("grants", "must name at least one grant");
  return grants;
}

std::vector<std::string> ReadRedirects(Fields& fields) {
  std::vector<std::string> redirects = fields.Strings("redirects", 20, 2000);
  for (const std::string& redirect : redirects) {
    if (auto good = identity::CheckRedirect(redirect); !good)
      fields.Refuse("redirects", good.error().message);
  }
  return redirects;
}

// What must hold of grants and redirects together.
void CheckTogether(Fields& fields, const std::vector<std::string>& grants,
                   const std::vector<std::string>& redirects, bool is_public) {
  const auto has = [&](std::string_view grant) {
    return std::find(grants.begin(), grants.end(), grant) != grants.end();
  };
  if (has(oauth::kCodeGrant) && redirects.empty())
    fields.Refuse("redirects", "auth-code needs at least one address");
  if (is_public && has("client-creds"))
    fields.Refuse("grants", "a public client has no secret, so it cannot use client-creds");
}

}  // namespace

void ClientRoutes::AddTo(Api& api) {
  using Member = io::Task<http::Response> (ClientRoutes::*)(http::Request, identity::Caller);
  const auto on = [&](std::string_view method, std::string_view pattern, Member member) {
    api.Add(method, pattern, [this, member](http::Request request, identity::Caller caller) {
      return (this->*member)(std::move(request), std::move(caller));
    });
  };
  on("GET", "/iroh/oauth2-clients/clients", &ClientRoutes::List);
  on("POST", "/iroh/oauth2-clients/clients", &ClientRoutes::Make);
  on("GET", "/iroh/oauth2-clients/clients/{id}", &ClientRoutes::Get);
  on("PATCH", "/iroh/oauth2-clients/clients/{id}", &ClientRoutes::Change);
  on("DELETE", "/iroh/oauth2-clients/clients/{id}", &ClientRoutes::Delete);
  on("POST", "/iroh/oauth2-clients/clients/{id}/rotate", &ClientRoutes::Rotate);
  on("GET", "/iroh/oauth2-clients/scopes", &ClientRoutes::Scopes);
}

io::Task<http::Response> ClientRoutes::Failed(Error error, http::Request request,
                                              identity::Caller caller) {
  if (error.code == Code::kNotFound) {
    co_return ErrorResponse(404, "client_not_found", "There is no such client.", request);
  }
  if (error.code == Code::kDenied) {
    auto client = co_await identity_.clients().Get(caller, std::string(request.Param("id")));
    co_return MissingScopes(client ? client->scopes : identity::ScopeSet(), caller, request);
  }
  co_return ErrorResponse(error, request);
}

io::Task<http::Response> ClientRoutes::List(http::Request request, identity::Caller caller) {
  auto clients = co_await identity_.clients().List(caller);
  if (!clients) co_return co_await Failed(clients.error(), std::move(request), std::move(caller));
  json::array out;
  for (const identity::Client& client : *clients) out.push_back(ToJson(client));
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> ClientRoutes::Get(http::Request request, identity::Caller caller) {
  auto client = co_await identity_.clients().Get(caller, std::string(request.Param("id")));
  if (!client) co_return co_await Failed(client.error(), std::move(request), std::move(caller));
  co_return http::Response::Json(200, ToJson(*client));
}

io::Task<http::Response> ClientRoutes::Make(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 64 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"name", "missing-required-key"}});
  Fields fields(body->get_object(),
                {"name", "description", "scopes", "preset", "grants", "redirects", "availability",
                 "allow-partial-user-scopes", "public?", "expires-at"});
  identity::NewClient asked;
  asked.name = fields.Required("name", 200);
  asked.description = fields.Optional("description", "", 2000);
  const std::string preset = fields.Optional("preset", "", 100);
  if (!preset.empty()) {
    const auto scopes = identity::ScopeSet::Parse(identity::PresetScopes(preset));
    if (fields.object().contains("scopes")) {
      fields.Refuse("preset", "must not stand beside scopes");
    } else if (!scopes || scopes->empty()) {
      fields.Refuse("preset", "there is no such preset; there is: ribbon");
    } else {
      asked.scopes = *scopes;
    }
  } else if (!fields.object().contains("scopes")) {
    fields.Refuse("scopes", "missing-required-key");
  } else {
    asked.scopes = ReadScopes(fields);
  }
  asked.is_public = ReadBool(fields, "public?").value_or(false);
  asked.allow_partial = ReadBool(fields, "allow-partial-user-scopes").value_or(false);
  if (asked.is_public) asked.grants = {std::string(oauth::kCodeGrant)};
  if (fields.object().contains("grants")) asked.grants = ReadGrants(fields);
  asked.redirects = ReadRedirects(fields);
  CheckTogether(fields, asked.grants, asked.redirects, asked.is_public);
  asked.availability = fields.Choice("availability", "org", {"user", "org", "everyone"});
  if (auto expires = ReadExpiry(fields, identity_.core().clock.Now())) asked.expires = *expires;
  // Other organisations' people would be asked by a client of this one.
  if (asked.availability == "everyone" && !caller.scopes.Grants("admin:write"))
    fields.Refuse("availability", "everyone is for those who hold the scope admin");
  if (!fields.ok()) co_return fields.Answer();
  auto made = co_await identity_.clients().Make(caller, asked, OriginOf(request));
  if (!made && made.error().code == Code::kDenied)
    co_return MissingScopes(asked.scopes, caller, request);
  if (!made) co_return co_await Failed(made.error(), std::move(request), std::move(caller));
  json::object out = ToJson(made->client);
  if (!made->password.empty()) out["password"] = made->password.Reveal();
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> ClientRoutes::Change(http::Request request, identity::Caller caller) {
  auto body = ReadJsonBody(request, {.max_bytes = 64 * 1024, .max_depth = 8});
  if (!body) co_return body.error();
  if (!body->is_object()) co_return KeyErrors({{"name", "missing-required-key"}});
  const std::string id(request.Param("id"));
  auto present = co_await identity_.clients().Get(caller, id);
  if (!present) co_return co_await Failed(present.error(), std::move(request), std::move(caller));
  Fields fields(body->get_object(),
                {"name", "description", "scopes", "grants", "redirects", "availability",
                 "allow-partial-user-scopes", "enabled?", "expires-at"});
  const auto given = [&](std::string_view key) { return fields.object().contains(key); };
  identity::ClientChange change;
  if (given("name")) change.name = fields.Required("name", 200);
  if (given("description")) change.description = fields.Optional("description", "", 2000);
  if (given("scopes")) change.scopes = ReadScopes(fields);
  if (given("grants")) change.grants = ReadGrants(fields);
  if (given("redirects")) change.redirects = ReadRedirects(fields);
  if (given("availability")) {
    change.availability = fields.Choice("availability", "org", {"user", "org", "everyone"});
    if (*change.availability == "everyone" && !caller.scopes.Grants("admin:write"))
      fields.Refuse("availability", "everyone is for those who hold the scope admin");
  }
  change.allow_partial = ReadBool(fields, "allow-partial-user-scopes");
  change.enabled = ReadBool(fields, "enabled?");
  change.expires = ReadExpiry(fields, identity_.core().clock.Now());
  CheckTogether(fields, change.grants.value_or(present->grants),
                change.redirects.value_or(present->redirects), present->is_public);
  if (!fields.ok()) co_return fields.Answer();
  const auto wanted = change.scopes.value_or(present->scopes);
  auto changed = co_await identity_.clients().Change(caller, id, change, OriginOf(request));
  if (!changed && changed.error().code == Code::kDenied && !caller.scopes.GrantsAll(wanted))
    co_return MissingScopes(wanted, caller, request);
  if (!changed) co_return co_await Failed(changed.error(), std::move(request), std::move(caller));
  co_return http::Response::Json(200, ToJson(*changed));
}

io::Task<http::Response> ClientRoutes::Rotate(http::Request request, identity::Caller caller) {
  bool keep_old = true;
  if (!request.body.empty()) {
    auto body = ReadJsonBody(request, {.max_bytes = 4096, .max_depth = 4});
    if (!body) co_return body.error();
    if (!body->is_object()) co_return KeyErrors({{"keep-old?", "must be true or false"}});
    Fields fields(body->get_object(), {"keep-old?"});
    keep_old = ReadBool(fields, "keep-old?").value_or(true);
    if (!fields.ok()) co_return fields.Answer();
  }
  auto made = co_await identity_.clients().Rotate(caller, std::string(request.Param("id")),
                                                  keep_old, OriginOf(request));
  if (!made) co_return co_await Failed(made.error(), std::move(request), std::move(caller));
  json::object out = ToJson(made->client);
  out["password"] = made->password.Reveal();
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> ClientRoutes::Delete(http::Request request, identity::Caller caller) {
  auto done = co_await identity_.clients().Delete(caller, std::string(request.Param("id")),
                                                  OriginOf(request));
  if (!done) co_return co_await Failed(done.error(), std::move(request), std::move(caller));
  co_return http::Response::Empty(204);
}

io::Task<http::Response> ClientRoutes::Scopes(http::Request request, identity::Caller caller) {
  const std::string search = AsciiLower(request.Query("search").value_or(""));
  const auto ribbon = identity::ScopeSet::Parse(identity::kRibbonScopes);
  json::array out;
  for (const identity::ScopeText& text : identity::ScopeCatalogue()) {
    const std::string all = AsciiLower(std::string(text.scope) + " " + std::string(text.en)) + " " +
                            std::string(text.zh);
    if (all.find(search) == std::string::npos) continue;
    json::array presets;
    const auto root = identity::Scope::Parse(text.scope);
    const bool in_ribbon =
        root && std::any_of(ribbon->scopes().begin(), ribbon->scopes().end(),
                            [&](const identity::Scope& scope) { return scope.path == root->path; });
    if (in_ribbon) presets.emplace_back("ribbon");
    out.push_back(json::object{{"scope", text.scope},
                               {"description", json::object{{"en", text.en}, {"zh-CN", text.zh}}},
                               {"presets", std::move(presets)},
                               {"held?", caller.scopes.Grants(text.scope)}});
  }
  co_return http::Response::Json(200, out);
}

}  // namespace mailreeve::response::api
