#pragma once

#include "base/secret.h"
#include "base/time.h"
#include "response/identity/roles.h"
#include "response/identity/token.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

// What identity knows: organisations, people, API clients, sessions. Values.
namespace mailreeve::response::identity {

// Where a request came from, for the audit entry.
struct Origin {
  std::string address;
  std::string request_id;
};

struct Organisation {
  std::string id, name;
  Time created, updated;
};

struct Account {
  std::string id, org_id, name, nick, email;
  Role role = Role::kReadOnly;
  bool enabled = true;
  bool must_change_password = false;
  bool has_one_time_codes = false;
  Time created, updated;
  std::optional<Time> last_logged;
};

// What is to become of a user; what is absent stays.
struct AccountChange {
  std::optional<std::string> name, nick, email;
  std::optional<Role> role;
  std::optional<bool> enabled;
};

// What a person has to do before anything else; until then tokens hold the scope profile only.
struct Needs {
  bool new_password = false, one_time_codes = false;
  bool any() const { return new_password || one_time_codes; }
};

struct SessionInfo {
  std::string id, address;
  Time created, last_used, expires;
  bool is_current = false;
};

struct Profile {
  Account account;
  Organisation organisation;
  ScopeSet scopes;
};

struct SignedIn {
  IssuedToken token;
  Account account;
  Needs needs;
  // Value for the refresh cookie; empty when the one sent stays in force.
  Secret refresh;
  std::chrono::seconds refresh_life{0};
};

struct NewClient {
  std::string name, description;
  ScopeSet scopes;
  std::vector<std::string> grants{"client-creds"};
  std::vector<std::string> redirects;
  std::string availability = "org";
  bool is_public = false;      // has no secret: an application on the user's machine
  bool allow_partial = false;  // a user who lacks some of the scopes may allow it the others
  std::optional<Time> expires;
};

struct Client {
  std::string id, org_id, owner_id, name, description;
  ScopeSet scopes;
  std::vector<std::string> grants, redirects;
  std::string availability;
  bool enabled = true, is_public = false, allow_partial = false;
  Time created, updated;
  std::optional<Time> last_used, expires;
  std::optional<Time> previous_until;  // a replaced secret serves until then

  bool HasGrant(std::string_view grant) const {
    return std::find(grants.begin(), grants.end(), grant) != grants.end();
  }
};

// What is to become of a client; what is absent stays.
struct ClientChange {
  std::optional<std::string> name, description, availability;
  std::optional<ScopeSet> scopes;
  std::optional<std::vector<std::string>> grants, redirects;
  std::optional<bool> enabled, allow_partial;
  std::optional<std::optional<Time>> expires;  // inner nullopt: never
};

struct MadeClient {
  Client client;
  Secret password;  // shown this once; empty for a public client
};

}  // namespace mailreeve::response::identity
