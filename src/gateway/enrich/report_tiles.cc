#include "gateway/enrich/report_tiles.h"

#include <algorithm>

namespace mailreeve::gateway::enrich {
namespace {

constexpr std::string_view kMailFlow = "mailreeve-mail-flow";
constexpr std::string_view kTopSenders = "mailreeve-top-senders";
constexpr std::string_view kVerdicts = "mailreeve-verdicts";
constexpr std::string_view kRemediation = "mailreeve-remediation";
constexpr std::chrono::minutes kValidFor{5};
constexpr size_t kSenders = 10;
// Longer spans have a point a day: more bars than that cannot be told apart.
constexpr std::chrono::hours kHourly{7 * 24};

json::object Definition(std::string_view id, std::string_view type, std::string_view title,
                        std::string_view description) {
  return {{"id", id},
          {"type", type},
          {"title", title},
          {"description", description},
          {"short_description", description},
          {"tags", json::array{"email"}},
          {"default_period", "last_24_hours"}};
}

reporting::ReportRequest Request(std::string_view report, Time from, Time until) {
  reporting::ReportRequest request;
  request.report = std::string(report);
  request.from = from;
  request.until = until;
  return request;
}

// What a table says of one counter in total; 0 for one that is not in it.
uint64_t TotalOf(const reporting::ReportTable& table, std::string_view counter) {
  for (size_t i = 0; i < table.counters.size() && i < table.totals.size(); ++i) {
    if (table.counters[i]->name == counter) return table.totals[i];
  }
  return 0;
}

json::object Metric(std::string_view label, uint64_t value, std::string_view icon) {
  return {{"label", label}, {"value", value}, {"icon", icon}, {"value-unit", "integer"}};
}

}  // namespace

json::array ReportTiles::Definitions() {
  return {Definition(kMailFlow, "vertical_bar_chart", "Mail flow",
                     "Recipients of incoming and outgoing mail over time."),
          Definition(kTopSenders, "horizontal_bar_chart", "Top senders",
                     "Envelope senders with the most messages."),
          Definition(kVerdicts, "donut_graph", "Verdicts",
                     "What was found in incoming mail, by recipients."),
          Definition(kRemediation, "metric_group", "Remediation",
                     "What became of mail that was taken back, by mailboxes.")};
}

io::Task<Result<json::object>> ReportTiles::Data(std::string id, std::chrono::hours span) {
  const Time now = clock_.Now();
  const Time hour = std::chrono::floor<std::chrono::hours>(now);
  const Time until = hour + std::chrono::hours(1), from = hour - span;
  Result<json::object> data = Fail(Code::kNotFound, "no such tile");
  if (id == kMailFlow) data = co_await MailFlow(from, until);
  if (id == kTopSenders) data = co_await TopSenders(from, until);
  if (id == kVerdicts) data = co_await Verdicts(from, until);
  if (id == kRemediation) data = co_await Remediation(from, until);
  if (!data) co_return data;
  (*data)["cache_scope"] = "org";
  (*data)["observed_time"] =
      json::object{{"start_time", FormatTime(from)}, {"end_time", FormatTime(now)}};
  (*data)["valid_time"] =
      json::object{{"start_time", FormatTime(now)}, {"end_time", FormatTime(now + kValidFor)}};
  co_return data;
}

io::Task<Result<json::object>> ReportTiles::MailFlow(Time from, Time until) {
  const std::pair<std::string_view, std::string_view> sides[] = {
      {"incoming", "mail_incoming_traffic_summary"}, {"outgoing", "mail_outgoing_traffic_summary"}};
  std::map<int64_t, std::map<std::string_view, uint64_t>> points;
  for (const auto& [side, report] : sides) {
    reporting::ReportRequest request = Request(report, from, until);
    request.counter = "total_recipients";
    request.daily_graph = until - from > kHourly + std::chrono::hours(1);
    CO_TRY(const reporting::ReportTable table,
           co_await reports_.Tabulate(std::move(request), true, false));
    for (const reporting::ReportTable::Point& point : table.series) {
      points[ToEpochMillis(point.begin)][side] = point.values.empty() ? 0 : point.values.front();
    }
  }
  json::array data;
  for (auto& [time, values] : points) {
    json::array bars;
    for (const auto& side : sides) {
      bars.push_back(json::object{{"key", side.first}, {"value", values[side.first]}});
    }
    data.push_back(json::object{{"key", time}, {"values", std::move(bars)}});
  }
  co_return json::object{
      {"key_type", "timestamp"},
      {"keys", json::array{json::object{{"key", "incoming"}, {"label", "Incoming"}},
                           json::object{{"key", "outgoing"}, {"label", "Outgoing"}}}},
      {"data", std::move(data)}};
}

io::Task<Result<json::object>> ReportTiles::TopSenders(Time from, Time until) {
  reporting::ReportRequest request = Request("mailreeve_senders", from, until);
  request.order_by = "messages";
  request.top = kSenders;
  CO_TRY(const reporting::ReportTable table,
         co_await reports_.Tabulate(std::move(request), false, false));
  json::array data;
  for (const reporting::ReportTable::Row& row : table.rows) {
    uint64_t messages = 0;
    for (size_t i = 0; i < table.counters.size() && i < row.values.size(); ++i) {
      if (table.counters[i]->name == "messages") messages = row.values[i];
    }
    data.push_back(json::object{
        {"key", row.key},
        {"label", row.key},
        {"value", messages},
        {"values", json::array{json::object{{"key", "messages"}, {"value", messages}}}}});
  }
  co_return json::object{
      {"key_type", "string"},
      {"observable_type", "email"},
      {"hide_legend", true},
      {"keys", json::array{json::object{{"key", "messages"}, {"label", "Messages"}}}},
      {"data", std::move(data)}};
}

io::Task<Result<json::object>> ReportTiles::Verdicts(Time from, Time until) {
  CO_TRY(const reporting::ReportTable table,
         co_await reports_.Tabulate(Request("mail_incoming_traffic_summary", from, until), false,
                                    false));
  const std::pair<std::string_view, std::string_view> slices[] = {
      {"total_clean_recipients", "Clean"},
      {"detected_spam", "Spam"},
      {"detected_virus", "Virus"},
      {"detected_amp", "Malicious file"},
      {"malicious_url", "Malicious URL"},
      {"blocked_reputation", "Refused by reputation"},
      {"blocked_dmarc", "Refused by DMARC"},
      {"threat_content_filter", "Content filter"},
      {"total_graymail_recipients", "Graymail"}};
  json::array labels, data;
  for (const auto& [counter, label] : slices) {
    data.push_back(json::object{{"key", labels.size()}, {"value", TotalOf(table, counter)}});
    labels.push_back(json::value(label));
  }
  // Not in braces: those would copy the one array instead of holding it.
  json::array rings;
  rings.push_back(std::move(labels));
  co_return json::object{{"labels", std::move(rings)}, {"data", std::move(data)}};
}

io::Task<Result<json::object>> ReportTiles::Remediation(Time from, Time until) {
  CO_TRY(const reporting::ReportTable table,
         co_await reports_.Tabulate(Request("mailreeve_remediation", from, until), false, false));
  co_return json::object{
      {"hide_legend", true},
      {"data",
       json::array{Metric("Removed", TotalOf(table, "removed"), "success"),
                   Metric("Moved and followed", TotalOf(table, "moved_followed"), "success"),
                   Metric("Already gone", TotalOf(table, "already_gone"), "info"),
                   Metric("Forwarded", TotalOf(table, "forwarded"), "email"),
                   Metric("Refused", TotalOf(table, "refused"), "warning"),
                   Metric("Unreachable", TotalOf(table, "unreachable"), "error"),
                   Metric("Put back", TotalOf(table, "restored"), "info")}}};
}

}  // namespace mailreeve::gateway::enrich
