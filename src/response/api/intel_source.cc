#include "response/api/intel_source.h"

#include "base/bytes.h"
#include "crypto/hash.h"

namespace mailreeve::response::api {

io::Task<Result<std::vector<modules::ModuleInstance>>> IntelSource::List(std::string org_id) {
  if (org_id.empty()) co_return Fail(Code::kDenied, "the caller belongs to no organisation");
  modules::ModuleInstance instance;
  // The same for the same organisation at every start and on every node.
  const std::string hex = HexEncode(crypto::Sha256("private intelligence|" + org_id));
  instance.id = hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-5" + hex.substr(13, 3) + "-a" +
                hex.substr(17, 3) + "-" + hex.substr(20, 12);
  instance.org_id = std::move(org_id);
  instance.name = "Private intelligence";
  instance.type_id = modules::PrivateIntelligenceType().id;
  instance.reachable = true;
  std::vector<modules::ModuleInstance> out;
  out.push_back(std::move(instance));
  co_return out;
}

}  // namespace mailreeve::response::api
