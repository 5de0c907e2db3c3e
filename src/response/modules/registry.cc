#include "response/modules/registry.h"

#include <algorithm>

namespace mailreeve::response::modules {
namespace {

// Things that came with the program were made by nobody in the organisation.
constexpr std::string_view kNobody = "00000000-0000-0000-0000-000000000000";

json::array ToArray(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

}  // namespace

bool ModuleType::Supports(std::string_view api) const {
  return std::find(supported_apis.begin(), supported_apis.end(), api) != supported_apis.end();
}

std::vector<const ModuleType*> Registry::Types() const {
  std::vector<const ModuleType*> types;
  for (const ModuleSource* source : sources_) types.push_back(&source->type());
  return types;
}

const ModuleType* Registry::FindType(std::string_view id) const {
  for (const ModuleSource* source : sources_) {
    if (source->type().id == id) return &source->type();
  }
  return nullptr;
}

io::Task<Result<std::vector<ModuleInstance>>> Registry::Instances(std::string org_id) const {
  std::vector<ModuleInstance> all;
  for (ModuleSource* source : sources_) {
    CO_TRY(std::vector<ModuleInstance> some, co_await source->List(org_id));
    for (ModuleInstance& instance : some) {
      // A source that forgets to look at the organisation must not open another one's modules.
      if (instance.org_id == org_id) all.push_back(std::move(instance));
    }
  }
  std::sort(all.begin(), all.end(), [](const ModuleInstance& a, const ModuleInstance& b) {
    return std::tie(a.name, a.id) < std::tie(b.name, b.id);
  });
  co_return all;
}

io::Task<Result<ModuleInstance>> Registry::FindInstance(std::string org_id, std::string id) const {
  CO_TRY(std::vector<ModuleInstance> all, co_await Instances(std::move(org_id)));
  for (ModuleInstance& instance : all) {
    if (instance.id == id) co_return std::move(instance);
  }
  co_return Fail(Code::kNotFound, "there is no such module instance");
}

std::shared_ptr<relay::Module> Registry::Open(const ModuleInstance& instance) const {
  for (ModuleSource* source : sources_) {
    if (source->type().id == instance.type_id) return source->Open(instance);
  }
  return nullptr;
}

const ModuleType& EmailGatewayType() {
  static const ModuleType type = {
      .id = std::string(kEmailGatewayTypeId),
      .title = "Email gateway",
      .default_name = "Email gateway",
      .short_description = "Mail seen by a Mailreeve gateway, and actions on it.",
      .description =
          "Answers who sent what to whom, with verdicts, sightings and the mailboxes concerned, "
          "and removes or forwards "
          "mail that has already been delivered. Every registered device is one instance.",
      .tips =
          "Register a gateway: make a token under *Devices* and run `mailreeve register --token …` "
          "beside it.",
      .record = "mailreeve.gateway/EmailGateway",
      .flags = {"default"},
      .product_categories = {"email-security"},
      .capabilities = {{"health", "Says whether the gateway works."},
                       {"deliberate", "Verdicts that the gateway reached."},
                       {"observe",
                        "Sightings of mail with their senders, recipients, URLs and files."},
                       {"refer", "Links into the gateway's own search."},
                       {"respond", "Delete, forward, or forward and delete delivered mail."}},
      .supported_apis = {"health", "deliberate/observables", "observe/observables",
                         "refer/observables", "respond/observables", "respond/trigger", "tiles",
                         "tiles/tile", "tiles/tile-data"}};
  return type;
}

json::object ToJson(const ModuleType& type, const std::string& org_id) {
  json::array capabilities, categories;
  for (const auto& [id, description] : type.capabilities) {
    capabilities.push_back(json::object{{"id", id}, {"description", description}});
  }
  for (const std::string& id : type.product_categories) {
    categories.push_back(json::object{{"id", id}, {"description", id}});
  }
  json::object out;
  out["id"] = type.id;
  out["title"] = type.title;
  out["default_name"] = type.default_name;
  out["record"] = type.record;
  out["org_id"] = org_id;
  out["user_id"] = kNobody;
  out["client_id"] = "client-" + std::string(kNobody);
  out["enabled"] = true;
  out["visibility"] = "global";
  out["created_at"] = "2026-01-01T00:00:00.000Z";
  out["short_description"] = type.short_description;
  out["description"] = type.description;
  out["tips"] = type.tips;
  out["flags"] = ToArray(type.flags);
  out["capabilities"] = std::move(capabilities);
  out["product_categories"] = std::move(categories);
  out["configuration_spec"] = json::array();
  out["properties"] = json::object{{"supported-apis", ToArray(type.supported_apis)}};
  out["external_references"] = json::array();
  return out;
}

json::object ToJson(const ModuleInstance& instance) {
  json::object out;
  out["id"] = instance.id;
  out["name"] = instance.name;
  out["module_type_id"] = instance.type_id;
  out["visibility"] = "org";
  out["enabled"] = instance.enabled;
  out["state"] = instance.state;
  out["settings"] = json::object();
  out["external_references"] = json::array();
  out["org_id"] = instance.org_id;
  out["user_id"] = kNobody;
  out["created_at"] = FormatTime(instance.created);
  out["updated_at"] = FormatTime(instance.updated);
  return out;
}

}  // namespace mailreeve::response::modules
