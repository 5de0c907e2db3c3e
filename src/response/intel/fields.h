#pragma once

#include "json/json.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What can be asked of each entity: filters, searched fields, orders, aggregates
// (threat-response-api.md 5.5), and the numbers under which the index keeps them. Constant; pure
// functions; thread-safe.
namespace mailreeve::response::intel {

struct EntityFields {
  std::string type;                     // "asset-mapping"
  std::vector<std::string> filters;     // equality parameters beside the common ones
  std::vector<std::string> searched;    // where words are looked for
  std::vector<std::string> sorts;       // beside the common ones
  std::vector<std::string> histograms;  // aggregate-on
  std::vector<std::string> aggregates;  // aggregate-on of topn and cardinality
  std::vector<std::string> indexed;     // all that have postings of their own, sorted

  bool IsIndexed(std::string_view field) const;
  bool IsSortable(std::string_view field) const;
};

// In order of type: every entity of the store, and "event".
std::span<const EntityFields> AllFields();
// Null for what is no entity of the store.
const EntityFields* FieldsOf(std::string_view type);

// Numbers in the index: of an entity, of a field of an entity, of its words. They are hashes of the
// names and never change; a test sees that no two are equal.
int64_t KindCode(std::string_view type);
int64_t FieldCode(std::string_view type, std::string_view field);
int64_t WordCode(std::string_view type);
// Who may see a document although it is another organisation's: "u:<login>", "g:<org>".
int64_t SharedCode();

// Fields that stand in columns of the document table: microseconds since 1970, or text.
bool IsTimeColumn(std::string_view field);  // timestamp, created, modified
bool IsDateField(std::string_view field);   // those, and *_time, incident_time.*, …
bool IsNumberField(std::string_view field);

// How the index keeps a value, in an order that is the order of values: lower-case text cut at
// kMaxValueBytes, '#' and 16 hex digits for numbers. Ids in their short form.
inline constexpr size_t kMaxValueBytes = 100;
std::string IndexValue(std::string_view field, const json::value& value);
std::string IndexText(std::string_view field, std::string_view text);
std::string IndexNumber(double number);
// The number behind it.
std::optional<double> NumberOfIndexValue(std::string_view value);

// white 0, green 1, amber 2, red 3; -1 for another word.
int TlpLevel(std::string_view word);
std::string_view TlpWord(int64_t level);
// Unknown and None 0, Info 1, … Critical 5.
int SeverityRank(std::string_view word);

}  // namespace mailreeve::response::intel
