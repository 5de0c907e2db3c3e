#include "response/modules/catalogue.h"

#include "base/random.h"
#include "base/text.h"
#include "response/modules/builtin_types.h"
#include "response/modules/form.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::response::modules {
namespace {

using module_store::Kind;
using module_store::Record;

constexpr std::string_view kNobodysClient = "client-00000000-0000-0000-0000-000000000000";

tl::unexpected<Error> Refuse(Problems problems) {
  Error error(Code::kInvalid, "the body is not as it must be");
  error.notes = std::move(problems);
  return Fail(std::move(error));
}

std::string TextOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
std::vector<std::string> TextsOf(const json::object& from, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_array()) return out;
  for (const json::value& item : value->get_array()) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}
// "id" of each object of a list.
std::vector<std::string> IdsOf(const json::object& from, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_array()) return out;
  for (const json::value& item : value->get_array()) {
    if (item.is_object()) out.push_back(TextOf(item.get_object(), "id"));
  }
  return out;
}
json::object ObjectOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}
bool BoolOf(const json::object& from, std::string_view key, bool otherwise) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

// What may hold secrets of a record of this kind.
std::string_view SecretPart(Kind kind) {
  return kind == Kind::kInstance ? "settings" : kind == Kind::kType ? "properties" : "patch";
}

// Keys that the server sets do not come from a body.
void DropServerKeys(json::object& body) {
  for (const std::string_view key : {"id", "org_id", "user_id", "client_id", "created_at",
                                     "updated_at", "record", "visibility"}) {
    body.erase(key);
  }
}
void DropNulls(json::object& body) {
  std::vector<std::string> nulls;
  for (const auto& member : body) {
    if (member.value().is_null()) nulls.emplace_back(member.key());
  }
  for (const std::string& key : nulls) body.erase(key);
}

// Puts what may be secret of `body` beside the rest.
void SplitBody(Kind kind, json::object body, Record& record) {
  const std::string_view part = SecretPart(kind);
  if (kind != Kind::kIntegration && body.contains(part)) {
    record.secret[part] = body.at(part);
    body.erase(part);
  }
  record.enabled = BoolOf(body, "enabled", true);
  record.document = std::move(body);
}
json::object Joined(const Record& record) {
  json::object out = record.document;
  for (const auto& member : record.secret) out[member.key()] = member.value();
  return out;
}

std::string AsText(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::Serialize(value);
}

bool HasWords(const json::object& record, const std::string& query) {
  std::string all;
  for (const std::string_view key : {"id", "title", "name", "default_name", "short_description",
                                     "description", "record", "module_type_id"}) {
    all += TextOf(record, key) + "\n";
  }
  all = AsciiLower(all);
  for (const std::string_view word : Split(query, ' ')) {
    if (!word.empty() && all.find(AsciiLower(word)) == std::string::npos) return false;
  }
  return true;
}

bool LessBy(const std::string& key, const json::value& a, const json::value& b) {
  const json::value* x = a.get_object().if_contains(key);
  const json::value* y = b.get_object().if_contains(key);
  // Records without the key come last.
  if (x == nullptr || y == nullptr) return x != nullptr;
  if (x->is_int64() && y->is_int64()) return x->get_int64() < y->get_int64();
  if (x->is_bool() && y->is_bool()) return !x->get_bool() && y->get_bool();
  return AsciiLower(AsText(*x)) < AsciiLower(AsText(*y));
}

json::array Select(json::array all, const ListQuery& query) {
  std::vector<json::value> kept;
  for (json::value& item : all) {
    const json::object& record = item.get_object();
    if (!query.query.empty() && !HasWords(record, query.query)) continue;
    const bool fits =
        std::all_of(query.equals.begin(), query.equals.end(), [&](const auto& condition) {
          const json::value* value = record.if_contains(condition.first);
          return value != nullptr && AsText(*value) == condition.second;
        });
    if (fits) kept.push_back(std::move(item));
  }
  if (!query.sort_by.empty()) {
    std::stable_sort(kept.begin(), kept.end(), [&](const json::value& a, const json::value& b) {
      return query.descending ? LessBy(query.sort_by, b, a) : LessBy(query.sort_by, a, b);
    });
  } else if (query.descending) {
    std::reverse(kept.begin(), kept.end());
  }
  json::array out;
  for (size_t i = query.offset; i < kept.size(); ++i) {
    if (query.limit && out.size() >= *query.limit) break;
    out.push_back(std::move(kept[i]));
  }
  return out;
}

