#include "response/identity/roles.h"

#include "base/check.h"

namespace mailreeve::response::identity {
namespace {

ScopeSet Must(std::string_view text) {
  Result<ScopeSet> set = ScopeSet::Parse(text);
  CHECK(set.has_value());
  return *std::move(set);
}

}  // namespace

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kAdmin:
      return "admin";
    case Role::kApprover:
      return "approver";
    case Role::kAnalyst:
      return "analyst";
    case Role::kReadOnly:
      return "read-only";
  }
  return "read-only";
}

std::optional<Role> RoleFromName(std::string_view name) {
  for (const Role role : {Role::kAdmin, Role::kApprover, Role::kAnalyst, Role::kReadOnly}) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

const ScopeSet& ScopesOf(Role role) {
  static const ScopeSet admin = Must(
      "admin ao asset casebook enrich event feedback global-intel:read inspect integration "
      "investigation invite "
      "notification oauth openid playbook private-intel profile registry response sse "
      "telemetry:write ui-settings "
      "users vault webhook");
  // Approvers hold all of response, and so its approval routes, which analysts do not.
  static const ScopeSet approver = Must(
      "casebook enrich event:read feedback global-intel:read inspect integration:read "
      "investigation notification "
      "openid private-intel profile response sse:read telemetry:write ui-settings");
  static const ScopeSet analyst = Must(
      "casebook enrich event:read feedback global-intel:read inspect integration:read "
      "investigation notification "
      "openid private-intel profile response/observables:read response/sighting:read "
      "response/trigger:write sse:read "
      "telemetry:write ui-settings");
  static const ScopeSet read_only = Must(
      "casebook:read enrich:read event:read feedback:read global-intel:read inspect:read "
      "integration:read "
      "investigation:read notification:read openid private-intel:read profile:read response:read "
      "sse:read "
      "ui-settings:read");
  switch (role) {
    case Role::kAdmin:
      return admin;
    case Role::kApprover:
      return approver;
    case Role::kAnalyst:
      return analyst;
    case Role::kReadOnly:
      return read_only;
  }
  return read_only;
}

const std::vector<std::string>& KnownScopes() {
  static const std::vector<std::string> scopes = {"admin",         "ao",
                                                  "asset",         "casebook",
                                                  "enrich",        "event",
                                                  "feedback",      "global-intel:read",
                                                  "inspect",       "integration",
                                                  "investigation", "invite",
                                                  "notification",  "oauth",
                                                  "openid",        "playbook",
                                                  "private-intel", "profile",
                                                  "registry",      "response",
                                                  "sse",           "telemetry:write",
                                                  "ui-settings",   "users",
                                                  "vault",         "webhook"};
  return scopes;
}

}  // namespace mailreeve::response::identity
