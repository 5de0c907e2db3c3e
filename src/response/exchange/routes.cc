#include "response/exchange/routes.h"

#include <algorithm>

namespace mailreeve::response::exchange {
namespace {

// Token in an error's JSON: "not_found", "invalid_request", …
http::Response ErrorResponse(const Error& error) {
  std::string token(CodeName(error.code));
  if (error.code == Code::kInvalid) token = "invalid_request";
  if (error.code == Code::kNotFound) token = "device_not_found";
  return http::Response::Json(
      http::StatusOf(error.code),
      json::object{{"error", token}, {"error_description", error.ToString()}});
}

// The object of the body; its keys must be known ones. The answer says which is not.
Result<json::object> ReadBody(const http::Request& request,
                              std::initializer_list<std::string_view> known, json::object& errors) {
  if (request.body.empty()) return json::object{};
  TRY(json::value body, json::Parse(request.body, {.max_bytes = 256 * 1024, .max_depth = 8}));
  TRY_VOID(json::AsObject(body, ""));
  for (const auto& item : body.get_object()) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end())
      errors[item.key()] = "disallowed-key";
  }
  return std::move(body.get_object());
}

http::Response KeyErrors(json::object errors) {
  return http::Response::Json(400, json::object{{"errors", std::move(errors)}});
}

http::Response TokenResponse(const Token& token) {
  http::Response response =
      http::Response::Json(200, json::object{{"token", token.token.Reveal()},
                                             {"expires_in", token.expires_in.count()},
                                             {"expires_at", FormatTime(token.expires)}});
  response.headers.Set("Cache-Control", "no-store");
  return response;
}

io::Task<http::Response> ListDevices(Exchange& exchange, http::Request, relay::Caller caller) {
  auto devices = co_await exchange.List(std::move(caller));
  if (!devices) co_return ErrorResponse(devices.error());
  json::array out;
  for (const Device& device : *devices) out.push_back(ToJson(device));
  co_return http::Response::Json(200, std::move(out));
}

io::Task<http::Response> GetDevice(Exchange& exchange, http::Request request,
                                   relay::Caller caller) {
  auto device = co_await exchange.Get(std::move(caller), std::string(request.Param("id")));
  if (!device) co_return ErrorResponse(device.error());
  co_return http::Response::Json(200, ToJson(*device));
}

io::Task<http::Response> CreateDevice(Exchange& exchange, http::Request request,
                                      relay::Caller caller) {
  json::object errors;
  auto body = ReadBody(request, {"name", "type", "description"}, errors);
  if (!body) co_return ErrorResponse(body.error());
  NewDevice fresh;
  const auto read = [&]() -> Result<void> {
    TRY(fresh.name, json::OptionalString(*body, "name", ""));
    TRY(fresh.type, json::OptionalString(*body, "type", fresh.type));
    TRY(fresh.description, json::OptionalString(*body, "description", ""));
    return {};
  };
  if (fresh.name.empty() && !body->contains("name")) errors["name"] = "missing-required-key";
  if (!errors.empty()) co_return KeyErrors(std::move(errors));
  if (auto done = read(); !done) co_return ErrorResponse(done.error());
  auto device =
      co_await exchange.Create(std::move(caller), request.remote_address, std::move(fresh));
  if (!device) co_return ErrorResponse(device.error());
  co_return http::Response::Json(201, ToJson(*device));
}

io::Task<http::Response> ChangeDevice(Exchange& exchange, http::Request request,
                                      relay::Caller caller) {
  json::object errors;
  auto body = ReadBody(request, {"name", "description", "alert"}, errors);
  if (!body) co_return ErrorResponse(body.error());
  if (const json::value* alert = body->if_contains("alert");
      alert != nullptr && !alert->is_null()) {
    errors["alert"] = "can only be cleared, with null";
  }
  if (!errors.empty()) co_return KeyErrors(std::move(errors));
  DeviceChange change;
  const auto read = [&]() -> Result<void> {
    if (body->contains("name")) {
      TRY(change.name, json::RequireString(*body, "name"));
    }
    if (body->contains("description")) {
      TRY(change.description, json::RequireString(*body, "description"));
    }
    change.clear_alert = body->contains("alert");
    return {};
  };
  if (auto done = read(); !done) co_return ErrorResponse(done.error());
  auto device = co_await exchange.Change(std::move(caller), request.remote_address,
                                         std::string(request.Param("id")), std::move(change));
  if (!device) co_return ErrorResponse(device.error());
  co_return http::Response::Json(200, ToJson(*device));
}

io::Task<http::Response> RemoveDevice(Exchange& exchange, http::Request request,
                                      relay::Caller caller) {
  auto device = co_await exchange.Remove(std::move(caller), request.remote_address,
                                         std::string(request.Param("id")));
  if (!device) co_return ErrorResponse(device.error());
  co_return http::Response::Json(200, ToJson(*device));
}