ModuleType ToType(const Record& record) {
  ModuleType type;
  type.id = record.id;
  type.org_id = record.org_id;
  type.title = TextOf(record.document, "title");
  type.default_name = TextOf(record.document, "default_name");
  type.record = std::string(kRelayRecord);
  type.flags = TextsOf(record.document, "flags");
  type.product_categories = IdsOf(record.document, "product_categories");
  type.properties = ObjectOf(record.secret, "properties");
  type.supported_apis = TextsOf(type.properties, "supported-apis");
  if (const json::value* spec = record.document.if_contains("configuration_spec");
      spec != nullptr && spec->is_array()) {
    type.configuration_spec = spec->get_array();
  }
  if (const json::value* most = record.document.if_contains("max_nb_instances");
      most != nullptr && most->is_int64()) {
    type.max_nb_instances = most->get_int64();
  }
  type.takes_instances = true;
  type.enabled = record.enabled;
  return type;
}

// What a form's empty fields stand for.
void FillDefaults(const json::array& spec, json::object& settings) {
  for (const json::value& item : spec) {
    const json::object* field = item.if_object();
    const json::value* otherwise = field == nullptr ? nullptr : field->if_contains("default_value");
    if (otherwise == nullptr) continue;
    const std::string key = TextOf(*field, "key");
    const json::value* value = settings.if_contains(key);
    if (value == nullptr || value->is_null() ||
        (value->is_string() && value->get_string().empty())) {
      settings[key] = *otherwise;
    }
  }
}

bool IsSeen(const Record& record, const std::string& user_id) {
  return record.visibility != "user" || record.user_id == user_id;
}

Error NoSuch(Kind kind) {
  return Error(Code::kNotFound, "there is no such " + std::string(module_store::KindName(kind)));
}

}  // namespace

CatalogueOptions CatalogueOptionsFrom(const settings::Snapshot& snapshot) {
  CatalogueOptions out;
  out.max_types = static_cast<size_t>(snapshot.Integer("modules.max_types"));
  out.max_instances = static_cast<size_t>(snapshot.Integer("modules.max_instances"));
  out.max_pending = static_cast<size_t>(snapshot.Integer("modules.max_pending"));
  return out;
}

Catalogue::Catalogue(module_store::Store store, std::vector<const ModuleType*> builtin,
                     CatalogueOptions options, const Clock& clock)
    : store_(std::move(store)),
      builtin_(std::move(builtin)),
      options_(std::move(options)),
      clock_(clock),
      database_pool_("module database", 1, options_.max_pending) {}

Result<std::unique_ptr<Catalogue>> Catalogue::Open(module_store::Store store,
                                                   std::vector<const ModuleType*> builtin,
                                                   CatalogueOptions options, const Clock& clock) {
  TRY_VOID(store.Reseal());
  return std::unique_ptr<Catalogue>(
      new Catalogue(std::move(store), std::move(builtin), std::move(options), clock));
}

const http::AddressPolicy& Catalogue::policy() const {
  static const http::AddressPolicy kPublicOnly;
  return options_.addresses ? *options_.addresses : kPublicOnly;
}

// ---- Records

Record Catalogue::Fresh(const Asker& asker, Kind kind) const {
  Record record;
  record.id = RandomUuid();
  record.kind = kind;
  record.org_id = asker.org_id;
  record.user_id = asker.user_id;
  record.client_id = asker.client_id.empty() ? std::string(kNobodysClient) : asker.client_id;
  record.created = record.updated = clock_.Now();
  return record;
}

Result<Record> Catalogue::FindSeen(const Asker& asker, Kind kind, const std::string& id) {
  TRY(Record record, store_.Find(kind, id));
  if ((record.org_id != asker.org_id && record.visibility != "global") ||
      !IsSeen(record, asker.user_id)) {
    return Fail(NoSuch(kind));
  }
  return record;
}

Result<Record> Catalogue::FindOwn(const Asker& asker, Kind kind, const std::string& id) {
  TRY(Record record, FindSeen(asker, kind, id));
  if (record.org_id != asker.org_id || (record.visibility == "global" && !asker.is_operator)) {
    return Fail(Code::kDenied, "it belongs to all organisations; the server's operator changes it");
  }
  return record;
}

