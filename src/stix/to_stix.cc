#include "stix/to_stix.h"

#include "base/text.h"
#include "ctim/model.h"
#include "stix/cyber_observable.h"
#include "stix/ids.h"

#include <algorithm>
#include <set>
#include <vector>

namespace mailreeve::stix {
namespace {

constexpr std::string_view kExtension =
    "extension-definition--b8f7a4d6-2c5e-4f0b-8a37-6a1d9e4c5f02";
constexpr std::string_view kFirstVersion = "2026-01-01T00:00:00.000Z";
constexpr std::string_view kNoEnd = "2525-";  // a time in that year bounds nothing

const json::value* Find(const json::object& from, std::string_view key) {
  return from.if_contains(key);
}

std::string_view Text(const json::object& from, std::string_view key) {
  const json::value* value = Find(from, key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

json::object Object(const json::object& from, std::string_view key) {
  const json::value* value = Find(from, key);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

std::vector<const json::object*> Objects(const json::object& from, std::string_view key) {
  std::vector<const json::object*> out;
  const json::value* value = Find(from, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const auto& each : value->get_array())
    if (each.is_object()) out.push_back(&each.get_object());
  return out;
}

void Copy(json::object& out, std::string_view as, const json::object& from, std::string_view key) {
  const json::value* value = Find(from, key);
  if (value == nullptr) return;
  if (value->is_array() && value->get_array().empty()) return;  // STIX has no empty lists
  out[as] = *value;
}

// The middle of STIX's ranges for None, Low, Medium and High.
void PutConfidence(json::object& out, const json::object& from) {
  static constexpr std::pair<std::string_view, int> kScale[] = {
      {"None", 0}, {"Info", 1}, {"Low", 15}, {"Medium", 50}, {"High", 85}};
  for (const auto& [word, number] : kScale)
    if (Text(from, "confidence") == word) out["confidence"] = number;
}

std::string_view IndicatorType(int64_t disposition) {
  switch (disposition) {
    case 1:
    case 4:
      return "benign";
    case 2:
      return "malicious-activity";
    case 3:
      return "anomalous-activity";
    default:
      return "unknown";
  }
}

std::string_view Sophistication(std::string_view word) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"Aspirant", "minimal"},
      {"Novice", "minimal"},
      {"Practitioner", "intermediate"},
      {"Expert", "expert"},
      {"Innovator", "innovator"}};
  for (const auto& [ours, theirs] : kWords)
    if (ours == word) return theirs;
  return {};
}

// CTIM type -> STIX type, of entities that become one object each.
std::string_view StixTypeOf(std::string_view ctim) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"actor", "threat-actor"},  {"attack-pattern", "attack-pattern"},
      {"campaign", "campaign"},   {"coa", "course-of-action"},
      {"incident", "incident"},   {"indicator", "indicator"},
      {"judgement", "indicator"}, {"malware", "malware"},
      {"note", "note"},           {"sighting", "observed-data"},
      {"tool", "tool"},           {"vulnerability", "vulnerability"}};
  for (const auto& [ours, theirs] : kTypes)
    if (ours == ctim) return theirs;
  return {};
}

class Exporter {
 public:
  Exporter(const json::object& bundle, const ToStixOptions& options)
      : bundle_(bundle), options_(options), now_(FormatTime(options.now)) {}

  ToStixResult Run() {
    Identity();
    std::vector<std::pair<std::string_view, const json::object*>> entities;
    for (const auto& entity : ctim::TheModel().entities()) {
      if (!entity->bundle || entity->type == "relationship") continue;
      for (const json::object* each : Objects(bundle_, entity->plural)) {
        const std::string_view type = StixTypeOf(entity->type);
        if (type.empty()) {
          ++result_.left_out[entity->type];
          continue;
        }
        entities.emplace_back(entity->type, each);
        if (!Text(*each, "id").empty()) known_[std::string(Text(*each, "id"))] = Id(type, *each);
      }
    }
    CollectTerms();
    for (const auto& [type, entity] : entities) Entity(type, *entity);
    for (const json::object* each : Objects(bundle_, "relationships")) Relationship(*each);

    json::array objects;
    objects.push_back(identity_);
    if (extended_) objects.push_back(ExtensionDefinition());
    for (const auto& tlp : tlps_) objects.push_back(MarkingDefinition(tlp));
    for (auto& [id, object] : observables_) objects.push_back(std::move(object));
    std::string ids;
    for (auto& object : objects_) {
      ids += Text(object, "id");
      objects.push_back(std::move(object));
    }
    result_.bundle = json::object{{"type", "bundle"},
                                  {"id", IdFor("bundle", options_.producer + ids)},
                                  {"objects", std::move(objects)}};
    return std::move(result_);
  }

