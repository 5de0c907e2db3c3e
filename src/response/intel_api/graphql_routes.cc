#include "base/bytes.h"
#include "response/graphql/query.h"
#include "response/intel_api/entities.h"
#include "response/intel_api/intel_api.h"

#include <algorithm>
#include <charconv>

// GraphQL over the store (threat-response-api.md 5.11): records by id, connections of each entity,
// what is known of an observable, and relationships between records.
namespace mailreeve::response::intel_api {
namespace {

using graphql::Field;

constexpr int64_t kDefaultPage = 50, kLargestPage = 1000;

// "target-record" -> "TargetRecord"
std::string TypeName(std::string_view type) {
  std::string out;
  bool upper = true;
  for (const char c : type) {
    if (c == '-') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    upper = false;
  }
  return out;
}

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

tl::unexpected<Error> Undefined(const Field& field, std::string_view type) {
  return Fail(Code::kInvalid,
              "Field '" + field.name + "' in type '" + std::string(type) + "' is undefined");
}

class Run {
 public:
  Run(intel::Tables& tables, const ctim::IdSpace& ids, const intel::Asker& asker,
      const intel::StoreOptions& store, const QueryLimits& query, size_t max_records, Time now,
      std::function<json::object(const intel::Record&)> shown)
      : tables_(tables),
        ids_(ids),
        asker_(asker),
        store_(store),
        query_(query),
        max_records_(max_records),
        now_(now),
        shown_(std::move(shown)) {}

  Result<json::object> Root(const std::vector<Field>& fields) {
    json::object out;
    for (const Field& field : fields) {
      if (field.name == "__typename") {
        out[field.alias] = "Query";
      } else if (field.name == "observable") {
        TRY(out[field.alias], Observable(field, field.arguments));
      } else if (const ctim::Entity* many = ctim::TheModel().ByPlural(field.name);
                 many != nullptr && StoredEntity(many->type) == many) {
        TRY(out[field.alias], Connection({.type = many->type}, field));
      } else if (const ctim::Entity* one = BySingular(field.name)) {
        TRY(out[field.alias], ById(one->type, TextAt(field.arguments, "id"), field));
      } else {
        return Undefined(field, "Query");
      }
    }
    return out;
  }

 private:
  static const ctim::Entity* BySingular(std::string_view name) {
    std::string type(name);
    std::replace(type.begin(), type.end(), '_', '-');
    return StoredEntity(type);
  }

  Result<void> CountRecord() {
    if (++records_ <= max_records_) return {};
    return Fail(Code::kLimited,
                "the query reads more than " + std::to_string(max_records_) + " records");
  }

  Result<json::value> ById(const std::string& type, const std::string& given, const Field& field) {
    const auto id = ids_.Ours(given);
    if (!id || (!type.empty() && id->type != type) || StoredEntity(id->type) == nullptr)
      return json::value();
    TRY(const std::optional<intel::Record> record, tables_.Get(id->type, id->text()));
    if (!record || !intel::MayRead(record->document, asker_, store_.visibility))
      return json::value();
    return Entity(*record, field);
  }

  Result<json::value> Entity(const intel::Record& record, const Field& asked) {
    TRY_VOID(CountRecord());
    const ctim::Entity& entity = *StoredEntity(record.type);
    const std::string name = TypeName(record.type);
    if (asked.fields.empty())
      return Fail(Code::kInvalid, "Field '" + asked.name + "' must have a selection of subfields");
    const json::object document = shown_(record);
    json::object out;
    for (const Field& field : asked.fields) {
      if (!field.on_type.empty() && field.on_type != name) continue;
      if (field.name == "__typename") {
        out[field.alias] = name;
      } else if (field.name == "relationships") {
        TRY(out[field.alias], RelationshipsOf(record, field));
      } else if (record.type == "relationship" &&
                 (field.name == "source_entity" || field.name == "target_entity")) {
        const char* ref = field.name == "source_entity" ? "source_ref" : "target_ref";
        TRY(out[field.alias], ById("", TextAt(record.document, ref), field));
      } else if (entity.shape.Find(field.name) == nullptr) {
        return Undefined(field, name);
      } else {
        const json::value* value = document.if_contains(field.name);
        TRY(out[field.alias], Value(value == nullptr ? json::value() : *value, field));
      }
    }
    return json::value(std::move(out));
  }

  Result<json::value> Value(const json::value& value, const Field& asked) {
    if (const json::array* list = value.if_array()) {
      json::array out;
      for (const json::value& item : *list) {
        TRY(json::value one, Value(item, asked));
        out.push_back(std::move(one));
      }
      return json::value(std::move(out));
    }
    const json::object* object = value.if_object();
    if (object == nullptr || asked.fields.empty()) return value;
    const bool is_observable =
        object->size() == 2 && object->contains("type") && object->contains("value");
    if (is_observable) return Observable(asked, *object);
    json::object out;
    for (const Field& field : asked.fields) {
      const json::value* inner = object->if_contains(field.name);
      TRY(out[field.alias], Value(inner == nullptr ? json::value() : *inner, field));
    }
    return json::value(std::move(out));
  }