json::object Catalogue::ToWire(const Asker& asker, const Record& record) const {
  json::object out = record.document;
  out["id"] = record.id;
  out["org_id"] = record.org_id;
  out["user_id"] = record.user_id;
  out["client_id"] = record.client_id;
  out["created_at"] = FormatTime(record.created);
  out["updated_at"] = FormatTime(record.updated);
  if (record.kind == Kind::kPatch) {
    const json::object patch = ObjectOf(record.secret, "patch");
    out["patch"] = asker.sees_secrets ? patch : Redact(patch, {});
    out["module_type_id"] = record.parent_id;
    return out;
  }
  out["enabled"] = record.enabled;
  out["visibility"] = record.visibility;
  if (record.kind == Kind::kType) {
    out["record"] = kRelayRecord;
    ModuleType type = ToType(record);
    type.document = std::move(out);
    return ToJson(type, record.org_id, asker.sees_secrets);
  }
  return out;
}

Result<json::array> Catalogue::List(const Asker& asker, Kind kind, const ListQuery& query,
                                    json::array first) {
  TRY(const std::vector<Record> records, store_.List(kind, asker.org_id));
  for (const Record& record : records) {
    if (IsSeen(record, asker.user_id)) first.push_back(ToWire(asker, record));
  }
  return Select(std::move(first), query);
}

Result<Catalogue::Types> Catalogue::TypesFor(const std::string& org_id) {
  Types out;
  for (const ModuleType* type : builtin_) {
    // Built-in types outlive us.
    out[type->id] = std::shared_ptr<const ModuleType>(std::shared_ptr<void>(), type);
  }
  TRY(const std::vector<Record> records, store_.List(Kind::kType, org_id));
  for (const Record& record : records) {
    auto type = std::make_shared<ModuleType>(ToType(record));
    out[record.id] = std::move(type);
  }
  return out;
}

Result<std::shared_ptr<const ModuleType>> Catalogue::TypeFor(const std::string& org_id,
                                                             const std::string& id) {
  TRY(const Types types, TypesFor(org_id));
  const auto found = types.find(id);
  return found == types.end() ? nullptr : found->second;
}

// ---- Types

io::Task<Result<json::array>> Catalogue::ListTypes(Asker asker, ListQuery query) {
  return OnDatabase([this, asker, query] {
    json::array first;
    for (const ModuleType* type : builtin_) {
      first.push_back(ToJson(*type, asker.org_id, asker.sees_secrets));
    }
    return List(asker, Kind::kType, query, std::move(first));
  });
}

io::Task<Result<json::object>> Catalogue::GetType(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<json::object> {
    for (const ModuleType* type : builtin_) {
      if (type->id == id) return ToJson(*type, asker.org_id, asker.sees_secrets);
    }
    TRY(const Record record, FindSeen(asker, Kind::kType, id));
    return ToWire(asker, record);
  });
}

io::Task<Result<json::object>> Catalogue::MakeType(Asker asker, json::object body) {
  return OnDatabase([this, asker, body]() mutable -> Result<json::object> {
    Problems problems = CheckType(body, false, policy());
    for (std::string& problem : RefuseMasks(ObjectOf(body, "properties"), "properties")) {
      problems.push_back(std::move(problem));
    }
    if (!problems.empty()) return Refuse(std::move(problems));
    TRY(const std::vector<Record> there, store_.List(Kind::kType, asker.org_id));
    if (there.size() >= options_.max_types) {
      return Fail(Code::kConflict, "the organisation has as many module types as it may have");
    }
    Record record = Fresh(asker, Kind::kType);
    DropServerKeys(body);
    SplitBody(Kind::kType, std::move(body), record);
    TRY_VOID(store_.Transaction([&] { return store_.Insert(record); }));
    return ToWire(asker, record);
  });
}

io::Task<Result<json::object>> Catalogue::PatchType(Asker asker, std::string id,
                                                    json::object body) {
  return OnDatabase([this, asker, id, body]() mutable -> Result<json::object> {
    for (const ModuleType* type : builtin_) {
      if (type->id == id) return Fail(Code::kDenied, "this type came with the program");
    }
    TRY(Record record, FindOwn(asker, Kind::kType, id));
    if (Problems problems = CheckType(body, true, policy()); !problems.empty()) {
      return Refuse(std::move(problems));
    }
    DropServerKeys(body);
    json::object whole = Joined(record);
    MergePatch(whole, body);
    if (Problems problems = CheckType(whole, false, policy()); !problems.empty()) {
      return Refuse(std::move(problems));
    }
    record.secret = {};
    SplitBody(Kind::kType, std::move(whole), record);
    record.updated = clock_.Now();
    TRY_VOID(store_.Transaction([&] { return store_.Update(record); }));
    return ToWire(asker, record);
  });
}

