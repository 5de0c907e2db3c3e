#include "gateway/users/access.h"

#include "base/text.h"

#include <array>

namespace mailreeve::gateway::users {
namespace {

enum Area : uint8_t { kTracking = 1, kReports = 2, kStatus = 4 };

struct RoleRow {
  std::string_view name;
  uint8_t areas;
};
// Indexed by Role.
constexpr std::array<RoleRow, kMaxRole + 1> kRoles = {{
    {"Administrator", kTracking | kReports | kStatus},
    {"Cloud Administrator", kTracking | kReports | kStatus},
    {"Email Administrator", kTracking | kReports | kStatus},
    {"Operator", kTracking | kReports | kStatus},
    {"Read-Only Operator", kTracking | kReports | kStatus},
    {"Guest", kTracking | kReports | kStatus},
    {"Help Desk User", kTracking | kStatus},
    {"Technician", kStatus},
}};

struct PrivilegeRow {
  std::string_view name;
  Area area;
};
// Indexed by Privilege.
constexpr std::array<PrivilegeRow, kMaxPrivilege + 1> kPrivileges = {{
    {"e_message_tracking_messages", kTracking},
    {"e_message_tracking_detail", kTracking},
    {"e_message_tracking_connection_details", kTracking},
    {"e_message_tracking_amp_details", kTracking},
    {"e_message_tracking_dlp_details", kTracking},
    {"e_message_tracking_url_details", kTracking},
    {"e_message_tracking_remediation_details", kTracking},
    {"e_message_tracking_availability", kTracking},
    {"e_reporting_reports", kReports},
    {"e_config_health", kStatus},
    {"e_logs_subscriptions", kStatus},
}};

std::string Plain(std::string_view name) {
  std::string out = AsciiLower(TrimSpace(name));
  for (char& c : out) {
    if (c == ' ' || c == '_') c = '-';
  }
  return out;
}

}  // namespace

std::string_view RoleName(Role role) { return kRoles[static_cast<size_t>(role)].name; }

std::optional<Role> RoleFromName(std::string_view name) {
  const std::string wanted = Plain(name);
  for (size_t i = 0; i < kRoles.size(); ++i) {
    if (Plain(kRoles[i].name) == wanted) return static_cast<Role>(i);
  }
  return std::nullopt;
}

std::string_view PrivilegeName(Privilege privilege) {
  return kPrivileges[static_cast<size_t>(privilege)].name;
}

bool Allows(Role role, Privilege privilege) {
  return (kRoles[static_cast<size_t>(role)].areas &
          kPrivileges[static_cast<size_t>(privilege)].area) != 0;
}

std::vector<Privilege> PrivilegesOf(Role role) {
  std::vector<Privilege> out;
  for (size_t i = 0; i < kPrivileges.size(); ++i) {
    if (Allows(role, static_cast<Privilege>(i))) out.push_back(static_cast<Privilege>(i));
  }
  return out;
}

}  // namespace mailreeve::gateway::users