  Result<json::value> Observable(const Field& asked, const json::object& from) {
    const intel::NamedObservable observable{TextAt(from, "type"), TextAt(from, "value")};
    if (asked.fields.empty())
      return Fail(Code::kInvalid, "Field '" + asked.name + "' must have a selection of subfields");
    json::object out;
    for (const Field& field : asked.fields) {
      if (field.name == "__typename") {
        out[field.alias] = "Observable";
      } else if (field.name == "type" || field.name == "value") {
        out[field.alias] = field.name == "type" ? observable.type : observable.value;
      } else if (field.name == "verdict") {
        TRY(out[field.alias], Verdict(observable, field));
      } else if (field.name == "judgements" || field.name == "sightings") {
        const char* type = field.name == "judgements" ? "judgement" : "sighting";
        TRY(out[field.alias], Connection({.type = type, .about = observable}, field));
      } else {
        return Undefined(field, "Observable");
      }
    }
    return json::value(std::move(out));
  }

  Result<json::value> Verdict(const intel::NamedObservable& observable, const Field& field) {
    TRY_VOID(CountRecord());
    TRY(const std::optional<intel::Record> best,
        intel::BestJudgement(tables_, {observable, ToEpochMicros(now_), {}, {}}, asker_,
                             store_.visibility));
    if (!best) return json::value();
    json::object verdict = best->document;
    verdict["type"] = "verdict";
    verdict["judgement_id"] = ids_.Long(std::string_view(best->id()));
    // The observable of a verdict is the one asked for: no more than its two fields.
    return Value(json::value(std::move(verdict)), field);
  }

  Result<json::value> RelationshipsOf(const intel::Record& record, const Field& field) {
    intel::Selection selection{.type = "relationship"};
    using intel_query::Node;
    Node ends{.kind = Node::Kind::kOr};
    for (const char* ref : {"source_ref", "target_ref"})
      ends.children.push_back(Node{.kind = Node::Kind::kTerm, .field = ref, .text = record.id()});
    selection.query = std::move(ends);
    if (const std::string type = TextAt(field.arguments, "relationship_type"); !type.empty())
      selection.filters.push_back({"relationship_type", {type}});
    return Connection(std::move(selection), field);
  }

  static Result<int64_t> Cursor(const std::string& text) {
    const Result<std::string> plain = Base64Decode(text);
    int64_t offset = -1;
    if (plain) std::from_chars(plain->data(), plain->data() + plain->size(), offset);
    if (offset < 0) return Fail(Code::kInvalid, "after: this is no cursor of ours");
    return offset;
  }

  Result<intel::Paging> ReadPage(const intel::Selection& selection, const Field& field) {
    intel::Paging paging;
    paging.limit = kDefaultPage;
    for (const auto& argument : field.arguments) {
      const std::string_view name = argument.key();
      const json::value& value = argument.value();
      if (value.is_null() || name == "query" || name == "relationship_type") continue;
      if (name == "first") {
        if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > kLargestPage)
          return Fail(Code::kInvalid, "first: from 0 to " + std::to_string(kLargestPage));
        paging.limit = value.get_int64();
      } else if (name == "after") {
        if (!value.is_string()) return Fail(Code::kInvalid, "after: this is no cursor of ours");
        TRY(const int64_t at, Cursor(std::string(value.get_string())));
        paging.offset = at + 1;
      } else if (name == "orderBy") {
        TRY(paging.sort, ReadOrder(*intel::FieldsOf(selection.type), value));
      } else {
        return Fail(Code::kInvalid,
                    "argument '" + std::string(name) + "' of '" + field.name + "' is not offered");
      }
    }
    return paging;
  }

  // [{field: OBSERVED_TIME_START_TIME, direction: desc}]
  static Result<std::vector<intel::SortKey>> ReadOrder(const intel::EntityFields& fields,
                                                       const json::value& value) {
    std::vector<intel::SortKey> out;
    const json::array one{value};
    const json::array& list = value.is_array() ? value.get_array() : one;
    for (const json::value& item : list) {
      const json::object* object = item.if_object();
      if (object == nullptr) return Fail(Code::kInvalid, "orderBy: a list of {field, direction}");
      const std::string wanted = TextAt(*object, "field");
      std::vector<std::string> names = fields.indexed;
      for (const char* common : {"id", "timestamp", "created", "modified", "tlp"})
        names.emplace_back(common);
      intel::SortKey key;
      for (const std::string& name : names) {
        std::string constant = name;
        for (char& c : constant) {
          if (c == '.') c = '_';
          if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
        }
        if (constant == wanted) key.field = name;
      }
      if (key.field.empty() || !fields.IsSortable(key.field))
        return Fail(Code::kInvalid, "orderBy: there is no field " + wanted);
      key.descending = TextAt(*object, "direction") == "desc";
      out.push_back(std::move(key));
    }
    return out;
  }

