#include "base/bytes.h"
#include "response/intel_api/intel_api.h"

#include <algorithm>
#include <charconv>
#include <set>

// Feeds for other products: the judgements of an indicator, read with a secret in the address
// (threat-response-api.md 5.7).
namespace mailreeve::response::intel_api {
namespace {

const std::vector<std::string> kUnderIndicator = {"element-of", "indicates"};

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

http::Response Say(bool text, int status, const char* words) {
  if (text) return http::Response::Text(status, words);
  return JsonAnswer(status, json::object{{"error", words}});
}

}  // namespace

void IntelApi::AddFeedRoutes() {
  for (const bool text : {false, true}) {
    const std::string pattern = text ? "/ctia/feed/{id}/view.txt" : "/ctia/feed/{id}/view";
    OnFunction("GET", pattern,
               [this, text](Call call) { return FeedView(text, std::move(call.request)); });
  }
}

io::Task<http::Response> IntelApi::FeedView(bool text, http::Request request) {
  const Realm& realm = private_realm_;
  const auto id = realm.ids.Ours(request.Param("id"));
  const std::string secret = request.Query("s").value_or("");
  const Time now = clock_.Now();
  std::optional<int64_t> limit;
  if (const auto given = request.Query("limit")) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
    if (error != std::errc() || end != given->data() + given->size() || value < 1 || value > 10000)
      co_return ToResponse(BadParameter("limit", "(not (<= 1 limit 10000))"));
    limit = value;
  }
  const std::string after = request.Query("search_after").value_or("");
  if (!after.empty() && !limit) limit = 1000;
  struct View {
    enum State { kUnknown, kWrongSecret, kThere } state = kUnknown;
    std::string output;
    std::vector<intel::Record> judgements;
    std::set<std::pair<std::string, std::string>> observables;  // value, type
    std::string last;
    bool more = false;
  };
  auto view = co_await realm.store->Read([&](intel::Tables& tables) -> Result<View> {
    View out;
    if (!id || id->type != "feed" || !options_.feed_keys) return out;
    TRY(const std::optional<intel::Record> feed, tables.Get("feed", id->text()));
    if (!feed) return out;
    TRY(const Secret own, FeedSecret(*feed, *options_.feed_keys));
    if (!ConstantTimeEqual(own.Reveal(), secret)) {
      out.state = View::kWrongSecret;
      return out;
    }
    const int64_t at = ToEpochMicros(now);
    if (intel::MicrosAt(feed->document, "lifetime.start_time").value_or(intel::kNoStart) > at ||
        intel::MicrosAt(feed->document, "lifetime.end_time").value_or(intel::kNoEnd) <= at)
      return out;
    out.state = View::kThere;
    out.output = TextAt(feed->document, "output");
    // What the feed's owner may see.
    intel::Asker owner{TextAt(feed->document, "owner"), "", ""};
    if (const json::value* groups = feed->document.if_contains("groups");
        groups != nullptr && groups->is_array() && !groups->get_array().empty() &&
        groups->get_array().front().is_string())
      owner.org = std::string(groups->get_array().front().get_string());
    const std::string indicator =
        intel::IndexText("indicator_id", TextAt(feed->document, "indicator_id"));
    const size_t most = limit ? static_cast<size_t>(*limit) : options_.max_feed_entries;
    size_t count = 0;
    TRY_VOID(intel::ForEachEntry(
        tables, indicator, kUnderIndicator, at, owner, realm.store->options().visibility, after,
        [&](intel::Record& judgement) {
          if (count == most) {
            out.more = true;
            return false;
          }
          ++count;
          out.last = judgement.id();
          if (text || out.output == "observables") {
            if (const json::value* observable = judgement.document.if_contains("observable");
                observable != nullptr && observable->is_object())
              out.observables.emplace(TextAt(observable->get_object(), "value"),
                                      TextAt(observable->get_object(), "type"));
          } else {
            out.judgements.push_back(std::move(judgement));
          }
          return true;
        }));
    return out;
  });
  if (!view) {
    Call call{std::move(request), {}, {}, &realm, nullptr, now};
    co_return Failed(view.error(), call);
  }
  if (view->state == View::kUnknown) co_return Say(text, 404, "feed not found");
  if (view->state == View::kWrongSecret) co_return Say(text, 401, "wrong secret");
  http::Response response;
  if (text) {
    std::string lines;
    std::string_view previous;
    for (const auto& [value, type] : view->observables) {
      if (!lines.empty() && value == previous) continue;
      if (!lines.empty()) lines += '\n';
      // A value with a line break would be two entries.
      const size_t start = lines.size();
      lines += value;
      std::replace(lines.begin() + static_cast<ptrdiff_t>(start), lines.end(), '\n', ' ');
      previous = value;
    }
    response = http::Response::Text(200, std::move(lines));
  } else if (view->output == "judgements") {
    json::array list;
    for (const intel::Record& judgement : view->judgements)
      list.push_back(Shown(judgement, realm.ids));
    response = JsonAnswer(200, json::object{{"judgements", std::move(list)}});
  } else {
    json::array list;
    for (const auto& [value, type] : view->observables)
      list.push_back(json::object{{"type", type}, {"value", value}});
    response = JsonAnswer(200, json::object{{"observables", std::move(list)}});
  }
  if (limit) {
    response.headers.Set("X-Limit", std::to_string(*limit));
    if (view->more) {
      response.headers.Set("X-Search_after", json::Serialize(json::array{json::value(view->last)}));
      response.headers.Set("X-Next", "limit=" + std::to_string(*limit) +
                                         "&search_after=" + http::PercentEncode(view->last));
    }
  } else if (view->more) {
    response.headers.Set("X-Mailreeve-Cut", "true");
  }
  co_return response;
}

}  // namespace mailreeve::response::intel_api
