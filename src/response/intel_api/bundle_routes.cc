#include "ctim/bundle.h"
#include "ctim/document.h"
#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"

#include <algorithm>
#include <set>

// Bundles in and out (threat-response-api.md 5.10).
namespace mailreeve::response::intel_api {
namespace {

struct Entry {
  ctim::BundleItem item;
  std::vector<std::string> keys;  // external ids that tell repeats
  std::string id;                 // short; of the record there was, or of the new one
  bool exists = false;
  json::value error;  // {"type":…}; null: none
  std::string message;
};

// "sightings[3].title" -> the entity and place it is about.
std::optional<std::pair<std::string, size_t>> PlaceOf(std::string_view path) {
  const size_t open = path.find('['), close = path.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2)
    return std::nullopt;
  size_t index = 0;
  for (const char c : path.substr(open + 1, close - open - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<size_t>(c - '0');
  }
  return std::make_pair(std::string(path.substr(0, open)), index);
}

json::array ExternalIds(const json::object& document) {
  const json::value* list = document.if_contains("external_ids");
  return list != nullptr && list->is_array() ? list->get_array() : json::array();
}

}  // namespace

void IntelApi::AddBundleRoutes() {
  On("POST", "/ctia/bundle/import", &IntelApi::ImportBundle);
  On("GET", "/ctia/bundle/export", &IntelApi::ExportBundle);
  On("POST", "/ctia/bundle/export", &IntelApi::ExportBundle);
}

io::Task<http::Response> IntelApi::ImportBundle(Call call) {
  auto body = ReadBody(call.request, options_.max_bundle_bytes);
  if (!body) co_return ToResponse(body.error());
  ctim::Validation checked = ctim::Validate("bundle", *std::move(body));
  if (!checked.errors.is_null()) co_return ToResponse(Invalid(checked));
  // A rule broken by one entity is that entity's error, not the bundle's.
  std::map<std::pair<std::string, size_t>, std::string> broken;
  for (const ctim::SpecError& error : checked.spec) {
    const auto place = PlaceOf(error.path);
    if (!place) co_return ToResponse(Invalid(checked));
    broken.emplace(*place, error.path + ": " + error.message);
  }
  Result<ctim::BundleParts> parts = ctim::TakeApart(std::move(checked.document.get_object()),
                                                    {.max_entities = options_.max_bundle});
  if (!parts) co_return http::Response::Text(400, parts.error().message);
  std::vector<std::string> prefixes;
  for (const std::string& text : call.request.QueryAll("external-key-prefixes")) {
    for (std::string& prefix : ctim::ReadPrefixes(text)) prefixes.push_back(std::move(prefix));
  }
  std::vector<Entry> entries;
  for (ctim::BundleItem& item : parts->items) {
    Entry entry;
    entry.keys = ctim::KeysOf(item.document, prefixes);
    if (const auto found = broken.find({item.entity->plural, item.index}); found != broken.end()) {
      entry.error = json::object{{"type", "Invalid Entity Error"}};
      entry.message = found->second;
    }
    entry.item = std::move(item);
    entries.push_back(std::move(entry));
  }
  const ctim::IdSpace& ids = call.realm->ids;
  auto done =
      co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<std::vector<Entry>> {
        // Runs again when it met another writer: all that it decides is decided anew.
        std::vector<Entry> work = entries;
        Life life = LifeOf(tables, call);
        ctim::TransientIds transient;
        std::map<std::pair<std::string, std::string>, std::string> in_bundle;
        for (Entry& entry : work) {
          if (!entry.error.is_null()) continue;
          const std::string& type = entry.item.entity->type;
          for (const std::string& key : entry.keys) {
            if (const auto twin = in_bundle.find({type, key}); twin != in_bundle.end()) {
              entry.id = twin->second;
            } else {
              TRY(const std::vector<std::string> found,
                  tables.IdsByExternalId(type, call.asker.org, call.asker.login, key));
              if (!found.empty()) entry.id = found.front();
            }
            if (!entry.id.empty()) break;
          }
          entry.exists = !entry.id.empty();
          if (!entry.exists) entry.id = ctim::ShortId::New(type).text();
          for (const std::string& key : entry.keys)
            in_bundle.emplace(std::pair(type, key), entry.id);
          transient.Know(entry.item.transient, ids.Long(std::string_view(entry.id)));
        }
        for (Entry& entry : work) {
          if (!entry.error.is_null() || entry.exists) continue;
          const ctim::Entity& entity = *entry.item.entity;
          json::object document = entry.item.document;
          const std::vector<std::string> unknown = transient.Resolve(entity, document);
          if (!unknown.empty() && entity.type == "relationship") {
            entry.error = json::object{{"type", "Invalid Entity Error"}};
            entry.message = "a reference to " + unknown.front() + " leads to nothing";
            continue;
          }
          Checked fresh;
          fresh.entity = &entity;
          fresh.document = std::move(document);
          fresh.new_id = entry.id;
          if (fresh.document.contains("id")) {
            entry.error = json::object{{"type", "Missing capability to specify entity ID"}};
            continue;
          }
          TRY_VOID(life.Create(fresh));
        }
        return work;
      });
  if (!done) co_return Failed(done.error(), call);
  // As they stood in the bundle: by entity, then place.
  std::stable_sort(done->begin(), done->end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.item.entity->plural, a.item.index) <
           std::tie(b.item.entity->plural, b.item.index);
  });
  json::array results;
  results.reserve(done->size());
  for (Entry& entry : *done) {
    json::object result;
    if (entry.error.is_null()) result["id"] = ids.Long(std::string_view(entry.id));
    if (!entry.item.transient.empty()) result["original_id"] = entry.item.transient;
    result["result"] = !entry.error.is_null() ? "error" : entry.exists ? "exists" : "created";
    result["type"] = entry.item.entity->type;
    result["external_ids"] = ExternalIds(entry.item.document);
    if (!entry.error.is_null()) {
      result["error"] = std::move(entry.error);
      if (!entry.message.empty()) result["msg"] = std::move(entry.message);
    }
    results.push_back(std::move(result));
  }
  co_return JsonAnswer(200, json::object{{"results", std::move(results)}});
}

