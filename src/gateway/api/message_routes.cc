// AdminApi: tracked messages.
#include "gateway/api/admin_api.h"
#include "gateway/api/answers.h"
#include "gateway/details/details.h"
#include "gateway/enrich/query_body.h"
#include "observable/observable.h"

#include <charconv>

namespace mailreeve::gateway::api {
namespace {

constexpr size_t kMaxObservables = 1000;

Result<int64_t> ParseNumber(std::string_view name, const std::string& text, int64_t min,
                            int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return Fail(Code::kInvalid, std::string(name) + ": must be a whole number from " +
                                    std::to_string(min) + " to " + std::to_string(max));
  }
  return value;
}

json::object ObservableJson(std::string_view type, std::string_view value) {
  return {{"type", type}, {"value", value}};
}

// The observables of the `text` and `observable` parameters.
Result<json::array> ReadObservables(const http::Request& request) {
  json::array out;
  if (const auto text = request.Query("text"); text && !text->empty()) {
    for (const auto& found : observable::Recognise(*text).observables) {
      out.push_back(ObservableJson(observable::TypeName(found.type), found.value));
    }
    if (out.empty()) {
      return Fail(Code::kInvalid,
                  "no observable was recognised in the text; for words of a subject use the "
                  "subject parameter");
    }
  }
  for (const std::string& given : request.QueryAll("observable")) {
    const size_t colon = given.find(':');
    if (colon == std::string::npos || !observable::TypeFromName(given.substr(0, colon))) {
      return Fail(
          Code::kInvalid,
          "observable: must be type:value with a type such as url, domain, email or sha256");
    }
    out.push_back(ObservableJson(given.substr(0, colon), given.substr(colon + 1)));
  }
  return out;
}

// "field:match:value"
Result<json::object> ReadCondition(const std::string& given) {
  const size_t first = given.find(':');
  const size_t second = first == std::string::npos ? first : given.find(':', first + 1);
  if (second == std::string::npos) {
    return Fail(Code::kInvalid,
                "condition: must be field:match:value, such as reply_to:contains:example.org");
  }
  return json::object{{"field", given.substr(0, first)},
                      {"match", given.substr(first + 1, second - first - 1)},
                      {"value", given.substr(second + 1)}};
}

// The body of the relay route for the query of `request`.
Result<json::object> SearchBody(const http::Request& request, size_t max_page) {
  json::object body;
  TRY(json::array observables, ReadObservables(request));
  json::array statuses, conditions;
  if (!observables.empty()) body["observables"] = std::move(observables);
  for (const auto& [name, value] : request.query) {
    if (name == "text" || name == "observable") continue;
    if (name == "mid" || name == "icid") {
      TRY(body[name], ParseNumber(name, value, 1, INT64_MAX));
    } else if (name == "limit") {
      TRY(body[name], ParseNumber(name, value, 1, static_cast<int64_t>(max_page)));
    } else if (name == "sender" || name == "recipient" || name == "subject" ||
               name == "subject_match" || name == "message_id" || name == "client_address" ||
               name == "queue_id" || name == "direction" || name == "file_name" ||
               name == "file_sha256" || name == "event" || name == "from" || name == "until" ||
               name == "cursor" || name == "client_network") {
      body[name] = value;
    } else if (name == "status") {
      statuses.emplace_back(value);
    } else if (name == "condition") {
      TRY(json::object condition, ReadCondition(value));
      conditions.push_back(std::move(condition));
    } else {
      return Fail(Code::kInvalid, "unknown parameter: " + name);
    }
  }
  if (!statuses.empty()) body["status"] = std::move(statuses);
  if (!conditions.empty()) body["conditions"] = std::move(conditions);
  return body;
}

}  // namespace

io::Task<http::Response> AdminApi::SearchMessages(http::Request request) {
  auto body = SearchBody(request, options_.max_page);
  if (!body) co_return Failed(body.error());
  auto answer = co_await Ask("/mailreeve/messages", *std::move(body), request.request_id);
  if (!answer) co_return Failed(answer.error());
  json::object out{{"messages", json::array()}, {"next_cursor", ""}, {"coverage", json::object()}};
  if (const json::value* data = answer->if_contains("data"); data != nullptr && data->is_object()) {
    for (const char* key : {"messages", "next_cursor"}) {
      if (const json::value* found = data->get_object().if_contains(key);
          found != nullptr && !found->is_null()) {
        out[key] = *found;
      }
    }
  }
  if (const json::value* coverage = answer->if_contains("coverage"); coverage != nullptr)
    out["coverage"] = *coverage;
  co_return http::Response::Json(200, out);
}

io::Task<http::Response> AdminApi::Message(http::Request request) {
  auto mid = ParseNumber("mid", std::string(request.Param("mid")), 1, INT64_MAX);
  if (!mid) co_return Failed(mid.error());
  auto answer = co_await Ask("/mailreeve/message", json::object{{"mid", *mid}}, request.request_id);
  if (!answer) co_return Failed(answer.error());
  const json::value* data = answer->if_contains("data");
  if (data == nullptr) co_return Failed(Error(Code::kInternal, "the message has no data"));
  co_return http::Response::Json(200, *data);
}

io::Task<http::Response> AdminApi::CountMessages(http::Request request) {
  auto body = SearchBody(request, options_.max_page);
  if (!body) co_return Failed(body.error());
  auto query = enrich::ReadQuery(*body, kMaxObservables);
  if (!query) co_return Failed(query.error());
  auto matches = co_await store_.CountMatches(*std::move(query));
  if (!matches) co_return Failed(matches.error());
  co_return http::Response::Json(200, json::object{{"count", matches->count},
                                                   {"exact", matches->exact},
                                                   {"coverage", CoverageJson(matches->coverage)}});
}

io::Task<http::Response> AdminApi::MessageLog(http::Request request) {
  auto mid = ParseNumber("mid", std::string(request.Param("mid")), 1, INT64_MAX);
  if (!mid) co_return Failed(mid.error());
  auto record = co_await store_.Get(static_cast<mail::Mid>(*mid));
  if (!record) co_return Failed(record.error());
  json::array lines;
  for (const details::Line& line : details::Summary(*record, {})) {
    lines.push_back(json::object{{"time", FormatTime(line.time)}, {"text", line.text}});
  }
  co_return http::Response::Json(200, json::object{{"mid", *mid}, {"lines", std::move(lines)}});
}

}  // namespace mailreeve::gateway::api