io::Task<Result<void>> Catalogue::DeleteType(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<void> {
    for (const ModuleType* type : builtin_) {
      if (type->id == id) return Fail(Code::kDenied, "this type came with the program");
    }
    TRY_VOID(FindOwn(asker, Kind::kType, id));
    return store_.Transaction([&]() -> Result<void> {
      TRY(const int64_t used, store_.CountOf(Kind::kInstance, id, ""));
      if (used > 0) {
        return Fail(Code::kConflict,
                    std::to_string(used) + " module instances are of this type; remove them first");
      }
      TRY(const std::vector<Record> patches, store_.List(Kind::kPatch, asker.org_id, id));
      for (const Record& patch : patches) TRY_VOID(store_.Remove(Kind::kPatch, patch.id));
      return store_.Remove(Kind::kType, id);
    });
  });
}

// ---- Patches

io::Task<Result<json::array>> Catalogue::ListPatches(Asker asker, ListQuery query) {
  return OnDatabase([this, asker, query] { return List(asker, Kind::kPatch, query, {}); });
}

io::Task<Result<json::object>> Catalogue::GetPatch(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<json::object> {
    TRY(const Record record, FindSeen(asker, Kind::kPatch, id));
    return ToWire(asker, record);
  });
}

// The type of `patch` with the patch applied; with `to_merge` only when the asker may change it.
Result<Record> Catalogue::Patched(const Asker& asker, const Record& patch, bool to_merge) {
  Record type;
  const auto builtin = std::find_if(builtin_.begin(), builtin_.end(), [&](const ModuleType* have) {
    return have->id == patch.parent_id;
  });
  if (builtin != builtin_.end()) {
    if (to_merge) return Fail(Code::kDenied, "this type came with the program");
    json::object body = ToJson(**builtin, asker.org_id, true);
    type.id = (*builtin)->id;
    type.kind = Kind::kType;
    type.org_id = asker.org_id;
    type.user_id = TextOf(body, "user_id");
    type.client_id = TextOf(body, "client_id");
    type.visibility = "global";
    type.created = type.updated = clock_.Now();
    DropServerKeys(body);
    SplitBody(Kind::kType, std::move(body), type);
  } else if (to_merge) {
    TRY(type, FindOwn(asker, Kind::kType, patch.parent_id));
  } else {
    TRY(type, FindSeen(asker, Kind::kType, patch.parent_id));
  }
  json::object whole = Joined(type);
  json::object change = ObjectOf(patch.secret, "patch");
  DropServerKeys(change);
  MergePatch(whole, change);
  if (Problems problems = CheckType(whole, false, policy()); !problems.empty()) {
    for (std::string& problem : problems) problem = "patch." + problem;
    return Refuse(std::move(problems));
  }
  type.secret = {};
  SplitBody(Kind::kType, std::move(whole), type);
  return type;
}

Result<json::object> Catalogue::StorePatch(const Asker& asker, Record record,
                                           const json::object& body, bool is_new, bool dry_run) {
  Problems problems;
  for (const std::string_view key : {"module_type_id", "patch"}) {
    if (!body.contains(key)) problems.push_back(std::string(key) + ": missing-required-key");
  }
  const json::value* patch = body.if_contains("patch");
  if (patch != nullptr && !patch->is_object()) {
    problems.push_back("patch: must be an object");
  } else if (patch != nullptr) {
    for (const std::string& problem : CheckType(patch->get_object(), true, policy())) {
      problems.push_back("patch." + problem);
    }
  }
  const std::string status =
      body.contains("merge_status") ? TextOf(body, "merge_status") : "pending";
  if (status != "pending" && status != "rejected" && status != "merged") {
    problems.push_back("merge_status: must be one of merged rejected pending");
  }
  for (const auto& member : body) {
    const std::string_view key = member.key();
    const bool known =
        key == "module_type_id" || key == "patch" ||
        (!is_new && (key == "merge_status" || key == "merge_message" || key == "merged_at" ||
                     key == "merged_by" || key == "id" || key == "org_id" || key == "user_id" ||
                     key == "client_id" || key == "created_at" || key == "updated_at"));
    if (!known) problems.push_back(std::string(CutUtf8(key, 100)) + ": disallowed-key");
  }
  if (!problems.empty()) return Refuse(std::move(problems));
  if (!is_new && TextOf(record.document, "merge_status") == "merged") {
    return Fail(Code::kConflict, "this patch has been merged");
  }
  record.parent_id = TextOf(body, "module_type_id");
  json::object change = patch->get_object();
  if (!is_new) {
    // Masks in what was read and sent back stand for what is stored.
    json::object whole = ObjectOf(record.secret, "patch");
    for (const auto& member : change) {
      if (member.value().is_object() && whole.contains(member.key()) &&
          whole.at(member.key()).is_object()) {
        json::object merged = whole.at(member.key()).get_object();
        json::object kept;
        for (const auto& inner : member.value().get_object()) {
          const bool is_mask =
              inner.value().is_string() && std::string_view(inner.value().get_string()) == kMask;
          const json::value* before = merged.if_contains(inner.key());
          kept[inner.key()] = is_mask && before != nullptr ? *before : inner.value();
        }
        change[member.key()] = std::move(kept);
      }
    }
  }
  if (Problems masks = RefuseMasks(change, "patch"); !masks.empty())
    return Refuse(std::move(masks));
  record.secret["patch"] = std::move(change);
  record.document["merge_status"] = status;
  if (body.contains("merge_message"))
    record.document["merge_message"] = TextOf(body, "merge_message");
  auto type = Patched(asker, record, status == "merged");
  if (!type && type.error().code == Code::kNotFound) {
    return Refuse({"module_type_id: there is no such module type"});
  }
  if (!type) return Fail(std::move(type.error()));
  record.updated = clock_.Now();
  if (status == "merged") {
    record.document["merged_at"] = FormatTime(clock_.Now());
    record.document["merged_by"] = asker.user_id;
  }
  if (dry_run) return ToWire(asker, record);
  TRY_VOID(store_.Transaction([&]() -> Result<void> {
    if (is_new) {
      TRY_VOID(store_.Insert(record));
    } else {
      TRY_VOID(store_.Update(record));
    }
    if (status != "merged") return {};
    type->updated = clock_.Now();
    return store_.Update(*type);
  }));
  return ToWire(asker, record);
}

