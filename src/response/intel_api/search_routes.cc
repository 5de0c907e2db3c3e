#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"

// Lists, searches, counts, deletion by search and metrics (threat-response-api.md 5.5, 5.6).
namespace mailreeve::response::intel_api {

void IntelApi::AddSearchRoutes() {
  std::vector<std::string> types;
  for (const ctim::Entity* entity : StoredEntities()) types.push_back(entity->type);
  types.emplace_back("event");
  for (const std::string& type : types) {
    const std::string base = "/ctia/" + type;
    OnFunction("GET", base + "/search",
               [this, type](Call call) { return Search(type, std::move(call)); });
    OnFunction("GET", base + "/search/count",
               [this, type](Call call) { return Count(type, std::move(call)); });
    OnFunction("DELETE", base + "/search",
               [this, type](Call call) { return DeleteSearch(type, std::move(call)); });
    if (type == "feed" || type == "event") continue;
    for (const auto& [name, metric] : {std::pair{"histogram", Metric::kHistogram},
                                       {"topn", Metric::kTopN},
                                       {"cardinality", Metric::kCardinality}}) {
      OnFunction("GET", base + "/metric/" + name, [this, type, metric = metric](Call call) {
        return AskMetric(type, metric, std::move(call));
      });
    }
  }
  OnFunction("GET", "/ctia/incident/metric/average", [this](Call call) {
    return AskMetric("incident", Metric::kAverage, std::move(call));
  });
  On("GET", "/ctia/feedback", &IntelApi::FeedbackOf);
}

io::Task<Result<Answered<intel::Page>>> IntelApi::Find(const Call& call, intel::Selection selection,
                                                       intel::Paging paging) {
  co_return co_await call.realm->store->Read(
      [&](intel::Tables& tables) -> Result<Answered<intel::Page>> {
        const intel::StoreOptions& options = call.realm->store->options();
        Result<intel::Page> page = intel::Search(tables, selection, paging, call.asker,
                                                 options.visibility, options.search);
        if (page) return Answered<intel::Page>(*std::move(page));
        if (page.error().code != Code::kInvalid && page.error().code != Code::kLimited)
          return tl::unexpected(page.error());
        return Answered<intel::Page>(tl::unexpected(BadQuery(page.error().message)));
      });
}

io::Task<http::Response> IntelApi::Search(std::string type, Call call) {
  const intel::EntityFields& fields = *intel::FieldsOf(type);
  auto selection = ReadSelection(call.request, fields, options_.query, call.now);
  if (!selection) co_return ToResponse(selection.error());
  auto paging = ReadPaging(call.request, fields, options_.query);
  if (!paging) co_return ToResponse(paging.error());
  auto page = co_await Find(call, *std::move(selection), *paging);
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  co_return PageAnswer(call, **page, *paging);
}

io::Task<http::Response> IntelApi::Count(std::string type, Call call) {
  auto selection = ReadSelection(call.request, *intel::FieldsOf(type), options_.query, call.now);
  if (!selection) co_return ToResponse(selection.error());
  const intel::StoreOptions& options = call.realm->store->options();
  auto count = co_await call.realm->store->Read([&](intel::Tables& tables) {
    return intel::Count(tables, *selection, call.asker, options.visibility, options.search);
  });
  if (!count && count.error().code == Code::kLimited)
    co_return ToResponse(BadQuery(count.error().message));
  if (!count) co_return Failed(count.error(), call);
  co_return JsonAnswer(200, json::value(*count));
}

io::Task<http::Response> IntelApi::DeleteSearch(std::string type, Call call) {
  auto selection = ReadSelection(call.request, *intel::FieldsOf(type), options_.query, call.now);
  if (!selection) co_return ToResponse(selection.error());
  auto really = ReadFlag(call.request, "REALLY_DELETE_ALL_THESE_ENTITIES");
  if (!really) co_return ToResponse(really.error());
  if (selection->selects_all()) {
    co_return ToResponse(
        {403,
         json::object{
             {"error", "you must provide at least one of from, to, query or any field filter."}}});
  }
  const intel::StoreOptions& options = call.realm->store->options();
  if (!*really) {
    auto count = co_await call.realm->store->Read([&](intel::Tables& tables) {
      return intel::Count(tables, *selection, call.asker, options.visibility, options.search);
    });
    if (!count && count.error().code == Code::kLimited)
      co_return ToResponse(BadQuery(count.error().message));
    if (!count) co_return Failed(count.error(), call);
    co_return JsonAnswer(200, json::value(*count));
  }
  // Some at a time, so that other writers get their turn. What may be seen but not changed stays.
  constexpr int64_t kAtOnce = 500;
  int64_t deleted = 0, after = 0;
  while (true) {
    struct Step {
      int64_t seen = 0, deleted = 0, last = 0;
    };
    auto step = co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Step> {
      Step out;
      TRY(const std::vector<int64_t> numbers,
          intel::NumbersOf(tables, *selection, call.asker, options.visibility, after, kAtOnce,
                           options.search));
      TRY(const std::vector<intel::Record> records, tables.GetNumbers(numbers));
      Life life = LifeOf(tables, call);
      for (const intel::Record& record : records) {
        ++out.seen;
        out.last = record.n;
        if (!intel::MayWrite(record.document, call.asker)) continue;
        TRY_VOID(life.Remove(record));
        ++out.deleted;
      }
      return out;
    });
    if (!step && step.error().code == Code::kLimited)
      co_return ToResponse(BadQuery(step.error().message));
    if (!step) co_return Failed(step.error(), call);
    deleted += step->deleted;
    after = step->last;
    if (step->seen < kAtOnce) break;
  }
  co_return JsonAnswer(200, json::value(deleted));
}

