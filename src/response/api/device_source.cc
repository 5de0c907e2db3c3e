#include "response/api/device_source.h"

namespace mailreeve::response::api {

io::Task<Result<std::vector<modules::ModuleInstance>>> DeviceSource::List(std::string org_id) {
  // An empty organisation would mean all of them to the exchange.
  if (org_id.empty()) co_return Fail(Code::kDenied, "the caller belongs to no organisation");
  CO_TRY(const std::vector<exchange::Device> devices,
         co_await exchange_.DevicesOf(std::move(org_id)));
  std::vector<modules::ModuleInstance> out;
  for (const exchange::Device& device : devices) {
    // One that has a token but never came has nothing to be asked.
    if (device.state == "enrolling" || device.state == "removed") continue;
    modules::ModuleInstance instance;
    instance.id = device.row.id;
    instance.org_id = device.row.organisation_id;
    instance.name = device.row.name;
    instance.type_id = std::string(modules::kEmailGatewayTypeId);
    instance.reachable = device.state == "connected";
    instance.description = device.row.description;
    instance.created = device.row.created;
    instance.updated = device.row.registered.value_or(device.row.created);
    out.push_back(std::move(instance));
  }
  co_return out;
}

std::shared_ptr<relay::Module> DeviceSource::Open(const modules::ModuleInstance& instance) {
  return exchange_.hub().ModuleOf(instance.id);
}

}  // namespace mailreeve::response::api
