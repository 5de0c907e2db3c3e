#include "response/intel_api/rules.h"

#include "ctim/model.h"
#include "response/intel_api/entities.h"

namespace mailreeve::response::intel_api {
namespace {

std::vector<Rule> MakeRules() {
  std::vector<Rule> rules;
  const auto add = [&](const char* method, std::string pattern,
                       std::vector<std::string> capabilities) {
    rules.push_back({method, std::move(pattern), std::move(capabilities), false});
  };
  std::vector<std::string> create_all, read_all, delete_all, list_all;
  for (const ctim::Entity* entity : StoredEntities()) {
    const std::string& type = entity->type;
    const std::string base = "/ctia/" + type, one = base + "/{id}";
    const std::string read = "read-" + type, search = "search-" + type, create = "create-" + type,
                      remove = "delete-" + type;
    add("POST", base, {create});
    add("GET", one, {read});
    // A judgement is replaced by a new one, so that its history stays true.
    add("PUT", one,
        type == "judgement" ? std::vector<std::string>{create, "developer"}
                            : std::vector<std::string>{create});
    if (entity->patch) add("PATCH", one, {create});
    add("DELETE", one, {remove});
    add("GET", base + "/external_id/{external_id}", {read});
    add("GET", base + "/search", {search});
    add("GET", base + "/search/count", {search});
    add("DELETE", base + "/search", {search, remove});
    if (type != "feed") {
      for (const char* metric : {"histogram", "topn", "cardinality"})
        add("GET", base + "/metric/" + metric, {search});
    }
    if (entity->bulk) {
      create_all.push_back(create);
      read_all.push_back(read);
      delete_all.push_back(remove);
    }
    list_all.push_back(read);
    list_all.push_back("list-" + PluralPathOf(*entity));
  }
  add("GET", "/ctia/feedback", {"read-feedback"});
  add("GET", "/ctia/incident/metric/average", {"search-incident"});

  add("GET", "/ctia/event/{id}", {"read-event"});
  add("DELETE", "/ctia/event/{id}", {"developer", "delete-event"});
  add("GET", "/ctia/event/search", {"search-event"});
  add("GET", "/ctia/event/search/count", {"search-event"});
  add("DELETE", "/ctia/event/search", {"search-event", "developer", "delete-event"});
  add("GET", "/ctia/event/history/{entity_id}", {"search-event"});

  for (const char* type : {"judgement", "asset-mapping", "asset-properties"})
    add("POST", "/ctia/" + std::string(type) + "/{id}/expire", {"create-" + std::string(type)});
  for (const char* part : {"observables", "texts", "bundle"})
    add("POST", "/ctia/casebook/{id}/" + std::string(part), {"create-casebook"});
  add("POST", "/ctia/incident/{id}/status", {"create-incident"});
  add("POST", "/ctia/incident/{id}/link",
      {"create-incident", "read-casebook", "read-investigation", "create-relationship"});
  add("GET", "/ctia/attack-pattern/mitre/{mitre_id}", {"read-attack-pattern"});
  add("GET", "/ctia/vulnerability/cpe_match_strings", {"search-vulnerability"});

  add("GET", "/ctia/{type}/{value}/verdict", {"read-verdict"});
  add("GET", "/ctia/{type}/{value}/judgements", {"list-judgements"});
  add("GET", "/ctia/{type}/{value}/judgements/indicators",
      {"list-judgements", "list-relationships"});
  add("GET", "/ctia/{type}/{value}/sightings", {"list-sightings"});
  add("GET", "/ctia/{type}/{value}/sightings/indicators", {"list-sightings", "list-relationships"});
  add("GET", "/ctia/{type}/{value}/sightings/incidents", {"list-sightings", "list-relationships"});

  // The secret in the address is the key.
  rules.push_back({"GET", "/ctia/feed/{id}/view", {}, true});
  rules.push_back({"GET", "/ctia/feed/{id}/view.txt", {}, true});

  add("POST", "/ctia/bulk", create_all);
  add("PUT", "/ctia/bulk", create_all);
  add("PATCH", "/ctia/bulk", create_all);
  add("GET", "/ctia/bulk", read_all);
  add("DELETE", "/ctia/bulk", delete_all);
  std::vector<std::string> import = create_all;
  import.emplace_back("import-bundle");
  add("POST", "/ctia/bundle/import", std::move(import));
  add("GET", "/ctia/bundle/export", read_all);
  add("POST", "/ctia/bundle/export", read_all);

  add("POST", "/ctia/graphql", list_all);

  add("GET", "/ctia/status", {});
  rules.push_back({"GET", "/ctia/version", {}, true});
  add("GET", "/ctia/properties", {"developer"});
  add("GET", "/ctia/metrics", {});

  // Our own.
  add("GET", "/mailreeve/v1/casebooks/active", {"read-casebook"});
  add("PUT", "/mailreeve/v1/casebooks/active", {"read-casebook"});
  add("DELETE", "/mailreeve/v1/casebooks/active", {"read-casebook"});
  add("GET", "/mailreeve/v1/casebooks/{id}/observables", {"read-casebook"});
  add("GET", "/mailreeve/v1/casebooks/{id}/export", {"read-casebook", "list-relationships"});
  add("GET", "/mailreeve/v1/incidents/{id}/export", {"read-incident", "list-relationships"});
  add("POST", "/mailreeve/v1/incidents/promotions",
      {"create-incident", "create-sighting", "create-relationship"});
  add("GET", "/mailreeve/v1/investigations/{id}/snapshots", {"read-investigation"});
  add("POST", "/mailreeve/v1/investigations/{id}/snapshots", {"create-investigation"});
  rules.back().scopes = "enrich:read";
  add("GET", "/mailreeve/v1/snapshots/{id}", {"read-investigation"});
  add("DELETE", "/mailreeve/v1/snapshots/{id}", {"create-investigation"});
  add("POST", "/mailreeve/v1/snapshots/{id}/comparison", {"read-investigation"});
  rules.back().scopes = "enrich:read";
  return rules;
}

}  // namespace

std::span<const Rule> Rules() {
  static const std::vector<Rule> rules = MakeRules();
  return rules;
}

}  // namespace mailreeve::response::intel_api
