#include "response/intel_module/intel_module.h"

#include "http/message.h"
#include "relay/body.h"
#include "response/intel/observables.h"

#include <map>
#include <set>

namespace mailreeve::response::intel_module {
namespace {

// The documents of an answer: each once, by kind.
class Documents {
 public:
  Documents(const ctim::IdSpace& ids, int64_t max) : ids_(ids), max_(max) {}

  // False: it was there already, or the limit is reached.
  bool Add(const std::string& key, const intel::Record& record) {
    if (static_cast<int64_t>(lists_[key].size()) >= max_) {
      cut_.insert(key);
      return false;
    }
    if (!seen_.insert(record.id()).second) return false;
    json::object document = record.document;
    document["id"] = ids_.Long(std::string_view(record.id()));
    lists_[key].push_back(std::move(document));
    return true;
  }
  void AddVerdict(json::object verdict) { lists_["verdicts"].push_back(std::move(verdict)); }

  json::object Envelope() {
    json::object data;
    for (auto& [key, list] : lists_) {
      if (list.empty()) continue;
      const size_t count = list.size();
      data[key] = json::object{{"count", count}, {"docs", std::move(list)}};
    }
    json::object envelope{{"data", std::move(data)}};
    for (const std::string& key : cut_) {
      relay::AddError(envelope, "warning", "too many",
                      "only the newest " + std::to_string(max_) + " " + key + " are given");
    }
    return envelope;
  }

 private:
  const ctim::IdSpace& ids_;
  const int64_t max_;
  std::map<std::string, json::array> lists_;
  std::set<std::string> seen_, cut_;
};

// Indicators, incidents, … at the other end of a record's relationships, and the relationships.
Result<void> AddRelated(intel::Tables& tables, const intel::Record& record,
                        const intel::Asker& asker, intel::Visibility visibility,
                        const std::map<std::string, std::string>& plurals, Documents& out) {
  constexpr int64_t kOfOneRecord = 50;
  TRY(const std::vector<intel::Record> relationships,
      intel::RelationshipsOf(tables, record.id(), intel::Side::kSource, kOfOneRecord, asker,
                             visibility));
  for (const intel::Record& relationship : relationships) {
    const intel::Rows rows = intel::RowsOf("relationship", relationship.document);
    const auto id = rows.relation ? ctim::ShortId::Parse(rows.relation->target) : std::nullopt;
    if (!id) continue;
    const auto plural = plurals.find(id->type);
    if (plural == plurals.end()) continue;
    TRY(const std::optional<intel::Record> target, tables.Get(id->type, id->text()));
    if (!target || !intel::MayRead(target->document, asker, visibility)) continue;
    out.Add("relationships", relationship);
    out.Add(plural->second, *target);
  }
  return {};
}

Result<json::object> Deliberate(intel::Tables& tables,
                                const std::vector<relay::AskedObservable>& asked,
                                const intel::Asker& asker, intel::Visibility visibility, Time now,
                                const ctim::IdSpace& ids, int64_t max) {
  Documents out(ids, max);
  for (const relay::AskedObservable& one : asked) {
    const intel::NamedObservable observable{std::string(observable::TypeName(one.given.type)),
                                            one.given.value};
    TRY(const std::optional<intel::Record> best,
        intel::BestJudgement(tables, {observable, ToEpochMicros(now), {}, {}}, asker, visibility));
    if (!best) continue;
    json::object verdict{{"type", "verdict"}};
    for (const char* key : {"disposition", "disposition_name", "valid_time"}) {
      if (const json::value* value = best->document.if_contains(key)) verdict[key] = *value;
    }
    // As asked: the platform puts answers beside questions by it.
    verdict["observable"] = json::object{{"type", observable.type}, {"value", observable.value}};
    verdict["judgement_id"] = ids.Long(std::string_view(best->id()));
    out.AddVerdict(std::move(verdict));
  }
  return out.Envelope();
}

Result<json::object> Observe(intel::Tables& tables,
                             const std::vector<relay::AskedObservable>& asked,
                             const intel::Asker& asker, intel::Visibility visibility,
                             const intel::SearchLimits& limits, const ctim::IdSpace& ids,
                             int64_t max) {
  static const std::map<std::string, std::string> kRelated = {
      {"indicator", "indicators"},
      {"incident", "incidents"},
      {"actor", "actors"},
      {"malware", "malwares"},
      {"campaign", "campaigns"},
      {"tool", "tools"},
      {"coa", "coas"},
      {"attack-pattern", "attack_patterns"}};
  Documents out(ids, max);
  for (const relay::AskedObservable& one : asked) {
    for (const auto& [type, key] :
         {std::pair{"judgement", "judgements"}, {"sighting", "sightings"}}) {
      intel::Selection selection{.type = type};
      selection.about = intel::NamedObservable{std::string(observable::TypeName(one.given.type)),
                                               one.given.value};
      const intel::Paging newest{.sort = {{"created", true}, {"id", true}},
                                 .limit = std::min<int64_t>(max + 1, limits.max_window)};
      TRY(const intel::Page page,
          intel::Search(tables, selection, newest, asker, visibility, limits));
      for (const intel::Record& record : page.records) {
        if (!out.Add(key, record)) continue;
        TRY_VOID(AddRelated(tables, record, asker, visibility, kRelated, out));
      }
    }
  }
  return out.Envelope();
}

}  // namespace

io::Task<Result<json::value>> IntelModule::Ask(relay::Call call) {
  if (call.route == "/health") {
    CO_TRY(const int there, co_await store_.Read([](intel::Tables& tables) -> Result<int> {
      TRY_VOID(tables.database().Ping());
      return 1;
    }));
    (void)there;
    co_return json::value(json::object{{"data", json::object{{"status", "ok"}}}});
  }
  const bool deliberate = call.route == "/deliberate/observables";
  const bool observe = call.route == "/observe/observables";
  const bool refer = call.route == "/refer/observables";
  if (!deliberate && !observe && !refer)
    co_return Fail(Code::kNotFound, "the intelligence module does not serve " + call.route);
  Result<relay::AskedObservables> asked =
      relay::ReadObservables(call.body, {.max_observables = options_.max_observables});
  if (!asked) co_return json::value(relay::FatalError("invalid argument", asked.error().message));
  if (refer) {
    const std::string& url =
        options_.console_url.empty() ? options_.base_url : options_.console_url;
    json::array links;
    for (const relay::AskedObservable& one : asked->asked) {
      const std::string type(observable::TypeName(one.given.type));
      links.push_back(json::object{
          {"id", "ref-private-intelligence-search-" + type + "-" + one.given.value},
          {"title", "Search for this " + type},
          {"description", "Look for this " + type + " in the organisation's intelligence"},
          {"url", url + "/#/investigate?q=" + type + ":" + http::PercentEncode(one.given.value)},
          {"categories", json::array{json::value("Private intelligence"), json::value("Search")}}});
    }
    co_return json::value(json::object{{"data", std::move(links)}});
  }
  const intel::Asker asker{call.caller.user_id, call.caller.org_id, call.caller.client_id};
  const intel::StoreOptions& store = store_.options();
  const Time now = clock_.Now();
  CO_TRY(json::object envelope, co_await store_.Read([&](intel::Tables& tables) {
    return deliberate ? Deliberate(tables, asked->asked, asker, store.visibility, now, ids_,
                                   options_.max_documents)
                      : Observe(tables, asked->asked, asker, store.visibility, store.search, ids_,
                                options_.max_documents);
  }));
  co_return json::value(std::move(envelope));
}

}  // namespace mailreeve::response::intel_module