io::Task<http::Response> IntelApi::ExportBundle(Call call) {
  std::vector<std::string> given = call.request.QueryAll("ids");
  if (call.request.method == "POST") {
    auto body = ReadBody(call.request, options_.max_body_bytes);
    if (!body) co_return ToResponse(body.error());
    const json::object* object = body->if_object();
    const json::value* list = object == nullptr ? nullptr : object->if_contains("ids");
    if (list == nullptr) co_return ToResponse(BadParameter("ids", "missing-required-key"));
    if (!list->is_array()) co_return ToResponse(BadParameter("ids", "(not (sequential? …))"));
    for (const json::value& id : list->get_array()) {
      if (!id.is_string()) co_return ToResponse(BadParameter("ids", "(not (string? …))"));
      given.emplace_back(id.get_string());
    }
  } else if (given.empty()) {
    co_return ToResponse(BadParameter("ids", "missing-required-key"));
  }
  if (given.size() > options_.max_bulk) co_return TooManyIds();
  bool source = true, target = true;
  if (const auto related = call.request.QueryAll("related_to"); !related.empty()) {
    const auto has = [&](const char* word) {
      return std::find(related.begin(), related.end(), word) != related.end();
    };
    source = has("source_ref");
    target = has("target_ref");
  }
  const std::vector<std::string> source_types = call.request.QueryAll("source_type");
  const std::vector<std::string> target_types = call.request.QueryAll("target_type");
  bool include = true;
  if (call.request.Query("include_related_entities")) {
    const auto flag = ReadFlag(call.request, "include_related_entities");
    if (!flag) co_return ToResponse(flag.error());
    include = *flag;
  }
  std::vector<std::string> ids;
  for (const std::string& text : given) {
    if (const auto id = call.realm->ids.Ours(text)) ids.push_back(id->text());
  }
  const ExportChoice choice{source, target, include, source_types, target_types};
  auto bundle = co_await call.realm->store->Read(
      [&](intel::Tables& tables) { return BundleOf(tables, call, ids, choice); });
  if (!bundle) co_return Failed(bundle.error(), call);
  co_return JsonAnswer(200, *bundle);
}

// The records, relationships that touch them, and what stands at the other end.
Result<json::object> IntelApi::BundleOf(intel::Tables& tables, const Call& call,
                                        const std::vector<std::string>& ids,
                                        const ExportChoice& choice) const {
  const intel::Visibility visibility = call.realm->store->options().visibility;
  std::vector<json::object> documents;
  std::set<std::string> seen;
  const auto take = [&](const std::string& short_id) -> Result<bool> {
    const auto id = ctim::ShortId::Parse(short_id);
    if (!id || StoredEntity(id->type) == nullptr) return false;
    if (seen.contains(short_id)) return true;
    TRY(const std::optional<intel::Record> record, tables.Get(id->type, short_id));
    if (!record || !intel::MayRead(record->document, call.asker, visibility)) return false;
    seen.insert(short_id);
    documents.push_back(ShownTo(call, *record));
    // A feed's secret is for reading the feed, not for passing on.
    documents.back().erase("secret");
    documents.back().erase("feed_view_url");
    return true;
  };
  const auto fits = [](const std::vector<std::string>& types, const std::string& ref) {
    if (types.empty()) return true;
    const auto id = ctim::ShortId::Parse(ref);
    return id && std::find(types.begin(), types.end(), id->type) != types.end();
  };
  for (const std::string& id : ids) {
    TRY(const bool there, take(id));
    if (!there) continue;
    for (const intel::Side side : {intel::Side::kSource, intel::Side::kTarget}) {
      if (!(side == intel::Side::kSource ? choice.source : choice.target)) continue;
      TRY(const std::vector<intel::Record> relationships,
          intel::RelationshipsOf(tables, id, side, static_cast<int64_t>(options_.max_export),
                                 call.asker, visibility));
      for (const intel::Record& relationship : relationships) {
        const intel::Rows rows = intel::RowsOf("relationship", relationship.document);
        if (!rows.relation || !fits(choice.source_types, rows.relation->source) ||
            !fits(choice.target_types, rows.relation->target))
          continue;
        TRY_VOID(take(relationship.id()));
        if (choice.include) {
          TRY_VOID(
              take(side == intel::Side::kSource ? rows.relation->target : rows.relation->source));
        }
      }
    }
  }
  return ctim::PutTogether("ctia", std::move(documents));
}

http::Response IntelApi::TooManyIds() const {
  return http::Response::Text(400,
                              "Bulk max number of entities: " + std::to_string(options_.max_bulk));
}

}  // namespace mailreeve::response::intel_api
