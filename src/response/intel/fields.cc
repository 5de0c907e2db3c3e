#include "response/intel/fields.h"

#include "base/text.h"
#include "base/time.h"
#include "response/intel_query/match.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <map>

namespace mailreeve::response::intel {
namespace {

struct Row {
  std::string_view type, filters, searched, sorts, histograms, aggregates;
};

constexpr Row kRows[] = {
    {"actor", "actor_types confidence intended_effect motivation sophistication source",
     "actor_types description id short_description source title",
     "actor_types intended_effect motivation sophistication valid_time.end_time "
     "valid_time.start_time",
     "timestamp valid_time.end_time valid_time.start_time",
     "actor_types confidence intended_effect motivation sophistication source"},
    {"asset", "asset_type source", "asset_type description id short_description source title",
     "asset_type", "timestamp valid_time.end_time valid_time.start_time", "asset_type"},
    {"asset-mapping", "asset_ref source",
     "asset_ref asset_type confidence id observable.value source",
     "asset_ref confidence observable.type observable.value specificity stability",
     "timestamp valid_time.end_time valid_time.start_time",
     "confidence source specificity stability"},
    {"asset-properties", "asset_ref source", "asset_ref id properties.name properties.value source",
     "asset_ref properties.name properties.value",
     "timestamp valid_time.end_time valid_time.start_time",
     "properties.name properties.value source"},
    {"attack-pattern", "kill_chain_phases.kill_chain_name kill_chain_phases.phase_name source",
     "description id short_description source title", "", "timestamp", "source"},
    {"campaign", "activity campaign_type confidence source",
     "description id short_description source title",
     "activity.date_time campaign_type confidence status valid_time.end_time valid_time.start_time",
     "timestamp valid_time.end_time valid_time.start_time",
     "campaign_type confidence source status"},
    {"casebook", "source texts.text",
     "description id observables.value short_description source title", "", "timestamp",
     "observables.type observables.value source"},
    {"coa", "coa_type cost efficacy impact objective source stage structured_coa_type",
     "description id short_description source title",
     "coa_type cost efficacy impact stage structured_coa_type valid_time.end_time "
     "valid_time.start_time",
     "timestamp valid_time.end_time valid_time.start_time", "coa_type cost efficacy source"},
    {"data-table", "source", "id title description short_description source",
     "row_count valid_time.end_time valid_time.start_time",
     "timestamp valid_time.end_time valid_time.start_time", "source"},
    {"event", "event_type owner", "id event_type owner", "event_type owner", "timestamp",
     "event_type owner"},
    {"feed", "feed_type output indicator_id", "id title description short_description",
     "indicator_id output feed_type", "", ""},
    {"feedback", "entity_id feedback source", "id reason source", "entity_id feedback", "timestamp",
     "feedback source"},
    {"identity-assertion",
     "assertions.name assertions.value identity.observables.type identity.observables.value source",
     "id assertions.name assertions.value identity.observables.value source",
     "assertions.name assertions.value valid_time.end_time valid_time.start_time",
     "timestamp valid_time.end_time valid_time.start_time",
     "assertions.name assertions.value identity.observables.type identity.observables.value "
     "source"},
    {"incident",
     "assignees categories confidence detection_sources discovery_method intended_effect "
     "promotion_method severity source status tactics techniques",
     "description id short_description source title",
     "assignees confidence detection_sources discovery_method incident_time.closed "
     "incident_time.contained incident_time.discovered incident_time.opened incident_time.rejected "
     "incident_time.remediated incident_time.reported intended_effect promotion_method severity "
     "status tactics techniques",
     "incident_time.closed incident_time.contained incident_time.discovered incident_time.opened "
     "incident_time.rejected incident_time.remediated incident_time.reported timestamp",
     "assignees categories confidence detection_sources discovery_method intended_effect "
     "promotion_method severity source status tactics techniques title"},
    {"indicator",
     "confidence indicator_type kill_chain_phases producer severity source specification tags",
     "description id short_description source title", "confidence indicator_type likely_impact",
     "timestamp valid_time.end_time valid_time.start_time",
     "confidence indicator_type likely_impact producer severity source tags"},
    {"investigation", "source",
     "description id investigated_observables short_description source title", "", "timestamp",
     "source"},
    {"judgement", "confidence disposition disposition_name priority severity source",
     "disposition_name id observable.value reason source",
     "confidence disposition observable.type observable.value priority reason severity "
     "valid_time.end_time valid_time.start_time",
     "timestamp valid_time.end_time valid_time.start_time",
     "confidence disposition observable.type observable.value priority severity"},
    {"malware", "kill_chain_phases.kill_chain_name kill_chain_phases.phase_name labels source",
     "description id kill_chain_phases.kill_chain_name kill_chain_phases.phase_name labels "
     "short_description source title x_mitre_aliases",
     "", "timestamp", "labels source"},
    {"note", "content note_class related_entities.entity_id related_entities.entity_type source",
     "content id source", "", "timestamp", ""},
    {"relationship", "relationship_type source source_ref target_ref",
     "description id short_description source title", "relationship_type source_ref target_ref",
     "timestamp", "relationship_type source source_ref target_ref"},
    {"sighting", "observables.type observables.value sensor source",
     "description id observables.value short_description source targets.observables.value title",
     "activity_interval.end_time activity_interval.start_time confidence count "
     "detection_interval.end_time detection_interval.start_time modification_interval.end_time "
     "modification_interval.start_time observed_time.end_time observed_time.start_time sensor",
     "activity_interval.end_time activity_interval.start_time detection_interval.end_time "
     "detection_interval.start_time modification_interval.end_time "
     "modification_interval.start_time observed_time.end_time observed_time.start_time timestamp",
     "observables.type sensor source"},
    {"target-record", "source",
     "description id short_description source targets.observables.value title",
     "targets.internal targets.os targets.sensor targets.type",
     "targets.observed_time.end_time targets.observed_time.start_time timestamp",
     "source targets.internal targets.observables.type targets.os"},
    {"tool",
     "kill_chain_phases.kill_chain_name kill_chain_phases.phase_name labels source tool_version",
     "description id labels short_description source title", "", "timestamp", "labels source"},
    {"vulnerability", "source", "description id short_description source title", "", "timestamp",
     "source"},
    {"weakness",
     "abstraction_level functional_areas languages likelihood paradigms source structure",
     "id title description short_description source background_details",
     "abstraction_level likelihood structure", "timestamp",
     "abstraction_level likelihood source structure"},
};

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view word : Split(text, ' ')) {
    if (!word.empty()) out.emplace_back(word);
  }
  return out;
}

