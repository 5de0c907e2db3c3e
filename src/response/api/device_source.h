#pragma once

#include "response/exchange/exchange.h"
#include "response/modules/registry.h"

namespace mailreeve::response::api {

// The registered devices as instances of the built-in module type Email gateway; a module
// instance's id is the device's. Threads: the exchange's executor. Ownership: borrows the exchange.
class DeviceSource final : public modules::ModuleSource {
 public:
  explicit DeviceSource(exchange::Exchange& exchange) : exchange_(exchange) {}
  const modules::ModuleType& type() const override { return modules::EmailGatewayType(); }
  io::Task<Result<std::vector<modules::ModuleInstance>>> List(std::string org_id) override;
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance& instance) override;

 private:
  exchange::Exchange& exchange_;
};

}  // namespace mailreeve::response::api
