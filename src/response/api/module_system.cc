#include "response/api/module_system.h"

#include "response/module_store/key_file.h"

#include <algorithm>

namespace mailreeve::response::api {

Result<std::unique_ptr<ModuleSystem>> ModuleSystem::Open(
    Options options, const settings::Snapshot& snapshot,
    std::vector<modules::ModuleSource*> sources, const Clock& clock, log::Logger& logger) {
  std::unique_ptr<ModuleSystem> out(new ModuleSystem());
  TRY(http::ClientOptions client, outbound::FromSettings(snapshot));
  modules::CatalogueOptions catalogue_options = modules::CatalogueOptionsFrom(snapshot);
  catalogue_options.addresses = client.addresses;
  out->guard_ = std::make_unique<outbound::Guard>(std::move(client));

  const std::chrono::hours rotate_after(24 * snapshot.Integer("modules.key_days"));
  TRY(crypto::SealingKeys keys,
      module_store::LoadOrMakeKeys(options.key_path, clock.Now(), rotate_after));
  TRY(sql::Database database, sql::Database::Open(options.database));
  TRY(module_store::Store store, module_store::Store::Open(std::move(database), std::move(keys)));
  std::vector<const modules::ModuleType*> types;
  for (const modules::ModuleSource* source : sources) types.push_back(&source->type());
  // A source's type takes the place of the built-in one of that id.
  for (const modules::ModuleType* builtin :
       {&modules::EmailGatewayType(), &modules::CustomRelayType(),
        &modules::PrivateIntelligenceType(), &modules::ApplianceType()}) {
    const bool there =
        std::any_of(types.begin(), types.end(),
                    [&](const modules::ModuleType* type) { return type->id == builtin->id; });
    if (!there) types.push_back(builtin);
  }
  TRY(out->catalogue_, modules::Catalogue::Open(std::move(store), std::move(types),
                                                std::move(catalogue_options), clock));
  out->relays_ = std::make_unique<relay_client::RelayClient>(
      *out->guard_, std::move(options.signing), clock, logger, relay_client::OptionsFrom(snapshot));
  appliance::Options appliance_options;
  appliance_options.max_answer_bytes =
      static_cast<size_t>(snapshot.Integer("enrich.max_answer_bytes"));
  out->appliances_ =
      std::make_unique<appliance::ApplianceOpener>(*out->guard_, clock, appliance_options);
  out->registry_ = std::make_unique<modules::Registry>(
      std::move(sources), out->catalogue_.get(),
      std::vector<modules::ModuleOpener*>{out->relays_.get(), out->appliances_.get()});
  return out;
}

}  // namespace mailreeve::response::api