io::Task<Result<json::object>> Catalogue::MakePatch(Asker asker, json::object body, bool dry_run) {
  return OnDatabase([this, asker, body, dry_run]() -> Result<json::object> {
    TRY(const std::vector<Record> there, store_.List(Kind::kPatch, asker.org_id));
    if (there.size() >= options_.max_types) {
      return Fail(Code::kConflict, "the organisation has as many patches as it may have");
    }
    return StorePatch(asker, Fresh(asker, Kind::kPatch), body, true, dry_run);
  });
}

io::Task<Result<json::object>> Catalogue::PutPatch(Asker asker, std::string id, json::object body,
                                                   bool dry_run) {
  return OnDatabase([this, asker, id, body, dry_run]() -> Result<json::object> {
    TRY(Record record, FindOwn(asker, Kind::kPatch, id));
    return StorePatch(asker, std::move(record), body, false, dry_run);
  });
}

io::Task<Result<void>> Catalogue::DeletePatch(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<void> {
    TRY_VOID(FindOwn(asker, Kind::kPatch, id));
    return store_.Transaction([&] { return store_.Remove(Kind::kPatch, id); });
  });
}

io::Task<Result<json::object>> Catalogue::PreviewPatch(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<json::object> {
    TRY(const Record patch, FindSeen(asker, Kind::kPatch, id));
    TRY(const Record type, Patched(asker, patch, false));
    return ToWire(asker, type);
  });
}

// ---- Instances

Result<ModuleInstance> Catalogue::ToInstance(const Record& record, const Types& types) const {
  ModuleInstance out;
  out.id = record.id;
  out.org_id = record.org_id;
  out.user_id = record.user_id;
  out.client_id = record.client_id;
  out.name = TextOf(record.document, "name");
  out.type_id = record.parent_id;
  out.enabled = record.enabled;
  out.reachable = true;
  out.visibility = record.visibility;
  out.parent_id = TextOf(record.document, "parent_id");
  out.settings = ObjectOf(record.secret, "settings");
  if (const json::value* references = record.document.if_contains("external_references");
      references != nullptr && references->is_array()) {
    out.external_references = references->get_array();
  }
  out.created = record.created;
  out.updated = record.updated;
  const auto type = types.find(record.parent_id);
  if (type != types.end()) out.type = type->second;
  return out;
}

io::Task<Result<json::array>> Catalogue::ListInstances(Asker asker, ListQuery query,
                                                       std::vector<ModuleInstance> also) {
  return OnDatabase([this, asker, query, also]() -> Result<json::array> {
    json::array all;
    for (const ModuleInstance& instance : also) {
      all.push_back(ToJson(instance, asker.sees_secrets));
    }
    TRY(const Types types, TypesFor(asker.org_id));
    TRY(const std::vector<Record> records, store_.List(Kind::kInstance, asker.org_id));
    for (const Record& record : records) {
      if (!IsSeen(record, asker.user_id)) continue;
      TRY(const ModuleInstance instance, ToInstance(record, types));
      // Another organisation's secrets are nobody's business but its own.
      all.push_back(ToJson(instance, asker.sees_secrets && record.org_id == asker.org_id));
    }
    return Select(std::move(all), query);
  });
}