bool Has(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// In columns, or the same for every document.
bool HasOwnColumn(std::string_view field) {
  return field == "id" || field == "tlp" || field == "type" || field == "owner" ||
         IsTimeColumn(field);
}

std::vector<EntityFields> MakeAll() {
  std::vector<EntityFields> all;
  for (const Row& row : kRows) {
    EntityFields fields{std::string(row.type),
                        Words(row.filters),
                        Words(row.searched),
                        Words(row.sorts),
                        Words(row.histograms),
                        Words(row.aggregates),
                        {}};
    std::vector<std::string>& indexed = fields.indexed;
    for (const auto* list :
         {&fields.filters, &fields.sorts, &fields.histograms, &fields.aggregates})
      indexed.insert(indexed.end(), list->begin(), list->end());
    for (const char* common : {"external_ids", "language", "revision", "source", "source_uri"})
      indexed.emplace_back(common);
    if (Has(fields.searched, "title")) indexed.emplace_back("title");
    if (fields.type == "vulnerability")
      indexed.emplace_back("configurations.nodes.cpe_match.cpe23Uri");
    if (fields.type == "attack-pattern") indexed.emplace_back("external_references.external_id");
    if (fields.type == "event") indexed.emplace_back("about");
    std::sort(indexed.begin(), indexed.end());
    indexed.erase(std::unique(indexed.begin(), indexed.end()), indexed.end());
    std::erase_if(indexed, HasOwnColumn);
    all.push_back(std::move(fields));
  }
  return all;
}

// FNV-1a, folded to 31 bits, so that a number takes four bytes in SQLite.
int64_t Code(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return static_cast<int64_t>((hash ^ (hash >> 31) ^ (hash >> 62)) & 0x7fffffffu);
}

}  // namespace

