#include "ctim/document.h"
#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"
#include "stix/to_stix.h"

#include <algorithm>

// Our own routes about casebooks and incidents: the case at hand, its observables page by page,
// export, and making an incident of what was seen (docs/intelligence.md).
namespace mailreeve::response::intel_api {
namespace {

using Done = Answered<intel::Record>;
constexpr const char* kCase = "case";

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

void IntelApi::AddCaseRoutes() {
  On("GET", "/mailreeve/v1/casebooks/active", &IntelApi::ActiveCase);
  On("PUT", "/mailreeve/v1/casebooks/active", &IntelApi::SetActiveCase);
  On("DELETE", "/mailreeve/v1/casebooks/active", &IntelApi::ClearActiveCase);
  On("GET", "/mailreeve/v1/casebooks/{id}/observables", &IntelApi::CaseObservables);
  for (const char* type : {"casebook", "incident"}) {
    OnFunction(
        "GET", "/mailreeve/v1/" + std::string(type) + "s/{id}/export",
        [this, type = std::string(type)](Call call) { return ExportCase(type, std::move(call)); });
  }
  On("POST", "/mailreeve/v1/incidents/promotions", &IntelApi::Promote);
}

io::Task<http::Response> IntelApi::ActiveCase(Call call) {
  auto read = co_await call.realm->store->Read([&](intel::Tables& tables) -> Result<Done> {
    TRY(sql::Statement * row,
        tables.Use("SELECT value FROM intel_mark WHERE login = ?1 AND name = ?2"));
    TRY(const bool found, row->Bind(1, call.asker.login).Bind(2, kCase).Step());
    if (!found) return Done(tl::unexpected(NotFound("casebook")));
    const std::string id = row->Text(0);
    row->Reset();
    return LifeOf(tables, call).Read("casebook", id);
  });
  if (!read) co_return Failed(read.error(), call);
  // One that went or is no longer shared is no case at hand.
  if (!*read) co_return ToResponse(NotFound("casebook"));
  co_return JsonAnswer(200, ShownTo(call, **read));
}

io::Task<http::Response> IntelApi::SetActiveCase(Call call) {
  // Nobody but importers writes the global store.
  if (call.realm->global) co_return ToResponse(Forbidden());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  const json::object* object = body->if_object();
  const std::string given = object == nullptr ? std::string() : TextAt(*object, "id");
  if (given.empty()) co_return ToResponse(BadParameter("id", "missing-required-key"));
  auto id = ReadId(call, "casebook", given);
  if (!id) co_return ToResponse(id.error());
  auto set = co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Done> {
    TRY(Done record, LifeOf(tables, call).Read("casebook", *id));
    if (!record) return record;
    TRY(sql::Statement * mark,
        tables.Use("INSERT INTO intel_mark (login, name, value) VALUES (?1, ?2, ?3) "
                   "ON CONFLICT (login, name) DO UPDATE SET value = ?3"));
    TRY_VOID(mark->Bind(1, call.asker.login).Bind(2, kCase).Bind(3, *id).Run());
    return record;
  });
  if (!set) co_return Failed(set.error(), call);
  if (!*set) co_return ToResponse(set->error());
  co_return JsonAnswer(200, ShownTo(call, **set));
}

io::Task<http::Response> IntelApi::ClearActiveCase(Call call) {
  // Nobody but importers writes the global store.
  if (call.realm->global) co_return ToResponse(Forbidden());
  auto cleared = co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<int64_t> {
    TRY(sql::Statement * mark, tables.Use("DELETE FROM intel_mark WHERE login = ?1 AND name = ?2"));
    return mark->Bind(1, call.asker.login).Bind(2, kCase).Run();
  });
  if (!cleared) co_return Failed(cleared.error(), call);
  co_return http::Response::Empty(204);
}