io::Task<Result<json::object>> Catalogue::GetInstance(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<json::object> {
    TRY(const Record record, FindSeen(asker, Kind::kInstance, id));
    TRY(const Types types, TypesFor(asker.org_id));
    TRY(const ModuleInstance instance, ToInstance(record, types));
    return ToJson(instance, asker.sees_secrets && record.org_id == asker.org_id);
  });
}

Result<void> Catalogue::CheckAgainstType(const ModuleType& type, const Record& record,
                                         Problems problems) const {
  const json::object settings = ObjectOf(record.secret, "settings");
  const bool has_address = type.record == kRelayRecord || type.record == kApplianceRecord;
  for (std::string& problem :
       CheckSettings(settings, type.configuration_spec, has_address, policy())) {
    problems.push_back(std::move(problem));
  }
  if (type.record == kRelayRecord && !settings.contains("url") &&
      !type.properties.contains("url")) {
    problems.push_back("settings.url: missing-required-key");
  }
  // The form may have asked for it too.
  std::sort(problems.begin(), problems.end());
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
  if (!problems.empty()) return Refuse(std::move(problems));
  return {};
}

Result<json::object> Catalogue::InsertInstance(const Asker& asker, const json::object& body) {
  Problems problems = CheckInstance(body, false);
  if (!problems.empty()) return Refuse(std::move(problems));
  TRY(const auto type, TypeFor(asker.org_id, TextOf(body, "module_type_id")));
  if (type == nullptr) return Refuse({"module_type_id: there is no such module type"});
  if (!type->takes_instances) {
    return Refuse(
        {"module_type_id: instances of this type are registered devices; make a "
         "registration token under Devices"});
  }
  Record record = Fresh(asker, Kind::kInstance);
  record.parent_id = type->id;
  record.visibility = TextOf(body, "visibility");
  if (record.visibility == "global" && !asker.is_operator) {
    return Fail(Code::kDenied,
                "only the operator of the server may make a module for all organisations");
  }
  json::object kept = body;
  DropNulls(kept);
  kept.erase("module_type_id");
  kept.erase("visibility");
  SplitBody(Kind::kInstance, std::move(kept), record);
  record.document.erase("enabled");
  if (!record.secret.contains("settings")) record.secret["settings"] = json::object();
  TRY_VOID(CheckAgainstType(*type, record,
                            RefuseMasks(ObjectOf(record.secret, "settings"), "settings")));
  TRY_VOID(store_.Transaction([&]() -> Result<void> {
    TRY(const int64_t of_type, store_.CountOf(Kind::kInstance, type->id, asker.org_id));
    if (type->max_nb_instances && of_type >= *type->max_nb_instances) {
      return Fail(Code::kConflict, "there may be " + std::to_string(*type->max_nb_instances) +
                                       " instances of this module type");
    }
    TRY(const std::vector<Record> all, store_.List(Kind::kInstance, asker.org_id));
    if (all.size() >= options_.max_instances) {
      return Fail(Code::kConflict, "the organisation has as many module instances as it may have");
    }
    return store_.Insert(record);
  }));
  TRY(const ModuleInstance instance, ToInstance(record, {{type->id, type}}));
  return ToJson(instance, asker.sees_secrets);
}

