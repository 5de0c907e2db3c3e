#include "response/modules/registry.h"

#include "response/modules/catalogue.h"

#include <algorithm>

namespace mailreeve::response::modules {

std::vector<const ModuleType*> Registry::Types() const {
  std::vector<const ModuleType*> types;
  for (const ModuleSource* source : sources_) types.push_back(&source->type());
  return types;
}

io::Task<Result<std::vector<ModuleInstance>>> Registry::SourceInstances(std::string org_id) const {
  std::vector<ModuleInstance> all;
  for (ModuleSource* source : sources_) {
    CO_TRY(std::vector<ModuleInstance> some, co_await source->List(org_id));
    for (ModuleInstance& instance : some) {
      // A source that forgets to look at the organisation must not open another one's modules.
      if (instance.org_id != org_id) continue;
      // The source owns its type and outlives the registry.
      instance.type = std::shared_ptr<const ModuleType>(std::shared_ptr<void>(), &source->type());
      all.push_back(std::move(instance));
    }
  }
  co_return all;
}

io::Task<Result<std::vector<ModuleInstance>>> Registry::Instances(std::string org_id,
                                                                  std::string user_id) const {
  CO_TRY(std::vector<ModuleInstance> all, co_await SourceInstances(org_id));
  if (catalogue_ != nullptr) {
    CO_TRY(std::vector<ModuleInstance> stored, co_await catalogue_->Instances(org_id, user_id));
    all.insert(all.end(), std::make_move_iterator(stored.begin()),
               std::make_move_iterator(stored.end()));
  }
  std::sort(all.begin(), all.end(), [](const ModuleInstance& a, const ModuleInstance& b) {
    return std::tie(a.name, a.id) < std::tie(b.name, b.id);
  });
  co_return all;
}

io::Task<Result<ModuleInstance>> Registry::FindInstance(std::string org_id, std::string id,
                                                        std::string user_id) const {
  CO_TRY(std::vector<ModuleInstance> all,
         co_await Instances(std::move(org_id), std::move(user_id)));
  for (ModuleInstance& instance : all) {
    if (instance.id == id) co_return std::move(instance);
  }
  co_return Fail(Code::kNotFound, "there is no such module instance");
}

std::shared_ptr<relay::Module> Registry::Open(const ModuleInstance& instance) const {
  for (ModuleSource* source : sources_) {
    if (source->type().id == instance.type_id) return source->Open(instance);
  }
  if (instance.type == nullptr) return nullptr;
  for (ModuleOpener* opener : openers_) {
    if (opener->Opens(instance.type->record)) return opener->Open(instance);
  }
  return nullptr;
}

}  // namespace mailreeve::response::modules
