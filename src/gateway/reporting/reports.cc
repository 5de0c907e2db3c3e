#include "gateway/reporting/reports.h"

#include "base/text.h"
#include "gateway/counters/table_impl.h"
#include "observable/types.h"

#include <algorithm>

namespace mailreeve::gateway::reporting {
namespace {

using counters::Dimension;
using counters::Question;
using counters::Values;
using observable::Observable;
using observable::Type;

constexpr auto kHour = std::chrono::hours(1);
constexpr auto kDay = std::chrono::hours(24);

uint64_t SumOf(const Values& values, const std::vector<counters::Metric>& metrics) {
  uint64_t out = 0;
  for (const auto& [metric, value] : values) {
    if (std::binary_search(metrics.begin(), metrics.end(), metric)) out += value;
  }
  return out;
}

uint64_t ValueOf(const CounterInfo& counter, const Values& values) {
  const uint64_t sum = SumOf(values, counter.metrics);
  if (counter.divided_by.empty()) return sum;
  const uint64_t by = SumOf(values, counter.divided_by);
  return by == 0 ? 0 : sum / by;
}

void AddObservable(std::vector<Observable>& to, Type type, std::string_view value) {
  if (value.empty()) return;
  if (auto canonical = observable::Canonical(type, value)) to.push_back({type, *canonical});
}

void AddHost(std::vector<Observable>& to, std::string_view host) {
  if (host.find(':') != std::string_view::npos) {
    AddObservable(to, Type::kIpv6, host);
  } else if (const size_t before = to.size();
             AddObservable(to, Type::kIp, host), to.size() == before) {
    AddObservable(to, Type::kDomain, host);
  }
}

std::vector<Observable> ObservablesOf(Dimension dimension, const std::string& key) {
  std::vector<Observable> out;
  // A key that was cut is not what the mail showed.
  if (key.ends_with("…") && key.size() + 8 > counters::kMaxKeyBytes) return out;
  switch (dimension) {
    case Dimension::kSenderDomain:
    case Dimension::kDestinationDomain:
    case Dimension::kUrlDomain:
    case Dimension::kAuthentication:
    case Dimension::kSenderIp:
      AddHost(out, key);
      break;
    case Dimension::kSender:
    case Dimension::kRecipient:
    case Dimension::kUser:
      AddObservable(out, Type::kEmail, key);
      break;
    case Dimension::kSubject:
      AddObservable(out, Type::kEmailSubject, key);
      break;
    case Dimension::kUrl:
      AddObservable(out, Type::kUrl, key);
      break;
    case Dimension::kFile: {
      const size_t space = key.find(' ');
      AddObservable(out, Type::kSha256, key.substr(0, space));
      if (space != std::string::npos) AddObservable(out, Type::kFileName, key.substr(space + 1));
      break;
    }
    default:
      break;
  }
  return out;
}

// Which rows, in which order.
void SetRows(const ReportRequest& request, const ReportTable& table, Question& question) {
  const ReportInfo& info = *table.info;
  if (!info.keyed) {
    question.top = 1;
    return;
  }
  const size_t all = request.form == ReportRequest::Form::kExport ? kMaxRows : kDefaultRows;
  question.top = std::min(request.limit.value_or(request.top.value_or(all)), kMaxRows);
  // "top" caps what paging shows.
  question.offset = request.offset.value_or(0);
  if (request.limit && request.top) {
    const size_t left = *request.top - std::min(question.offset, *request.top);
    question.top = std::min(question.top, left);
  }
  question.ascending = request.ascending;
  const CounterInfo* order = nullptr;
  const std::string& wanted = request.order_by.empty() ? request.counter : request.order_by;
  if (!wanted.empty()) order = info.Find(wanted);
  if (order == nullptr || !order->available()) {
    for (const std::string_view name :
         {"total_recipients", "total_recipients_processed", "incoming_total_recipients"}) {
      if (order == nullptr || !order->available()) order = info.Find(name);
    }
  }
  for (const CounterInfo& counter : info.counters) {
    if ((order == nullptr || !order->available()) && counter.available()) order = &counter;
    question.having.insert(question.having.end(), counter.metrics.begin(), counter.metrics.end());
  }
  if (order != nullptr) question.order_by_sum = order->metrics;
  if (request.filter) {
    auto& to = request.filter->begins_with ? question.key_begins_with : question.key_is;
    to = request.filter->value;
  }
}

std::vector<uint64_t> Columns(const ReportTable& table, const Values& values) {
  std::vector<uint64_t> out;
  for (const CounterInfo* counter : table.counters) out.push_back(ValueOf(*counter, values));
  return out;
}

// Points of equal length over the whole span, 0 where nothing was counted.
void SetSeries(ReportTable& table, const counters::Answer& answer, bool daily, bool rows) {
  const auto step = daily ? Duration(kDay) : Duration(kHour);
  Time begin = daily ? Time(std::chrono::floor<std::chrono::days>(table.from)) : table.from;
  const Time first = begin;
  for (; begin < table.until; begin += step) {
    table.series.push_back({std::max(begin, table.from), std::min(begin + step, table.until),
                            std::vector<uint64_t>(table.counters.size(), 0)});
  }
  const auto place = [&](Time at) { return static_cast<size_t>((at - first) / step); };
  for (const counters::Point& point : answer.series) {
    if (const size_t at = place(point.begin); point.begin >= first && at < table.series.size())
      table.series[at].values = Columns(table, point.values);
  }
  if (!rows) return;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    auto& series = table.rows[i].series;
    series.assign(table.series.size(), std::vector<uint64_t>(table.counters.size(), 0));
    for (const counters::Point& point : answer.rows[i].series) {
      if (const size_t at = place(point.begin); point.begin >= first && at < series.size())
        series[at] = Columns(table, point.values);
    }
  }
}

}  // namespace