 private:
  // An entity without id is named by its content.
  static std::string Id(std::string_view type, const json::object& entity) {
    const std::string_view id = Text(entity, "id");
    return IdFor(type, id.empty() ? json::Serialize(entity) : std::string(id));
  }

  void Identity() {
    identity_ = json::object{{"type", "identity"},
                             {"spec_version", "2.1"},
                             {"id", IdFor("identity", options_.producer)},
                             {"created", kFirstVersion},
                             {"modified", kFirstVersion},
                             {"name", options_.producer},
                             {"identity_class", "system"}};
  }

  json::object ExtensionDefinition() const {
    return {{"type", "extension-definition"},
            {"spec_version", "2.1"},
            {"id", kExtension},
            {"created", kFirstVersion},
            {"modified", kFirstVersion},
            {"created_by_ref", identity_.at("id")},
            {"name", "CTIM fields"},
            {"description", "Fields of the CTIM entity that STIX has no place for."},
            {"schema", "CTIM"},
            {"version", "1.0.0"},
            {"extension_types", json::array{"property-extension"}}};
  }

  json::object Common(std::string_view stix_type, const json::object& from) {
    const std::string_view created =
        Text(from, "created").empty() ? Text(from, "timestamp") : Text(from, "created");
    const std::string_view modified = Text(from, "modified");
    json::object out{{"type", stix_type}, {"spec_version", "2.1"}, {"id", Id(stix_type, from)}};
    out["created"] = created.empty() ? std::string_view(now_) : created;
    out["modified"] =
        modified < created || modified.empty() ? out.at("created") : json::value(modified);
    out["created_by_ref"] = identity_.at("id");
    PutConfidence(out, from);
    if (!Text(from, "language").empty() && Text(from, "language").size() <= 35)
      out["lang"] = Text(from, "language");
    References(out, from);
    if (const std::string tlp(Text(from, "tlp")); !tlp.empty()) {
      tlps_.insert(tlp);
      out["object_marking_refs"] = json::array{MarkingOf(tlp)};
    }
    return out;
  }

  static void References(json::object& out, const json::object& from) {
    json::array references;
    if (const std::string_view id = Text(from, "id"); !id.empty())
      references.push_back(json::object{{"source_name", "ctim"}, {"external_id", id}});
    if (const auto* ids = Find(from, "external_ids"); ids != nullptr && ids->is_array())
      for (const auto& id : ids->get_array())
        references.push_back(
            json::object{{"source_name", "ctim-external-id"}, {"external_id", id}});
    for (const json::object* each : Objects(from, "external_references")) {
      json::object reference;
      for (const char* key : {"source_name", "description", "url", "external_id"})
        Copy(reference, key, *each, key);
      if (reference.size() > 1) references.push_back(std::move(reference));
    }
    if (const std::string_view uri = Text(from, "source_uri"); !uri.empty()) {
      const std::string_view name = Text(from, "source");
      references.push_back(
          json::object{{"source_name", name.empty() ? "source" : name}, {"url", uri}});
    }
    if (!references.empty()) out["external_references"] = std::move(references);
  }

  void Extend(json::object& out, const json::object& from,
              std::initializer_list<std::string_view> keys) {
    json::object more{{"extension_type", "property-extension"}};
    for (const std::string_view key : keys) Copy(more, key, from, key);
    if (more.size() == 1) return;
    extended_ = true;
    out["extensions"] = json::object{{kExtension, std::move(more)}};
  }

  void Described(json::object& out, const json::object& from, std::string_view otherwise) {
    const std::string_view title = Text(from, "title");
    out["name"] = title.empty() ? otherwise : title;
    const std::string_view text = Text(from, "description");
    if (!text.empty()) {
      out["description"] = text;
    } else if (!Text(from, "short_description").empty()) {
      out["description"] = Text(from, "short_description");
    }
  }

  static void Validity(json::object& out, const json::object& from, std::string_view otherwise) {
    const json::object span = Object(from, "valid_time");
    const std::string_view start = Text(span, "start_time"), end = Text(span, "end_time");
    out["valid_from"] = start.empty() ? otherwise : start;
    if (!end.empty() && !end.starts_with(kNoEnd) && end > Text(out, "valid_from"))
      out["valid_until"] = end;
  }

