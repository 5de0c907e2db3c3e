#pragma once

#include "response/intel/tables.h"

#include <string>
#include <string_view>
#include <vector>

// How importers of feeds keep a store true: documents come with ids that stay the same from time to
// time, each run of a feed has a higher number (generation), and what a run no longer names goes.
//
// Threads: inside Store::Write, one at a time. Errors: kInvalid for a document without a known type
// and a short id of it, kConflict for the id of a record that no feed made; sql/database.h.
//
//   auto counts = co_await store.Write([&](Tables& tables) {
//     return Import(tables, "phish-list", generation, documents);  // some hundred at a time
//   });
//   while (*co_await store.Write([&](Tables& t) { return RemoveOlder(t, "phish-list", generation,
//   500); }) == 500) {}
namespace mailreeve::response::intel {

struct ImportCounts {
  int64_t added = 0, changed = 0, same = 0;
};
// Documents are complete (ctim::Complete or the like) and hold their short id. `created` of a known
// one is kept; one that differs only in its times of making counts as the same. One of another feed
// (or part of it) becomes this one's.
Result<ImportCounts> Import(Tables& tables, const std::string& feed, int64_t generation,
                            std::vector<json::object> documents);

// Deletes at most `limit` documents of `feed` that are of an older generation. Answers how many.
Result<int64_t> RemoveOlder(Tables& tables, const std::string& feed, int64_t generation,
                            int64_t limit);
// Deletes those of `ids` that are the feed's.
Result<int64_t> RemoveIds(Tables& tables, const std::string& feed,
                          const std::vector<std::string>& ids);
// Deletes at most `limit` documents of any feed that ran out before `time` (microseconds).
Result<int64_t> RemoveExpired(Tables& tables, int64_t time, int64_t limit);

struct FeedState {
  int64_t documents = 0;
  int64_t newest_generation = 0;
};
Result<FeedState> StateOf(Tables& tables, const std::string& feed);

}  // namespace mailreeve::response::intel
