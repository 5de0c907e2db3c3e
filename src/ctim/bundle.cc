#include "ctim/bundle.h"

#include "base/text.h"
#include "ctim/document.h"

#include <algorithm>

namespace mailreeve::ctim {
namespace {

// Relationships refer to anything; mappings and properties to assets.
int Rank(const Entity& entity) {
  if (entity.type == "relationship") return 2;
  if (entity.type == "asset-mapping" || entity.type == "asset-properties") return 1;
  return 0;
}

std::string_view TextAt(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

}  // namespace

Result<BundleParts> TakeApart(json::object document, const TakeApartOptions& options) {
  BundleParts out;
  for (auto& member : document) {
    const Entity* entity = TheModel().ByPlural(member.key());
    if (entity != nullptr && !(options.bulk ? entity->bulk : entity->bundle)) entity = nullptr;
    if (entity != nullptr && member.value().is_array()) {
      if (!entity->envelope) continue;
      size_t index = 0;
      for (auto& each : member.value().get_array()) {
        BundleItem item{entity, index++, {}, {}};
        if (!each.is_object()) continue;
        if (out.items.size() >= options.max_entities) {
          return Fail(Code::kLimited, (options.bulk ? "Bulk max number of entities: "
                                                    : "Bundle max nb of entities: ") +
                                          std::to_string(options.max_entities));
        }
        item.document = std::move(each.get_object());
        const std::string_view id = TextAt(item.document, "id");
        if (IsTransientId(id)) {
          item.transient = std::string(id);
          item.document.erase("id");
        }
        out.items.push_back(std::move(item));
      }
      continue;
    }
    const Entity* referred = options.bulk ? nullptr : TheModel().ByRefs(member.key());
    if (referred != nullptr && member.value().is_array()) {
      auto& ids = out.refs[referred->type];
      for (const auto& each : member.value().get_array())
        if (each.is_string()) ids.emplace_back(std::string_view(each.get_string()));
      continue;
    }
    out.head.emplace(member.key(), std::move(member.value()));
  }
  std::stable_sort(
      out.items.begin(), out.items.end(),
      [](const BundleItem& a, const BundleItem& b) { return Rank(*a.entity) < Rank(*b.entity); });
  return out;
}

void TransientIds::Know(std::string_view transient, std::string id) {
  if (!transient.empty()) known_.emplace(transient, std::move(id));
}

std::vector<std::string> TransientIds::Resolve(const Entity& entity, json::object& document) const {
  std::vector<std::string> unknown;
  RewriteRefs(entity, document, [&](std::string_view ref) {
    if (!IsTransientId(ref)) return std::string(ref);
    const auto at = known_.find(ref);
    if (at != known_.end()) return at->second;
    unknown.emplace_back(ref);
    return std::string(ref);
  });
  return unknown;
}

std::vector<std::string> KeysOf(const json::object& document,
                                std::span<const std::string> prefixes) {
  std::vector<std::string> out;
  std::set<std::string_view> seen;
  const json::value* list = document.if_contains("external_ids");
  if (list == nullptr || !list->is_array()) return out;
  for (const auto& each : list->get_array()) {
    if (!each.is_string()) continue;
    const std::string_view id = each.get_string();
    const bool wanted = prefixes.empty() ||
                        std::any_of(prefixes.begin(), prefixes.end(),
                                    [id](const auto& prefix) { return id.starts_with(prefix); });
    if (wanted && seen.insert(id).second) out.emplace_back(id);
  }
  return out;
}

std::vector<std::string> ReadPrefixes(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view piece : Split(text, ','))
    if (const auto prefix = TrimSpace(piece); !prefix.empty()) out.emplace_back(prefix);
  return out;
}

json::object PutTogether(std::string_view source, std::vector<json::object> documents) {
  json::object out{{"type", "bundle"}, {"source", source}};
  std::set<std::string> seen;
  for (auto& document : documents) {
    const Entity* entity = TheModel().ByType(TextAt(document, "type"));
    if (entity == nullptr || !entity->bundle) continue;
    const std::string id(TextAt(document, "id"));
    if (!id.empty() && !seen.insert(id).second) continue;
    json::value& list = out[entity->plural];
    if (!list.is_array()) list = json::array();
    list.get_array().push_back(std::move(document));
  }
  return out;
}

}  // namespace mailreeve::ctim
