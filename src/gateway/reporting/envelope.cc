// The shapes of gateway-api.md 1.7.2.
#include "gateway/reporting/reports.h"
#include "observable/types.h"

namespace mailreeve::gateway::reporting {
namespace {

int64_t Seconds(Time time) { return ToEpochMillis(time) / 1000; }
// The last minute of an interval that ends where the next begins.
Time LastMinute(Time until) { return until - std::chrono::minutes(1); }

json::value Scalars(const ReportTable& table) {
  json::array out;
  for (size_t i = 0; i < table.counters.size(); ++i)
    out.push_back(json::object{{table.counters[i]->name, table.rows.front().values[i]}});
  return out;
}

json::value ByCounter(const ReportTable& table) {
  json::object out;
  for (size_t i = 0; i < table.counters.size(); ++i) {
    json::array rows;
    for (const ReportTable::Row& row : table.rows)
      rows.push_back(json::object{{row.key, row.values[i]}});
    out[table.counters[i]->name] = std::move(rows);
  }
  return out;
}

json::value Export(const ReportTable& table) {
  json::array names, keys, values;
  for (const CounterInfo* counter : table.counters) names.push_back(json::value(counter->name));
  for (const ReportTable::Row& row : table.rows) {
    json::array numbers(row.values.begin(), row.values.end());
    if (table.info->by_address) {
      values.push_back(json::object{
          {"key", row.key}, {"ip_domain", row.second}, {"counter_values", std::move(numbers)}});
    } else {
      keys.push_back(json::value(row.key));
      values.push_back(std::move(numbers));
    }
  }
  json::object interval{{"begin_time", FormatTime(table.from)},
                        {"end_time", FormatTime(LastMinute(table.until))},
                        {"begin_timestamp", Seconds(table.from)},
                        {"end_timestamp", Seconds(LastMinute(table.until))}};
  if (table.info->keyed && !table.info->by_address) interval["keys"] = std::move(keys);
  interval["counter_values"] = std::move(values);
  return json::object{{"counter_names", std::move(names)},
                      {"time_intervals", json::array{std::move(interval)}}};
}

json::value Graph(const ReportTable& table) {
  json::object out;
  for (size_t i = 0; i < table.counters.size(); ++i) {
    json::array points;
    for (const ReportTable::Point& point : table.series) {
      points.push_back(json::object{
          {std::to_string(Seconds(point.begin)) + "/" + std::to_string(Seconds(point.end)),
           point.values[i]}});
    }
    out[table.counters[i]->name] = std::move(points);
  }
  return out;
}

json::object Numbers(const ReportTable& table, const std::vector<uint64_t>& values) {
  json::object out;
  for (size_t i = 0; i < table.counters.size(); ++i) out[table.counters[i]->name] = values[i];
  return out;
}

json::value Ours(const ReportTable& table) {
  json::array rows, missing;
  if (table.info->keyed) {
    for (const ReportTable::Row& row : table.rows) {
      json::array observables;
      for (const observable::Observable& one : row.observables) {
        observables.push_back(
            json::object{{"type", observable::TypeName(one.type)}, {"value", one.value}});
      }
      rows.push_back(json::object{{"key", row.key}, {"observables", std::move(observables)}});
    }
  }
  for (size_t i = 0; i < table.counters.size(); ++i) {
    const CounterInfo& counter = *table.counters[i];
    if (!counter.available() || (counter.needs_engine && table.totals[i] == 0))
      missing.push_back(json::value(counter.name));
  }
  json::object out{
      {"title", json::object{{"en", table.info->title_en}, {"zh-CN", table.info->title_zh}}},
      {"from", FormatTime(table.from)},
      {"until", FormatTime(table.until)},
      {"rows", std::move(rows)},
      {"keys", table.keys},
      {"others", Numbers(table, table.others)},
      {"totals", Numbers(table, table.totals)},
      {"not_available", std::move(missing)},
      {"exact", table.exact},
      {"missed", table.missed},
      {"complete", table.complete}};
  if (!table.complete) out["why"] = table.why;
  return out;
}

}  // namespace

io::Task<Result<json::value>> Reports::Run(ReportRequest request) {
  const auto form = request.form;
  const bool paged = request.limit.has_value();
  const std::string type = request.counter.empty() ? request.report : request.counter;
  CO_TRY(const ReportTable table,
         co_await Tabulate(std::move(request), form == ReportRequest::Form::kGraph, false));
  json::value result;
  switch (form) {
    case ReportRequest::Form::kGraph:
      result = Graph(table);
      break;
    case ReportRequest::Form::kExport:
      result = Export(table);
      break;
    case ReportRequest::Form::kTotals:
      result = table.info->keyed ? ByCounter(table) : Scalars(table);
      break;
  }
  const int64_t count = paged && table.info->keyed ? static_cast<int64_t>(table.keys) : -1;
  co_return json::object{
      {"meta", json::object{{"totalCount", count}}},
      {"data",
       json::object{{"type", type}, {"resultSet", std::move(result)}, {"mailreeve", Ours(table)}}}};
}

}  // namespace mailreeve::gateway::reporting
