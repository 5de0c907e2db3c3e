#include "response/intel_api/intel_api.h"

// The history of records, and two look-ups by outside names (threat-response-api.md 5.7, 5.8).
namespace mailreeve::response::intel_api {
namespace {

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Events of one owner that are closer than this stand in one bucket.
constexpr int64_t kBucketMicros = 5 * 1000000;

}  // namespace

void IntelApi::AddEventRoutes() {
  On("GET", "/ctia/event/{id}", &IntelApi::GetEvent);
  On("DELETE", "/ctia/event/{id}", &IntelApi::DeleteEvent);
  On("GET", "/ctia/event/history/{entity_id}", &IntelApi::History);
  On("GET", "/ctia/attack-pattern/mitre/{mitre_id}", &IntelApi::ByMitreId);
  On("GET", "/ctia/vulnerability/cpe_match_strings", &IntelApi::ByCpe);
}

io::Task<http::Response> IntelApi::GetEvent(Call call) {
  auto id = ReadId(call, "event", call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto event = co_await call.realm->store->Read(
      [&](intel::Tables& tables) { return LifeOf(tables, call).Read("event", *id); });
  if (!event) co_return Failed(event.error(), call);
  if (!*event) co_return ToResponse(event->error());
  co_return JsonAnswer(200, ShownTo(call, **event));
}

// Only developers may, and no scope makes one: never reached.
io::Task<http::Response> IntelApi::DeleteEvent(Call) { co_return ToResponse(Forbidden()); }

io::Task<http::Response> IntelApi::History(Call call) {
  const auto paging = ReadPaging(call.request, *intel::FieldsOf("event"), options_.query);
  if (!paging) co_return ToResponse(paging.error());
  const std::string given(call.request.Param("entity_id"));
  const auto id = call.realm->ids.Ours(given);
  intel::Selection selection{.type = "event"};
  selection.filters.push_back({"about", {id ? id->text() : given}});
  intel::Paging newest{.sort = {{"timestamp", true}, {"id", true}}, .limit = 1000};
  auto page = co_await Find(call, std::move(selection), newest);
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  json::array buckets;
  int64_t last = 0;
  for (const intel::Record& record : (*page)->records) {
    const int64_t time = intel::MicrosAt(record.document, "timestamp").value_or(0);
    const std::string owner = TextAt(record.document, "owner");
    const std::string stamp = TextAt(record.document, "timestamp");
    const bool joins = !buckets.empty() && last - time < kBucketMicros &&
                       TextAt(buckets.back().get_object(), "owner") == owner;
    if (!joins) {
      buckets.push_back(json::object{{"count", 0},
                                     {"from", stamp},
                                     {"to", stamp},
                                     {"owner", owner},
                                     {"events", json::array()}});
    }
    json::object& bucket = buckets.back().get_object();
    bucket["count"] = bucket["count"].get_int64() + 1;
    bucket["from"] = stamp;
    bucket["events"].get_array().push_back(ShownTo(call, record));
    last = time;
  }
  co_return JsonAnswer(200, buckets);
}

io::Task<http::Response> IntelApi::ByMitreId(Call call) {
  intel::Selection selection{.type = "attack-pattern"};
  selection.filters.push_back(
      {"external_references.external_id", {std::string(call.request.Param("mitre_id"))}});
  auto page = co_await Find(call, selection, {.sort = {{"created", true}}, .limit = 1});
  if (page && *page && (*page)->records.empty() && call.other != nullptr) {
    call.realm = std::exchange(call.other, nullptr);
    page = co_await Find(call, selection, {.sort = {{"created", true}}, .limit = 1});
  }
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  if ((*page)->records.empty()) co_return ToResponse(NotFound("attack-pattern"));
  co_return JsonAnswer(200, ShownTo(call, (*page)->records.front()));
}

io::Task<http::Response> IntelApi::ByCpe(Call call) {
  const std::vector<std::string> strings = call.request.QueryAll("cpe23_match_strings");
  if (strings.empty())
    co_return ToResponse(BadParameter("cpe23_match_strings", "missing-required-key"));
  const auto paging = ReadPaging(call.request, *intel::FieldsOf("vulnerability"), options_.query);
  if (!paging) co_return ToResponse(paging.error());
  intel::Selection selection{.type = "vulnerability"};
  selection.filters.push_back({"configurations.nodes.cpe_match.cpe23Uri", strings});
  auto page = co_await Find(call, std::move(selection), *paging);
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  co_return PageAnswer(call, **page, *paging);
}

}  // namespace mailreeve::response::intel_api
