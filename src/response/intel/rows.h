#pragma once

#include "json/json.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the index keeps of a document: a pure function of it, so that a change writes the difference
// and a check can make the index anew. Thread-safe.
namespace mailreeve::response::intel {

struct TermRow {
  int64_t field;
  std::string value;
  auto operator<=>(const TermRow&) const = default;
};
struct JudgementRow {
  int64_t observable, order, disposition, valid_from, valid_to;  // order: minus the priority
  auto operator<=>(const JudgementRow&) const = default;
};
struct RelationRow {
  std::string type, source, target;  // short ids where they are ids of a CTIM store
  auto operator<=>(const RelationRow&) const = default;
};

struct Rows {
  std::vector<TermRow> terms;        // sorted, unique
  std::vector<int64_t> observables;  // sorted, unique
  std::optional<JudgementRow> judgement;
  std::optional<RelationRow> relation;
};

// REQUIRES: `type` is an entity of the store.
Rows RowsOf(std::string_view type, const json::object& document);

// The number under which an observable is looked up: by its canonical form when it has one, else by
// its value in lower case. A type that CTIM does not have: nullopt.
std::optional<int64_t> ObservableCode(std::string_view type, std::string_view value);
// Whether `document` (a judgement, sighting, …) really names it; codes are hashes.
bool NamesObservable(const json::object& document, std::string_view type, std::string_view value);

// Microseconds since 1970 of an ISO date; nullopt when there is none.
std::optional<int64_t> MicrosAt(const json::object& document, std::string_view path);
inline constexpr int64_t kNoStart = INT64_MIN;
inline constexpr int64_t kNoEnd = INT64_MAX;

}  // namespace mailreeve::response::intel
