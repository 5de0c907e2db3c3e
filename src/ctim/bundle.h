#pragma once

#include "ctim/ids.h"
#include "ctim/model.h"

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Bundle and bulk documents as lists of entities: taking them apart in an order in which they can
// be created, putting real ids in the place of transient ones, telling repeats by external ids, and
// putting a bundle together.
//
// Threads: values and pure functions. Errors: kLimited when there are more entities than allowed,
// with the wire's words.
//
//   TRY(auto parts, ctim::TakeApart(checked.document.get_object(), {.max_entities = 2000}));
//   ctim::TransientIds ids;
//   for (auto& item : parts.items) {
//     ids.Resolve(*item.entity, item.document);
//     ids.Know(item.transient, space.Long(created));
//   }
namespace mailreeve::ctim {

struct BundleItem {
  const Entity* entity = nullptr;
  size_t index = 0;       // in the document's list of this entity
  std::string transient;  // its transient id; empty when it has none
  json::object document;  // without a transient id
};

struct BundleParts {
  json::object head;              // fields of the bundle itself
  std::vector<BundleItem> items;  // in order of creation: what refers to others comes later
  std::map<std::string, std::vector<std::string>> refs;  // entity type -> ids, in document order
};

struct TakeApartOptions {
  size_t max_entities = 2000;
  bool bulk = false;  // a bulk document: its own words in the error, entities with `bulk`
};

// `document` is checked. Verdicts, which nobody stores, are left out.
Result<BundleParts> TakeApart(json::object document, const TakeApartOptions& options = {});

// What became of transient ids.
class TransientIds {
 public:
  // Empty transient ids are passed over. The first meaning of an id stands.
  void Know(std::string_view transient, std::string id);
  // Puts real ids in the place of known transient ones in every reference of `document`; answers
  // the transient ids that stay unknown.
  std::vector<std::string> Resolve(const Entity& entity, json::object& document) const;
  const std::map<std::string, std::string, std::less<>>& known() const { return known_; }

 private:
  std::map<std::string, std::string, std::less<>> known_;
};

// The external ids that tell repeats: those that begin with one of `prefixes`; all when there are
// none. Without repetitions.
std::vector<std::string> KeysOf(const json::object& document,
                                std::span<const std::string> prefixes);
// "a-,b-" -> its pieces, without empty ones.
std::vector<std::string> ReadPrefixes(std::string_view text);

// {"type":"bundle","source":…, "<plural>":[…]}: documents by their `type`, in the given order;
// repeated ids once, documents of types that do not go into bundles not at all.
json::object PutTogether(std::string_view source, std::vector<json::object> documents);

}  // namespace mailreeve::ctim
