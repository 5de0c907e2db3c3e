#pragma once

#include "http/message.h"
#include "response/identity/identity.h"

#include <string>
#include <string_view>
#include <vector>

// What several groups of routes ask of a request. Pure functions; thread-safe.
namespace mailreeve::response::api {

// With this prefix a browser takes the cookie only over TLS, for this host alone, from this host
// alone.
inline constexpr std::string_view kRefreshCookie = "__Host-mailreeve_refresh";

identity::Origin OriginOf(const http::Request& request);
json::array ToArray(const std::vector<std::string>& texts);
// Empty when it was not sent.
std::string CookieOf(const http::Request& request, std::string_view name);
// A page of another origin can make a browser send our cookie in cases that SameSite does not
// cover. Browsers name the origin of each POST; a client that names none shows by the header
// X-Mailreeve-Console, which no page may set without asking us first, that it is no browser led
// astray.
bool IsFromConsole(const http::Request& request, std::string_view public_url);
// The answer to one that is not.
http::Response CrossSite(const http::Request& request);

}  // namespace mailreeve::response::api
