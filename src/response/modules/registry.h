#pragma once

#include "relay/relay.h"
#include "response/modules/builtin_types.h"
#include "response/modules/module.h"

#include <memory>
#include <string>
#include <vector>

// Whom the platform can ask: module types, and module instances of a type
// (threat-response-api.md 3.1, 3.3).
//
// Threads: one executor. Ownership: the registry borrows its sources, catalogue and openers.
// Errors: kNotFound for an id that is unknown or of another organisation; what the source could not
// read.
//
//   Registry registry({&gateways});
//   CO_TRY(auto instances, co_await registry.Instances(caller.org_id, caller.user_id));
//   auto answer = co_await registry.Open(instances[0])->Ask({.route = "/health"});
namespace mailreeve::response::modules {

class Catalogue;

// Where instances of one type come from; defined here, implemented by those who have them.
class ModuleSource {
 public:
  virtual ~ModuleSource() = default;
  virtual const ModuleType& type() const = 0;
  virtual io::Task<Result<std::vector<ModuleInstance>>> List(std::string org_id) = 0;
  // Never null: an instance that cannot be reached answers kUnavailable. Also for instances of the
  // type that are in the catalogue.
  virtual std::shared_ptr<relay::Module> Open(const ModuleInstance& instance) = 0;
};

// Speaks to the catalogue's instances of one class of types.
class ModuleOpener {
 public:
  virtual ~ModuleOpener() = default;
  virtual bool Opens(std::string_view record) const = 0;
  virtual std::shared_ptr<relay::Module> Open(const ModuleInstance& instance) = 0;
};

class Registry {
 public:
  explicit Registry(std::vector<ModuleSource*> sources, Catalogue* catalogue = nullptr,
                    std::vector<ModuleOpener*> openers = {})
      : sources_(std::move(sources)), catalogue_(catalogue), openers_(std::move(openers)) {}

  // The types of the sources.
  std::vector<const ModuleType*> Types() const;
  // That the user may ask, in order of name, each with its type. The error of one source is the
  // error of all: a list that silently lacks some would lie.
  io::Task<Result<std::vector<ModuleInstance>>> Instances(std::string org_id,
                                                          std::string user_id = {}) const;
  io::Task<Result<ModuleInstance>> FindInstance(std::string org_id, std::string id,
                                                std::string user_id = {}) const;
  // Those of the sources alone.
  io::Task<Result<std::vector<ModuleInstance>>> SourceInstances(std::string org_id) const;
  // Null when nothing speaks to its type.
  std::shared_ptr<relay::Module> Open(const ModuleInstance& instance) const;
  Catalogue* catalogue() const { return catalogue_; }

 private:
  std::vector<ModuleSource*> sources_;
  Catalogue* catalogue_;
  std::vector<ModuleOpener*> openers_;
};

}  // namespace mailreeve::response::modules
