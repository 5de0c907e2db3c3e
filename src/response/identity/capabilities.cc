#include "response/identity/capabilities.h"

#include <algorithm>
#include <array>
#include <optional>

namespace mailreeve::response::identity {
namespace {

struct Entity {
  std::string_view name, plural;
};

constexpr auto kEntities = std::to_array<Entity>({
    {"actor", "actors"},
    {"asset", "assets"},
    {"asset-mapping", "asset-mappings"},
    {"asset-properties", "asset-properties"},
    {"attack-pattern", "attack-patterns"},
    {"campaign", "campaigns"},
    {"casebook", "casebooks"},
    {"coa", "coas"},
    {"data-table", "data-tables"},
    {"event", "events"},
    {"feed", "feeds"},
    {"feedback", "feedbacks"},
    {"identity-assertion", "identity-assertions"},
    {"incident", "incidents"},
    {"indicator", "indicators"},
    {"investigation", "investigations"},
    {"judgement", "judgements"},
    {"malware", "malwares"},
    {"note", "notes"},
    {"relationship", "relationships"},
    {"sighting", "sightings"},
    {"target-record", "target-records"},
    {"tool", "tools"},
    {"verdict", "verdicts"},
    {"vulnerability", "vulnerabilities"},
    {"weakness", "weaknesses"},
});

bool IsAsset(std::string_view entity) {
  return entity == "asset" || entity == "asset-mapping" || entity == "asset-properties" ||
         entity == "target-record";
}

bool Grants(const ScopeSet& scopes, std::vector<std::string> path, uint8_t access) {
  return scopes.Grants(Scope{std::move(path), access});
}

// One act on one entity, whatever of the scopes gives it.
bool MayOn(const ScopeSet& scopes, std::string_view root, std::string_view entity, uint8_t access) {
  if (Grants(scopes, {std::string(root), std::string(entity)}, access)) return true;
  if (root != kPrivateIntel) return false;
  if (entity == "casebook" && Grants(scopes, {"casebook"}, access)) return true;
  return IsAsset(entity) && Grants(scopes, {"asset"}, access);
}

struct Meaning {
  std::string_view entity;
  uint8_t access;
};

std::optional<Meaning> MeaningOf(std::string_view capability) {
  const auto rest = [&](std::string_view prefix) -> std::optional<std::string_view> {
    if (capability.substr(0, prefix.size()) != prefix) return std::nullopt;
    return capability.substr(prefix.size());
  };
  for (const Entity& entity : kEntities) {
    if (rest("read-") == entity.name || rest("search-") == entity.name ||
        rest("list-") == entity.plural) {
      return Meaning{entity.name, Scope::kRead};
    }
    if (rest("create-") == entity.name || rest("delete-") == entity.name)
      return Meaning{entity.name, Scope::kWrite};
  }
  return std::nullopt;
}

}  // namespace

bool HasCapability(const ScopeSet& scopes, std::string_view capability, std::string_view root) {
  if (capability == "import-bundle")
    return Grants(scopes, {std::string(root), "import-bundle"}, Scope::kWrite);
  const std::optional<Meaning> meaning = MeaningOf(capability);
  return meaning && MayOn(scopes, root, meaning->entity, meaning->access);
}

std::vector<std::string> CapabilitiesOf(const ScopeSet& scopes, std::string_view root) {
  std::vector<std::string> out;
  const auto add = [&](std::string_view verb, std::string_view noun) {
    out.push_back(std::string(verb) + std::string(noun));
  };
  for (const Entity& entity : kEntities) {
    if (MayOn(scopes, root, entity.name, Scope::kRead)) {
      add("read-", entity.name);
      add("search-", entity.name);
      add("list-", entity.plural);
    }
    if (MayOn(scopes, root, entity.name, Scope::kWrite)) {
      add("create-", entity.name);
      add("delete-", entity.name);
    }
  }
  if (HasCapability(scopes, "import-bundle", root)) out.emplace_back("import-bundle");
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace mailreeve::response::identity
