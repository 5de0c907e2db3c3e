#include "response/relay_client/authorization.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "http/client.h"

namespace mailreeve::response::relay_client {
namespace {

constexpr std::string_view kCustom = "custom_";

std::string SignHs256(const json::object& claims, std::string_view key) {
  const std::string text = Base64UrlEncode(R"({"alg":"HS256","typ":"JWT"})") + "." +
                           Base64UrlEncode(json::Serialize(claims));
  return text + "." + Base64UrlEncode(crypto::HmacSha256(key, text));
}

void AddCustom(const json::object& from, json::object& claims) {
  for (const auto& member : from) {
    const std::string_view key = member.key();
    if (!key.starts_with(kCustom) || key.size() == kCustom.size()) continue;
    const std::string_view name = key.substr(kCustom.size());
    if (!claims.contains(name) && !member.value().is_null()) claims[name] = member.value();
  }
}

Error Missing(std::string_view key) {
  return Error(Code::kInvalid, "the module's setting '" + std::string(key) + "' is missing");
}

}  // namespace

std::string TextSetting(const json::object& settings, const json::object& properties,
                        std::string_view key) {
  for (const json::object* from : {&settings, &properties}) {
    const json::value* value = from->if_contains(key);
    if (value != nullptr && value->is_string() && !value->get_string().empty()) {
      return std::string(value->get_string());
    }
  }
  return {};
}

Result<std::string> OriginOf(const std::string& url) {
  TRY(const http::UrlParts parts, http::SplitUrl(url));
  const std::string host =
      parts.host.find(':') == std::string::npos ? parts.host : "[" + parts.host + "]";
  std::string out = (parts.is_tls ? "https://" : "http://") + AsciiLower(host);
  if (parts.port != (parts.is_tls ? 443 : 80)) out += ":" + std::to_string(parts.port);
  return out;
}

Result<json::object> ConfigurationClaims(const json::object& settings,
                                         const json::object& properties, const TokenWorld& world) {
  json::object claims;
  AddCustom(settings, claims);
  AddCustom(properties, claims);
  std::string audience = TextSetting(settings, properties, "configuration-token-audience");
  if (audience.empty()) {
    TRY(audience, OriginOf(TextSetting(settings, properties, "url")));
  }
  const int64_t now = ToEpochMicros(world.now) / 1000000;
  claims["aud"] = std::move(audience);
  claims["iat"] = now;
  claims["exp"] = now + world.life.count();
  return claims;
}

Result<Secret> Authorization(const json::object& settings, const json::object& properties,
                             const TokenWorld& world) {
  const std::string kind = TextSetting(settings, properties, "auth-type");
  if (kind.empty() || kind == "none") return Secret();
  if (kind == "authorization-header") {
    std::string header = TextSetting(settings, properties, "authorization-header");
    if (header.empty()) return Fail(Missing("authorization-header"));
    return Secret(std::move(header));
  }
  if (kind == "bearer") {
    const std::string token = TextSetting(settings, properties, "token");
    if (token.empty()) return Fail(Missing("token"));
    return Secret("Bearer " + token);
  }
  if (kind == "basic") {
    const std::string user = TextSetting(settings, properties, "basic-auth-user");
    if (user.empty()) return Fail(Missing("basic-auth-user"));
    return Secret(
        "Basic " +
        Base64Encode(user + ":" + TextSetting(settings, properties, "basic-auth-password")));
  }
  if (kind != "configuration-token") {
    return Fail(Code::kInvalid, "the module's setting 'auth-type' is of no known kind");
  }
  TRY(json::object claims, ConfigurationClaims(settings, properties, world));
  const std::string algorithm = TextSetting(settings, properties, "configuration-token-alg");
  if (algorithm == "HS256") {
    const std::string key = TextSetting(settings, properties, "configuration-token-key");
    if (key.empty()) return Fail(Missing("configuration-token-key"));
    return Secret("Bearer " + SignHs256(claims, key));
  }
  if (!algorithm.empty() && algorithm != "RS256") {
    return Fail(Code::kInvalid,
                "the module's setting 'configuration-token-alg' must be RS256 or HS256");
  }
  if (!world.signer) return Fail(Code::kInvalid, "there is no key to sign configuration tokens");
  if (!claims.contains("jwks_host")) claims["jwks_host"] = world.jwks_host;
  TRY(const std::string token, world.signer(claims));
  return Secret("Bearer " + token);
}

}  // namespace mailreeve::response::relay_client