io::Task<http::Response> IntelApi::CaseObservables(Call call) {
  auto id = ReadId(call, "casebook", call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto paging = ReadPaging(call.request, *intel::FieldsOf("casebook"), options_.query);
  if (!paging) co_return ToResponse(paging.error());
  auto record = co_await call.realm->store->Read(
      [&](intel::Tables& tables) { return LifeOf(tables, call).Read("casebook", *id); });
  if (!record) co_return Failed(record.error(), call);
  if (!*record) co_return ToResponse(record->error());
  json::array page;
  size_t total = 0;
  if (const json::value* list = (*record)->document.if_contains("observables");
      list != nullptr && list->is_array()) {
    const json::array& all = list->get_array();
    total = all.size();
    const size_t start = std::min(total, static_cast<size_t>(paging->offset));
    const size_t end = std::min(total, start + static_cast<size_t>(paging->limit));
    for (size_t i = start; i < end; ++i) page.push_back(all[i]);
  }
  http::Response response = JsonAnswer(200, page);
  intel::Page meta;
  meta.total = static_cast<int64_t>(total);
  meta.more = paging->offset + paging->limit < meta.total;
  SetPaging(response, meta, *paging);
  co_return response;
}

io::Task<http::Response> IntelApi::ExportCase(std::string type, Call call) {
  auto id = ReadId(call, type, call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  const std::string format = call.request.Query("format").value_or("ctim");
  if (format != "ctim" && format != "stix")
    co_return ToResponse(BadParameter("format", "(not (#{\"ctim\" \"stix\"} \"" + format + "\"))"));
  auto bundle = co_await call.realm->store->Read(
      [&](intel::Tables& tables) -> Result<Answered<json::object>> {
        TRY(const Done record, LifeOf(tables, call).Read(type, *id));
        if (!record) return Answered<json::object>(tl::unexpected(record.error()));
        TRY(json::object out, BundleOf(tables, call, {*id}, {}));
        if (type == "casebook") {
          // Bundles hold no casebooks; what a casebook holds goes on its own.
          const json::value* inner = record->document.if_contains("bundle");
          if (inner != nullptr && inner->is_object()) {
            for (const auto& field : inner->get_object()) {
              if (!field.value().is_array()) continue;
              json::value& list = out[field.key()];
              if (!list.is_array()) list = json::array();
              for (const json::value& item : field.value().get_array())
                list.get_array().push_back(item);
            }
          }
          for (const char* key : {"title", "description", "short_description"}) {
            if (const json::value* text = record->document.if_contains(key)) out[key] = *text;
          }
          // Its observables as what was looked at: a sighting of them, made for this bundle.
          const json::value* observables = record->document.if_contains("observables");
          if (observables != nullptr && observables->is_array() &&
              !observables->get_array().empty()) {
            json::object sighting{
                {"type", "sighting"},
                {"id", "transient:sighting-" + id->substr(id->find('-') + 1)},
                {"schema_version", ctim::TheModel().schema_version()},
                {"confidence", "Unknown"},
                {"count", 1},
                {"observables", *observables},
                {"observed_time", json::object{{"start_time", record->document.at("created")}}}};
            json::value& list = out["sightings"];
            if (!list.is_array()) list = json::array();
            list.get_array().push_back(std::move(sighting));
          }
        }
        return Answered<json::object>(std::move(out));
      });
  if (!bundle) co_return Failed(bundle.error(), call);
  if (!*bundle) co_return ToResponse(bundle->error());
  http::Response response;
  if (format == "stix") {
    const stix::ToStixResult converted = stix::ToStix(**bundle, {.now = call.now});
    response = JsonAnswer(200, converted.bundle);
    response.headers.Set("Content-Type", "application/stix+json;version=2.1");
    // What has no counterpart is told, not silently dropped.
    json::object left_out;
    for (const auto& [what, count] : converted.left_out) left_out[what] = count;
    if (!left_out.empty()) response.headers.Set("X-Mailreeve-Left-Out", json::Serialize(left_out));
  } else {
    response = JsonAnswer(200, **bundle);
  }
  response.headers.Set("Content-Disposition",
                       "attachment; filename=\"" + *id + "." + format + ".json\"");
  co_return response;
}

// {"sighting": new sighting | "sighting_id": id, "incident_id": id | "incident": new incident}: the
// sighting, the incident and `member-of` between them, all or nothing.
io::Task<http::Response> IntelApi::Promote(Call call) {
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  json::object errors;
  const json::object none;
  const json::object& object = body->is_object() ? body->get_object() : none;
  for (const auto& field : object) {
    const std::string_view key = field.key();
    if (key != "sighting" && key != "sighting_id" && key != "incident" && key != "incident_id")
      errors[key] = "disallowed-key";
  }
  if (object.contains("sighting") == object.contains("sighting_id"))
    errors["sighting"] = "give exactly one of sighting, sighting_id";
  if (object.contains("incident") == object.contains("incident_id"))
    errors["incident"] = "give exactly one of incident, incident_id";
  if (!errors.empty()) co_return ToResponse({400, json::object{{"errors", std::move(errors)}}});
  struct End {
    std::string id;
    std::optional<Checked> fresh;
  };
  std::map<std::string, End> ends;
  for (const char* type : {"sighting", "incident"}) {
    End end;
    if (const json::value* document = object.if_contains(type)) {
      Answered<Checked> checked = CheckNew(*StoredEntity(type), *document, options_.min_tlp);
      if (!checked) co_return ToResponse(checked.error());
      end.fresh = *std::move(checked);
      end.id = end.fresh->new_id = ctim::ShortId::New(type).text();
    } else {
      auto id = ReadId(call, type, TextAt(object, std::string(type) + "_id"));
      if (!id) co_return ToResponse(id.error());
      end.id = *id;
    }
    ends.emplace(type, std::move(end));
  }
  json::object link{{"relationship_type", "member-of"}};
  link["source_ref"] = call.realm->ids.Long(std::string_view(ends["sighting"].id));
  link["target_ref"] = call.realm->ids.Long(std::string_view(ends["incident"].id));
  auto promoted = co_await call.realm->store->Write(
      [&](intel::Tables& tables) -> Result<Answered<json::object>> {
        Life life = LifeOf(tables, call);
        json::object out;
        // First what may be refused, then what is written: a refusal keeps nothing.
        for (const auto& [type, end] : ends) {
          if (end.fresh) continue;
          TRY(const Done record, life.Read(type, end.id));
          if (!record) return Answered<json::object>(tl::unexpected(record.error()));
          out[type] = ShownTo(call, *record);
        }
        for (const auto& [type, end] : ends) {
          if (!end.fresh) continue;
          TRY(const intel::Record made, life.Create(*end.fresh));
          out[type] = ShownTo(call, made);
        }
        // The link is shown as little as the more secret of the two.
        std::string tlp = "green";
        for (const auto& [type, end] : ends) {
          const std::string level = TextAt(out[type].get_object(), "tlp");
          if (intel::TlpLevel(level) > intel::TlpLevel(tlp)) tlp = level;
        }
        json::object document = link;
        document["tlp"] = tlp;
        Answered<Checked> checked = CheckNew(*StoredEntity("relationship"), std::move(document), 0);
        if (!checked) return Fail(Code::kInternal, "a link between two records does not fit");
        TRY(const intel::Record made, life.Create(*checked));
        out["relationship"] = ShownTo(call, made);
        return Answered<json::object>(std::move(out));
      });
  if (!promoted) co_return Failed(promoted.error(), call);
  if (!*promoted) co_return ToResponse(promoted->error());
  co_return JsonAnswer(201, **promoted);
}

}  // namespace mailreeve::response::intel_api
