#pragma once

#include "response/intel/access.h"
#include "response/intel/tables.h"
#include "response/intel_query/query.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

// Lists, searches, counts and aggregates of one entity (threat-response-api.md 5.5, 5.6).
//
// Threads: one at a time, as the tables. Errors: kInvalid for an order or an aggregate that the
// entity does not have, kLimited for what would look at too many documents, sql/database.h.
namespace mailreeve::response::intel {

struct SearchLimits {
  int64_t max_window = 10000;     // offset + limit
  int64_t max_examined = 200000;  // documents read for one search
};

struct Filter {
  std::string field;
  std::vector<std::string> any_of;
};

struct NamedObservable {
  std::string type, value;
};

struct Selection {
  std::string type;
  std::optional<NamedObservable> about;  // only documents that name it
  std::optional<intel_query::Node> query;
  std::vector<std::string> search_fields;  // empty: those of the entity
  std::vector<Filter> filters;             // all must fit
  std::optional<int64_t> from, to;         // microseconds; half open, of `range_field`
  std::string range_field = "created";
  bool selects_all() const { return !query && filters.empty() && !from && !to && !about; }
};

struct SortKey {
  std::string field;
  bool descending = false;
};

struct Paging {
  std::vector<SortKey> sort;  // empty: timestamp, created, id (relationship: created, id)
  int64_t offset = 0;
  int64_t limit = 100;
  std::vector<std::string> after;  // values of the last document of the page before
};

struct Page {
  std::vector<Record> records;
  int64_t total = 0;
  bool total_complete = true;  // false: at least so many
  bool more = false;
  json::array last_sort;  // values of the last record; empty when there is none
};

Result<Page> Search(Tables& tables, const Selection& selection, const Paging& paging,
                    const Asker& asker, Visibility visibility, const SearchLimits& limits);
Result<int64_t> Count(Tables& tables, const Selection& selection, const Asker& asker,
                      Visibility visibility, const SearchLimits& limits);
// Numbers of the first `limit` documents that fit, in order of number, after number `after`.
Result<std::vector<int64_t>> NumbersOf(Tables& tables, const Selection& selection,
                                       const Asker& asker, Visibility visibility, int64_t after,
                                       int64_t limit, const SearchLimits& limits);

struct Aggregate {
  std::string field;
  int64_t limit = 10;      // of TopN
  bool descending = true;  // of TopN
};
// [{"key","value"}], by value, then key.
Result<json::array> TopN(Tables& tables, const Selection& selection, const Aggregate& aggregate,
                         const Asker& asker, Visibility visibility, const SearchLimits& limits);
Result<int64_t> Cardinality(Tables& tables, const Selection& selection, const std::string& field,
                            const Asker& asker, Visibility visibility, const SearchLimits& limits);
enum class Granularity { kDay, kWeek, kMonth };
// [{"key": start of the bucket with its offset,"value"}] without empty buckets. The selection's
// range is of the field itself.
Result<json::array> Histogram(Tables& tables, const Selection& selection, const std::string& field,
                              Granularity granularity, std::chrono::minutes zone,
                              const Asker& asker, Visibility visibility,
                              const SearchLimits& limits);
struct Average {
  std::optional<double> value;
  int64_t count = 0;
};
// Of a number kept with the documents and never answered: "intervals.new_to_opened".
Result<Average> AverageOf(Tables& tables, const Selection& selection,
                          const std::string& hidden_path, const Asker& asker, Visibility visibility,
                          const SearchLimits& limits);

}  // namespace mailreeve::response::intel
