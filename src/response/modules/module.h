#pragma once

#include "base/time.h"
#include "json/json.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Module types and module instances as values (threat-response-api.md 3.1, 3.3).
namespace mailreeve::response::modules {

// What stands in place of a secret for those who may not see it; written back, it means
// "unchanged".
inline constexpr std::string_view kMask = "********";

// The class of every type that an organisation posts: a server of the relay protocol.
inline constexpr std::string_view kRelayRecord = "relay-module.module/RelayModule";

struct ModuleType {
  std::string id;
  std::string title, default_name;
  std::string short_description, description, tips;
  std::string record;  // class of the implementation, in the vendor's words
  std::vector<std::string> flags;
  std::vector<std::string> product_categories;                    // "email-security"
  std::vector<std::pair<std::string, std::string>> capabilities;  // id, description
  std::vector<std::string> supported_apis;                        // "observe/observables", …
  json::array configuration_spec;
  json::object properties;  // may hold secrets
  // False: instances come from elsewhere (registered devices) and cannot be made.
  bool takes_instances = false;
  std::optional<int64_t> max_nb_instances;
  bool enabled = true;
  std::string org_id;  // of a posted type; empty: built in
  // A posted type's whole record without properties; absent: built in.
  std::optional<json::object> document;

  bool Supports(std::string_view api) const;
};

struct ModuleInstance {
  std::string id;
  std::string org_id;
  std::string name;
  std::string type_id;
  std::string state = "active";  // or "restricted"
  bool enabled = true;
  bool reachable = false;  // as known now; asking may still fail
  std::string description;
  Time created{}, updated{};
  std::string user_id, client_id;
  std::string visibility = "org";  // "user", "org", "global"
  std::string parent_id;
  json::object settings;  // may hold secrets
  json::array external_references;
  std::shared_ptr<const ModuleType> type;  // set by the registry

  // By the instance's own "supported-apis", else its type's.
  bool Supports(std::string_view api) const;
};

// As /iroh/iroh-int answers them. Without `with_secrets` every secret is kMask.
json::object ToJson(const ModuleType& type, const std::string& org_id, bool with_secrets = false);
json::object ToJson(const ModuleInstance& instance, bool with_secrets = false);

}  // namespace mailreeve::response::modules
