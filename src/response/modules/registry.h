#pragma once

#include "base/time.h"
#include "json/json.h"
#include "relay/relay.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Whom the platform can ask: module types, and module instances of a type
// (threat-response-api.md 3.1, 3.3).
//
// Threads: one executor. Ownership: the registry borrows its sources.
// Errors: kNotFound for an id that is unknown or of another organisation; what the source could not
// read.
//
//   Registry registry({&gateways});
//   CO_TRY(auto instances, co_await registry.Instances(caller.org_id));
//   auto answer = co_await registry.Open(instances[0])->Ask({.route = "/health"});
namespace mailreeve::response::modules {

// The built-in type whose instances are the registered gateways.
inline constexpr std::string_view kEmailGatewayTypeId = "5c1d8a5e-7d0b-5b0f-9a53-0f6f1c6a7e21";

struct ModuleType {
  std::string id;
  std::string title, default_name;
  std::string short_description, description, tips;
  std::string record;  // class of the implementation, in the vendor's words
  std::vector<std::string> flags;
  std::vector<std::string> product_categories;                    // "email-security"
  std::vector<std::pair<std::string, std::string>> capabilities;  // id, description
  std::vector<std::string> supported_apis;                        // "observe/observables", …
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
};

// Where instances of one type come from; defined here, implemented by those who have them.
class ModuleSource {
 public:
  virtual ~ModuleSource() = default;
  virtual const ModuleType& type() const = 0;
  virtual io::Task<Result<std::vector<ModuleInstance>>> List(std::string org_id) = 0;
  // Never null: an instance that cannot be reached answers kUnavailable.
  virtual std::shared_ptr<relay::Module> Open(const ModuleInstance& instance) = 0;
};

class Registry {
 public:
  explicit Registry(std::vector<ModuleSource*> sources) : sources_(std::move(sources)) {}

  std::vector<const ModuleType*> Types() const;
  const ModuleType* FindType(std::string_view id) const;
  // In order of name. The error of one source is the error of all: a list that silently lacks some
  // would lie.
  io::Task<Result<std::vector<ModuleInstance>>> Instances(std::string org_id) const;
  io::Task<Result<ModuleInstance>> FindInstance(std::string org_id, std::string id) const;
  // Null when its type has no source.
  std::shared_ptr<relay::Module> Open(const ModuleInstance& instance) const;

 private:
  std::vector<ModuleSource*> sources_;
};

// The built-in type Email gateway.
const ModuleType& EmailGatewayType();

// As /iroh/iroh-int answers them.
json::object ToJson(const ModuleType& type, const std::string& org_id);
json::object ToJson(const ModuleInstance& instance);

}  // namespace mailreeve::response::modules
