#include "ctim/model.h"

#include "base/check.h"
#include "ctim/builtin.h"

#include <algorithm>

namespace mailreeve::ctim {

const Field* ObjectShape::Find(std::string_view field) const {
  const auto at = std::lower_bound(
      fields.begin(), fields.end(), field,
      [](const Field& each, std::string_view wanted) { return each.name < wanted; });
  return at != fields.end() && at->name == field ? &*at : nullptr;
}

std::string Entity::singular() const {
  std::string out = type;
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

const Entity* Model::ByType(std::string_view type) const {
  for (const auto& each : entities_)
    if (each->type == type) return each.get();
  return nullptr;
}

const Entity* Model::ByPlural(std::string_view plural) const {
  for (const auto& each : entities_)
    if (each->plural == plural) return each.get();
  return nullptr;
}

const Entity* Model::ByRefs(std::string_view refs) const {
  for (const auto& each : entities_)
    if (!each->refs.empty() && each->refs == refs) return each.get();
  return nullptr;
}

const Vocabulary* Model::Words(std::string_view name) const {
  const auto at = vocabularies_.find(name);
  return at == vocabularies_.end() ? nullptr : &at->second;
}

// Reads the three documents. Components and entities may name each other in any order, so their
// places are made first.
class ModelReader {
 public:
  Result<std::unique_ptr<const Model>> Read(std::string_view vocabularies,
                                            std::string_view components,
                                            std::string_view entities) {
    TRY(const json::value words, json::Parse(vocabularies));
    TRY(const json::object* all_words, json::AsObject(words, ""));
    for (const char* part : {"closed", "open"}) {
      const json::value* group = all_words->if_contains(part);
      if (group == nullptr) return Fail(Code::kInvalid, std::string(part) + ": is missing");
      TRY(const json::object* lists, json::AsObject(*group, part));
      for (const auto& [name, list] : *lists) {
        TRY(const std::vector<std::string> values, json::OptionalStrings(*lists, name, part));
        AddVocabulary(std::string(name), values);
      }
    }

    TRY(const json::value parts, json::Parse(components));
    TRY(const json::object* all_parts, json::AsObject(parts, ""));
    for (const auto& [name, unused] : *all_parts)
      model_->components_[std::string(name)].name = std::string(name);

    TRY(const json::value document, json::Parse(entities));
    TRY(const json::object* root, json::AsObject(document, ""));
    TRY(model_->schema_version_, json::RequireString(*root, "schema_version"));
    TRY_VOID(Object(*root, "groups", groups_));
    TRY_VOID(Object(*root, "unions", unions_));
    const json::value* list = root->if_contains("entities");
    if (list == nullptr) return Fail(Code::kInvalid, "entities: is missing");
    TRY(const json::array* rows, json::AsArray(*list, "entities"));
    for (const auto& row : *rows) TRY_VOID(AddEntity(row));
    std::sort(model_->entities_.begin(), model_->entities_.end(),
              [](const auto& a, const auto& b) { return a->type < b->type; });

    for (const auto& [name, fields] : *all_parts) {
      TRY(const json::object* from, json::AsObject(fields, name));
      TRY_VOID(Fields(*from, name, model_->components_.find(std::string_view(name))->second));
    }
    for (const auto& row : *rows) TRY_VOID(FillEntity(row.get_object()));
    return std::move(model_);
  }

 private:
  static Result<void> Object(const json::object& from, std::string_view key,
                             const json::object*& out) {
    const json::value* found = from.if_contains(key);
    if (found == nullptr) return Fail(Code::kInvalid, std::string(key) + ": is missing");
    TRY(out, json::AsObject(*found, key));
    return {};
  }

  const Vocabulary* AddVocabulary(std::string name, const std::vector<std::string>& words) {
    Vocabulary& out = model_->vocabularies_[name];
    out.name = std::move(name);
    out.words = words;
    out.set.insert(words.begin(), words.end());
    return &out;
  }

  Result<void> AddEntity(const json::value& row) {
    TRY(const json::object* from, json::AsObject(row, "entities[]"));
    auto entity = std::make_unique<Entity>();
    TRY(entity->type, json::RequireString(*from, "type", "entities[]"));
    TRY(entity->plural, json::RequireString(*from, "plural", entity->type));
    TRY(entity->refs, json::OptionalString(*from, "refs", "", entity->type));
    TRY(entity->swagger, json::RequireString(*from, "swagger", entity->type));
    TRY(entity->bulk, json::OptionalBool(*from, "bulk", false, entity->type));
    TRY(entity->bundle, json::OptionalBool(*from, "bundle", false, entity->type));
    TRY(entity->patch, json::OptionalBool(*from, "patch", false, entity->type));
    TRY(entity->open, json::OptionalBool(*from, "open", false, entity->type));
    entity->shape.name = entity->type;
    model_->entities_.push_back(std::move(entity));
    return {};
  }

  Result<void> FillEntity(const json::object& from) {
    TRY(const std::string type, json::RequireString(from, "type"));
    Entity* entity = nullptr;
    for (const auto& each : model_->entities_)
      if (each->type == type) entity = each.get();
    const json::object* own = nullptr;
    TRY_VOID(Object(from, "fields", own));
    TRY_VOID(Fields(*own, type, entity->shape));
    TRY(const auto groups, json::OptionalStrings(from, "groups", type));
    entity->envelope = false;
    for (const auto& name : groups) {
      const json::object* group = nullptr;
      TRY_VOID(Object(*groups_, name, group));
      entity->envelope |= name == "envelope";
      ObjectShape more;
      TRY_VOID(Fields(*group, name, more));
      // A field of the entity itself goes before the group's.
      for (auto& field : more.fields)
        if (entity->shape.Find(field.name) == nullptr) pending_.push_back(std::move(field));
    }
    if (type == "bundle") TRY_VOID(BundleFields());
    for (auto& field : pending_) entity->shape.fields.push_back(std::move(field));
    pending_.clear();
    Sort(entity->shape);
    return {};
  }

  // A list and a list of references for each entity that goes into bundles.
  Result<void> BundleFields() {
    for (const auto& each : model_->entities_) {
      if (!each->bundle) continue;
      Field list{each->plural, false, {}};
      TRY(list.shape, ShapeOf(json::value("[@" + each->type + "]"), each->type));
      pending_.push_back(std::move(list));
      Field refs{each->refs, false, {}};
      TRY(refs.shape, ShapeOf(json::value("[ref]"), each->type));
      pending_.push_back(std::move(refs));
    }
    return {};
  }

  static void Sort(ObjectShape& shape) {
    std::sort(shape.fields.begin(), shape.fields.end(),
              [](const Field& a, const Field& b) { return a.name < b.name; });
  }

  Result<void> Fields(const json::object& from, std::string_view path, ObjectShape& out) {
    for (const auto& [key, value] : from) {
      std::string_view name = key;
      Field field;
      if (name.ends_with('*')) {
        field.required = true;
        name.remove_suffix(1);
      }
      field.name = std::string(name);
      TRY(field.shape, ShapeOf(value, json::Join(path, name)));
      out.fields.push_back(std::move(field));
    }
    Sort(out);
    return {};
  }

  Result<Shape> ShapeOf(const json::value& value, const std::string& path) {
    if (value.is_string()) return Named(value.get_string(), path);
    if (value.is_array()) return Inline(value.get_array(), path);
    TRY(const json::object* from, json::AsObject(value, path));
    TRY_VOID(json::RefuseUnknownKeys(*from, {"type", "min", "max", "default", "partial", "becomes"},
                                     path));
    const json::value* type = from->if_contains("type");
    if (type == nullptr) return Fail(Code::kInvalid, path + ".type: is missing");
    TRY(Shape out, ShapeOf(*type, path));
    if (from->contains("min")) {
      TRY(out.min, json::RequireInteger(*from, "min", path));
    }
    if (from->contains("max")) {
      TRY(out.max, json::RequireInteger(*from, "max", path));
    }
    if (const json::value* otherwise = from->if_contains("default")) out.otherwise = *otherwise;
    TRY(out.partial, json::OptionalBool(*from, "partial", false, path));
    TRY(out.becomes, json::OptionalString(*from, "becomes", "", path));
    return out;
  }

  // ["a", "b"] or [1, 2]: a closed choice used in one place only.
  Result<Shape> Inline(const json::array& from, const std::string& path) {
    Shape out;
    if (!from.empty() && from[0].is_int64()) {
      out.kind = Kind::kNumbers;
      for (const auto& each : from) {
        if (!each.is_int64()) return Fail(Code::kInvalid, path + ": must hold whole numbers");
        out.numbers.push_back(each.get_int64());
      }
      return out;
    }
    std::vector<std::string> words;
    for (const auto& each : from) {
      TRY(std::string word, json::AsString(each, path));
      words.push_back(std::move(word));
    }
    out.kind = Kind::kWords;
    out.words = AddVocabulary("@" + path, words);
    return out;
  }

  Result<Shape> Named(std::string_view name, const std::string& path) {
    struct Simple {
      std::string_view name;
      Kind kind;
      size_t max_chars;
    };
    static constexpr Simple kSimple[] = {
        {"string", Kind::kText, 0},     {"short", Kind::kText, 1024},
        {"medium", Kind::kText, 2048},  {"long", Kind::kText, 5000},
        {"ref", Kind::kRef, 2048},      {"uri", Kind::kUri, 2048},
        {"id", Kind::kId, 2048},        {"version", Kind::kVersion, 0},
        {"type", Kind::kTypeName, 0},   {"time", Kind::kTime, 0},
        {"integer", Kind::kInteger, 0}, {"number", Kind::kNumber, 0},
        {"boolean", Kind::kBoolean, 0}, {"any", Kind::kAny, 0},
        {"scalar", Kind::kScalar, 0},   {"map", Kind::kMap, 0},
    };
    Shape out;
    for (const auto& each : kSimple) {
      if (each.name != name) continue;
      out.kind = each.kind;
      out.max_chars = each.max_chars;
      return out;
    }
    const size_t colon = name.find(':');
    const std::string_view head = name.substr(0, colon);
    const std::string_view tail =
        colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
    if (name.starts_with('[') && name.ends_with(']')) {
      out.kind = Kind::kList;
      TRY(Shape item, Named(name.substr(1, name.size() - 2), path));
      out.item = std::make_shared<const Shape>(std::move(item));
      return out;
    }
    if (head == "enum" || head == "open") {
      out.kind = head == "enum" ? Kind::kWords : Kind::kOpenWords;
      out.words = model_->Words(tail);
      if (out.words != nullptr) return out;
    } else if (head == "const") {
      out.kind = Kind::kWords;
      out.words = AddVocabulary("@" + path, {std::string(tail)});
      return out;
    } else if (head == "map") {
      out.kind = Kind::kMap;
      TRY(Shape item, Named(tail, path));
      out.item = std::make_shared<const Shape>(std::move(item));
      return out;
    } else if (head == "one") {
      return Union(tail, path);
    } else if (name.starts_with('@')) {
      out.kind = Kind::kEntity;
      out.entity = model_->ByType(name.substr(1));
      if (out.entity != nullptr) return out;
    } else if (const auto at = model_->components_.find(name); at != model_->components_.end()) {
      out.kind = Kind::kObject;
      out.object = &at->second;
      return out;
    }
    return Fail(Code::kInvalid, path + ": no such type: " + std::string(name));
  }

  Result<Shape> Union(std::string_view name, const std::string& path) {
    const json::object* from = nullptr;
    TRY_VOID(Object(*unions_, name, from));
    Shape out;
    out.kind = Kind::kUnion;
    TRY(out.by, json::RequireString(*from, "by", name));
    const json::object* choices = nullptr;
    TRY_VOID(Object(*from, "of", choices));
    std::vector<std::string> words;
    for (const auto& [word, component] : *choices) {
      TRY(const std::string target, json::RequireString(*choices, word, name));
      const auto at = model_->components_.find(target);
      if (at == model_->components_.end())
        return Fail(Code::kInvalid, path + ": no such type: " + target);
      out.choices.emplace(word, &at->second);
      words.emplace_back(word);
    }
    out.words = AddVocabulary("@" + std::string(name), words);
    return out;
  }

  std::unique_ptr<Model> model_ = std::make_unique<Model>();
  const json::object* groups_ = nullptr;
  const json::object* unions_ = nullptr;
  std::vector<Field> pending_;
};

Result<std::unique_ptr<const Model>> ReadModel(std::string_view vocabularies,
                                               std::string_view components,
                                               std::string_view entities) {
  return ModelReader().Read(vocabularies, components, entities);
}

const Model& TheModel() {
  static const std::unique_ptr<const Model> model = [] {
    auto read = ReadModel(BuiltinVocabularies(), BuiltinComponents(), BuiltinEntities());
    CHECK(read.has_value());
    return *std::move(read);
  }();
  return *model;
}

}  // namespace mailreeve::ctim
