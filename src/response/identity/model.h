#pragma once

#include "base/secret.h"
#include "base/time.h"
#include "response/identity/roles.h"
#include "response/identity/token.h"

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
  Time created, updated;
  std::optional<Time> last_logged;
};

struct Profile {
  Account account;
  Organisation organisation;
  ScopeSet scopes;
};

struct SignedIn {
  IssuedToken token;
  Account account;
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
};

struct Client {
  std::string id, org_id, owner_id, name, description;
  ScopeSet scopes;
  std::vector<std::string> grants, redirects;
  std::string availability;
  bool enabled = true;
  Time created;
  std::optional<Time> last_used;
};

struct MadeClient {
  Client client;
  Secret password;  // shown this once
};

}  // namespace mailreeve::response::identity
