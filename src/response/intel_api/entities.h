#pragma once

#include "ctim/model.h"

#include <string>
#include <vector>

// The entities that the store keeps. Constant; thread-safe.
namespace mailreeve::response::intel_api {

// In order of type; without verdict, bundle and event, which nobody writes.
const std::vector<const ctim::Entity*>& StoredEntities();
// Null when `type` is none of them.
const ctim::Entity* StoredEntity(std::string_view type);
// "asset-mappings": as capabilities call many.
std::string PluralPathOf(const ctim::Entity& entity);

}  // namespace mailreeve::response::intel_api