Result<json::object> Catalogue::ChangeInstance(const Asker& asker, const std::string& id,
                                               const json::object& body) {
  TRY(Record record, FindOwn(asker, Kind::kInstance, id));
  if (Problems problems = CheckInstance(body, true); !problems.empty()) {
    return Refuse(std::move(problems));
  }
  if (body.contains("visibility")) {
    const std::string visibility = TextOf(body, "visibility");
    if (visibility == "global" && !asker.is_operator) {
      return Fail(Code::kDenied,
                  "only the operator of the server may make a module for all organisations");
    }
    record.visibility = visibility;
  }
  json::object whole = Joined(record);
  json::object change = body;
  change.erase("visibility");
  if (change.contains("module_type_id")) {
    record.parent_id = TextOf(change, "module_type_id");
    change.erase("module_type_id");
  }
  if (change.contains("enabled")) {
    record.enabled = BoolOf(change, "enabled", true);
    change.erase("enabled");
  }
  MergePatch(whole, change);
  if (!whole.contains("settings")) whole["settings"] = json::object();
  const bool enabled = record.enabled;
  record.secret = {};
  SplitBody(Kind::kInstance, std::move(whole), record);
  record.enabled = enabled;
  TRY(const auto type, TypeFor(asker.org_id, record.parent_id));
  if (type == nullptr || !type->takes_instances) {
    return Refuse({"module_type_id: there is no such module type"});
  }
  TRY_VOID(CheckAgainstType(*type, record,
                            RefuseMasks(ObjectOf(record.secret, "settings"), "settings")));
  record.updated = clock_.Now();
  TRY_VOID(store_.Transaction([&] { return store_.Update(record); }));
  TRY(const ModuleInstance instance, ToInstance(record, {{type->id, type}}));
  return ToJson(instance, asker.sees_secrets);
}

io::Task<Result<json::object>> Catalogue::MakeInstance(Asker asker, json::object body) {
  return OnDatabase([this, asker, body] { return InsertInstance(asker, body); });
}

io::Task<Result<json::object>> Catalogue::PatchInstance(Asker asker, std::string id,
                                                        json::object body) {
  return OnDatabase([this, asker, id, body] { return ChangeInstance(asker, id, body); });
}

io::Task<Result<void>> Catalogue::DeleteInstance(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<void> {
    TRY_VOID(FindOwn(asker, Kind::kInstance, id));
    return store_.Transaction([&] { return store_.Remove(Kind::kInstance, id); });
  });
}

io::Task<Result<json::object>> Catalogue::OneClick(Asker asker, json::object body) {
  return OnDatabase([this, asker, body]() -> Result<json::object> {
    Problems problems;
    for (const std::string_view key : {"module_type_id", "product_tenant_id", "type"}) {
      if (!body.contains(key)) {
        problems.push_back(std::string(key) + ": missing-required-key");
      } else if (!body.at(key).is_string()) {
        problems.push_back(std::string(key) + ": must be text");
      }
    }
    const std::string kind = TextOf(body, "type");
    if (problems.empty() && kind != "one-click" && kind != "update-to-one-click") {
      problems.push_back("type: must be one-click or update-to-one-click");
    }
    if (body.contains("settings") && !body.at("settings").is_object()) {
      problems.push_back("settings: must be an object");
    }
    for (const auto& member : body) {
      const std::string_view key = member.key();
      if (key != "module_type_id" && key != "product_tenant_id" && key != "type" &&
          key != "settings") {
        problems.push_back(std::string(CutUtf8(key, 100)) + ": disallowed-key");
      }
    }
    if (!problems.empty()) return Refuse(std::move(problems));
    const auto answer = [](bool made, std::string_view error) {
      json::object out{{"created_new_module?", made}};
      if (!error.empty()) out["error"] = error;
      return out;
    };
    const std::string tenant = TextOf(body, "product_tenant_id");
    TRY(const auto type, TypeFor(asker.org_id, TextOf(body, "module_type_id")));
    if (type == nullptr || !type->takes_instances) {
      return answer(false, "one_click_not_supported_by_module");
    }
    TRY(const std::vector<Record> there, store_.List(Kind::kInstance, asker.org_id, type->id));
    std::vector<Record> own;
    for (const Record& record : there) {
      if (record.org_id == asker.org_id && IsSeen(record, asker.user_id)) own.push_back(record);
    }
    const auto is_of_tenant = [&](const Record& record) {
      return TextOf(ObjectOf(record.secret, "settings"), "product_tenant_id") == tenant;
    };
    if (std::any_of(own.begin(), own.end(), is_of_tenant)) {
      return answer(false, "already_has_one_click");
    }
    json::object settings = ObjectOf(body, "settings");
    settings["product_tenant_id"] = tenant;
    Result<json::object> done = Fail(Code::kInternal, "");
    const bool is_update = kind == "update-to-one-click";
    if (is_update) {
      if (own.size() > 1) return answer(false, "multiple_module_instances");
      if (own.empty()) return answer(false, "one_click_update_not_supported");
      done = ChangeInstance(asker, own.front().id, {{"settings", settings}});
    } else {
      done = InsertInstance(asker, {{"name", type->default_name},
                                    {"module_type_id", type->id},
                                    {"visibility", "org"},
                                    {"settings", settings}});
    }
    if (!done) {
      if (done.error().code == Code::kUnavailable || done.error().code == Code::kCorrupt) {
        return Fail(std::move(done.error()));
      }
      return answer(false, "unable_to_create_module");
    }
    json::object out = answer(!is_update, "");
    if (is_update) out["updated_module_to_one_click?"] = true;
    out["module_instances"] = json::array{*done};
    return out;
  });
}

