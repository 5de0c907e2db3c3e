#pragma once

#include "gateway/users/access.h"

#include <optional>
#include <span>
#include <string_view>

// The one place that says which routes there are and which privilege each asks for. A route that is
// not here cannot be served: RestApi aborts at start. Pure; thread-safe.
namespace mailreeve::gateway::rest {

struct RouteRule {
  std::string_view method;
  std::string_view path;   // below "/esa/api/v2.0" and "/sma/api/v2.0"
  bool is_public = false;  // nobody has to be logged in
  std::optional<users::Privilege> privilege = std::nullopt;  // none: any user
};

std::span<const RouteRule> RouteTable();

}  // namespace mailreeve::gateway::rest