  // Which observables an indicator stands for: those of the judgements that belong to it.
  void CollectTerms() {
    std::map<std::string, const json::object*, std::less<>> judgements;
    for (const json::object* each : Objects(bundle_, "judgements"))
      judgements.emplace(Text(*each, "id"), each);
    for (const json::object* each : Objects(bundle_, "relationships")) {
      const std::string_view kind = Text(*each, "relationship_type");
      if (kind != "element-of" && kind != "based-on" && kind != "indicates") continue;
      const auto judgement = judgements.find(Text(*each, "source_ref"));
      if (judgement == judgements.end()) continue;
      const json::object observable = Object(*judgement->second, "observable");
      auto& terms = terms_[std::string(Text(*each, "target_ref"))];
      if (terms.size() < options_.max_pattern_terms) {
        terms.insert(PatternOf(Text(observable, "type"), Text(observable, "value")));
      } else {
        ++result_.left_out["indicator: terms over the limit"];
      }
    }
  }

  void Entity(std::string_view type, const json::object& from) {
    if (type == "judgement") return Judgement(from);
    if (type == "sighting") return Sighting(from);
    if (type == "note") return Note(from);
    json::object out = Common(StixTypeOf(type), from);
    Copy(out, "kill_chain_phases", from, "kill_chain_phases");
    if (type == "indicator") {
      Indicator(out, from);
    } else if (type == "vulnerability") {
      const json::object meta = Object(Object(from, "cve"), "cve_data_meta");
      Described(out, from, Text(meta, "id").empty() ? "Vulnerability" : Text(meta, "id"));
      if (!Text(meta, "id").empty()) {
        json::value& references = out["external_references"];
        if (!references.is_array()) references = json::array();
        references.get_array().push_back(
            json::object{{"source_name", "cve"}, {"external_id", Text(meta, "id")}});
      }
    } else {
      Described(out, from, type);
    }
    if (type == "malware") {
      Copy(out, "malware_types", from, "labels");
      Copy(out, "aliases", from, "x_mitre_aliases");
      out["is_family"] = Text(from, "abstraction_level") == "family";
    } else if (type == "tool") {
      Copy(out, "tool_types", from, "labels");
      Copy(out, "aliases", from, "x_mitre_aliases");
      Copy(out, "tool_version", from, "tool_version");
    } else if (type == "campaign") {
      Copy(out, "aliases", from, "names");
      Extend(out, from, {"campaign_type", "status", "activity"});
    } else if (type == "actor") {
      Copy(out, "threat_actor_types", from, "actor_types");
      Copy(out, "aliases", from, "aliases");
      const std::string_view skill = Sophistication(Text(from, "sophistication"));
      if (!skill.empty()) out["sophistication"] = skill;
      Extend(out, from, {"motivation", "intended_effect", "planning_and_operational_support"});
    } else if (type == "coa") {
      Extend(out, from, {"coa_type", "stage", "objective", "impact", "cost", "efficacy"});
    } else if (type == "incident") {
      Extend(out, from,
             {"status", "incident_time", "severity", "categories", "discovery_method",
              "promotion_method", "detection_sources", "tactics", "techniques", "scores"});
    } else if (type == "attack-pattern") {
      Extend(out, from, {"abstraction_level", "x_mitre_platforms", "x_mitre_data_sources"});
    }
    objects_.push_back(std::move(out));
  }

  void Indicator(json::object& out, const json::object& from) {
    Described(out, from, Text(from, "producer"));
    Copy(out, "labels", from, "tags");
    const json::object specification = Object(from, "specification");
    const auto terms = terms_.find(Text(from, "id"));
    out["pattern_type"] = "stix";
    if (Text(specification, "type") == "Snort") {
      out["pattern"] = Text(specification, "snort_sig");
      out["pattern_type"] = "snort";
    } else if (terms != terms_.end()) {
      std::string pattern = "[";
      for (const auto& term : terms->second) pattern += (pattern.size() > 1 ? " OR " : "") + term;
      out["pattern"] = pattern + "]";
    } else {
      // STIX demands a pattern: one that only names this indicator.
      out["pattern"] = "[x-ctim-indicator:id = " + QuotePatternText(Text(from, "id")) + "]";
    }
    Validity(out, from, Text(out, "created"));
    Extend(out, from,
           {"producer", "severity", "likely_impact", "indicator_type", "test_mechanisms",
            "composite_indicator_expression"});
    if (const auto* negate = Find(from, "negate"); negate != nullptr && *negate == true)
      ++result_.left_out["indicator: negate"];
  }

