#pragma once

#include "json/json.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// The description of CTIM: which entities there are, which fields they have, and of what kind.
// It is read from schema/ctim (docs/ctim.md tells the language); nothing else in the program names
// a field's type, limit or vocabulary.
//
// Threads: immutable once read. Ownership: shapes point to each other inside one Model.
// Errors: ReadModel answers kInvalid with the place for a bad description; TheModel() cannot fail
// (a test reads it).
//
//   const ctim::Entity* entity = ctim::TheModel().ByPlural("asset_mappings");
//   entity->type;                  // "asset-mapping": token of paths and ids
//   entity->refs;                  // "asset_mapping_refs"
//   entity->shape.Find("confidence")->required;
namespace mailreeve::ctim {

struct ObjectShape;
struct Entity;

enum class Kind {
  kText,      // at most `max_chars` code points
  kRef,       // the same; names another entity
  kUri,       // the same, and a URI reference
  kId,        // short, long or transient id
  kVersion,   // word.word.word
  kTypeName,  // the entity's own type
  kTime,
  kInteger,
  kNumber,
  kBoolean,
  kAny,
  kMap,        // any object; of `item` values when there is an item
  kList,       // of `item`
  kWords,      // a closed vocabulary
  kOpenWords,  // any text; `words` are the usual ones
  kNumbers,    // one of `numbers`
  kScalar,     // text, number or boolean
  kObject,     // `object`
  kEntity,     // `entity`
  kUnion,      // one of `choices`, told by the text in field `by`
};

struct Vocabulary {
  std::string name;
  std::vector<std::string> words;  // in the order of the description
  std::set<std::string, std::less<>> set;
  bool Has(std::string_view word) const { return set.contains(word); }
};

struct Shape {
  Kind kind = Kind::kAny;
  size_t max_chars = 0;  // 0: only the document's limits
  const Vocabulary* words = nullptr;
  std::vector<int64_t> numbers;
  std::shared_ptr<const Shape> item;
  const ObjectShape* object = nullptr;
  const Entity* entity = nullptr;
  std::string by;
  std::map<std::string, const ObjectShape*, std::less<>> choices;
  std::optional<int64_t> min, max;
  std::optional<json::value> otherwise;  // the value a stored document gets when there is none
  bool partial = false;                  // nothing below is required
  std::string becomes;                   // an old name: the value moves to this list
};

struct Field {
  std::string name;
  bool required = false;
  Shape shape;
};

struct ObjectShape {
  std::string name;
  std::vector<Field> fields;  // sorted by name
  const Field* Find(std::string_view field) const;
};

struct Entity {
  std::string type;      // "asset-mapping": in ids, paths, `type`
  std::string plural;    // "asset_mappings": key of bulk and bundle documents
  std::string refs;      // "asset_mapping_refs": key of a bundle; empty when never in one
  std::string swagger;   // "AssetMapping": name in the published interface description
  bool bulk = false;     // in /ctia/bulk
  bool bundle = false;   // in bundles
  bool patch = false;    // PATCH is served
  bool open = false;     // unknown keys are welcome
  bool envelope = true;  // has id, type, schema_version and the store's own fields
  ObjectShape shape;

  std::string singular() const;  // "asset_mapping": snake case
};

class Model {
 public:
  const std::string& schema_version() const { return schema_version_; }
  const std::vector<std::unique_ptr<Entity>>& entities() const { return entities_; }
  const std::map<std::string, ObjectShape, std::less<>>& components() const { return components_; }
  // nullptr when unknown.
  const Entity* ByType(std::string_view type) const;  // "asset-mapping"
  const Entity* ByPlural(std::string_view plural) const;
  const Entity* ByRefs(std::string_view refs) const;
  const Vocabulary* Words(std::string_view name) const;

 private:
  friend class ModelReader;
  std::string schema_version_;
  std::map<std::string, Vocabulary, std::less<>> vocabularies_;
  std::map<std::string, ObjectShape, std::less<>> components_;
  std::vector<std::unique_ptr<Entity>> entities_;  // sorted by type
};

Result<std::unique_ptr<const Model>> ReadModel(std::string_view vocabularies,
                                               std::string_view components,
                                               std::string_view entities);

// The model built into this program, read on first use.
const Model& TheModel();

}  // namespace mailreeve::ctim
