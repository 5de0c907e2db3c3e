#include "base/text.h"
#include "ctim/casebook.h"
#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"

// Operations on casebooks and incidents, and ending the validity of a record
// (threat-response-api.md 5.7).
namespace mailreeve::response::intel_api {
namespace {

using Done = Answered<intel::Record>;

json::object OneOfBoth(const char* reason) {
  return json::object{
      {"error", std::string("Please provide exactly one of the following fields: casebook_id, "
                            "investigation_id\n") +
                    reason}};
}

}  // namespace

void IntelApi::AddCaseworkRoutes() {
  for (const char* type : {"judgement", "asset-mapping", "asset-properties"})
    On("POST", "/ctia/" + std::string(type) + "/{id}/expire", *StoredEntity(type),
       &IntelApi::Expire);
  for (const char* part : {"observables", "texts", "bundle"}) {
    OnFunction("POST", "/ctia/casebook/{id}/" + std::string(part),
               [this, part = std::string(part)](Call call) {
                 return ChangeCasebook(part, std::move(call));
               });
  }
  On("POST", "/ctia/incident/{id}/status", &IntelApi::SetIncidentStatus);
  On("POST", "/ctia/incident/{id}/link", &IntelApi::LinkIncident);
}

io::Task<http::Response> IntelApi::Expire(const ctim::Entity& entity, Call call) {
  auto id = ReadId(call, entity.type, call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  const auto reason = call.request.Query("reason");
  if (entity.type == "judgement" && !reason)
    co_return ToResponse(BadParameter("reason", "missing-required-key"));
  Result<Done> changed =
      co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Done> {
        Life life = LifeOf(tables, call);
        TRY(Done before, life.ToChange(entity.type, *id));
        if (!before) return before;
        intel::Record after = *before;
        json::value& valid = after.document["valid_time"];
        if (!valid.is_object()) valid = json::object();
        valid.get_object()["end_time"] = FormatTime(call.now);
        if (entity.type == "judgement") {
          std::string text;
          if (const json::value* old = after.document.if_contains("reason");
              old != nullptr && old->is_string())
            text = std::string(old->get_string());
          text += " " + *reason;
          after.document["reason"] = CutUtf8(text, 1024);
        }
        TRY(after, life.Change(*before, std::move(after)));
        return Done(std::move(after));
      });
  if (!changed) co_return Failed(changed.error(), call);
  if (!*changed) co_return ToResponse(changed->error());
  co_return JsonAnswer(200, ShownTo(call, **changed));
}

io::Task<http::Response> IntelApi::ChangeCasebook(std::string part, Call call) {
  auto id = ReadId(call, "casebook", call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  json::object errors;
  const json::object* object = body->if_object();
  std::optional<ctim::CasebookOperation> operation;
  const json::value* given = nullptr;
  if (object == nullptr) co_return ToResponse(BadParameter(part, "missing-required-key"));
  const json::value* word = object->if_contains("operation");
  if (word == nullptr) {
    errors["operation"] = "missing-required-key";
  } else if (!word->is_string() ||
             !(operation = ctim::ReadCasebookOperation(std::string_view(word->get_string())))) {
    errors["operation"] =
        "(not (#{\"add\" \"remove\" \"replace\"} " + json::Serialize(*word) + "))";
  }
  given = object->if_contains(part);
  if (given == nullptr) errors[part] = "missing-required-key";
  for (const auto& field : *object) {
    if (field.key() != "operation" && field.key() != part) errors[field.key()] = "disallowed-key";
  }
  if (!errors.empty()) co_return ToResponse({400, json::object{{"errors", std::move(errors)}}});
  // Checked as a part of a casebook, and again as a whole after the operation.
  const ctim::Entity& entity = *StoredEntity("casebook");
  const ctim::Validation checked =
      ctim::Validate(entity, json::object{{part, *given}}, {.partial = true});
  if (!checked.ok()) co_return ToResponse(Invalid(checked));
  Result<Done> changed =
      co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Done> {
        Life life = LifeOf(tables, call);
        TRY(Done before, life.ToChange("casebook", *id));
        if (!before) return before;
        intel::Record after = *before;
        ctim::ChangeCasebook(after.document, *operation, checked.document.get_object());
        const ctim::Validation whole = ctim::Validate(entity, after.document, {.stored = true});
        if (!whole.ok()) return Done(tl::unexpected(Invalid(whole)));
        TRY(after, life.Change(*before, std::move(after)));
        return Done(std::move(after));
      });
  if (!changed) co_return Failed(changed.error(), call);
  if (!*changed) co_return ToResponse(changed->error());
  co_return JsonAnswer(200, ShownTo(call, **changed));
}

io::Task<http::Response> IntelApi::SetIncidentStatus(Call call) {
  auto id = ReadId(call, "incident", call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  const json::object* object = body->if_object();
  if (object == nullptr || !object->contains("status"))
    co_return ToResponse(BadParameter("status", "missing-required-key"));
  for (const auto& field : *object) {
    if (field.key() != "status") co_return ToResponse(BadParameter(field.key(), "disallowed-key"));
  }
  const ctim::Entity& entity = *StoredEntity("incident");
  const ctim::Validation checked = ctim::Validate(entity, *body, {.partial = true});
  if (!checked.ok()) co_return ToResponse(Invalid(checked));
  Result<Done> changed = co_await call.realm->store->Write([&](intel::Tables& tables) {
    return LifeOf(tables, call).Patch(entity, *id, checked.document.get_object(), options_.min_tlp);
  });
  if (!changed) co_return Failed(changed.error(), call);
  if (!*changed) co_return ToResponse(changed->error());
  co_return JsonAnswer(200, ShownTo(call, **changed));
}

io::Task<http::Response> IntelApi::LinkIncident(Call call) {
  auto id = ReadId(call, "incident", call.request.Param("id"));
  if (!id) co_return ToResponse({404, json::object{{"error", "Invalid Incident id"}}});
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  const json::object* object = body->if_object();
  if (object == nullptr) co_return ToResponse({400, OneOfBoth("None provided.")});
  json::object errors;
  for (const auto& field : *object) {
    if (field.key() != "casebook_id" && field.key() != "investigation_id" && field.key() != "tlp") {
      errors[field.key()] = "disallowed-key";
    } else if (!field.value().is_string()) {
      errors[field.key()] = "(not (string? " + json::Serialize(field.value()) + "))";
    }
  }
  if (!errors.empty()) co_return ToResponse({400, json::object{{"errors", std::move(errors)}}});
  const json::value* casebook = object->if_contains("casebook_id");
  const json::value* investigation = object->if_contains("investigation_id");
  if (casebook == nullptr && investigation == nullptr)
    co_return ToResponse({400, OneOfBoth("None provided.")});
  if (casebook != nullptr && investigation != nullptr)
    co_return ToResponse({400, OneOfBoth("Both provided.")});
  const std::string type = casebook != nullptr ? "casebook" : "investigation";
  const std::string given((casebook != nullptr ? *casebook : *investigation).get_string());
  const Refused unknown{400,
                        json::object{{"error", casebook != nullptr ? "Invalid Casebook id"
                                                                   : "Invalid Investigation id"}}};
  const Result<ctim::ShortId> source = call.realm->ids.Read(given);
  if (!source || source->type != type) co_return ToResponse(unknown);
  json::object relationship;
  relationship["relationship_type"] = "related-to";
  relationship["source_ref"] = call.realm->ids.Long(*source);
  relationship["target_ref"] = call.realm->ids.Long(std::string_view(*id));
  const json::value* tlp = object->if_contains("tlp");
  relationship["tlp"] = tlp != nullptr ? *tlp : json::value("amber");
  Answered<Checked> checked =
      CheckNew(*StoredEntity("relationship"), std::move(relationship), options_.min_tlp);
  if (!checked) co_return ToResponse(checked.error());
  Result<Done> created =
      co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Done> {
        Life life = LifeOf(tables, call);
        TRY(const Done incident, life.Read("incident", *id));
        if (!incident) return Done(Refuse(404, json::object{{"error", "Invalid Incident id"}}));
        TRY(const Done from, life.Read(type, source->text()));
        if (!from) return Done(tl::unexpected(unknown));
        TRY(intel::Record made, life.Create(*checked));
        return Done(std::move(made));
      });
  if (!created) co_return Failed(created.error(), call);
  if (!*created) co_return ToResponse(created->error());
  http::Response response = JsonAnswer(201, ShownTo(call, **created));
  response.headers.Set("Location", call.realm->ids.Long(std::string_view((*created)->id())));
  co_return response;
}

}  // namespace mailreeve::response::intel_api
