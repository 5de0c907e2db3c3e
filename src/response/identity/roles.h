#pragma once

#include "response/identity/scope.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What people may do: four roles, each a set of scopes (docs/identity.md). Pure functions;
// thread-safe.
namespace mailreeve::response::identity {

enum class Role { kAdmin, kApprover, kAnalyst, kReadOnly };

std::string_view RoleName(Role role);  // "admin", "approver", "analyst", "read-only"
std::optional<Role> RoleFromName(std::string_view name);
const ScopeSet& ScopesOf(Role role);
// Root scopes that this server knows (threat-response-api.md 1.8), for discovery.
const std::vector<std::string>& KnownScopes();

}  // namespace mailreeve::response::identity
