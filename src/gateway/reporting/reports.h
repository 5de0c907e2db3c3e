#pragma once

#include "base/result.h"
#include "base/time.h"
#include "gateway/reporting/catalogue.h"
#include "gateway/tracking/store.h"
#include "io/asio.h"
#include "json/json.h"
#include "observable/observable.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Reports over the counters of tracked mail, asked for and answered as gateway-api.md 1.7 says.
// docs/reports.md: what each counter means, what is not available, and how exact counts are.
//
// Threads: one executor. Ownership: the store outlives the object. Errors: kInvalid (a parameter;
// HTTP 400), kNotFound (no such report or counter, or dates that are not whole hours; HTTP 404),
// and those of the store. The text of kInvalid and kNotFound is the `message` of
// gateway-api.md 1.3.
//
//   reporting::Reports reports(store);
//   CO_TRY(auto request, reporting::ReadRequest("mail_subject_stats", "", parameters));
//   CO_TRY(json::value body, co_await reports.Run(request));
namespace mailreeve::gateway::reporting {

struct ReportRequest {
  std::string report;
  std::string counter;  // empty: all counters of the report
  Time from, until;     // whole hours; [from, until)
  enum class Form : uint8_t { kTotals, kGraph, kExport } form = Form::kTotals;
  std::string order_by;  // a counter; empty: the counter asked for, or the report's first
  bool ascending = false;
  std::optional<size_t> offset, limit;
  std::optional<size_t> top;
  struct Filter {
    std::string by;  // any alias of the report's key (ReportInfo::key_aliases)
    bool begins_with = false;
    std::string value;
  };
  std::optional<Filter> filter;
  bool daily_graph = false;  // kGraph: a point a day instead of one an hour
};

// Rows of an answer at most, and by default for reports with keys.
inline constexpr size_t kMaxRows = 1000;
inline constexpr size_t kDefaultRows = 10;
// Points of one graph at most; a longer span is answered by the day.
inline constexpr size_t kMaxPoints = 1000;

// From decoded query parameters, by name (startDate, endDate, device_type, query_type, orderBy,
// orderDir, offset, limit, top, filterBy, filterOperator, filterValue); names it does not know are
// passed over. Of a repeated name the last counts.
Result<ReportRequest> ReadRequest(
    std::string_view report, std::string_view counter,
    const std::vector<std::pair<std::string, std::string>>& parameters);

// A report for people: what Run says, before it is put into one of the shapes.
struct ReportTable {
  const ReportInfo* info = nullptr;
  Time from, until;
  std::vector<const CounterInfo*> counters;  // columns
  struct Row {
    std::string key;               // empty in a report without keys
    std::string second;            // "ip_domain" of reports by address: host name or address
    std::vector<uint64_t> values;  // of `counters`
    // What the row is about, for pivots.
    std::vector<observable::Observable> observables;
    std::vector<std::vector<uint64_t>> series;  // by point, then counter; when asked for
  };
  std::vector<Row> rows;
  std::vector<uint64_t> others, totals;
  struct Point {
    Time begin, end;
    std::vector<uint64_t> values;
  };
  std::vector<Point> series;  // of the totals
  uint64_t keys = 0;          // of the report in the span, that were counted one by one
  // Counts of rows are at least what they say and at most `missed` more.
  bool exact = true;
  uint64_t missed = 0;
  bool complete = true;  // false: `why` says what could not be read
  std::string why;
};

class Reports {
 public:
  explicit Reports(tracking::Store& store) : store_(store) {}

  // The whole envelope: {"meta":{"totalCount":-1},"data":{"type":…,"resultSet":…}}. Beside
  // `resultSet`, "mailreeve" tells what other clients do not look for: key, observables
  // ({"type","value"}) of each row in the order of the rows; counters that are not available;
  // others, totals; whether counts are exact and complete.
  io::Task<Result<json::value>> Run(ReportRequest request);
  // `points`: also the series of the totals, by the hour, or by the day when `daily_graph` or when
  // there would be more than kMaxPoints; `row_points`: also one of each row.
  io::Task<Result<ReportTable>> Tabulate(ReportRequest request, bool points, bool row_points);

  // In the order of their names.
  static const std::vector<ReportInfo>& Catalogue() { return reporting::Catalogue(); }

 private:
  tracking::Store& store_;
};

}  // namespace mailreeve::gateway::reporting