// ---- Integrations

io::Task<Result<json::array>> Catalogue::ListIntegrations(Asker asker, ListQuery query) {
  return OnDatabase([this, asker, query] {
    json::array first;
    // Each built-in type is an integration too, as before the two were told apart.
    for (const ModuleType* type : builtin_) {
      json::object item = ToJson(*type, asker.org_id, false);
      for (const std::string_view key :
           {"default_name", "record", "capabilities", "product_categories", "configuration_spec",
            "properties", "max_nb_instances"}) {
        item.erase(key);
      }
      item["module_type_id"] = type->id;
      first.push_back(std::move(item));
    }
    return List(asker, Kind::kIntegration, query, std::move(first));
  });
}

io::Task<Result<json::object>> Catalogue::GetIntegration(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<json::object> {
    TRY(const Record record, FindSeen(asker, Kind::kIntegration, id));
    return ToWire(asker, record);
  });
}

io::Task<Result<json::object>> Catalogue::MakeIntegration(Asker asker, json::object body) {
  return OnDatabase([this, asker, body]() mutable -> Result<json::object> {
    if (Problems problems = CheckIntegration(body, false); !problems.empty()) {
      return Refuse(std::move(problems));
    }
    TRY(const std::vector<Record> there, store_.List(Kind::kIntegration, asker.org_id));
    if (there.size() >= options_.max_types) {
      return Fail(Code::kConflict, "the organisation has as many integrations as it may have");
    }
    Record record = Fresh(asker, Kind::kIntegration);
    DropServerKeys(body);
    SplitBody(Kind::kIntegration, std::move(body), record);
    TRY_VOID(store_.Transaction([&] { return store_.Insert(record); }));
    return ToWire(asker, record);
  });
}

io::Task<Result<json::object>> Catalogue::PatchIntegration(Asker asker, std::string id,
                                                           json::object body) {
  return OnDatabase([this, asker, id, body]() mutable -> Result<json::object> {
    TRY(Record record, FindOwn(asker, Kind::kIntegration, id));
    if (Problems problems = CheckIntegration(body, true); !problems.empty()) {
      return Refuse(std::move(problems));
    }
    DropServerKeys(body);
    json::object whole = record.document;
    MergePatch(whole, body);
    SplitBody(Kind::kIntegration, std::move(whole), record);
    record.updated = clock_.Now();
    TRY_VOID(store_.Transaction([&] { return store_.Update(record); }));
    return ToWire(asker, record);
  });
}

io::Task<Result<void>> Catalogue::DeleteIntegration(Asker asker, std::string id) {
  return OnDatabase([this, asker, id]() -> Result<void> {
    TRY_VOID(FindOwn(asker, Kind::kIntegration, id));
    return store_.Transaction([&] { return store_.Remove(Kind::kIntegration, id); });
  });
}

// ---- Asking

io::Task<Result<std::vector<ModuleInstance>>> Catalogue::Instances(std::string org_id,
                                                                   std::string user_id) {
  return OnDatabase([this, org_id, user_id]() -> Result<std::vector<ModuleInstance>> {
    TRY(const int64_t changes, store_.Changes());
    Known& known = known_[org_id];
    if (known.changes != changes) {
      known.changes = -1;
      known.instances.clear();
      TRY(const Types types, TypesFor(org_id));
      TRY(const std::vector<Record> records, store_.List(Kind::kInstance, org_id));
      for (const Record& record : records) {
        TRY(ModuleInstance instance, ToInstance(record, types));
        if (instance.type == nullptr || !instance.type->enabled) continue;
        // Asked on behalf of whoever asks, also when it is everybody's.
        instance.org_id = org_id;
        FillDefaults(instance.type->configuration_spec, instance.settings);
        known.instances.push_back(std::move(instance));
      }
      known.changes = changes;
    }
    std::vector<ModuleInstance> out;
    for (const ModuleInstance& instance : known.instances) {
      if (instance.visibility != "user" || instance.user_id == user_id) out.push_back(instance);
    }
    return out;
  });
}

io::Task<Result<std::shared_ptr<const ModuleType>>> Catalogue::FindType(std::string org_id,
                                                                        std::string id) {
  return OnDatabase([this, org_id, id] { return TypeFor(org_id, id); });
}

}  // namespace mailreeve::response::modules