  void Judgement(const json::object& from) {
    json::object out = Common("indicator", from);
    const json::object observable = Object(from, "observable");
    const auto* number = Find(from, "disposition");
    out["name"] = Text(observable, "value");
    if (!Text(from, "reason").empty()) out["description"] = Text(from, "reason");
    out["indicator_types"] = json::array{
        IndicatorType(number != nullptr && number->is_int64() ? number->get_int64() : 5)};
    out["pattern"] = "[" + PatternOf(Text(observable, "type"), Text(observable, "value")) + "]";
    out["pattern_type"] = "stix";
    Validity(out, from, Text(out, "created"));
    Extend(out, from, {"disposition", "disposition_name", "priority", "severity", "source"});
    objects_.push_back(std::move(out));
  }

  std::string Observable(const json::object& observable) {
    json::object object = ObjectOf(Text(observable, "type"), Text(observable, "value"));
    std::string id(Text(object, "id"));
    observables_.emplace(id, std::move(object));
    return id;
  }

  void Sighting(const json::object& from) {
    std::set<std::string> refs;
    for (const json::object* each : Objects(from, "observables")) refs.insert(Observable(*each));
    for (const json::object* target : Objects(from, "targets"))
      for (const json::object* each : Objects(*target, "observables"))
        refs.insert(Observable(*each));
    if (refs.empty()) {
      ++result_.left_out["sighting: without observables"];
      known_.erase(std::string(Text(from, "id")));
      return;
    }
    json::object out = Common("observed-data", from);
    const json::object time = Object(from, "observed_time");
    out["first_observed"] = Text(time, "start_time");
    const std::string_view end = Text(time, "end_time");
    out["last_observed"] = end.empty() ? Text(time, "start_time") : end;
    const auto* count = Find(from, "count");
    out["number_observed"] = count != nullptr && count->is_int64()
                                 ? std::clamp<int64_t>(count->get_int64(), 1, 999'999'999)
                                 : 1;
    json::array list;
    for (const auto& ref : refs) list.push_back(json::value(ref));
    out["object_refs"] = std::move(list);
    Extend(out, from,
           {"title", "short_description", "description", "source", "sensor", "resolution",
            "severity", "internal", "targets", "relations"});
    objects_.push_back(std::move(out));
  }

  void Note(const json::object& from) {
    json::array refs;
    for (const json::object* each : Objects(from, "related_entities")) {
      const auto known = known_.find(Text(*each, "entity_id"));
      if (known != known_.end()) refs.push_back(json::value(known->second));
    }
    if (refs.empty()) {
      ++result_.left_out["note: about nothing in the bundle"];
      known_.erase(std::string(Text(from, "id")));
      return;
    }
    json::object out = Common("note", from);
    out["content"] = Text(from, "content");
    if (!Text(from, "author").empty()) out["authors"] = json::array{Text(from, "author")};
    out["object_refs"] = std::move(refs);
    Extend(out, from, {"note_class"});
    objects_.push_back(std::move(out));
  }

  void Relationship(const json::object& from) {
    const auto source = known_.find(Text(from, "source_ref"));
    const auto target = known_.find(Text(from, "target_ref"));
    if (source == known_.end() || target == known_.end()) {
      ++result_.left_out["relationship: end not in the bundle"];
      return;
    }
    const std::string_view kind = Text(from, "relationship_type");
    const bool observed = source->second.starts_with("observed-data--");
    if (observed && (kind == "sighting-of" || kind == "member-of")) {
      json::object out = Common("sighting", from);
      out["sighting_of_ref"] = target->second;
      out["observed_data_refs"] = json::array{source->second};
      objects_.push_back(std::move(out));
      return;
    }
    json::object out = Common("relationship", from);
    out["relationship_type"] = AsciiLower(kind);
    out["source_ref"] = source->second;
    out["target_ref"] = target->second;
    if (!Text(from, "description").empty()) out["description"] = Text(from, "description");
    objects_.push_back(std::move(out));
  }

  const json::object& bundle_;
  const ToStixOptions& options_;
  const std::string now_;
  json::object identity_;
  bool extended_ = false;
  std::set<std::string> tlps_;
  std::map<std::string, std::string, std::less<>> known_;            // CTIM id -> STIX id
  std::map<std::string, std::set<std::string>, std::less<>> terms_;  // indicator -> comparisons
  std::map<std::string, json::object> observables_;
  std::vector<json::object> objects_;
  ToStixResult result_;
};

}  // namespace

ToStixResult ToStix(const json::object& bundle, const ToStixOptions& options) {
  return Exporter(bundle, options).Run();
}

}  // namespace mailreeve::stix
