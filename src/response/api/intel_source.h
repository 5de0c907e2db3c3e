#pragma once

#include "response/intel_module/intel_module.h"
#include "response/modules/registry.h"

namespace mailreeve::response::api {

// The organisation's own intelligence as an instance of the built-in module type Private
// intelligence: one for each organisation, and those that an administrator made besides. Threads:
// the store's callers'. Ownership: borrows store and clock.
class IntelSource final : public modules::ModuleSource {
 public:
  IntelSource(intel::Store& store, std::string public_url, const Clock& clock)
      : module_(std::make_shared<intel_module::IntelModule>(
            store, intel_module::IntelModule::Options{.base_url = std::move(public_url)}, clock)) {}
  const modules::ModuleType& type() const override { return modules::PrivateIntelligenceType(); }
  io::Task<Result<std::vector<modules::ModuleInstance>>> List(std::string org_id) override;
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance&) override { return module_; }

 private:
  std::shared_ptr<relay::Module> module_;
};

}  // namespace mailreeve::response::api