  Result<json::value> Connection(intel::Selection selection, const Field& field) {
    TRY(const intel::Paging paging, ReadPage(selection, field));
    if (const std::string text = TextAt(field.arguments, "query"); !text.empty()) {
      TRY(intel_query::Node node, intel_query::ParseQuery(text, query_.language, now_));
      if (selection.query) {
        intel_query::Node both{.kind = intel_query::Node::Kind::kAnd};
        both.children.push_back(std::move(*selection.query));
        both.children.push_back(std::move(node));
        node = std::move(both);
      }
      selection.query = std::move(node);
    }
    TRY(const intel::Page page,
        intel::Search(tables_, selection, paging, asker_, store_.visibility, store_.search));
    const auto cursor = [&](size_t i) {
      return Base64Encode(std::to_string(paging.offset + static_cast<int64_t>(i)));
    };
    json::object out;
    for (const Field& part : field.fields) {
      if (part.name == "totalCount") {
        out[part.alias] = page.total;
      } else if (part.name == "pageInfo") {
        json::object info;
        info["hasNextPage"] = page.more;
        info["hasPreviousPage"] = paging.offset > 0;
        if (!page.records.empty()) {
          info["startCursor"] = cursor(0);
          info["endCursor"] = cursor(page.records.size() - 1);
        }
        TRY(out[part.alias], Value(json::value(std::move(info)), part));
      } else if (part.name == "nodes" || part.name == "edges") {
        json::array list;
        for (size_t i = 0; i < page.records.size(); ++i) {
          if (part.name == "nodes") {
            TRY(json::value node, Entity(page.records[i], part));
            list.push_back(std::move(node));
            continue;
          }
          json::object edge;
          for (const Field& inner : part.fields) {
            if (inner.name == "cursor") {
              edge[inner.alias] = cursor(i);
            } else if (inner.name == "node") {
              TRY(edge[inner.alias], Entity(page.records[i], inner));
            } else {
              return Undefined(inner, "Edge");
            }
          }
          list.push_back(std::move(edge));
        }
        out[part.alias] = std::move(list);
      } else if (part.name == "__typename") {
        out[part.alias] = TypeName(selection.type) + "Connection";
      } else {
        return Undefined(part, TypeName(selection.type) + "Connection");
      }
    }
    return json::value(std::move(out));
  }

  intel::Tables& tables_;
  const ctim::IdSpace& ids_;
  const intel::Asker& asker_;
  const intel::StoreOptions& store_;
  const QueryLimits& query_;
  const size_t max_records_;
  const Time now_;
  std::function<json::object(const intel::Record&)> shown_;
  size_t records_ = 0;
};

http::Response Errors(const std::string& message) {
  return JsonAnswer(400, json::object{{"errors", json::array{json::value(message)}}});
}

}  // namespace

void IntelApi::AddGraphQlRoutes() { On("POST", "/ctia/graphql", &IntelApi::GraphQl); }

io::Task<http::Response> IntelApi::GraphQl(Call call) {
  auto body = ReadBody(call.request, options_.max_body_bytes);
  if (!body) co_return ToResponse(body.error());
  const json::object* object = body->if_object();
  const json::value* query = object == nullptr ? nullptr : object->if_contains("query");
  if (query == nullptr) co_return ToResponse(BadParameter("query", "missing-required-key"));
  if (!query->is_string()) co_return ToResponse(BadParameter("query", "(not (string? …))"));
  json::object variables;
  if (const json::value* given = object->if_contains("variables");
      given != nullptr && given->is_object())
    variables = given->get_object();
  const Result<std::vector<Field>> fields =
      graphql::ReadQuery(std::string_view(query->get_string()), TextAt(*object, "operationName"),
                         variables, options_.graphql);
  if (!fields) co_return Errors(fields.error().message);
  auto data = co_await call.realm->store->Read([&](intel::Tables& tables) {
    return Run(tables, call.realm->ids, call.asker, call.realm->store->options(), options_.query,
               options_.max_graphql_records, call.now,
               [&](const intel::Record& record) { return ShownTo(call, record); })
        .Root(*fields);
  });
  if (!data && (data.error().code == Code::kInvalid || data.error().code == Code::kLimited))
    co_return Errors(data.error().message);
  if (!data) co_return Failed(data.error(), call);
  co_return JsonAnswer(200, json::object{{"data", *std::move(data)}});
}

}  // namespace mailreeve::response::intel_api
