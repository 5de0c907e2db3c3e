// bench_intel DATABASE COUNT: the intelligence store with COUNT judgements of one indicator, each
// with its relationship. One JSON line a figure. DATABASE is a file that must not be there yet, or
// postgresql://…
#include "base/random.h"
#include "base/time.h"
#include "ctim/document.h"
#include "ctim/validate.h"
#include "response/intel/observables.h"
#include "response/intel/store.h"
#include "response/intel_api/life.h"

#include <algorithm>
#include <charconv>
#include <iostream>

namespace {

using namespace mailreeve;
using namespace mailreeve::response;
using Steady = std::chrono::steady_clock;

double Seconds(Steady::time_point since) {
  return std::chrono::duration<double>(Steady::now() - since).count();
}

void Print(const char* name, double value, const char* unit, double goal, bool more_is_better) {
  std::cout << json::Serialize(
                   json::object{{"bench", "intel"},
                                {"figure", name},
                                {"value", value},
                                {"unit", unit},
                                {"goal", goal},
                                {"met", more_is_better ? value >= goal : value <= goal}})
            << std::endl;
}

std::string Host(int64_t i) { return "h" + std::to_string(i) + ".bad.example"; }

Result<void> Run(const std::string& path, int64_t count) {
  intel::StoreOptions options;
  options.database.path = path;
  TRY(const auto store, intel::Store::Open(options));
  const ctim::IdSpace ids("https://r.example");
  const intel::Asker asker{"alice", "org-1", ""};
  const SystemClock clock;
  const std::string indicator = "indicator-" + RandomUuid();
  const ctim::Entity& judgement = *ctim::TheModel().ByType("judgement");
  const ctim::Entity& relationship = *ctim::TheModel().ByType("relationship");
  const bool postgresql = sql::IsPostgresqlUrl(path);

  // As a bundle comes in: each document checked, completed, stored with its event.
  constexpr int64_t kBundle = 10000;
  double spent = 0;
  for (int64_t start = 0; start < count; start += kBundle) {
    const auto begin = Steady::now();
    std::vector<intel_api::Checked> checked;
    for (int64_t i = start; i < std::min(count, start + kBundle); ++i) {
      const std::string id = "judgement-" + RandomUuid();
      for (const ctim::Entity* entity : {&judgement, &relationship}) {
        json::object document;
        if (entity == &judgement) {
          document = {{"observable", json::object{{"type", "domain"}, {"value", Host(i)}}},
                      {"disposition", 2},
                      {"priority", 90},
                      {"confidence", "High"},
                      {"severity", "High"},
                      {"source", "bench"},
                      {"external_ids", json::array{json::value("bench-" + std::to_string(i))}}};
        } else {
          document = {{"relationship_type", "element-of"},
                      {"source_ref", ids.Long(std::string_view(id))},
                      {"target_ref", ids.Long(std::string_view(indicator))}};
        }
        auto one = intel_api::CheckNew(*entity, std::move(document), 0);
        if (!one) return Fail(Code::kInternal, "a document of the bench does not fit");
        if (entity == &judgement) one->new_id = id;
        checked.push_back(*std::move(one));
      }
    }
    TRY_VOID(store->WriteNow([&](intel::Tables& tables) -> Result<void> {
      intel_api::Life life{tables, ids, asker, intel::Visibility::kGroup, clock.Now()};
      for (const intel_api::Checked& one : checked) TRY_VOID(life.Create(one));
      return {};
    }));
    spent += Seconds(begin);
  }
  Print("import", static_cast<double>(2 * count) / spent, "entities/s", postgresql ? 5000 : 20000,
        true);

  TRY(sql::Database database, sql::Database::Open(options.database));
  TRY(intel::Tables tables, intel::Tables::Open(std::move(database), options.prefix, false));
  std::vector<double> times;
  const int64_t now = ToEpochMicros(clock.Now());
  for (int i = 0; i < 20000; ++i) {
    const std::string host =
        Host(static_cast<int64_t>(RandomNumber() % static_cast<uint64_t>(count)));
    const auto begin = Steady::now();
    TRY(const auto best, intel::BestJudgement(tables, {{"domain", host}, now, {}, {}}, asker,
                                              intel::Visibility::kGroup));
    times.push_back(Seconds(begin) * 1000);
    if (!best) return Fail(Code::kInternal, "the verdict of " + host + " is missing");
  }
  std::sort(times.begin(), times.end());
  Print("verdict_p50", times[times.size() / 2], "ms", 1, false);
  Print("verdict_p99", times[times.size() * 99 / 100], "ms", 1, false);

  const auto begin = Steady::now();
  int64_t entries = 0;
  TRY_VOID(intel::ForEachEntry(tables, indicator, {"element-of"}, now, asker,
                               intel::Visibility::kGroup, "", [&](intel::Record&) {
                                 ++entries;
                                 return true;
                               }));
  if (entries != count) return Fail(Code::kInternal, "the feed has " + std::to_string(entries));
  Print("feed", static_cast<double>(entries) / Seconds(begin), "entries/s", 1e6 / 60, true);

  intel::Selection selection{.type = "judgement"};
  const auto search = [&](const char* name, const char* query) -> Result<void> {
    TRY(selection.query, intel_query::ParseQuery(query, {}));
    const auto start = Steady::now();
    TRY(const intel::Page page,
        intel::Search(tables, selection, {}, asker, intel::Visibility::kGroup, options.search));
    (void)page;
    Print(name, Seconds(start) * 1000, "ms", 50, false);
    return {};
  };
  TRY_VOID(search("search_rare", "observable.value:h77.bad.example"));
  TRY_VOID(search("search_common", "severity:High"));
  return search("search_prefix", "observable.value:h77*");
}

}  // namespace

int main(int argc, char** argv) {
  int64_t count = 0;
  if (argc != 3 ||
      std::from_chars(argv[2], argv[2] + std::string_view(argv[2]).size(), count).ec !=
          std::errc() ||
      count < 100) {
    std::cerr << "usage: bench_intel DATABASE COUNT\n";
    return 2;
  }
  if (const auto done = Run(argv[1], count); !done) {
    std::cerr << "bench_intel: " << done.error().ToString() << "\n";
    return 1;
  }
  return 0;
}
