#pragma once

#include "http/router.h"
#include "response/exchange/exchange.h"

#include <functional>
#include <string>
#include <vector>

// The HTTP faces of the exchange. Who may ask is decided elsewhere: the people's routes take an
// identity that is already authorised for `scope`.
namespace mailreeve::response::exchange {

inline constexpr std::string_view kRegistrationPath = "/device/v1/registration";
inline constexpr std::string_view kChannelPath = "/device/v1/channel";

using AuthorisedHandler = std::function<io::Task<http::Response>(http::Request, relay::Caller)>;
struct AuthorisedRoute {
  std::string method;
  std::string pattern;
  std::string scope;  // "sse:read" or "sse:write"
  AuthorisedHandler handler;
};

// threat-response-api.md 3.7: GET, POST /iroh/iroh-sse/device; GET, PATCH, DELETE …/device/{id};
// POST …/{id}/token; GET /iroh/iroh-sse/tenant/token. `exchange` outlives the handlers.
std::vector<AuthorisedRoute> ApiRoutes(Exchange& exchange);

// POST /device/v1/registration, for the listener that asks for no client certificate.
void AddRegistrationRoute(http::Router& router, Exchange& exchange);

}  // namespace mailreeve::response::exchange
