// AdminApi: reports.
#include "gateway/api/admin_api.h"
#include "gateway/api/answers.h"
#include "gateway/reporting/catalogue.h"

#include <charconv>

namespace mailreeve::gateway::api {
namespace {

constexpr std::chrono::hours kDefaultSpan{24};

Time FloorHour(Time time) { return std::chrono::floor<std::chrono::hours>(time); }

json::array Numbers(const std::vector<uint64_t>& values) {
  json::array out;
  for (const uint64_t value : values) out.emplace_back(value);
  return out;
}

// from, until, top, counter, order_by, ascending, key, key_begins_with
Result<reporting::ReportRequest> ReadReport(const http::Request& request, Time now) {
  reporting::ReportRequest out;
  out.report = std::string(request.Param("name"));
  const auto* info = reporting::FindReport(out.report);
  if (info == nullptr) {
    return Fail(Code::kNotFound,
                "there is no report of that name; `mailreeve report list` "
                "names them");
  }
  out.until = FloorHour(now) + std::chrono::hours(1);
  std::optional<Time> from;
  for (const auto& [name, value] : request.query) {
    if (name == "from" || name == "until") {
      auto time = ParseTime(value);
      if (!time) return Fail(Code::kInvalid, name + ": " + time.error().message);
      if (FloorHour(*time) != *time)
        return Fail(Code::kInvalid, name + ": must be a whole hour, such as 2026-01-02T03:00:00Z");
      if (name == "from") {
        from = *time;
      } else {
        out.until = *time;
      }
    } else if (name == "top") {
      size_t top = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), top);
      if (error != std::errc() || end != value.data() + value.size() || top < 1 ||
          top > reporting::kMaxRows) {
        return Fail(Code::kInvalid, "top: must be 1 to " + std::to_string(reporting::kMaxRows));
      }
      out.top = top;
    } else if (name == "counter" || name == "order_by") {
      if (info->Find(value) == nullptr) {
        return Fail(Code::kInvalid, name + ": the report has no such counter");
      }
      (name == "counter" ? out.counter : out.order_by) = value;
    } else if (name == "ascending") {
      out.ascending = value == "true";
    } else if (name == "key" || name == "key_begins_with") {
      if (info->key_aliases.empty()) return Fail(Code::kInvalid, name + ": the report has no keys");
      out.filter = reporting::ReportRequest::Filter{std::string(info->key_aliases.front()),
                                                    name == "key_begins_with", value};
    } else {
      return Fail(Code::kInvalid, "unknown parameter: " + name);
    }
  }
  out.from = from.value_or(out.until - kDefaultSpan);
  if (out.from >= out.until) return Fail(Code::kInvalid, "from: must be before until");
  return out;
}

json::object TableJson(const reporting::ReportTable& table) {
  json::array counters, rows, series, points;
  for (const auto* counter : table.counters) {
    counters.push_back(json::object{{"name", counter->name}, {"available", counter->available()}});
  }
  for (const auto& row : table.rows) {
    json::array observables, course;
    for (const auto& each : row.observables) {
      observables.push_back(
          json::object{{"type", observable::TypeName(each.type)}, {"value", each.value}});
    }
    for (const auto& point : row.series) course.push_back(Numbers(point));
    rows.push_back(json::object{{"key", row.key},
                                {"second", row.second},
                                {"values", Numbers(row.values)},
                                {"observables", std::move(observables)},
                                {"series", std::move(course)}});
  }
  for (const auto& point : table.series) {
    series.push_back(Numbers(point.values));
    points.push_back(
        json::object{{"begin", FormatTime(point.begin)}, {"end", FormatTime(point.end)}});
  }
  return {{"name", table.info->name},
          {"title", table.info->title_en},
          {"title_zh", table.info->title_zh},
          {"keyed", table.info->keyed},
          {"available", table.info->available()},
          {"from", FormatTime(table.from)},
          {"until", FormatTime(table.until)},
          {"counters", std::move(counters)},
          {"rows", std::move(rows)},
          {"others", Numbers(table.others)},
          {"totals", Numbers(table.totals)},
          {"keys", table.keys},
          {"points", std::move(points)},
          {"series", std::move(series)},
          {"exact", table.exact},
          {"missed", table.missed},
          {"complete", table.complete},
          {"why", table.why}};
}

}  // namespace

io::Task<http::Response> AdminApi::ListReports(http::Request) {
  json::array list;
  for (const auto& report : reporting::Catalogue()) {
    json::array counters;
    for (const auto& counter : report.counters) {
      counters.push_back(json::object{{"name", counter.name}, {"available", counter.available()}});
    }
    list.push_back(json::object{{"name", report.name},
                                {"title", report.title_en},
                                {"title_zh", report.title_zh},
                                {"keyed", report.keyed},
                                {"available", report.available()},
                                {"counters", std::move(counters)}});
  }
  co_return http::Response::Json(200, json::object{{"reports", std::move(list)}});
}

io::Task<http::Response> AdminApi::Report(http::Request request) {
  auto asked = ReadReport(request, clock_.Now());
  if (!asked) co_return Failed(asked.error());
  auto table = co_await reports_.Tabulate(*std::move(asked), true, true);
  if (!table) co_return Failed(table.error());
  co_return http::Response::Json(200, TableJson(*table));
}

}  // namespace mailreeve::gateway::api
