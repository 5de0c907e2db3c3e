// RestApi: message-tracking/* and health.
#include "base/text.h"
#include "gateway/rest/errors.h"
#include "gateway/rest/rest_api.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <thread>

namespace mailreeve::gateway::rest {
namespace {

constexpr size_t kMaxMids = 100;  // of one details request

// The name of a search: what it asks, without the page.
std::string NameOf(const http::Request& request) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& pair : request.query) {
    if (pair.first != "offset" && pair.first != "limit") pairs.push_back(pair);
  }
  std::string out;
  for (const auto& [name, value] : pairs)
    out += http::PercentEncode(name) + "=" + http::PercentEncode(value) + "&";
  return out;
}

json::array Strings(const std::vector<std::string>& list) {
  json::array out;
  for (const auto& text : list) out.emplace_back(text);
  return out;
}

}  // namespace

details::Limits RestApi::LineLimits() const {
  details::Limits limits;
  limits.max_lines = static_cast<size_t>(settings_.Get()->Integer("rest.max_event_lines"));
  return limits;
}

io::Task<http::Response> RestApi::Messages(http::Request request, Caller caller) {
  const auto settings = settings_.Get();
  const Parameters parameters(request.query);
  auto filter = ReadFilter(parameters, {options_.name, options_.serial});
  if (!filter) co_return ErrorResponse(filter.error());
  const auto paging =
      ReadPaging(parameters, static_cast<size_t>(settings->Integer("rest.default_page")),
                 static_cast<size_t>(settings->Integer("rest.max_page")));
  if (!paging) co_return ErrorResponse(paging.error());
  const std::vector<std::string> unanswered = filter->unanswered;
  const bool rejected = filter->rejected_connections;
  auto found = co_await search_.Run(NameOf(request), *std::move(filter), *paging);
  if (!found) co_return ErrorResponse(found.error());
  const Identity identity = IdentityOf(caller);
  const bool legacy = settings->Text("rest.tracking_shape") == "legacy";
  json::array data;
  for (const auto& record : found->records) {
    data.push_back(json::object{{"attributes", rejected ? RejectedRow(record, identity)
                                                        : MessageRow(record, identity, legacy)}});
  }
  // Clients go on while the page is full, or while it is not empty: the count is the page's.
  json::object meta{
      {"num_bad_records", 0},
      {"totalCount", data.size()},
      {"mailreeve",
       {{"complete", found->complete}, {"why", found->why}, {"unanswered", Strings(unanswered)}}}};
  co_return http::Response::Json(
      200, json::object{{"meta", std::move(meta)}, {"data", std::move(data)}});
}

io::Task<Result<std::vector<mail::MessageRecord>>> RestApi::Named(http::Request request) {
  const Parameters parameters(request.query);
  std::vector<mail::MessageRecord> out;
  // Checked, but not applied: a MID names one message.
  CO_TRY_VOID(ReadSpan(parameters, false));
  const std::vector<std::string> words = parameters.List("mid");
  const auto icids = parameters.List("icid");
  if (words.empty() && icids.empty()) co_return Fail(Code::kInvalid, "mid must be given.");
  if (words.size() > kMaxMids) {
    co_return Fail(Code::kInvalid,
                   "mid: at most " + std::to_string(kMaxMids) + " are taken in one request.");
  }
  const auto number = [](const std::string& word) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return error == std::errc() && end == word.data() + word.size() && value <= INT64_MAX ? value
                                                                                          : 0;
  };
  if (const auto serial = parameters.Text("serialNumber");
      serial && !AsciiEqualFold(*serial, options_.serial)) {
    co_return out;
  }
  std::set<uint64_t> wanted_icids;
  for (const auto& word : icids) wanted_icids.insert(number(word));
  std::set<uint64_t> mids;
  for (const auto& word : words) mids.insert(number(word));
  for (const uint64_t mid : mids) {
    if (mid == 0) continue;
    auto record = co_await store_.Get(mid);
    if (!record) {
      if (record.error().code == Code::kNotFound) continue;
      co_return Fail(std::move(record).error());
    }
    if (!wanted_icids.empty() && !wanted_icids.contains(record->connection.icid)) continue;
    out.push_back(*std::move(record));
  }
  if (mids.empty()) {
    for (const uint64_t icid : wanted_icids) {
      if (icid == 0) continue;
      tracking::Query query;
      query.icid = icid;
      query.limit = kMaxMids;
      CO_TRY(tracking::Page page, co_await store_.Search(std::move(query)));
      for (auto& record : page.records) out.push_back(std::move(record));
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.mid < b.mid; });
  co_return out;
}

io::Task<http::Response> RestApi::Details(http::Request request, Caller caller) {
  auto records = co_await Named(std::move(request));
  if (!records) co_return ErrorResponse(records.error());
  json::object messages = HeaderFields(*records, IdentityOf(caller));
  if (caller.is_sma && !records->empty()) messages["hostName"] = options_.name;
  std::vector<details::Line> lines;
  bool files = false, urls = false;
  std::string status = "N/A", header_from = "N/A";
  for (const auto& record : *records) {
    for (auto& line : details::Summary(record, LineLimits())) lines.push_back(std::move(line));
    files = files || !record.inspection.attachments.empty();
    urls = urls || !record.inspection.urls.empty();
    status = mail::StatusOf(record);
    for (const auto& address : record.inspection.addresses) {
      if (address.role == mail::AddressRole::kFrom) {
        header_from = address.address;
        break;
      }
    }
  }
  messages["headerFrom"] = header_from;
  messages["messageStatus"] = status;
  messages["isCompleteData"] = !records->empty();
  messages["mailPolicy"] = records->empty() ? json::array{"N/A"} : json::array{"DEFAULT"};
  messages["sdrAge"] = "N/A";
  messages["sdrCategory"] = "N/A";
  messages["sdrReputation"] = "N/A";
  messages["sdrThreatLevels"] = "N/A";
  messages["ampTgCategories"] = json::array();
  messages["showAMP"] = files;
  messages["showDLP"] = false;
  messages["showURL"] = urls;
  messages["showSummaryTimeBox"] = true;
  messages["summary"] = LinesJson(lines);
  co_return http::Response::Json(200, json::object{{"data", {{"messages", std::move(messages)}}}});
}

