#include "ctim/bundle.h"
#include "ctim/document.h"
#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"

#include <map>

// Many records in one request (threat-response-api.md 5.9).
namespace mailreeve::response::intel_api {
namespace {

using Done = Answered<intel::Record>;

struct Item {
  const ctim::Entity* entity = nullptr;
  size_t index = 0;
  std::string id;  // PUT, PATCH, DELETE: short
  std::string given_id;
  std::optional<Checked> checked;
  json::object part;    // PATCH
  json::value refused;  // what stands in the answer instead of an id
};

const ctim::Entity* BulkEntity(std::string_view plural) {
  const ctim::Entity* entity = ctim::TheModel().ByPlural(plural);
  return entity != nullptr && entity->bulk && StoredEntity(entity->type) != nullptr ? entity
                                                                                    : nullptr;
}

http::Response TooMany(size_t limit) {
  return http::Response::Text(400, "Bulk max number of entities: " + std::to_string(limit));
}

// Puts `error` at a position of a list whose other places are null.
void PutError(json::object& errors, std::string_view key, size_t index, json::value error) {
  json::value& slot = errors[key];
  if (!slot.is_array()) slot = json::array();
  json::array& list = slot.get_array();
  while (list.size() <= index) list.push_back(nullptr);
  list[index] = std::move(error);
}

json::object RefusedItem(const Refused& refused, const json::value& entity) {
  json::object out = refused.body.is_object() ? refused.body.get_object() : json::object();
  if (!out.contains("error"))
    out["error"] = out.contains("type") ? out["type"] : json::value("Invalid Entity Error");
  if (!out.contains("entity")) out["entity"] = entity;
  return out;
}

// All lists of the body, each of a known entity.
Answered<std::vector<std::pair<const ctim::Entity*, const json::array*>>> Lists(
    const json::value& body) {
  const json::object* object = body.if_object();
  if (object == nullptr)
    return Refuse(400, json::object{{"errors", "(not (map? " + json::Serialize(body) + "))"}});
  std::vector<std::pair<const ctim::Entity*, const json::array*>> out;
  json::object errors;
  for (const auto& field : *object) {
    const ctim::Entity* entity = BulkEntity(field.key());
    if (entity == nullptr) {
      errors[field.key()] = "disallowed-key";
    } else if (!field.value().is_array()) {
      errors[field.key()] = "(not (sequential? …))";
    } else {
      out.emplace_back(entity, &field.value().get_array());
    }
  }
  if (!errors.empty()) return Refuse(400, json::object{{"errors", std::move(errors)}});
  return out;
}

size_t Total(const std::vector<std::pair<const ctim::Entity*, const json::array*>>& lists) {
  size_t total = 0;
  for (const auto& [entity, list] : lists) total += list->size();
  return total;
}

}  // namespace

void IntelApi::AddBulkRoutes() {
  On("POST", "/ctia/bulk", &IntelApi::BulkCreate);
  On("GET", "/ctia/bulk", &IntelApi::BulkGet);
  OnFunction("PUT", "/ctia/bulk", [this](Call call) { return BulkChange(false, std::move(call)); });
  OnFunction("PATCH", "/ctia/bulk",
             [this](Call call) { return BulkChange(true, std::move(call)); });
  On("DELETE", "/ctia/bulk", &IntelApi::BulkDelete);
}

io::Task<http::Response> IntelApi::BulkCreate(Call call) {
  auto body = ReadBody(call.request, options_.max_bundle_bytes);
  if (!body) co_return ToResponse(body.error());
  auto lists = Lists(*body);
  if (!lists) co_return ToResponse(lists.error());
  if (Total(*lists) > options_.max_bulk) co_return TooMany(options_.max_bulk);
  std::vector<Item> items;
  json::object errors;
  ctim::TransientIds transient;
  for (const auto& [entity, list] : *lists) {
    for (size_t i = 0; i < list->size(); ++i) {
      const ctim::Validation validation = ctim::Validate(*entity, (*list)[i]);
      if (!validation.errors.is_null()) {
        PutError(errors, entity->plural, i, validation.errors);
        continue;
      }
      Item item{.entity = entity, .index = i};
      Answered<Checked> checked = CheckNew(*entity, (*list)[i], options_.min_tlp);
      if (checked) {
        // Ids are made before anything is written, so that references go in any direction.
        checked->new_id = ctim::ShortId::New(entity->type).text();
        transient.Know(checked->given_id, call.realm->ids.Long(std::string_view(checked->new_id)));
        item.checked = *std::move(checked);
      } else {
        item.refused = RefusedItem(checked.error(), (*list)[i]);
      }
      items.push_back(std::move(item));
    }
  }
  if (!errors.empty()) co_return ToResponse({400, json::object{{"errors", std::move(errors)}}});
  for (Item& item : items) {
    if (!item.checked) continue;
    const std::vector<std::string> unknown =
        transient.Resolve(*item.entity, item.checked->document);
    if (!unknown.empty() && item.entity->type == "relationship") {
      item.refused = json::object{
          {"error",
           "A relationship cannot be created if a source or a target ref is still a transient ID "
           "(The source or target entity is probably not provided)"},
          {"type", "Invalid Entity Error"},
          {"entity", item.checked->document}};
      item.checked.reset();
    }
  }
  auto done = co_await call.realm->store->Write([&](intel::Tables& tables) -> Result<int> {
    Life life = LifeOf(tables, call);
    for (const Item& item : items) {
      if (item.checked) TRY_VOID(life.Create(*item.checked));
    }
    return 0;
  });
  if (!done) co_return Failed(done.error(), call);
  json::object out, tempids;
  for (Item& item : items) {
    json::value& slot = out[item.entity->plural];
    if (!slot.is_array()) slot = json::array();
    if (!item.checked) {
      slot.get_array().push_back(std::move(item.refused));
      continue;
    }
    const std::string id = call.realm->ids.Long(std::string_view(item.checked->new_id));
    slot.get_array().emplace_back(id);
    if (!item.checked->given_id.empty()) tempids[item.checked->given_id] = id;
  }
  if (!tempids.empty()) out["tempids"] = std::move(tempids);
  co_return JsonAnswer(201, out);
}

io::Task<http::Response> IntelApi::BulkGet(Call call) {
  struct Wanted {
    const ctim::Entity* entity;
    std::vector<std::string> ids;
  };
  std::vector<Wanted> wanted;
  size_t total = 0;
  for (const auto& [key, value] : call.request.query) {
    const ctim::Entity* entity = BulkEntity(key);
    if (entity == nullptr) continue;
    if (wanted.empty() || wanted.back().entity != entity) wanted.push_back({entity, {}});
    const Result<ctim::ShortId> id = call.realm->ids.Read(value);
    wanted.back().ids.push_back(id ? id->text() : std::string());
    ++total;
  }
  if (total > options_.max_bulk) co_return TooMany(options_.max_bulk);
  auto read = co_await call.realm->store->Read([&](intel::Tables& tables) -> Result<json::object> {
    json::object out;
    for (const Wanted& some : wanted) {
      TRY(const std::vector<intel::Record> records, tables.GetMany(some.entity->type, some.ids));
      std::map<std::string, const intel::Record*> by_id;
      for (const intel::Record& record : records) {
        if (intel::MayRead(record.document, call.asker, call.realm->store->options().visibility))
          by_id.emplace(record.id(), &record);
      }
      json::value& slot = out[some.entity->plural];
      if (!slot.is_array()) slot = json::array();
      for (const std::string& id : some.ids) {
        const auto found = by_id.find(id);
        if (found == by_id.end()) {
          slot.get_array().push_back(nullptr);
        } else {
          slot.get_array().push_back(ShownTo(call, *found->second));
        }
      }
    }
    return out;
  });
  if (!read) co_return Failed(read.error(), call);
  co_return JsonAnswer(200, *read);
}

namespace {

// What became of the ids of one list.
struct Outcome {
  json::array done, not_found, forbidden, failed;
};

json::object AnswerOf(std::map<std::string, Outcome>& outcomes, const char* word) {
  json::object out;
  for (auto& [plural, outcome] : outcomes) {
    json::object one, errors;
    one[word] = std::move(outcome.done);
    if (!outcome.not_found.empty()) errors["not-found"] = std::move(outcome.not_found);
    if (!outcome.forbidden.empty()) errors["forbidden"] = std::move(outcome.forbidden);
    if (!outcome.failed.empty()) errors["internal-error"] = std::move(outcome.failed);
    if (!errors.empty()) one["errors"] = std::move(errors);
    out[plural] = std::move(one);
  }
  return out;
}

void Note(Outcome& outcome, const std::string& id, const Refused* refused) {
  if (refused == nullptr) {
    outcome.done.emplace_back(id);
  } else if (refused->status == 404) {
    outcome.not_found.emplace_back(id);
  } else if (refused->status == 403) {
    outcome.forbidden.emplace_back(id);
  } else {
    outcome.failed.emplace_back(id);
  }
}

}  // namespace

io::Task<http::Response> IntelApi::BulkChange(bool partly, Call call) {
  auto body = ReadBody(call.request, options_.max_bundle_bytes);
  if (!body) co_return ToResponse(body.error());
  auto lists = Lists(*body);
  if (!lists) co_return ToResponse(lists.error());
  if (Total(*lists) > options_.max_bulk) co_return TooMany(options_.max_bulk);
  std::vector<Item> items;
  json::object errors;
  for (const auto& [entity, list] : *lists) {
    if (partly && !entity->patch) {
      errors[entity->plural] = "disallowed-key";
      continue;
    }
    for (size_t i = 0; i < list->size(); ++i) {
      ctim::Validation validation =
          ctim::Validate(*entity, (*list)[i], {.partial = partly, .needs_id = true});
      if (!validation.ok()) {
        PutError(errors, entity->plural, i,
                 validation.errors.is_null() ? json::value(validation.Body()) : validation.errors);
        continue;
      }
      Item item{.entity = entity, .index = i};
      json::object& document = validation.document.get_object();
      item.given_id = std::string(document["id"].as_string());
      if (const auto id = call.realm->ids.Read(item.given_id); id && id->type == entity->type)
        item.id = id->text();
      document.erase("id");
      if (partly) {
        item.part = std::move(document);
      } else {
        auto checked = CheckNew(*entity, std::move(document), options_.min_tlp);
        if (!checked) co_return ToResponse(checked.error());
        item.checked = *std::move(checked);
      }
      items.push_back(std::move(item));
    }
  }
  if (!errors.empty()) co_return ToResponse({400, json::object{{"errors", std::move(errors)}}});
  auto done = co_await call.realm->store->Write(
      [&](intel::Tables& tables) -> Result<std::map<std::string, Outcome>> {
        std::map<std::string, Outcome> outcomes;
        Life life = LifeOf(tables, call);
        for (const Item& item : items) {
          Done changed = tl::unexpected(NotFound(item.entity->type));
          // A judgement is not replaced but by developers, whom no scope makes.
          if (!partly && item.entity->type == "judgement") {
            changed = tl::unexpected(Forbidden());
          } else if (!item.id.empty() && partly) {
            TRY(changed, life.Patch(*item.entity, item.id, item.part, options_.min_tlp));
          } else if (!item.id.empty()) {
            TRY(changed, life.Replace(*item.entity, item.id, *item.checked));
          }
          const std::string id =
              item.id.empty() ? item.given_id : call.realm->ids.Long(std::string_view(item.id));
          Note(outcomes[item.entity->plural], id, changed ? nullptr : &changed.error());
        }
        return outcomes;
      });
  if (!done) co_return Failed(done.error(), call);
  co_return JsonAnswer(200, AnswerOf(*done, "updated"));
}

io::Task<http::Response> IntelApi::BulkDelete(Call call) {
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  auto lists = Lists(*body);
  if (!lists) co_return ToResponse(lists.error());
  if (Total(*lists) > options_.max_bulk) co_return TooMany(options_.max_bulk);
  for (const auto& [entity, list] : *lists) {
    for (const json::value& id : *list) {
      if (!id.is_string()) co_return ToResponse(BadParameter(entity->plural, "(not (string? …))"));
    }
  }
  auto done = co_await call.realm->store->Write(
      [&](intel::Tables& tables) -> Result<std::map<std::string, Outcome>> {
        std::map<std::string, Outcome> outcomes;
        Life life = LifeOf(tables, call);
        for (const auto& [entity, list] : *lists) {
          Outcome& outcome = outcomes[entity->plural];
          for (const json::value& given : *list) {
            const std::string text(given.get_string());
            const Result<ctim::ShortId> id = call.realm->ids.Read(text);
            Done record = tl::unexpected(NotFound(entity->type));
            if (id && id->type == entity->type) {
              TRY(record, life.ToChange(entity->type, id->text()));
            }
            if (record) TRY_VOID(life.Remove(*record));
            Note(outcome, text, record ? nullptr : &record.error());
          }
        }
        return outcomes;
      });
  if (!done) co_return Failed(done.error(), call);
  co_return JsonAnswer(200, AnswerOf(*done, "deleted"));
}

}  // namespace mailreeve::response::intel_api