bool EntityFields::IsIndexed(std::string_view field) const {
  return std::binary_search(indexed.begin(), indexed.end(), field);
}

bool EntityFields::IsSortable(std::string_view field) const {
  return field == "id" || field == "tlp" || field == "owner" || field == "schema_version" ||
         IsTimeColumn(field) || Has(sorts, field) || field == "title" || field == "source" ||
         field == "source_uri" || field == "revision" || field == "language" ||
         (type == "incident" && field.starts_with("scores.")) || IsIndexed(field);
}

std::span<const EntityFields> AllFields() {
  static const std::vector<EntityFields> all = MakeAll();
  return all;
}

const EntityFields* FieldsOf(std::string_view type) {
  static const std::map<std::string, const EntityFields*, std::less<>> by_type = [] {
    std::map<std::string, const EntityFields*, std::less<>> out;
    for (const EntityFields& fields : AllFields()) out.emplace(fields.type, &fields);
    return out;
  }();
  const auto found = by_type.find(type);
  return found == by_type.end() ? nullptr : found->second;
}

int64_t KindCode(std::string_view type) { return Code(type); }
int64_t FieldCode(std::string_view type, std::string_view field) {
  return Code(std::string(type) + "/" + std::string(field));
}
int64_t WordCode(std::string_view type) { return Code(std::string(type) + "/ words"); }
int64_t SharedCode() { return Code(" shared"); }

bool IsTimeColumn(std::string_view field) {
  return field == "timestamp" || field == "created" || field == "modified";
}

bool IsDateField(std::string_view field) {
  return IsTimeColumn(field) || field.ends_with(".start_time") || field.ends_with(".end_time") ||
         field.ends_with(".date_time") || field.starts_with("incident_time.") ||
         field.ends_with("_date");
}

bool IsNumberField(std::string_view field) {
  return field == "priority" || field == "disposition" || field == "count" || field == "revision" ||
         field == "row_count" || field == "feedback" || field.starts_with("scores.") ||
         field.starts_with("intervals.");
}

std::string IndexNumber(double number) {
  if (number == 0) number = 0;  // of the two zeros one
  uint64_t bits = std::bit_cast<uint64_t>(number);
  bits = (bits >> 63) != 0 ? ~bits : bits | (uint64_t{1} << 63);
  char text[20];
  std::snprintf(text, sizeof(text), "#%016llx", static_cast<unsigned long long>(bits));
  return text;
}

std::optional<double> NumberOfIndexValue(std::string_view value) {
  if (value.size() != 17 || value[0] != '#') return std::nullopt;
  uint64_t bits = 0;
  for (const char c : value.substr(1)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    bits = bits * 16 + static_cast<uint64_t>(digit);
  }
  bits = (bits >> 63) != 0 ? bits & ~(uint64_t{1} << 63) : ~bits;
  return std::bit_cast<double>(bits);
}

std::string IndexText(std::string_view field, std::string_view text) {
  std::string out =
      intel_query::FoldCase(intel_query::IsIdField(field) ? intel_query::ShortIdOf(text) : text);
  if (out.size() > kMaxValueBytes) out.resize(CutUtf8(out, kMaxValueBytes).size());
  // PostgreSQL keeps no NUL.
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

std::string IndexValue(std::string_view field, const json::value& value) {
  if (value.is_string()) return IndexText(field, value.get_string());
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (value.is_number()) return IndexNumber(value.to_number<double>());
  return "";
}

int TlpLevel(std::string_view word) {
  return word == "white" ? 0 : word == "green" ? 1 : word == "amber" ? 2 : word == "red" ? 3 : -1;
}

std::string_view TlpWord(int64_t level) {
  constexpr std::string_view kWords[] = {"white", "green", "amber", "red"};
  return level >= 0 && level < 4 ? kWords[level] : std::string_view("red");
}

int SeverityRank(std::string_view word) {
  constexpr std::string_view kOrder[] = {"Info", "Low", "Medium", "High", "Critical"};
  for (int i = 0; i < 5; ++i) {
    if (AsciiEqualFold(word, kOrder[i])) return i + 1;
  }
  return 0;
}

}  // namespace mailreeve::response::intel
