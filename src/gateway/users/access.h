#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Who may see what: roles of gateway-api.md 1.2.4, privileges of 1.2.3, and the one table that
// joins them (docs/rest-api.md has it for people). Pure; thread-safe.
namespace mailreeve::gateway::users {

enum class Role : uint8_t {
  kAdministrator,
  kCloudAdministrator,
  kEmailAdministrator,
  kOperator,
  kReadOnlyOperator,
  kGuest,
  kHelpDesk,
  kTechnician,
};
inline constexpr uint8_t kMaxRole = static_cast<uint8_t>(Role::kTechnician);

std::string_view RoleName(Role role);  // "Administrator", "Read-Only Operator", …
// Without case; blanks, '-' and '_' between words are alike: "read_only-operator".
std::optional<Role> RoleFromName(std::string_view name);

enum class Privilege : uint8_t {
  kTrackingMessages,
  kTrackingDetails,
  kTrackingConnectionDetails,
  kTrackingAmpDetails,
  kTrackingDlpDetails,
  kTrackingUrlDetails,
  kTrackingRemediationDetails,
  kTrackingAvailability,
  kReporting,
  kHealth,
  kLogSubscriptions,
};
inline constexpr uint8_t kMaxPrivilege = static_cast<uint8_t>(Privilege::kLogSubscriptions);

std::string_view PrivilegeName(Privilege privilege);  // "e_message_tracking_messages", …

bool Allows(Role role, Privilege privilege);
std::vector<Privilege> PrivilegesOf(Role role);  // in order of the enumeration

}  // namespace mailreeve::gateway::users