io::Task<http::Response> IntelApi::AskMetric(std::string type, Metric metric, Call call) {
  auto question =
      ReadMetric(call.request, *intel::FieldsOf(type), metric, options_.query, call.now);
  if (!question) co_return ToResponse(question.error());
  const intel::StoreOptions& options = call.realm->store->options();
  struct Data {
    json::value value;
    std::optional<int64_t> count;
  };
  auto data = co_await call.realm->store->Read([&](intel::Tables& tables) -> Result<Data> {
    const intel::Selection& selection = question->selection;
    const std::string& field = question->aggregate_on;
    switch (metric) {
      case Metric::kTopN: {
        TRY(json::array top,
            intel::TopN(tables, selection, {field, question->limit, question->descending},
                        call.asker, options.visibility, options.search));
        return Data{std::move(top), std::nullopt};
      }
      case Metric::kCardinality: {
        TRY(const int64_t count, intel::Cardinality(tables, selection, field, call.asker,
                                                    options.visibility, options.search));
        return Data{count, std::nullopt};
      }
      case Metric::kHistogram: {
        TRY(json::array buckets,
            intel::Histogram(tables, selection, field, question->granularity, question->zone,
                             call.asker, options.visibility, options.search));
        return Data{std::move(buckets), std::nullopt};
      }
      case Metric::kAverage: {
        TRY(const intel::Average average, intel::AverageOf(tables, selection, field, call.asker,
                                                           options.visibility, options.search));
        json::value value;
        if (average.value) value = *average.value;
        return Data{std::move(value), average.count};
      }
    }
    return Data{};
  });
  if (!data && data.error().code == Code::kLimited)
    co_return ToResponse(BadQuery(data.error().message));
  if (!data) co_return Failed(data.error(), call);
  // "observable.type" -> {"observable":{"type":…}}
  json::value nested = std::move(data->value);
  std::string path = question->aggregate_on;
  while (!path.empty()) {
    const size_t dot = path.rfind('.');
    const std::string last = dot == std::string::npos ? path : path.substr(dot + 1);
    path = dot == std::string::npos ? std::string() : path.substr(0, dot);
    json::object outer;
    outer[last] = std::move(nested);
    nested = std::move(outer);
  }
  constexpr std::string_view kNames[] = {"histogram", "topn", "cardinality", "avg"};
  http::Response response =
      JsonAnswer(200, json::object{{"data", std::move(nested)},
                                   {"type", kNames[static_cast<int>(metric)]},
                                   {"filters", std::move(question->filters)}});
  if (data->count) response.headers.Set("X-Total-Hits", std::to_string(*data->count));
  co_return response;
}

io::Task<http::Response> IntelApi::FeedbackOf(Call call) {
  const auto entity_id = call.request.Query("entity_id");
  if (!entity_id) co_return ToResponse(BadParameter("entity_id", "missing-required-key"));
  auto paging = ReadPaging(call.request, *intel::FieldsOf("feedback"), options_.query);
  if (!paging) co_return ToResponse(paging.error());
  intel::Selection selection{.type = "feedback"};
  selection.filters.push_back({"entity_id", {*entity_id}});
  auto page = co_await Find(call, std::move(selection), *paging);
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  co_return PageAnswer(call, **page, *paging);
}

}  // namespace mailreeve::response::intel_api
