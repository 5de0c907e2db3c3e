#include "ctim/document.h"

#include "ctim/validate.h"

#include <algorithm>

namespace mailreeve::ctim {
namespace {

const json::value* Find(const json::object* from, std::string_view key) {
  return from == nullptr ? nullptr : from->if_contains(key);
}

std::string_view TextAt(const json::object* from, std::string_view key) {
  const json::value* value = Find(from, key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

const json::object* ObjectAt(const json::object* from, std::string_view key) {
  const json::value* value = Find(from, key);
  return value == nullptr ? nullptr : value->if_object();
}

// From `previous` when it has it, else `otherwise`.
void Keep(json::object& out, const json::object* previous, std::string_view key,
          json::value otherwise) {
  const json::value* old = Find(previous, key);
  out[key] = old != nullptr ? *old : std::move(otherwise);
}

void FillValidity(json::object& out, std::string_view key, const json::object* previous,
                  const std::string& now) {
  json::object span;
  if (const json::object* given = ObjectAt(&out, key)) span = *given;
  if (!span.contains("start_time")) {
    const std::string_view old = TextAt(ObjectAt(previous, key), "start_time");
    span["start_time"] = old.empty() ? std::string_view(now) : old;
  }
  if (!span.contains("end_time")) span["end_time"] = kNoEnd;
  out[key] = std::move(span);
}

void ProjectInto(const json::value& from, std::string_view path, json::value& out) {
  if (const json::array* list = from.if_array()) {
    if (!out.is_array()) out = json::array(list->size(), json::value(json::object()));
    for (size_t i = 0; i < list->size(); ++i) ProjectInto((*list)[i], path, out.get_array()[i]);
    return;
  }
  const json::object* object = from.if_object();
  if (object == nullptr) return;
  if (!out.is_object()) out = json::object();
  const size_t dot = path.find('.');
  const json::value* value = object->if_contains(path.substr(0, dot));
  if (value == nullptr) return;
  json::value& place = out.get_object()[path.substr(0, dot)];
  if (dot == std::string_view::npos) {
    place = *value;
  } else if (value->is_object() || value->is_array()) {
    // A part that an earlier field took whole is not cut down.
    if (place != *value) ProjectInto(*value, path.substr(dot + 1), place);
  } else {
    out.get_object().erase(path.substr(0, dot));
  }
}

using Change = std::function<std::string(std::string_view)>;

void RewriteShape(const Shape& shape, json::value& value, const Change& change);

void RewriteObject(const ObjectShape& shape, json::value& value, const Change& change) {
  json::object* object = value.if_object();
  if (object == nullptr) return;
  for (auto& member : *object) {
    const Field* field = shape.Find(member.key());
    if (field != nullptr) RewriteShape(field->shape, member.value(), change);
  }
}

void RewriteShape(const Shape& shape, json::value& value, const Change& change) {
  switch (shape.kind) {
    case Kind::kRef:
      if (value.is_string()) value = change(value.get_string());
      return;
    case Kind::kList:
      if (json::array* list = value.if_array())
        for (auto& each : *list) RewriteShape(*shape.item, each, change);
      return;
    case Kind::kObject:
      return RewriteObject(*shape.object, value, change);
    case Kind::kEntity:
      return RewriteObject(shape.entity->shape, value, change);
    case Kind::kUnion: {
      const auto choice = shape.choices.find(TextAt(value.if_object(), shape.by));
      if (choice != shape.choices.end()) RewriteObject(*choice->second, value, change);
      return;
    }
    default:
      return;
  }
}

int64_t IntegerAt(const json::object& from, std::string_view key, int64_t otherwise) {
  const json::value* value = from.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : otherwise;
}

}  // namespace

json::object Complete(const Entity& entity, json::object fresh, const Envelope& envelope, Time now,
                      const json::object* previous) {
  json::object out = std::move(fresh);
  const std::string time = FormatTime(now);
  for (const Field& field : entity.shape.fields)
    if (field.shape.otherwise && !out.contains(field.name))
      out[field.name] = *field.shape.otherwise;
  if (entity.type == "judgement") {
    int64_t number =
        IntegerAt(out, "disposition", DispositionNumber(TextAt(&out, "disposition_name")));
    if (number == 0) number = DispositionNumber("Unknown");
    out["disposition"] = number;
    out["disposition_name"] = DispositionWord(number);
  }
  if (entity.shape.Find("valid_time") != nullptr && entity.envelope && entity.type != "bundle")
    FillValidity(out, "valid_time", previous, time);
  if (entity.type == "feed") FillValidity(out, "lifetime", previous, time);
  if (!out.contains("tlp")) Keep(out, previous, "tlp", json::value(envelope.default_tlp));
  if (!out.contains("timestamp")) Keep(out, previous, "timestamp", json::value(time));

  json::array groups;
  for (const auto& group : envelope.groups) groups.push_back(json::value(group));
  Keep(out, previous, "owner", json::value(envelope.owner));
  Keep(out, previous, "groups", std::move(groups));
  Keep(out, previous, "created", json::value(time));
  out["modified"] = time;
  out.erase("client_id");
  if (const json::value* old = Find(previous, "client_id")) {
    out["client_id"] = *old;
  } else if (previous == nullptr && !envelope.client_id.empty()) {
    out["client_id"] = envelope.client_id;
  }
  out["id"] = envelope.id.text();
  out["type"] = entity.type;
  out["schema_version"] = TheModel().schema_version();
  return out;
}

void MergePatch(json::object& into, const json::object& patch) {
  for (const auto& member : patch) {
    json::value& place = into[member.key()];
    if (place.is_object() && member.value().is_object()) {
      MergePatch(place.get_object(), member.value().get_object());
    } else {
      place = member.value();
    }
  }
}

json::object Project(const json::object& document, std::span<const std::string> fields) {
  if (fields.empty()) return document;
  json::value out = json::object();
  const json::value from = document;
  for (const auto& field : fields) ProjectInto(from, field, out);
  return std::move(out.get_object());
}

void RewriteRefs(const Entity& entity, json::object& document, const Change& change) {
  for (auto& member : document) {
    const Field* field = entity.shape.Find(member.key());
    if (field != nullptr) RewriteShape(field->shape, member.value(), change);
  }
}

bool ValidAt(const json::object& document, Time at) {
  const json::object* span = ObjectAt(&document, "valid_time");
  const std::string_view start = TextAt(span, "start_time"), end = TextAt(span, "end_time");
  if (!start.empty()) {
    const auto from = ParseTime(start);
    if (from && at < *from) return false;
  }
  if (!end.empty()) {
    const auto to = ParseTime(end);
    if (to && at >= *to) return false;
  }
  return true;
}

std::optional<json::object> ChooseVerdict(std::span<const json::object> judgements, Time at) {
  struct Rank {
    int64_t priority, disposition;
    Time start;
    std::string_view id;
    bool operator<(const Rank& other) const {
      if (priority != other.priority) return priority > other.priority;
      return std::tie(disposition, start, id) < std::tie(other.disposition, other.start, other.id);
    }
  };
  const json::object* best = nullptr;
  Rank best_rank{};
  for (const auto& each : judgements) {
    if (!ValidAt(each, at)) continue;
    const auto start = ParseTime(TextAt(ObjectAt(&each, "valid_time"), "start_time"));
    const Rank rank{IntegerAt(each, "priority", 0), IntegerAt(each, "disposition", 5),
                    start ? *start : Time(), TextAt(&each, "id")};
    if (best != nullptr && !(rank < best_rank)) continue;
    best = &each;
    best_rank = rank;
  }
  if (best == nullptr) return std::nullopt;
  json::object out{{"type", "verdict"},
                   {"disposition", best_rank.disposition},
                   {"disposition_name", DispositionWord(best_rank.disposition)}};
  if (!best_rank.id.empty()) out["judgement_id"] = best_rank.id;
  for (const char* key : {"observable", "valid_time"})
    if (const json::value* value = best->if_contains(key)) out[key] = *value;
  return out;
}

}  // namespace mailreeve::ctim
