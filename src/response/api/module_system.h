#pragma once

#include "base/time.h"
#include "log/log.h"
#include "outbound/outbound.h"
#include "response/appliance/appliance.h"
#include "response/modules/catalogue.h"
#include "response/modules/registry.h"
#include "response/relay_client/relay_client.h"
#include "settings/settings.h"
#include "sql/database.h"

#include <memory>
#include <string>
#include <vector>

namespace mailreeve::response::api {

// Whom the platform can ask, wired: outbound guard, module database, catalogue, relay client and
// the registry over them all.
// Threads: opened before the executor runs (blocking), then the executor's. Ownership: borrows
// sources, clock and logger. Errors: settings outbound.*, database and key file.
class ModuleSystem {
 public:
  struct Options {
    sql::OpenOptions database;  // shared with other components
    std::string key_path;       // keys of secrets; never in the database
    relay_client::RelayClient::Signing signing;
  };
  static Result<std::unique_ptr<ModuleSystem>> Open(Options options,
                                                    const settings::Snapshot& snapshot,
                                                    std::vector<modules::ModuleSource*> sources,
                                                    const Clock& clock, log::Logger& logger);

  const modules::Registry& registry() const { return *registry_; }
  modules::Catalogue& catalogue() { return *catalogue_; }
  outbound::Fetcher& fetcher() { return *guard_; }

 private:
  ModuleSystem() = default;
  std::unique_ptr<outbound::Guard> guard_;
  std::unique_ptr<modules::Catalogue> catalogue_;
  std::unique_ptr<relay_client::RelayClient> relays_;
  std::unique_ptr<appliance::ApplianceOpener> appliances_;
  std::unique_ptr<modules::Registry> registry_;
};

}  // namespace mailreeve::response::api
