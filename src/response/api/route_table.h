#pragma once

#include "response/intel_api/rules.h"

#include <span>
#include <string_view>

// The one place that says who may use which route (threat-response-api.md 1.8). A route that is not
// here cannot be added to the Api: it aborts at start.
namespace mailreeve::response::api {

struct RouteRule {
  std::string_view method;
  std::string_view pattern;
  bool is_public = false;        // no token is asked for
  std::string_view scopes = {};  // all must be granted, separated by spaces; empty: any valid token
  // Of the intelligence API: capabilities, which follow from scopes, are needed beside `scopes`.
  const intel_api::Rule* intel = nullptr;
};

// True: who may use it may change something, by the scopes it needs (one that is not ":read"; for
// none, a method other than GET). Each such act leaves an audit entry (docs/operations.md).
bool Changes(const RouteRule& rule);

std::span<const RouteRule> RouteTable();
// Null when there is no such rule.
const RouteRule* FindRule(std::string_view method, std::string_view pattern);

}  // namespace mailreeve::response::api
