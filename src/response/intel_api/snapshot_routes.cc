#include "base/random.h"
#include "observable/types.h"
#include "response/intel_api/intel_api.h"

#include <map>
#include <set>

// Snapshots of an investigation: what every module said of its observables at one moment, with the
// coverage of each, kept unchanged; and what is different now.
namespace mailreeve::response::intel_api {
namespace {

using Done = Answered<intel::Record>;

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// "type:value" of an investigation's investigated_observables, or the body's own list.
Answered<json::array> ReadQuestion(const json::value& body, const json::object& investigation,
                                   size_t max) {
  json::array out;
  std::set<std::string> seen;
  const auto add = [&](std::string type, std::string value) {
    if (!observable::TypeFromName(type) || value.empty()) return false;
    if (seen.insert(type + ":" + value).second)
      out.push_back(json::object{{"type", std::move(type)}, {"value", std::move(value)}});
    return true;
  };
  const json::object* object = body.if_object();
  const json::value* given = object == nullptr ? nullptr : object->if_contains("observables");
  if (given != nullptr) {
    if (!given->is_array())
      return tl::unexpected(BadParameter("observables", "(not (sequential? …))"));
    for (const json::value& item : given->get_array()) {
      const json::object* one = item.if_object();
      if (one == nullptr || !add(TextAt(*one, "type"), TextAt(*one, "value")))
        return tl::unexpected(BadParameter("observables", "an item is no observable"));
    }
  } else if (const json::value* list = investigation.if_contains("investigated_observables");
             list != nullptr && list->is_array()) {
    for (const json::value& item : list->get_array()) {
      if (!item.is_string()) continue;
      const std::string text(item.get_string());
      const size_t colon = text.find(':');
      if (colon != std::string::npos) add(text.substr(0, colon), text.substr(colon + 1));
    }
  }
  if (out.empty())
    return tl::unexpected(BadParameter("observables", "the investigation names no observable"));
  if (out.size() > max)
    return tl::unexpected(
        BadParameter("observables", "more than " + std::to_string(max) + " observables"));
  return out;
}

// A document of a module's answer by what it is, not by ids that modules make anew each time.
std::string KeyOf(const std::string& module, const std::string& kind,
                  const json::object& document) {
  const json::value* ids = document.if_contains("external_ids");
  const std::string head = module + " " + kind + " ";
  if (const std::string id = TextAt(document, "id"); !id.empty() && !id.starts_with("transient:"))
    return head + id;
  if (ids != nullptr && ids->is_array() && !ids->get_array().empty())
    return head + json::Serialize(ids->get_array().front());
  json::object core = document;
  for (const char* field : {"id", "timestamp", "valid_time"}) core.erase(field);
  return head + json::Serialize(core);
}

// module and kind and document -> the document, of every part of an answer.
std::map<std::string, json::object> DocumentsOf(const json::object& answers) {
  std::map<std::string, json::object> out;
  for (const auto& answer : answers) {
    const json::object* envelope = answer.value().if_object();
    const json::value* parts = envelope == nullptr ? nullptr : envelope->if_contains("data");
    if (parts == nullptr || !parts->is_array()) continue;
    for (const json::value& part : parts->get_array()) {
      if (!part.is_object()) continue;
      const std::string module = TextAt(part.get_object(), "module");
      const json::value* data = part.get_object().if_contains("data");
      if (data == nullptr || !data->is_object()) continue;
      for (const auto& list : data->get_object()) {
        const json::object* counted = list.value().if_object();
        const json::value* docs = counted == nullptr ? nullptr : counted->if_contains("docs");
        if (docs == nullptr || !docs->is_array()) continue;
        for (const json::value& item : docs->get_array()) {
          if (!item.is_object()) continue;
          const std::string kind(list.key());
          json::object document{{"module", module}, {"kind", kind}, {"document", item}};
          // A verdict is the same one when it is about the same thing, whatever it says.
          const json::value* about = item.get_object().if_contains("observable");
          std::string key = kind == "verdicts" && about != nullptr
                                ? module + " verdict " + json::Serialize(*about)
                                : KeyOf(module, kind, item.get_object());
          out.emplace(std::move(key), std::move(document));
        }
      }
    }
  }
  return out;
}

json::object Meta(const sql::Statement& row, const ctim::IdSpace& ids) {
  return json::object{{"id", row.Text(0)},
                      {"investigation_id", ids.Long(std::string_view(row.Text(1)))},
                      {"owner", row.Text(2)},
                      {"created", FormatTime(FromEpochMicros(row.Integer(3)))},
                      {"title", row.Text(4)}};
}

const char* const kColumns = "id, investigation, owner, created, title";

}  // namespace

void IntelApi::AddSnapshotRoutes() {
  On("GET", "/mailreeve/v1/investigations/{id}/snapshots", &IntelApi::ListSnapshots);
  On("POST", "/mailreeve/v1/investigations/{id}/snapshots", &IntelApi::MakeSnapshot);
  On("GET", "/mailreeve/v1/snapshots/{id}", &IntelApi::GetSnapshot);
  On("DELETE", "/mailreeve/v1/snapshots/{id}", &IntelApi::DeleteSnapshot);
  On("POST", "/mailreeve/v1/snapshots/{id}/comparison", &IntelApi::CompareSnapshot);
}

io::Task<http::Response> IntelApi::ListSnapshots(Call call) {
  auto id = ReadId(call, "investigation", call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto list =
      co_await call.realm->store->Read([&](intel::Tables& tables) -> Result<Answered<json::array>> {
        TRY(const Done record, LifeOf(tables, call).Read("investigation", *id));
        if (!record) return Answered<json::array>(tl::unexpected(record.error()));
        TRY(sql::Statement * rows,
            tables.Use(std::string("SELECT ") + kColumns +
                       " FROM intel_snapshot WHERE investigation = ?1 AND org = ?2 "
                       "ORDER BY created DESC, id LIMIT 10000"));
        rows->Bind(1, *id).Bind(2, call.asker.org);
        json::array out;
        while (true) {
          TRY(const bool some, rows->Step());
          if (!some) return Answered<json::array>(std::move(out));
          out.push_back(Meta(*rows, call.realm->ids));
        }
      });
  if (!list) co_return Failed(list.error(), call);
  if (!*list) co_return ToResponse(list->error());
  co_return JsonAnswer(200, **list);
}

io::Task<http::Response> IntelApi::MakeSnapshot(Call call) {
  auto id = ReadId(call, "investigation", call.request.Param("id"));
  if (!id) co_return ToResponse(id.error());
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  if (!enricher_) co_return ToResponse(NotFound("enrichment"));
  auto investigation = co_await call.realm->store->Read(
      [&](intel::Tables& tables) { return LifeOf(tables, call).Read("investigation", *id); });
  if (!investigation) co_return Failed(investigation.error(), call);
  if (!*investigation) co_return ToResponse(investigation->error());
  Answered<json::array> question =
      ReadQuestion(*body, (*investigation)->document, options_.max_snapshot_observables);
  if (!question) co_return ToResponse(question.error());
  std::string title = body->is_object() ? TextAt(body->get_object(), "title") : std::string();
  if (title.size() > 1024) co_return ToResponse(BadParameter("title", "(not (<= 1024 …))"));
  auto answers = co_await enricher_(*question, call.caller, call.request.request_id);
  if (!answers) co_return Failed(answers.error(), call);
  const std::string snapshot_id = "snapshot-" + RandomUuid();
  const Time taken = clock_.Now();
  const json::object stored{{"observables", *question}, {"answers", *answers}};
  auto done =
      co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<Answered<int>> {
        TRY(sql::Statement * count,
            tables.Use(
                "SELECT COUNT(*) FROM intel_snapshot WHERE investigation = ?1 AND org = ?2"));
        TRY_VOID(count->Bind(1, *id).Bind(2, call.asker.org).Step());
        const bool full = count->Integer(0) >= static_cast<int64_t>(options_.max_snapshots);
        count->Reset();
        if (full) {
          return Answered<int>(Refuse(
              409, json::object{
                       {"error", "too many snapshots"},
                       {"message", "Delete some of the " + std::to_string(options_.max_snapshots) +
                                       " snapshots of this investigation first."}}));
        }
        TRY(sql::Statement * insert,
            tables.Use(
                "INSERT INTO intel_snapshot (id, investigation, org, owner, created, title, body) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
        TRY_VOID(insert->Bind(1, snapshot_id)
                     .Bind(2, *id)
                     .Bind(3, call.asker.org)
                     .Bind(4, call.asker.login)
                     .Bind(5, ToEpochMicros(taken))
                     .Bind(6, title)
                     .Bind(7, json::Serialize(stored))
                     .Run());
        return Answered<int>(0);
      });
  if (!done) co_return Failed(done.error(), call);
  if (!*done) co_return ToResponse(done->error());
  json::object out = stored;
  out["id"] = snapshot_id;
  out["investigation_id"] = call.realm->ids.Long(std::string_view(*id));
  out["owner"] = call.asker.login;
  out["created"] = FormatTime(taken);
  out["title"] = title;
  co_return JsonAnswer(201, out);
}

// Whoever may read the investigation now may read what was known of it.
io::Task<Result<Answered<json::object>>> IntelApi::ReadSnapshot(const Call& call) {
  const std::string id(call.request.Param("id"));
  co_return co_await call.realm->store->Read(
      [&](intel::Tables& tables) -> Result<Answered<json::object>> {
        TRY(sql::Statement * row,
            tables.Use(std::string("SELECT ") + kColumns +
                       ", body FROM intel_snapshot WHERE id = ?1 AND org = ?2"));
        TRY(const bool found, row->Bind(1, id).Bind(2, call.asker.org).Step());
        if (!found) return Answered<json::object>(tl::unexpected(NotFound("snapshot")));
        json::object out = Meta(*row, call.realm->ids);
        const std::string investigation = row->Text(1);
        Result<json::value> body =
            json::Parse(row->Text(5), {.max_bytes = 1024 * 1024 * 1024, .max_depth = 64});
        row->Reset();
        if (!body || !body->is_object()) return Fail(Code::kCorrupt, "a snapshot is damaged");
        for (auto& field : body->get_object()) out[field.key()] = std::move(field.value());
        TRY(const Done record, LifeOf(tables, call).Read("investigation", investigation));
        if (!record) return Answered<json::object>(tl::unexpected(NotFound("snapshot")));
        return Answered<json::object>(std::move(out));
      });
}

io::Task<http::Response> IntelApi::GetSnapshot(Call call) {
  auto snapshot = co_await ReadSnapshot(call);
  if (!snapshot) co_return Failed(snapshot.error(), call);
  if (!*snapshot) co_return ToResponse(snapshot->error());
  co_return JsonAnswer(200, **snapshot);
}

io::Task<http::Response> IntelApi::DeleteSnapshot(Call call) {
  const std::string id(call.request.Param("id"));
  auto snapshot = co_await ReadSnapshot(call);
  if (!snapshot) co_return Failed(snapshot.error(), call);
  if (!*snapshot) co_return ToResponse(snapshot->error());
  auto done = co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<int64_t> {
    TRY(sql::Statement * remove,
        tables.Use("DELETE FROM intel_snapshot WHERE id = ?1 AND org = ?2"));
    return remove->Bind(1, id).Bind(2, call.asker.org).Run();
  });
  if (!done) co_return Failed(done.error(), call);
  co_return http::Response::Empty(204);
}

io::Task<http::Response> IntelApi::CompareSnapshot(Call call) {
  if (!enricher_) co_return ToResponse(NotFound("enrichment"));
  auto snapshot = co_await ReadSnapshot(call);
  if (!snapshot) co_return Failed(snapshot.error(), call);
  if (!*snapshot) co_return ToResponse(snapshot->error());
  const json::value* observables = (*snapshot)->if_contains("observables");
  if (observables == nullptr || !observables->is_array())
    co_return Failed(Error(Code::kCorrupt, "a snapshot is damaged"), call);
  auto now = co_await enricher_(observables->get_array(), call.caller, call.request.request_id);
  if (!now) co_return Failed(now.error(), call);
  const json::value* then = (*snapshot)->if_contains("answers");
  const std::map<std::string, json::object> before =
      DocumentsOf(then != nullptr && then->is_object() ? then->get_object() : json::object());
  const std::map<std::string, json::object> after = DocumentsOf(*now);
  json::array added, gone, changed;
  for (const auto& [key, document] : after) {
    const auto old = before.find(key);
    if (old == before.end()) {
      added.push_back(document);
    } else if (old->second.at("document") != document.at("document")) {
      changed.push_back(json::object{{"module", document.at("module")},
                                     {"kind", document.at("kind")},
                                     {"before", old->second.at("document")},
                                     {"after", document.at("document")}});
    }
  }
  for (const auto& [key, document] : before) {
    if (!after.contains(key)) gone.push_back(document);
  }
  // Coverage of both stands beside: what a module that is away now would say is not "gone".
  json::object coverage;
  for (const auto& [name, answers] : {std::pair{"before", then}, {"now", nullptr}}) {
    const json::object& of =
        answers != nullptr && answers->is_object() ? answers->get_object() : *now;
    json::object both;
    for (const auto& answer : of) {
      const json::object* envelope = answer.value().if_object();
      const json::value* part = envelope == nullptr ? nullptr : envelope->if_contains("coverage");
      if (part != nullptr) both[answer.key()] = *part;
    }
    coverage[name] = std::move(both);
  }
  co_return JsonAnswer(200, json::object{{"id", (*snapshot)->at("id")},
                                         {"created", (*snapshot)->at("created")},
                                         {"compared", FormatTime(clock_.Now())},
                                         {"added", std::move(added)},
                                         {"gone", std::move(gone)},
                                         {"changed", std::move(changed)},
                                         {"coverage", std::move(coverage)}});
}

}  // namespace mailreeve::response::intel_api
