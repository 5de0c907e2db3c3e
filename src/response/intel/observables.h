#pragma once

#include "response/intel/search.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// What is known of an observable, and what follows from it by relationships (threat-response-api.md
// 5.7).
//
// Threads: one at a time, as the tables. Errors: kInvalid for a type that CTIM does not have;
// sql/database.h.
namespace mailreeve::response::intel {

struct VerdictQuestion {
  NamedObservable observable;
  int64_t at = 0;                   // microseconds: when the judgement must be valid
  std::optional<int64_t> from, to;  // half open range of its creation
};
// The judgement that gives the verdict: highest priority, lowest disposition, earliest start.
Result<std::optional<Record>> BestJudgement(Tables& tables, const VerdictQuestion& question,
                                            const Asker& asker, Visibility visibility);
// Whether `a` is chosen before `b`.
bool GoesBefore(const Record& a, const Record& b);

struct RelatedQuestion {
  NamedObservable observable;
  std::string source_type;                 // "judgement", "sighting"
  std::vector<std::string> relationships;  // "element-of", …
  std::string target_type;                 // "indicator"
  int64_t offset = 0, limit = 100;
};
struct RelatedIds {
  std::vector<std::string> ids;  // as the relationships name them, each once, newest first
  int64_t total = 0;
};
Result<RelatedIds> RelatedTo(Tables& tables, const RelatedQuestion& question, const Asker& asker,
                             Visibility visibility);

// Judgements that a relationship of `relationships` puts under `indicator` (short id) and that are
// valid at `at`, in order of id from after `after` on, until `visit` answers false.
Result<void> ForEachEntry(Tables& tables, const std::string& indicator,
                          const std::vector<std::string>& relationships, int64_t at,
                          const Asker& asker, Visibility visibility, std::string after,
                          const std::function<bool(Record&)>& visit);

// Relationships that touch `id` (short), newest first.
enum class Side { kSource, kTarget };
Result<std::vector<Record>> RelationshipsOf(Tables& tables, const std::string& id, Side side,
                                            int64_t limit, const Asker& asker,
                                            Visibility visibility);

}  // namespace mailreeve::response::intel
