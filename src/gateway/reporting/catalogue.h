#pragma once

#include "gateway/counters/counters.h"
#include "gateway/counters/metrics.h"

#include <string>
#include <string_view>
#include <vector>

// All reports of gateway-api.md 1.7.4 as data: names, counters, and what feeds them. Pure; lives as
// long as the program; thread-safe.
namespace mailreeve::gateway::reporting {

struct CounterInfo {
  std::string_view name;
  // Their sum is the counter. Empty: not available, nothing here counts it; it answers 0.
  std::vector<counters::Metric> metrics;
  // Divides the sum, and so makes it an average; empty: none.
  std::vector<counters::Metric> divided_by;
  // Fed by the verdicts of an engine, which may not be there: 0 means not available, unless
  // anything was counted in the span.
  bool needs_engine = false;
  bool available() const { return !metrics.empty(); }
};

struct ReportInfo {
  std::string_view name;
  // For people.
  std::string_view title_en, title_zh;
  bool top = false;    // takes `top`, order, paging and filter
  bool keyed = false;  // rows by key; else one set of numbers
  counters::Dimension dimension = counters::Dimension::kAll;
  // What its key is called in filterBy; empty: no filter.
  std::vector<std::string_view> key_aliases;
  // Rows are {"key","ip_domain","counter_values"} in an export.
  bool by_address = false;
  std::vector<CounterInfo> counters;
  // Counters seen in answers that are no path of their own (answered with the whole report).
  std::vector<CounterInfo> extra;

  const CounterInfo* Find(std::string_view counter) const;  // of `counters` and `extra`
  bool available() const;                                   // one counter at least is
};

const std::vector<ReportInfo>& Catalogue();
const ReportInfo* FindReport(std::string_view name);

}  // namespace mailreeve::gateway::reporting