io::Task<http::Response> RestApi::ConnectionDetails(http::Request request, Caller) {
  auto records = co_await Named(std::move(request));
  if (!records) co_return ErrorResponse(records.error());
  json::object out{
      {"messages", {{"summary", json::array()}}}, {"sbrs", "None"}, {"senderGroup", "N/A"}};
  if (!records->empty()) {
    out["messages"] =
        json::object{{"summary", LinesJson(details::ConnectionLines(records->front()))}};
    out["senderGroup"] = details::SenderGroup(records->front());
  }
  co_return http::Response::Json(200, out);
}

template <class Lines>
io::Task<http::Response> RestApi::SubDetails(http::Request request, Caller caller, std::string show,
                                             std::string list, Lines lines) {
  auto records = co_await Named(std::move(request));
  if (!records) co_return ErrorResponse(records.error());
  json::object messages = HeaderFields(*records, IdentityOf(caller));
  std::vector<details::Line> all;
  for (const auto& record : *records) {
    for (auto& line : lines(record)) all.push_back(std::move(line));
  }
  messages[show] = !all.empty();
  messages[list] = LinesJson(all);
  if (list == "urlDetails") {
    messages["sdrAge"] = "N/A";
    messages["sdrCategory"] = "N/A";
    messages["sdrReputation"] = "N/A";
    messages["sdrThreatLevels"] = "N/A";
  }
  co_return http::Response::Json(200, json::object{{"data", {{"messages", std::move(messages)}}}});
}

io::Task<http::Response> RestApi::AmpDetails(http::Request request, Caller caller) {
  return SubDetails(std::move(request), std::move(caller), "showAMPDetails", "ampDetails",
                    [limits = LineLimits()](const mail::MessageRecord& record) {
                      return details::FileLines(record, limits);
                    });
}

io::Task<http::Response> RestApi::UrlDetails(http::Request request, Caller caller) {
  return SubDetails(std::move(request), std::move(caller), "showURLDetails", "urlDetails",
                    [limits = LineLimits()](const mail::MessageRecord& record) {
                      return details::UrlLines(record, limits);
                    });
}

io::Task<http::Response> RestApi::RemediationDetails(http::Request request, Caller caller) {
  return SubDetails(std::move(request), std::move(caller), "showMORDetails", "morDetails",
                    [limits = LineLimits()](const mail::MessageRecord& record) {
                      return details::RemediationLines(record, limits);
                    });
}

// No engine looks for data loss here, so no message has such details.
io::Task<http::Response> RestApi::DlpDetails(http::Request request, Caller caller) {
  auto records = co_await Named(std::move(request));
  if (!records) co_return ErrorResponse(records.error());
  json::object messages = HeaderFields(*records, IdentityOf(caller));
  messages["showDLPDetails"] = false;
  messages["dlpDetails"] =
      json::object{{"violationSeverity", "N/A"},
                   {"riskFactor", 0},
                   {"dlpPolicy", "N/A"},
                   {"mid", records->empty() ? "N/A" : std::to_string(records->back().mid)},
                   {"dlpMatchedContent", json::array()}};
  co_return http::Response::Json(200, json::object{{"data", {{"messages", std::move(messages)}}}});
}

io::Task<http::Response> RestApi::Availability(http::Request, Caller) {
  auto held = co_await store_.Held();
  if (!held) co_return ErrorResponse(held.error());
  json::array missing;
  if (!held->complete) missing.push_back(json::object{{"reason", held->why}});
  json::object row{{"hostName", options_.name},
                   {"serialNumber", options_.serial},
                   {"from", held->oldest ? details::TrackingTime(*held->oldest) : "N/A"},
                   {"to", held->newest ? details::TrackingTime(*held->newest) : "N/A"},
                   {"missingIntervals", std::move(missing)},
                   {"messages", held->records_held},
                   {"unreadable", held->records_unreadable}};
  co_return http::Response::Json(200, json::object{{"data", json::array{std::move(row)}}});
}

io::Task<http::Response> RestApi::Health(http::Request, Caller) {
  struct sysinfo info {};
  double load = 0;
  (void)::getloadavg(&load, 1);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const bool known = ::sysinfo(&info) == 0;
  const auto percent = [known](uint64_t left, uint64_t total) -> uint64_t {
    return !known || total == 0 ? 0 : 100 - left * 100 / total;
  };
  co_return http::Response::Json(
      200,
      json::object{
          {"data",
           {{"percentage_cpu_load",
             static_cast<int>(std::clamp(load * 100 / static_cast<double>(cores), 0.0, 100.0))},
            {"percentage_ram_utilization", percent(info.freeram + info.bufferram, info.totalram)},
            {"percentage_swap_utilization", percent(info.freeswap, info.totalswap)},
            {"percentage_queue_utilization", 0},
            {"percentage_diskio", 0},
            {"messages_in_workqueue", 0},
            {"messages_in_pvo_quarantines", 0},
            {"resource_conservation", 0}}}});
}

}  // namespace mailreeve::gateway::rest
