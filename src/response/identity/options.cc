#include "response/identity/options.h"

namespace mailreeve::response::identity {

Options FromSettings(const settings::Snapshot& snapshot) {
  Options options;
  options.token.life = std::chrono::seconds(snapshot.Integer("identity.token_life"));
  options.token.skew = std::chrono::seconds(snapshot.Integer("identity.clock_skew"));
  options.session_life = std::chrono::seconds(snapshot.Integer("identity.session_life"));
  options.token.issuer = snapshot.Text("identity.issuer");
  options.secret_grace = std::chrono::seconds(snapshot.Integer("identity.secret_grace"));
  options.key_life = std::chrono::hours(24 * snapshot.Integer("identity.key_life"));
  options.key_publish_ahead = std::chrono::seconds(snapshot.Integer("identity.key_publish_ahead"));
  options.reload_interval = std::chrono::seconds(snapshot.Integer("identity.reload_interval"));
  options.password_rules.min_characters =
      static_cast<size_t>(snapshot.Integer("identity.password_length"));
  options.password_rules.breached_list_path = snapshot.Text("identity.breached_passwords_file");
  for (const std::string& name : snapshot.TextList("identity.one_time_code_roles")) {
    if (const auto role = RoleFromName(name)) options.one_time_code_roles.push_back(*role);
  }
  const std::chrono::seconds window(snapshot.Integer("identity.failure_window"));
  options.per_user_and_address.window = options.per_user.window = options.per_address.window =
      window;
  options.per_user_and_address.burst =
      static_cast<double>(snapshot.Integer("identity.failures_per_user"));
  options.per_user.burst = options.per_user_and_address.burst * 10;
  options.per_address.burst =
      static_cast<double>(snapshot.Integer("identity.failures_per_address"));
  return options;
}

}  // namespace mailreeve::response::identity