io::Task<Result<ReportTable>> Reports::Tabulate(ReportRequest request, bool points,
                                                bool row_points) {
  ReportTable out;
  out.info = FindReport(request.report);
  if (out.info == nullptr) co_return Fail(Code::kNotFound, "Not Found.");
  out.from = request.from;
  out.until = request.until;
  if (request.counter.empty()) {
    for (const auto* list : {&out.info->counters, &out.info->extra}) {
      for (const CounterInfo& counter : *list) out.counters.push_back(&counter);
    }
  } else if (const CounterInfo* counter = out.info->Find(request.counter)) {
    out.counters.push_back(counter);
  } else {
    co_return Fail(Code::kNotFound, "Not Found.");
  }
  const auto hours = (request.until - request.from) / kHour;
  const bool daily = request.daily_graph || hours > static_cast<int64_t>(kMaxPoints);
  if (points && hours / 24 > static_cast<int64_t>(kMaxPoints)) {
    co_return Fail(Code::kInvalid, "The span is too long for a graph: give at most " +
                                       std::to_string(kMaxPoints) + " days.");
  }

  counters::Answer answer;
  if (out.info->available()) {
    Question question;
    question.from = request.from;
    question.until = request.until;
    question.dimension = out.info->dimension;
    SetRows(request, out, question);
    if (points) question.series = daily ? Question::Bucket::kDay : Question::Bucket::kHour;
    question.row_series = points && row_points;
    CO_TRY(answer, co_await store_.Counters(std::move(question)));
  }
  out.totals = Columns(out, answer.totals);
  out.others = Columns(out, answer.others);
  out.keys = out.info->keyed ? answer.keys : 0;
  out.exact = answer.exact;
  out.missed = answer.missed;
  out.complete = answer.complete;
  out.why = answer.why;
  if (out.info->keyed) {
    for (const counters::Row& row : answer.rows) {
      ReportTable::Row& added = out.rows.emplace_back();
      added.key = row.key;
      if (out.info->by_address) added.second = row.key;
      added.values = Columns(out, row.values);
      added.observables = ObservablesOf(out.info->dimension, row.key);
    }
  } else {
    out.rows.push_back({"", "", out.totals, {}, {}});
    out.others.assign(out.counters.size(), 0);
    answer.rows.resize(1);
    answer.rows[0].series = answer.series;
  }
  if (points) SetSeries(out, answer, daily, row_points);
  co_return out;
}

}  // namespace mailreeve::gateway::reporting
