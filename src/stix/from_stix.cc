#include "stix/from_stix.h"

#include "base/text.h"
#include "ctim/bundle.h"
#include "ctim/document.h"
#include "ctim/validate.h"
#include "stix/cyber_observable.h"
#include "stix/ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace mailreeve::stix {
namespace {

constexpr size_t kMaxReasons = 200;     // different reasons that are told
constexpr size_t kMaxReferences = 100;  // external references of an entity
constexpr size_t kMaxObserved =
    200;  // observables of a sighting: each is compared with those before

const json::value* Find(const json::object& from, std::string_view key) {
  return from.if_contains(key);
}

std::string_view Text(const json::object& from, std::string_view key) {
  const json::value* value = Find(from, key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

const json::array* List(const json::object& from, std::string_view key) {
  const json::value* value = Find(from, key);
  return value == nullptr ? nullptr : value->if_array();
}

// At most `max_chars` characters; bytes of a character are never parted.
std::string Cut(std::string_view text, size_t max_chars) {
  size_t pos = 0;
  while (pos < text.size() && max_chars-- > 0) NextCodePoint(text, pos);
  return std::string(text.substr(0, pos));
}

std::string_view ConfidenceOf(int64_t number) {
  if (number <= 0) return "None";
  if (number < 30) return "Low";
  if (number < 70) return "Medium";
  return "High";
}

class Importer {
 public:
  explicit Importer(const FromStixOptions& options)
      : options_(options), now_(FormatTime(options.now)) {}

  Result<FromStixResult> Run(const json::value& document) {
    TRY(const json::array* objects, ObjectsOf(document));
    if (objects->size() > options_.max_objects) {
      return Fail(Code::kLimited,
                  fmt::format("the bundle holds more than {} objects", options_.max_objects));
    }
    for (const auto& each : *objects) Note(each);
    for (const auto& [id, object] : latest_) Take(*object);
    for (const auto& [id, object] : latest_) {
      if (Text(*object, "type") == "relationship") Relationship(*object);
      if (Text(*object, "type") == "sighting") Sighting(*object);
    }
    result_.bundle = ctim::PutTogether(
        options_.source.empty() ? "stix" : std::string_view(options_.source), std::move(taken_));
    return std::move(result_);
  }

 private:
  static Result<const json::array*> ObjectsOf(const json::value& document) {
    if (const auto* list = document.if_array()) return list;
    if (const auto* bundle = document.if_object()) {
      const json::value* objects = bundle->if_contains("objects");
      // An empty bundle and an empty page of TAXII have no list at all.
      static const json::array kNone;
      if (objects == nullptr &&
          (Text(*bundle, "type") == "bundle" || bundle->empty() || bundle->contains("more"))) {
        return &kNone;
      }
      if (objects != nullptr && objects->is_array()) return &objects->get_array();
    }
    return Fail(Code::kInvalid, "no STIX bundle: an object with the list 'objects' is wanted");
  }

  void LeaveOut(std::string reason) {
    const auto at = result_.left_out.find(reason);
    if (at != result_.left_out.end()) {
      ++at->second;
    } else if (result_.left_out.size() < kMaxReasons) {
      result_.left_out.emplace(std::move(reason), 1);
    } else {
      ++result_.left_out["other reasons"];
    }
  }

  // Of several versions of an object the latest counts.
  void Note(const json::value& each) {
    const auto* object = each.if_object();
    if (object == nullptr) return LeaveOut("not an object");
    const std::string_view id = Text(*object, "id"), type = Text(*object, "type");
    const auto named = TypeOfId(id);
    if (!named || *named != type || type.size() > 64) return LeaveOut("without type and id");
    const auto [at, fresh] = latest_.emplace(id, object);
    if (!fresh && Text(*at->second, "modified") <= Text(*object, "modified")) at->second = object;
  }

  const json::object* ById(std::string_view id) const {
    const auto at = latest_.find(id);
    return at == latest_.end() ? nullptr : at->second;
  }

  void Take(const json::object& object) {
    const std::string_view type = Text(object, "type");
    if (const auto* revoked = Find(object, "revoked"); revoked != nullptr && *revoked == true) {
      result_.withdrawn.emplace_back(Text(object, "id"));
      return;
    }
    static const std::set<std::string_view> kQuiet = {
        "relationship",         "sighting",        "identity", "marking-definition",
        "extension-definition", "language-content"};
    if (kQuiet.contains(type) || IsCyberObservable(type)) return;
    const std::string_view ctim = CtimTypeOf(type);
    if (ctim.empty()) return LeaveOut("type " + std::string(type));
    if (type == "indicator") return Indicator(object);
    if (type == "observed-data") return ObservedData(object);
    if (type == "note") return NoteObject(object);
    json::object out = Common(ctim, object);
    Described(out, object);
    if (ctim == "actor") {
      out["source"] = Source();
      Strings(out, "actor_types", object, "threat_actor_types", 1024);
      Strings(out, "aliases", object, "aliases", 1024);
      Confidence(out, object);
    } else if (ctim == "campaign") {
      out["campaign_type"] = "unknown";
      Strings(out, "names", object, "aliases", 1024);
      Confidence(out, object);
    } else if (ctim == "malware" || ctim == "tool") {
      out["labels"] = json::array();
      Strings(out, "labels", object, ctim == "malware" ? "malware_types" : "tool_types", 1024);
      Strings(out, "x_mitre_aliases", object, "aliases", 1024);
      KillChain(out, object);
      const auto* family = Find(object, "is_family");
      if (ctim == "malware" && family != nullptr && *family == true)
        out["abstraction_level"] = "family";
      if (ctim == "tool" && !Text(object, "tool_version").empty())
        out["tool_version"] = Text(object, "tool_version");
    } else if (ctim == "attack-pattern") {
      KillChain(out, object);
    } else if (ctim == "incident") {
      out["status"] = "New";
      out["incident_time"] = json::object{{"opened", TimeOf(object, "created")}};
      Confidence(out, object);
    } else if (ctim == "vulnerability" && Text(object, "name").starts_with("CVE-")) {
      out["cve"] = json::object{{"cve_data_meta", json::object{{"id", Text(object, "name")}}}};
    }
    Keep(ctim, std::move(out), object);
  }

  std::string Source() const {
    return options_.source.empty() ? std::string("stix") : Cut(options_.source, 2048);
  }

  // Who made it: the identity's name, else the source of the document.
  std::string Maker(const json::object& object) const {
    const json::object* identity = ById(Text(object, "created_by_ref"));
    const std::string_view name =
        identity == nullptr ? std::string_view() : Text(*identity, "name");
    return name.empty() ? Source() : Cut(name, 1024);
  }

  // Normalised; now when there is none or it cannot be read.
  std::string TimeOf(const json::object& object, std::string_view key) const {
    const auto time = ParseTime(Text(object, key));
    if (!time || *time < Time() || FormatTime(*time) >= ctim::kNoEnd) return now_;
    return FormatTime(*time);
  }

  json::object Common(std::string_view type, const json::object& object) {
    const std::string_view id = Text(object, "id");
    json::object out{{"type", type}, {"id", "transient:" + std::string(id)}};
    json::array external{id};
    json::array references;
    if (const auto* list = List(object, "external_references")) {
      for (const auto& each : *list) {
        if (!each.is_object()) continue;
        const json::object& from = each.get_object();
        if (Text(from, "source_name") == "ctim-external-id" && external.size() < kMaxReferences) {
          external.push_back(json::value(Text(from, "external_id")));
        } else if (!Text(from, "source_name").empty() && references.size() < kMaxReferences) {
          json::object reference{{"source_name", Cut(Text(from, "source_name"), 2048)}};
          if (!Text(from, "description").empty())
            reference["description"] = Cut(Text(from, "description"), 5000);
          if (!Text(from, "external_id").empty())
            reference["external_id"] = Cut(Text(from, "external_id"), 2048);
          const std::string_view url = Text(from, "url");
          if (!url.empty() && url.size() <= 2048 && IsPlainUrl(url)) reference["url"] = url;
          references.push_back(std::move(reference));
        }
      }
    }
    out["external_ids"] = std::move(external);
    if (!references.empty()) out["external_references"] = std::move(references);
    out["tlp"] = Tlp(object);
    out["timestamp"] = TimeOf(object, Find(object, "modified") != nullptr ? "modified" : "created");
    return out;
  }

  static bool IsPlainUrl(std::string_view url) {
    return std::all_of(url.begin(), url.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte > 0x20 && byte < 0x7f &&
             std::string_view("\"<>\\^`{|}%").find(c) == std::string_view::npos;
    });
  }

  // The strictest of several.
  std::string Tlp(const json::object& object) const {
    static constexpr std::string_view kOrder[] = {"white", "green", "amber", "red"};
    const auto rank = [](std::string_view tlp) {
      return std::find(std::begin(kOrder), std::end(kOrder), tlp) - std::begin(kOrder);
    };
    std::optional<std::string_view> found;
    if (const auto* refs = List(object, "object_marking_refs")) {
      for (const auto& ref : *refs) {
        if (!ref.is_string()) continue;
        const auto tlp = TlpOfMarking(ref.get_string());
        if (tlp && (!found || rank(*tlp) > rank(*found))) found = tlp;
      }
    }
    return found ? std::string(*found) : options_.default_tlp;
  }

  void Confidence(json::object& out, const json::object& object) const {
    const auto* number = Find(object, "confidence");
    out["confidence"] = number != nullptr && number->is_int64()
                            ? std::string(ConfidenceOf(number->get_int64()))
                            : options_.default_confidence;
  }

  static void Described(json::object& out, const json::object& object) {
    const std::string_view name = Text(object, "name"), text = Text(object, "description");
    const std::string title = name.empty() ? "unnamed" : Cut(name, 1024);
    out["title"] = title;
    out["description"] = text.empty() ? title : Cut(text, 5000);
    out["short_description"] = text.empty() ? title : Cut(text, 2048);
  }

  static void Strings(json::object& out, std::string_view as, const json::object& object,
                      std::string_view key, size_t max_chars) {
    const json::array* list = List(object, key);
    if (list == nullptr || list->empty()) return;
    json::array texts;
    for (const auto& each : *list)
      if (each.is_string() && texts.size() < kMaxReferences)
        texts.push_back(json::value(Cut(each.get_string(), max_chars)));
    out[as] = std::move(texts);
  }

  static void KillChain(json::object& out, const json::object& object) {
    const json::array* list = List(object, "kill_chain_phases");
    if (list == nullptr) return;
    json::array phases;
    for (const auto& each : *list) {
      if (!each.is_object() || phases.size() >= kMaxReferences) continue;
      json::object phase{{"kill_chain_name", Text(each.get_object(), "kill_chain_name")},
                         {"phase_name", Text(each.get_object(), "phase_name")}};
      if (ctim::ValidateComponent("KillChainPhase", phase).ok()) phases.push_back(std::move(phase));
    }
    if (!phases.empty()) out["kill_chain_phases"] = std::move(phases);
  }

  // False, and counted, when it does not fit the model after all.
  bool Keep(std::string_view type, json::object out, const json::object& from) {
    auto checked = ctim::Validate(type, std::move(out));
    if (!checked.ok()) {
      LeaveOut(std::string(Text(from, "type")) + ": " + checked.ToError().message);
      return false;
    }
    known_.insert(Text(from, "id"));
    taken_.push_back(std::move(checked.document.get_object()));
    return true;
  }

  json::object Validity(const json::object& object) const {
    json::object span{{"start_time", TimeOf(object, "valid_from")}};
    const auto end = ParseTime(Text(object, "valid_until"));
    if (end && *end >= Time() && FormatTime(*end) < ctim::kNoEnd &&
        FormatTime(*end) > Text(span, "start_time")) {
      span["end_time"] = FormatTime(*end);
    }
    return span;
  }

  static int64_t Disposition(const json::object& object) {
    const json::array* types = List(object, "indicator_types");
    if (types == nullptr) types = List(object, "labels");  // 2.0
    int64_t out = 2;                                       // an indicator without a word is of harm
    if (types == nullptr) return out;
    for (const auto& each : *types) {
      if (!each.is_string()) continue;
      const std::string_view word = each.get_string();
      if (word == "malicious-activity" || word == "compromised") return 2;
      if (word == "anomalous-activity" || word == "anonymization") out = 3;
      if (word == "benign") out = 1;
      if (word == "unknown") out = 5;
    }
    return out;
  }

  void Indicator(const json::object& object) {
    json::object out = Common("indicator", object);
    Described(out, object);
    out["producer"] = Maker(object);
    out["source"] = Source();
    Confidence(out, object);
    out["valid_time"] = Validity(object);
    KillChain(out, object);
    Strings(out, "tags", object, "labels", 1024);
    const std::string_view pattern = Text(object, "pattern");
    const std::string_view language =
        Text(object, "pattern_type").empty() ? "stix" : Text(object, "pattern_type");
    if (language == "snort" && !pattern.empty() && pattern.size() <= options_.pattern.max_bytes) {
      out["specification"] = json::object{{"type", "Snort"}, {"snort_sig", pattern}};
    } else if (const std::string told = std::string(language) + ": " + std::string(pattern);
               told.size() <= 2048) {
      out["test_mechanisms"] = json::array{told};
    }
    const json::object indicator = out;
    if (!Keep("indicator", std::move(out), object)) return;
    if (language != "stix") return LeaveOut("pattern language " + Cut(language, 40));
    auto read = ReadPattern(pattern, options_.pattern);
    if (!read)
      return LeaveOut(read.error().code == Code::kLimited ? read.error().message
                                                          : "pattern cannot be read");
    if (!read->whole) LeaveOut("pattern says more than single values");
    Judgements(object, indicator, *read);
  }

  void Judgements(const json::object& object, const json::object& indicator,
                  const Pattern& pattern) {
    std::set<std::pair<std::string, std::string>> seen;
    for (const Term& term : pattern.terms) {
      auto observed = ObservableOf(term);
      if (!observed) {
        LeaveOut("pattern term " + Cut(term.path, 60));
        continue;
      }
      if (seen.size() >= options_.max_observables) return LeaveOut("terms over the limit");
      if (!seen.insert({observed->type, observed->value}).second) continue;
      const std::string key = observed->type + ":" + observed->value;
      const std::string own = IdFor("judgement", std::string(Text(object, "id")) + "|" + key);
      json::object judgement{
          {"type", "judgement"},
          {"id", "transient:" + own},
          {"external_ids", json::array{own}},
          {"observable", json::object{{"type", observed->type}, {"value", observed->value}}},
          {"disposition", Disposition(object)},
          {"priority", options_.priority},
          {"severity", options_.default_severity},
          {"source", Source()},
          {"reason", Text(indicator, "title")}};
      for (const char* shared : {"confidence", "tlp", "timestamp", "valid_time"})
        judgement[shared] = indicator.at(shared);
      auto checked = ctim::Validate("judgement", std::move(judgement));
      if (!checked.ok()) {
        LeaveOut("judgement: " + checked.ToError().message);
        continue;
      }
      taken_.push_back(std::move(checked.document.get_object()));
      Link(own, "element-of", "transient:" + own, Text(indicator, "id"), indicator);
    }
  }

  void Link(std::string_view key, std::string_view kind, std::string_view source,
            std::string_view target, const json::object& like) {
    const std::string own = IdFor("relationship", std::string(key) + "|" + std::string(target));
    json::object out{
        {"type", "relationship"},    {"id", "transient:" + own}, {"external_ids", json::array{own}},
        {"relationship_type", kind}, {"source_ref", source},     {"target_ref", target},
        {"source", Source()}};
    for (const char* shared : {"tlp", "timestamp"}) out[shared] = like.at(shared);
    auto checked = ctim::Validate("relationship", std::move(out));
    if (!checked.ok()) return LeaveOut("relationship: " + checked.ToError().message);
    taken_.push_back(std::move(checked.document.get_object()));
  }

  void AddObserved(json::array& out, const json::object& object) const {
    for (const auto& each : ObservablesOf(object)) {
      if (out.size() >= kMaxObserved) return;
      json::object made{{"type", each.type}, {"value", each.value}};
      if (std::find(out.begin(), out.end(), json::value(made)) == out.end())
        out.push_back(std::move(made));
    }
  }

  void ObservedData(const json::object& object) {
    json::object out = Common("sighting", object);
    out["observed_time"] = Span(object, "first_observed", "last_observed");
    const auto* count = Find(object, "number_observed");
    if (count != nullptr && count->is_int64() && count->get_int64() > 0) out["count"] = *count;
    Confidence(out, object);
    out["source"] = Source();
    json::array observables;
    if (const auto* refs = List(object, "object_refs")) {
      for (const auto& ref : *refs) {
        if (observables.size() >= kMaxObserved) break;
        const json::object* found = ref.is_string() ? ById(ref.get_string()) : nullptr;
        if (found != nullptr) AddObserved(observables, *found);
      }
    }
    const auto* inner = Find(object, "objects");  // 2.0: inside, by number
    if (inner != nullptr && inner->is_object()) {
      for (const auto& member : inner->get_object()) {
        if (observables.size() >= kMaxObserved) break;
        if (member.value().is_object()) AddObserved(observables, member.value().get_object());
      }
    }
    if (!observables.empty()) out["observables"] = std::move(observables);
    Keep("sighting", std::move(out), object);
  }

  json::object Span(const json::object& object, std::string_view first,
                    std::string_view last) const {
    const std::string start = TimeOf(object, Find(object, first) != nullptr ? first : "created");
    json::object out{{"start_time", start}};
    if (Find(object, last) != nullptr)
      if (const std::string end = TimeOf(object, last); end >= start) out["end_time"] = end;
    return out;
  }

  void NoteObject(const json::object& object) {
    json::object out = Common("note", object);
    json::array related;
    if (const auto* refs = List(object, "object_refs")) {
      for (const auto& ref : *refs) {
        if (!ref.is_string() || related.size() >= kMaxReferences) continue;
        const auto type = TypeOfId(std::string_view(ref.get_string()));
        const std::string_view ctim = type ? CtimTypeOf(*type) : std::string_view();
        if (ctim.empty()) continue;
        related.push_back(json::object{
            {"entity_type", ctim},
            {"entity_id", "transient:" + std::string(std::string_view(ref.get_string()))}});
      }
    }
    out["content"] = Cut(Text(object, "content"), 5000);
    out["note_class"] = "default";
    out["related_entities"] = std::move(related);
    out["source"] = Source();
    if (const auto* authors = List(object, "authors"))
      if (!authors->empty() && (*authors)[0].is_string())
        out["author"] = Cut((*authors)[0].get_string(), 1024);
    Keep("note", std::move(out), object);
  }

  void Relationship(const json::object& object) {
    if (IsRevoked(object)) return;
    const std::string_view source = Text(object, "source_ref"), target = Text(object, "target_ref");
    // `based-on` observed-data and the like: what was not taken cannot be an end.
    if (!IsEnd(source) || !IsEnd(target)) return LeaveOut("relationship: an end was not taken");
    json::object out = Common("relationship", object);
    out["relationship_type"] = Cut(Text(object, "relationship_type"), 256);
    out["source_ref"] = "transient:" + std::string(source);
    out["target_ref"] = "transient:" + std::string(target);
    out["source"] = Source();
    if (!Text(object, "description").empty())
      out["description"] = Cut(Text(object, "description"), 5000);
    Keep("relationship", std::move(out), object);
  }

  bool IsEnd(std::string_view id) const {
    if (known_.contains(id)) return true;
    const auto type = TypeOfId(id);
    return options_.far_ends && type && latest_.find(id) == latest_.end() &&
           !CtimTypeOf(*type).empty() && *type != "relationship";
  }

  static bool IsRevoked(const json::object& object) {
    const auto* revoked = Find(object, "revoked");
    return revoked != nullptr && *revoked == true;
  }

  void Sighting(const json::object& object) {
    if (IsRevoked(object)) return;
    const std::string target(Text(object, "sighting_of_ref"));
    if (!IsEnd(target)) return LeaveOut("sighting: its object was not taken");
    json::object like = Common("sighting", object);
    bool linked = false;
    if (const auto* refs = List(object, "observed_data_refs")) {
      size_t left = kMaxReferences;
      for (const auto& ref : *refs) {
        if (!ref.is_string() || !known_.contains(std::string_view(ref.get_string())) || left-- == 0)
          continue;
        const std::string from(std::string_view(ref.get_string()));
        Link(std::string(Text(object, "id")) + "|" + from, "sighting-of", "transient:" + from,
             "transient:" + target, like);
        linked = true;
      }
    }
    if (linked) return;
    json::object out = like;
    out["observed_time"] = Span(object, "first_seen", "last_seen");
    const auto* count = Find(object, "count");
    if (count != nullptr && count->is_int64() && count->get_int64() > 0) out["count"] = *count;
    Confidence(out, object);
    out["source"] = Source();
    const std::string id(Text(out, "id"));
    if (Keep("sighting", std::move(out), object))
      Link(id, "sighting-of", id, "transient:" + target, like);
  }

  const FromStixOptions& options_;
  const std::string now_;
  std::map<std::string_view, const json::object*> latest_;
  std::set<std::string_view> known_;  // STIX ids that were taken
  std::vector<json::object> taken_;
  FromStixResult result_;
};

}  // namespace

std::string_view CtimTypeOf(std::string_view stix_type) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"threat-actor", "actor"},
      {"intrusion-set", "actor"},
      {"attack-pattern", "attack-pattern"},
      {"campaign", "campaign"},
      {"course-of-action", "coa"},
      {"incident", "incident"},
      {"indicator", "indicator"},
      {"malware", "malware"},
      {"note", "note"},
      {"observed-data", "sighting"},
      {"tool", "tool"},
      {"vulnerability", "vulnerability"},
      {"relationship", "relationship"},
      {"sighting", "sighting"},
      {"judgement", "judgement"}};
  for (const auto& [theirs, ours] : kTypes)
    if (theirs == stix_type) return ours;
  return {};
}

Result<FromStixResult> FromStix(const json::value& document, const FromStixOptions& options) {
  return Importer(options).Run(document);
}

}  // namespace mailreeve::stix
