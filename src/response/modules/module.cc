#include "response/modules/module.h"

#include "response/modules/form.h"

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

std::string ClientOr(const std::string& client_id) {
  return client_id.empty() ? "client-" + std::string(kNobody) : client_id;
}

}  // namespace

bool ModuleType::Supports(std::string_view api) const {
  return std::find(supported_apis.begin(), supported_apis.end(), api) != supported_apis.end();
}

bool ModuleInstance::Supports(std::string_view api) const {
  const json::value* own = settings.if_contains("supported-apis");
  if (own != nullptr && own->is_array()) {
    const json::array& list = own->get_array();
    return std::any_of(list.begin(), list.end(), [&](const json::value& item) {
      return item.is_string() && std::string_view(item.get_string()) == api;
    });
  }
  return type != nullptr && type->Supports(api);
}

json::object ToJson(const ModuleType& type, const std::string& org_id, bool with_secrets) {
  json::object properties = with_secrets ? type.properties : Redact(type.properties, {});
  if (type.document) {
    json::object out = *type.document;
    out["properties"] = std::move(properties);
    return out;
  }
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
  out["client_id"] = ClientOr({});
  out["enabled"] = type.enabled;
  out["visibility"] = "global";
  out["created_at"] = "2026-01-01T00:00:00.000Z";
  out["short_description"] = type.short_description;
  out["description"] = type.description;
  out["tips"] = type.tips;
  out["flags"] = ToArray(type.flags);
  out["capabilities"] = std::move(capabilities);
  out["product_categories"] = std::move(categories);
  out["configuration_spec"] = type.configuration_spec;
  properties["supported-apis"] = ToArray(type.supported_apis);
  out["properties"] = std::move(properties);
  out["external_references"] = json::array();
  if (type.max_nb_instances) out["max_nb_instances"] = *type.max_nb_instances;
  return out;
}

json::object ToJson(const ModuleInstance& instance, bool with_secrets) {
  static const json::array kNoSpec;
  const json::array& spec = instance.type ? instance.type->configuration_spec : kNoSpec;
  json::object out;
  out["id"] = instance.id;
  out["name"] = instance.name;
  out["module_type_id"] = instance.type_id;
  out["visibility"] = instance.visibility;
  out["enabled"] = instance.enabled;
  out["state"] = instance.state;
  out["settings"] = with_secrets ? instance.settings : Redact(instance.settings, spec);
  out["external_references"] = instance.external_references;
  out["org_id"] = instance.org_id;
  out["user_id"] = instance.user_id.empty() ? std::string(kNobody) : instance.user_id;
  out["client_id"] = ClientOr(instance.client_id);
  if (!instance.parent_id.empty()) out["parent_id"] = instance.parent_id;
  out["created_at"] = FormatTime(instance.created);
  out["updated_at"] = FormatTime(instance.updated);
  return out;
}

}  // namespace mailreeve::response::modules
