#pragma once

#include "base/secret.h"
#include "base/time.h"
#include "json/json.h"

#include <chrono>
#include <functional>
#include <string>

// The Authorization header for a relay (threat-response-api.md 2.5). Pure but for what is given.
namespace mailreeve::response::relay_client {

// Signs claims with the key whose public half is in our JWKS (RS256, header with its kid).
using Signer = std::function<Result<std::string>(const json::object& claims)>;

struct TokenWorld {
  Signer signer;          // for RS256; may be empty, then RS256 is kInvalid
  std::string jwks_host;  // where our JWKS is, when the module names no custom_jwks_host
  std::chrono::seconds life{300};
  Time now{};
};

// A setting of the instance, else the property of its type; empty when neither has it as text.
std::string TextSetting(const json::object& settings, const json::object& properties,
                        std::string_view key);

// scheme://host[:port] of `url`, without a default port: what the module sees as its own origin.
Result<std::string> OriginOf(const std::string& url);

// The claims of a configuration token: every custom_ setting and property without that prefix,
// settings before properties, then aud, iat, exp.
Result<json::object> ConfigurationClaims(const json::object& settings,
                                         const json::object& properties, const TokenWorld& world);

// The header's value; empty: none is sent. kInvalid names the setting that is missing.
Result<Secret> Authorization(const json::object& settings, const json::object& properties,
                             const TokenWorld& world);

}  // namespace mailreeve::response::relay_client
