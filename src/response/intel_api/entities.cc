#include "response/intel_api/entities.h"

#include "response/intel/fields.h"

#include <algorithm>

namespace mailreeve::response::intel_api {

const std::vector<const ctim::Entity*>& StoredEntities() {
  static const std::vector<const ctim::Entity*> entities = [] {
    std::vector<const ctim::Entity*> out;
    for (const auto& entity : ctim::TheModel().entities()) {
      if (entity->type != "event" && intel::FieldsOf(entity->type) != nullptr)
        out.push_back(entity.get());
    }
    return out;
  }();
  return entities;
}

const ctim::Entity* StoredEntity(std::string_view type) {
  const ctim::Entity* entity = ctim::TheModel().ByType(type);
  if (entity == nullptr || type == "event" || intel::FieldsOf(type) == nullptr) return nullptr;
  return entity;
}

std::string PluralPathOf(const ctim::Entity& entity) {
  std::string out = entity.plural;
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace mailreeve::response::intel_api
