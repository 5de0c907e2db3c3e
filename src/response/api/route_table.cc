#include "response/api/route_table.h"

#include "base/text.h"

#include <array>
#include <vector>

namespace mailreeve::response::api {
namespace {

constexpr bool kPublic = true, kToken = false;

constexpr auto kRoutes = std::to_array<RouteRule>({
    // Discovery.
    {"GET", "/.well-known/oauth-authorization-server", kPublic},
    {"GET", "/.well-known/openid-configuration", kPublic},
    {"GET", "/.well-known/jwks", kPublic},
    {"GET", "/clouds.json", kPublic},

    // Identity. The token endpoint and sign-in check secrets of their own, the other two the
    // refresh cookie.
    {"POST", "/iroh/oauth2/token", kPublic},
    {"POST", "/iroh/oauth2/device_authorization", kPublic},
    {"POST", "/iroh/oauth2/revoke", kPublic},
    {"POST", "/iroh/oauth2/introspect", kPublic},
    // Pages for people, who sign in on them.
    {"GET", "/iroh/oauth2/authorize", kPublic},
    {"POST", "/iroh/oauth2/authorize", kPublic},
    {"GET", "/iroh/oauth2/device", kPublic},
    {"POST", "/iroh/oauth2/device", kPublic},
    {"GET", "/iroh/oauth2/app-grant", kToken, "profile:read"},
    {"DELETE", "/iroh/oauth2/app-grant/{client_id}", kToken, "profile:write"},
    {"POST", "/mailreeve/v1/sign-in", kPublic},
    {"POST", "/mailreeve/v1/sign-in/refresh", kPublic},
    {"POST", "/mailreeve/v1/sign-out", kPublic},
    {"GET", "/iroh/profile/whoami", kToken, "profile:read"},
    {"GET", "/iroh/profile/org", kToken, "profile:read"},
    {"POST", "/iroh/profile/org", kToken, "profile:write"},
    {"GET", "/iroh/profile/scopes", kToken, "profile:read"},
    {"GET", "/iroh/user-mgmt/users/{user_id}", kToken, "users:read"},
    {"POST", "/iroh/user-mgmt/users/{user_id}", kToken, "users:write"},
    {"GET", "/iroh/user-mgmt/batch/users", kToken, "users:read"},
    {"POST", "/iroh/user-mgmt/search/users", kToken, "users:read"},
    {"POST", "/mailreeve/v1/users", kToken, "users:write"},
    {"POST", "/mailreeve/v1/users/{user_id}/reset-password", kToken, "users:write"},
    {"POST", "/mailreeve/v1/users/{user_id}/reset-one-time-codes", kToken, "users:write"},
    // One's own account; read-only people have one too. Tokens of clients are refused.
    {"POST", "/mailreeve/v1/account/password", kToken, "profile:read"},
    {"POST", "/mailreeve/v1/account/one-time-codes", kToken, "profile:read"},
    {"POST", "/mailreeve/v1/account/one-time-codes/confirm", kToken, "profile:read"},
    {"POST", "/mailreeve/v1/account/one-time-codes/remove", kToken, "profile:read"},
    {"GET", "/mailreeve/v1/account/sessions", kToken, "profile:read"},
    {"DELETE", "/mailreeve/v1/account/sessions/{id}", kToken, "profile:read"},
    {"GET", "/iroh/oauth2-clients/clients", kToken, "oauth:read"},
    {"POST", "/iroh/oauth2-clients/clients", kToken, "oauth:write"},
    {"GET", "/iroh/oauth2-clients/clients/{id}", kToken, "oauth:read"},
    {"PATCH", "/iroh/oauth2-clients/clients/{id}", kToken, "oauth:write"},
    {"DELETE", "/iroh/oauth2-clients/clients/{id}", kToken, "oauth:write"},
    {"POST", "/iroh/oauth2-clients/clients/{id}/rotate", kToken, "oauth:write"},
    {"GET", "/iroh/oauth2-clients/scopes", kToken, "oauth:read"},

    // Inspect and enrich.
    {"POST", "/iroh/iroh-inspect/inspect", kToken, "inspect:read"},
    {"POST", "/iroh/iroh-enrich/health", kToken, "integration/health:read"},
    {"POST", "/iroh/iroh-enrich/health/{module_instance_id}", kToken, "integration/health:read"},
    {"POST", "/iroh/iroh-enrich/deliberate/observables", kToken,
     "enrich/observables/deliberate:read"},
    {"POST", "/iroh/iroh-enrich/deliberate/sighting", kToken, "enrich/observables/deliberate:read"},
    {"POST", "/iroh/iroh-enrich/deliberate/sighting_ref", kToken,
     "enrich/observables/deliberate:read"},
    {"POST", "/iroh/iroh-enrich/observe/observables", kToken, "enrich/observables/observe:read"},
    {"POST", "/iroh/iroh-enrich/observe/sighting", kToken, "enrich/observables/observe:read"},
    {"POST", "/iroh/iroh-enrich/observe/sighting_ref", kToken, "enrich/observables/observe:read"},
    {"POST", "/iroh/iroh-enrich/refer/observables", kToken, "enrich/observables/refer:read"},
    {"POST", "/iroh/iroh-enrich/refer/sighting", kToken, "enrich/observables/refer:read"},
    {"POST", "/iroh/iroh-enrich/refer/sighting_ref", kToken, "enrich/observables/refer:read"},
    {"POST", "/iroh/iroh-enrich/observe/targets", kToken, "enrich/targets/observe:read"},
    {"GET", "/iroh/iroh-enrich/reputation/observable", kToken,
     "enrich/observables/reputation:read"},
    {"GET", "/iroh/iroh-enrich/settings", kToken, ""},
    {"POST", "/mailreeve/v1/enrich/deliberate", kToken, "enrich/observables/deliberate:read"},
    {"POST", "/mailreeve/v1/enrich/observe", kToken, "enrich/observables/observe:read"},
    {"POST", "/mailreeve/v1/enrich/refer", kToken, "enrich/observables/refer:read"},

    // Dashboard.
    {"GET", "/iroh/iroh-dashboard/tiles", kToken, "enrich/tiles:read"},
    {"GET", "/iroh/iroh-dashboard/tiles/{module_instance_id}/{tile_id}", kToken,
     "enrich/tiles:read"},
    {"GET", "/iroh/iroh-dashboard/tiles/{module_instance_id}/{tile_id}/data", kToken,
     "enrich/tiles:read"},

    // Respond.
    {"POST", "/iroh/iroh-response/respond/observables", kToken, "response/observables:read"},
    {"POST", "/iroh/iroh-response/respond/sighting", kToken, "response/sighting:read"},
    {"POST", "/iroh/iroh-response/respond/trigger/{module_instance_id}/{action_id}", kToken,
     "response/trigger:write"},

    // Modules.
    {"GET", "/iroh/iroh-int/module-type", kToken, "integration/module-type:read"},
    {"GET", "/iroh/iroh-int/module-type/{id}", kToken, "integration/module-type:read"},
    {"POST", "/iroh/iroh-int/module-type", kToken,
     "admin/integration/module-type:write integration/module-type:write"},
    {"PATCH", "/iroh/iroh-int/module-type/{id}", kToken,
     "admin/integration/module-type:write integration/module-type:write"},
    {"DELETE", "/iroh/iroh-int/module-type/{id}", kToken,
     "admin/integration/module-type:write integration/module-type:write"},
    {"GET", "/iroh/iroh-int/module-type-patch", kToken, "integration/module-type-patch:read"},
    {"POST", "/iroh/iroh-int/module-type-patch", kToken, "integration/module-type-patch:write"},
    {"GET", "/iroh/iroh-int/module-type-patch/{id}", kToken, "integration/module-type-patch:read"},
    {"PUT", "/iroh/iroh-int/module-type-patch/{id}", kToken, "integration/module-type-patch:write"},
    {"DELETE", "/iroh/iroh-int/module-type-patch/{id}", kToken,
     "integration/module-type-patch:write"},
    {"GET", "/iroh/iroh-int/module-type-patch/{id}/action/preview", kToken,
     "integration/module-type-patch:read"},
    {"GET", "/iroh/iroh-int/module-type-patch/{id}/{action}", kToken,
     "integration/module-type-patch:read"},
    {"GET", "/iroh/iroh-int/module-instance", kToken, "integration/module-instance:read"},
    {"POST", "/iroh/iroh-int/module-instance", kToken, "integration/module-instance:write"},
    {"GET", "/iroh/iroh-int/module-instance/{id}", kToken, "integration/module-instance:read"},
    {"PATCH", "/iroh/iroh-int/module-instance/{id}", kToken, "integration/module-instance:write"},
    {"DELETE", "/iroh/iroh-int/module-instance/{id}", kToken, "integration/module-instance:write"},
    {"POST", "/iroh/iroh-int/module-instance-wrapper", kToken,
     "integration/module-instance vault/configs:read"},
    {"GET", "/iroh/iroh-int/integration", kToken, "integration:read"},
    {"POST", "/iroh/iroh-int/integration", kToken, "integration:write"},
    {"GET", "/iroh/iroh-int/integration/{id}", kToken, "integration:read"},
    {"PATCH", "/iroh/iroh-int/integration/{id}", kToken, "integration:write"},
    {"DELETE", "/iroh/iroh-int/integration/{id}", kToken, "integration:write"},

    // Devices. Registration is authorised by its one-time token.
    {"GET", "/iroh/iroh-sse/device", kToken, "sse:read"},
    {"POST", "/iroh/iroh-sse/device", kToken, "sse:write"},
    {"GET", "/iroh/iroh-sse/device/{id}", kToken, "sse:read"},
    {"PATCH", "/iroh/iroh-sse/device/{id}", kToken, "sse:write"},
    {"DELETE", "/iroh/iroh-sse/device/{id}", kToken, "sse:write"},
    {"POST", "/iroh/iroh-sse/device/{id}/token", kToken, "sse:write"},
    {"GET", "/iroh/iroh-sse/tenant/token", kToken, "sse:write"},
    {"POST", "/device/v1/registration", kPublic},

    // Our own.
    {"GET", "/mailreeve/v1/status", kToken, ""},
    {"POST", "/mailreeve/v1/messages/search", kToken, "enrich/observables/observe:read"},
    {"GET", "/mailreeve/v1/messages/{module_instance_id}/{mid}", kToken,
     "enrich/observables/observe:read"},
    {"POST", "/mailreeve/v1/remediation/plans", kToken, "response/observables:read"},
    {"POST", "/mailreeve/v1/remediation/batches", kToken, "response/trigger:write"},
    {"GET", "/mailreeve/v1/remediation/batches/{module_instance_id}/{batch_id}", kToken,
     "response/observables:read"},
});

}  // namespace

bool Changes(const RouteRule& rule) {
  if (rule.is_public || rule.scopes.empty() || rule.intel != nullptr)
    return rule.method != "GET" && rule.method != "HEAD";
  for (const std::string_view word : Split(rule.scopes, ' ')) {
    if (!word.empty() && !word.ends_with(":read")) return true;
  }
  return false;
}

std::span<const RouteRule> RouteTable() {
  static const std::vector<RouteRule> all = [] {
    std::vector<RouteRule> rules(kRoutes.begin(), kRoutes.end());
    for (const intel_api::Rule& rule : intel_api::Rules())
      rules.push_back({rule.method, rule.pattern, rule.is_public, rule.scopes, &rule});
    return rules;
  }();
  return all;
}

const RouteRule* FindRule(std::string_view method, std::string_view pattern) {
  for (const RouteRule& rule : RouteTable()) {
    if (rule.method == method && rule.pattern == pattern) return &rule;
  }
  return nullptr;
}

}  // namespace mailreeve::response::api