io::Task<http::Response> MakeDeviceToken(Exchange& exchange, http::Request request,
                                         relay::Caller caller) {
  auto token = co_await exchange.MakeToken(std::move(caller), request.remote_address,
                                           std::string(request.Param("id")));
  if (!token) co_return ErrorResponse(token.error());
  co_return TokenResponse(*token);
}

io::Task<http::Response> MakeTenantToken(Exchange& exchange, http::Request request,
                                         relay::Caller caller) {
  auto token = co_await exchange.MakeToken(std::move(caller), request.remote_address, std::nullopt);
  if (!token) co_return ErrorResponse(token.error());
  co_return TokenResponse(*token);
}

int StatusOfKind(const std::string& kind) {
  if (kind == "token_unknown") return 401;
  if (kind == "token_used") return 409;
  if (kind == "token_expired" || kind == "token_revoked") return 410;
  if (kind == "too_many_wrong_tokens") return 429;
  if (kind == "invalid_request") return 400;
  return 503;
}

io::Task<http::Response> RegisterDevice(Exchange& exchange, const Clock& clock,
                                        http::Request request) {
  RegistrationRequest asked;
  const auto read = [&]() -> Result<void> {
    TRY(const json::value body,
        json::Parse(request.body, {.max_bytes = 64 * 1024, .max_depth = 8}));
    TRY(const json::object* object, json::AsObject(body, ""));
    TRY(std::string token, json::RequireString(*object, "token"));
    asked.token = Secret(std::move(token));
    TRY(asked.request_pem, json::RequireString(*object, "request_pem"));
    TRY(asked.name, json::OptionalString(*object, "name", ""));
    TRY(asked.type, json::OptionalString(*object, "type", ""));
    TRY(asked.version, json::OptionalString(*object, "version", ""));
    TRY(asked.serial, json::OptionalString(*object, "serial", ""));
    TRY(asked.host_name, json::OptionalString(*object, "host_name", ""));
    if (object->contains("time_ms")) {
      TRY(asked.time_ms, json::RequireInteger(*object, "time_ms"));
    }
    return {};
  };
  tl::expected<Registered, RegistrationError> registered;
  if (auto done = read(); !done) {
    registered = tl::unexpected(RegistrationError{"invalid_request", done.error(), {}});
  } else {
    registered =
        co_await exchange.Register(std::move(asked), request.remote_address, request.request_id);
  }
  http::Response response;
  if (!registered) {
    const RegistrationError& error = registered.error();
    response =
        http::Response::Json(StatusOfKind(error.kind),
                             json::object{{"error", error.kind},
                                          {"error_description", error.error.ToString()},
                                          // Lets a gateway see that its clock or ours is wrong.
                                          {"server_time_ms", ToEpochMillis(clock.Now())}});
    if (error.retry_after.count() > 0)
      response.headers.Set("Retry-After", std::to_string(error.retry_after.count()));
  } else {
    json::object body;
    body["device_id"] = registered->device_id;
    body["certificate_pem"] = registered->enrolled.certificate_pem;
    body["ca_pem"] = registered->enrolled.ca_pem;
    body["certificate_expires"] = FormatTime(registered->enrolled.expires);
    body["channel_url"] = exchange.options().channel_url;
    body["organisation"] = {{"id", registered->organisation_id},
                            {"name", registered->organisation_name}};
    body["server_time_ms"] = ToEpochMillis(clock.Now());
    response = http::Response::Json(200, std::move(body));
  }
  response.headers.Set("Cache-Control", "no-store");
  co_return response;
}

using Method = io::Task<http::Response> (*)(Exchange&, http::Request, relay::Caller);

AuthorisedRoute Route(Exchange& exchange, std::string method, std::string pattern,
                      std::string scope, Method handler) {
  return {std::move(method), std::move(pattern), std::move(scope),
          [&exchange, handler](http::Request request, relay::Caller caller) {
            return handler(exchange, std::move(request), std::move(caller));
          }};
}

}  // namespace

std::vector<AuthorisedRoute> ApiRoutes(Exchange& exchange) {
  const std::string device = "/iroh/iroh-sse/device";
  return {
      Route(exchange, "GET", device, "sse:read", ListDevices),
      Route(exchange, "POST", device, "sse:write", CreateDevice),
      Route(exchange, "GET", device + "/{id}", "sse:read", GetDevice),
      Route(exchange, "PATCH", device + "/{id}", "sse:write", ChangeDevice),
      Route(exchange, "DELETE", device + "/{id}", "sse:write", RemoveDevice),
      Route(exchange, "POST", device + "/{id}/token", "sse:write", MakeDeviceToken),
      // A GET that makes something: the public client has no other verb for it.
      Route(exchange, "GET", "/iroh/iroh-sse/tenant/token", "sse:write", MakeTenantToken),
  };
}

void AddRegistrationRoute(http::Router& router, Exchange& exchange) {
  router.Add("POST", std::string(kRegistrationPath), [&exchange](http::Request request) {
    return RegisterDevice(exchange, exchange.clock(), std::move(request));
  });
}

}  // namespace mailreeve::response::exchange
