#include "ctim/document.h"
#include "observable/types.h"
#include "response/intel/observables.h"
#include "response/intel_api/intel_api.h"

// What is known of an observable (threat-response-api.md 5.7).
namespace mailreeve::response::intel_api {
namespace {

// A public client sends type and value of one route in the wrong order: told apart by which of the
// two is a type.
Answered<intel::NamedObservable> ReadObservable(const http::Request& request) {
  const std::string first(request.Param("type")), second(request.Param("value"));
  if (observable::TypeFromName(first)) return intel::NamedObservable{first, second};
  if (observable::TypeFromName(second)) return intel::NamedObservable{second, first};
  return tl::unexpected(
      BadParameter("observable_type", "(not (observable-type? \"" + first + "\"))"));
}

const std::vector<std::string> kJudgementToIndicator = {"based-on", "element-of", "indicates"};
const std::vector<std::string> kSightingToIndicator = {"sighting-of", "member-of", "indicates"};
const std::vector<std::string> kSightingToIncident = {"member-of", "indicates"};

}  // namespace

void IntelApi::AddObservableRoutes() {
  On("GET", "/ctia/{type}/{value}/verdict", &IntelApi::Verdict);
  for (const auto& [name, type] :
       {std::pair{"judgements", "judgement"}, {"sightings", "sighting"}}) {
    OnFunction("GET", std::string("/ctia/{type}/{value}/") + name,
               [this, type = std::string(type)](Call call) {
                 return AboutObservable(type, std::move(call));
               });
  }
  const auto related = [&](const char* path, const char* source, const char* target,
                           const std::vector<std::string>& relationships) {
    OnFunction("GET", std::string("/ctia/{type}/{value}/") + path,
               [this, source = std::string(source), target = std::string(target),
                &relationships](Call call) {
                 return RelatedToObservable(source, target, relationships, std::move(call));
               });
  };
  related("judgements/indicators", "judgement", "indicator", kJudgementToIndicator);
  related("sightings/indicators", "sighting", "indicator", kSightingToIndicator);
  related("sightings/incidents", "sighting", "incident", kSightingToIncident);
}

io::Task<Result<std::optional<json::object>>> IntelApi::VerdictOf(const Realm& realm,
                                                                  const Realm* other,
                                                                  intel::VerdictQuestion question,
                                                                  intel::Asker asker) {
  const auto ask = [&](const Realm& from) {
    return from.store->Read([&](intel::Tables& tables) {
      return intel::BestJudgement(tables, question, asker, from.store->options().visibility);
    });
  };
  const Realm* chosen = &realm;
  CO_TRY(std::optional<intel::Record> best, co_await ask(realm));
  if (other != nullptr) {
    CO_TRY(std::optional<intel::Record> theirs, co_await ask(*other));
    if (theirs && (!best || intel::GoesBefore(*theirs, *best))) {
      best = std::move(theirs);
      chosen = other;
    }
  }
  if (!best) co_return std::optional<json::object>();
  const json::object& judgement = best->document;
  json::object verdict;
  verdict["type"] = "verdict";
  for (const char* key : {"disposition", "disposition_name", "observable", "valid_time"}) {
    if (const json::value* value = judgement.if_contains(key)) verdict[key] = *value;
  }
  verdict["judgement_id"] = chosen->ids.Long(std::string_view(best->id()));
  co_return std::optional<json::object>(std::move(verdict));
}

io::Task<http::Response> IntelApi::Verdict(Call call) {
  auto observable = ReadObservable(call.request);
  if (!observable) co_return ToResponse(observable.error());
  auto range = ReadSelection(call.request, *intel::FieldsOf("judgement"), options_.query, call.now);
  if (!range) co_return ToResponse(range.error());
  intel::VerdictQuestion question{*observable, ToEpochMicros(call.now), range->from, range->to};
  auto verdict = co_await VerdictOf(*call.realm, call.other, std::move(question), call.asker);
  if (!verdict) co_return Failed(verdict.error(), call);
  if (!*verdict) {
    co_return ToResponse(
        {404,
         json::object{{"message", "no verdict currently available for the supplied observable"}}});
  }
  co_return JsonAnswer(200, **verdict);
}

io::Task<http::Response> IntelApi::AboutObservable(std::string type, Call call) {
  auto observable = ReadObservable(call.request);
  if (!observable) co_return ToResponse(observable.error());
  auto paging = ReadPaging(call.request, *intel::FieldsOf(type), options_.query);
  if (!paging) co_return ToResponse(paging.error());
  intel::Selection selection{.type = type, .about = *observable};
  if (paging->sort.empty()) paging->sort = {{"created", true}, {"id", true}};
  auto page = co_await Find(call, selection, *paging);
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  http::Response response = PageAnswer(call, **page, *paging);
  if (call.other == nullptr || (*page)->more) co_return response;
  // The private store's come first, then the global one's; the page goes on where the first ends.
  Call there = call;
  there.realm = std::exchange(there.other, nullptr);
  intel::Paging rest = *paging;
  const int64_t own = (*page)->total, got = static_cast<int64_t>((*page)->records.size());
  rest.after.clear();
  rest.offset = std::max<int64_t>(0, paging->offset - own);
  rest.limit = paging->limit - got;
  auto more = co_await Find(there, std::move(selection), rest);
  if (!more) co_return Failed(more.error(), call);
  if (!*more) co_return ToResponse(more->error());
  const std::vector<std::string> fields = call.request.QueryAll("fields");
  json::value body = json::Parse(response.body).value();
  for (const intel::Record& record : (*more)->records)
    body.get_array().push_back(ctim::Project(ShownTo(there, record), fields));
  response = JsonAnswer(200, body);
  intel::Page both = **page;
  both.records.clear();
  both.total = own + (*more)->total;
  both.more = (*more)->more;
  // Positions of one store mean nothing in the other: pages of both go by offset.
  both.last_sort.clear();
  SetPaging(response, both, *paging);
  co_return response;
}

io::Task<http::Response> IntelApi::RelatedToObservable(std::string source, std::string target,
                                                       std::vector<std::string> relationships,
                                                       Call call) {
  auto observable = ReadObservable(call.request);
  if (!observable) co_return ToResponse(observable.error());
  auto paging = ReadPaging(call.request, *intel::FieldsOf("relationship"), options_.query);
  if (!paging) co_return ToResponse(paging.error());
  const intel::RelatedQuestion question{
      *observable,       std::move(source), std::move(relationships),
      std::move(target), paging->offset,    paging->limit};
  json::array ids;
  int64_t total = 0;
  for (const Realm* realm : {call.realm, call.other}) {
    if (realm == nullptr) continue;
    auto own = question;
    own.offset = std::max<int64_t>(0, question.offset - total);
    own.limit = question.limit - static_cast<int64_t>(ids.size());
    auto found = co_await realm->store->Read([&](intel::Tables& tables) {
      return intel::RelatedTo(tables, own, call.asker, realm->store->options().visibility);
    });
    if (!found) co_return Failed(found.error(), call);
    for (const std::string& id : found->ids)
      ids.emplace_back(realm->ids.Long(std::string_view(id)));
    total += found->total;
  }
  intel::Page page;
  page.total = total;
  page.more = total > paging->offset + static_cast<int64_t>(ids.size());
  http::Response response = JsonAnswer(200, ids);
  SetPaging(response, page, *paging);
  co_return response;
}

}  // namespace mailreeve::response::intel_api
