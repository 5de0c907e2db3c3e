#pragma once

#include "base/rate_limit.h"
#include "crypto/password.h"
#include "response/identity/password_rules.h"
#include "response/identity/token.h"
#include "settings/settings.h"
#include "sql/database.h"

#include <chrono>
#include <string>
#include <vector>

// What can be chosen about identity. Values.
namespace mailreeve::response::identity {

struct Options {
  sql::OpenOptions database;  // shared with other components
  std::string key_path;       // private key of the token issuer; never in the database
  int key_bits = 2048;        // of a key that has to be made
  std::chrono::seconds key_life{90 * 86400};  // then a new one is made; zero: only by command
  std::chrono::seconds key_publish_ahead{3600};
  std::chrono::seconds reload_interval{5};  // after which a command of another process is seen
  std::string organisation = "Mailreeve";   // name of the organisation made at the first start
  TokenOptions token;
  std::chrono::seconds secret_grace{24 * 3600};  // a client's replaced secret serves so long
  std::chrono::seconds session_life{12 * 3600};  // from the sign-in, however often refreshed
  // A second use of a refresh cookie within this is a race of two tabs; later it is a stolen
  // cookie.
  std::chrono::seconds rotation_grace{15};
  RateLimitOptions per_user_and_address{.burst = 10};
  RateLimitOptions per_user{.burst = 100};
  RateLimitOptions per_address{.burst = 30};
  PasswordRules password_rules;
  std::vector<Role> one_time_code_roles;  // who must use one-time codes
  std::string sealing_path;               // keys that seal their secrets; empty: beside key_path
  std::chrono::seconds known_address_life{30 * 86400};
  crypto::PasswordCost password_cost;
  size_t password_threads = 2;
  size_t max_pending_passwords = 32;
  size_t max_pending_queries = 1000;
  size_t max_clients = 1000;  // of one organisation
};
// The settings identity.* of `snapshot` over the defaults; paths and keys are the caller's.
Options FromSettings(const settings::Snapshot& snapshot);

}  // namespace mailreeve::response::identity
