#include "ctim/document.h"
#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"

// Creating, reading, replacing, patching and deleting one record (threat-response-api.md 5.1).
namespace mailreeve::response::intel_api {

using Done = Answered<intel::Record>;

void IntelApi::AddEntityRoutes() {
  for (const ctim::Entity* entity : StoredEntities()) {
    const std::string base = "/ctia/" + entity->type;
    On("POST", base, *entity, &IntelApi::Create);
    On("GET", base + "/{id}", *entity, &IntelApi::Get);
    On("PUT", base + "/{id}", *entity, &IntelApi::Put);
    if (entity->patch) On("PATCH", base + "/{id}", *entity, &IntelApi::Patch);
    On("DELETE", base + "/{id}", *entity, &IntelApi::Delete);
    On("GET", base + "/external_id/{external_id}", *entity, &IntelApi::ByExternalId);
  }
}

io::Task<http::Response> IntelApi::Create(const ctim::Entity& entity, Call call) {
  if (const auto flag = ReadFlag(call.request, "wait_for"); !flag)
    co_return ToResponse(flag.error());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  Answered<Checked> checked = CheckNew(entity, *std::move(body), options_.min_tlp);
  if (!checked) co_return ToResponse(checked.error());
  // Answered only when it can be found: every write is done when it is answered.
  auto created = co_await call.realm->store->Write(
      [&](intel::Tables& tables) { return LifeOf(tables, call).Create(*checked); });
  if (!created) co_return Failed(created.error(), call);
  http::Response response = JsonAnswer(201, ShownTo(call, *created));
  response.headers.Set("Location", call.realm->ids.Long(created->id()));
  co_return response;
}

io::Task<http::Response> IntelApi::Get(const ctim::Entity& entity, Call call) {
  auto id = ReadId(call, entity.type, call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto read = [&](intel::Tables& tables) { return LifeOf(tables, call).Read(entity.type, *id); };
  Result<Done> record = co_await call.realm->store->Read(read);
  if (record && !*record && record->error().status == 404 && call.other != nullptr) {
    call.realm = std::exchange(call.other, nullptr);
    record = co_await call.realm->store->Read(read);
  }
  if (!record) co_return Failed(record.error(), call);
  if (!*record) co_return ToResponse(record->error());
  co_return JsonAnswer(200,
                       ctim::Project(ShownTo(call, **record), call.request.QueryAll("fields")));
}

io::Task<http::Response> IntelApi::Put(const ctim::Entity& entity, Call call) {
  auto id = ReadId(call, entity.type, call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  // The id in the path is the one that counts.
  if (json::object* object = body->if_object()) object->erase("id");
  Answered<Checked> checked = CheckNew(entity, *std::move(body), options_.min_tlp);
  if (!checked) co_return ToResponse(checked.error());
  Result<Done> changed = co_await call.realm->store->Write(
      [&](intel::Tables& tables) { return LifeOf(tables, call).Replace(entity, *id, *checked); });
  if (!changed) co_return Failed(changed.error(), call);
  if (!*changed) co_return ToResponse(changed->error());
  co_return JsonAnswer(200, ShownTo(call, **changed));
}

io::Task<http::Response> IntelApi::Patch(const ctim::Entity& entity, Call call) {
  auto id = ReadId(call, entity.type, call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  if (json::object* object = body->if_object()) object->erase("id");
  const ctim::Validation partial = ctim::Validate(entity, *std::move(body), {.partial = true});
  if (!partial.ok()) co_return ToResponse(Invalid(partial));
  Result<Done> changed = co_await call.realm->store->Write([&](intel::Tables& tables) {
    return LifeOf(tables, call).Patch(entity, *id, partial.document.get_object(), options_.min_tlp);
  });
  if (!changed) co_return Failed(changed.error(), call);
  if (!*changed) co_return ToResponse(changed->error());
  co_return JsonAnswer(200, ShownTo(call, **changed));
}

io::Task<http::Response> IntelApi::Delete(const ctim::Entity& entity, Call call) {
  auto id = ReadId(call, entity.type, call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  Result<Done> removed =
      co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Done> {
        Life life = LifeOf(tables, call);
        TRY(Done record, life.ToChange(entity.type, *id));
        if (record) TRY_VOID(life.Remove(*record));
        return record;
      });
  if (!removed) co_return Failed(removed.error(), call);
  if (!*removed) co_return ToResponse(removed->error());
  co_return http::Response::Empty(204);
}

io::Task<http::Response> IntelApi::ByExternalId(const ctim::Entity& entity, Call call) {
  const intel::EntityFields& fields = *intel::FieldsOf(entity.type);
  auto paging = ReadPaging(call.request, fields, options_.query);
  if (!paging) co_return ToResponse(paging.error());
  intel::Selection selection{.type = entity.type};
  // Compares without case in the index; external ids do not.
  selection.filters.push_back({"external_ids", {std::string(call.request.Param("external_id"))}});
  auto page = co_await Find(call, std::move(selection), *paging);
  if (!page) co_return Failed(page.error(), call);
  if (!*page) co_return ToResponse(page->error());
  co_return PageAnswer(call, **page, *paging);
}

}  // namespace mailreeve::response::intel_api
