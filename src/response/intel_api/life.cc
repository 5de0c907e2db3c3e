#include "response/intel_api/life.h"

#include "base/random.h"
#include "ctim/document.h"
#include "ctim/incident_clock.h"
#include "response/intel/fields.h"

#include <set>

namespace mailreeve::response::intel_api {
namespace {

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// What callers may send and the store decides.
constexpr std::string_view kOwnFields[] = {"id",     "type",      "schema_version", "owner",
                                           "groups", "client_id", "created",        "modified"};

json::object Event(const char* kind, const intel::Record& record, const intel::Asker& asker,
                   Time now) {
  json::object event;
  event["id"] = "event-" + ctim::ShortId::New("event").uuid;
  event["type"] = "event";
  event["event_type"] = kind;
  event["owner"] = asker.login;
  event["groups"] = json::array{json::value(asker.org)};
  const std::string tlp = TextAt(record.document, "tlp");
  event["tlp"] = tlp.empty() ? std::string("red") : tlp;
  event["timestamp"] = FormatTime(now);
  event["entity"] = record.document;
  // Those with whom the record is shared may read its history.
  for (const char* key : {"authorized_users", "authorized_groups"}) {
    if (const json::value* list = record.document.if_contains(key)) event[key] = *list;
  }
  return event;
}

json::array Differences(const json::object& before, const json::object& after) {
  std::set<std::string> names;
  for (const auto& field : before) names.emplace(field.key());
  for (const auto& field : after) names.emplace(field.key());
  json::array out;
  for (const std::string& name : names) {
    if (name == "id") continue;
    const json::value* old_value = before.if_contains(name);
    const json::value* new_value = after.if_contains(name);
    if (old_value != nullptr && new_value != nullptr && *old_value == *new_value) continue;
    json::object change;
    if (old_value != nullptr) change["before"] = *old_value;
    if (new_value != nullptr) change["after"] = *new_value;
    const char* action = old_value == nullptr   ? "added"
                         : new_value == nullptr ? "deleted"
                                                : "modified";
    out.push_back(json::object{{"field", name}, {"action", action}, {"change", std::move(change)}});
  }
  return out;
}

std::optional<Refused> TlpRefused(const json::object& document, int min_tlp) {
  const std::string tlp = TextAt(document, "tlp");
  if (tlp.empty() || intel::TlpLevel(tlp) >= min_tlp) return std::nullopt;
  std::string allowed;
  for (int level = min_tlp; level < 4; ++level)
    allowed += (allowed.empty() ? "" : ",") + std::string(intel::TlpWord(level));
  return Refused{400, json::object{{"type", "Invalid TLP Error"},
                                   {"message", "Invalid document TLP " + tlp +
                                                   ", allowed TLPs are: " + allowed},
                                   {"entity", document},
                                   {"class", "mailreeve.intel.Tlp"}}};
}

}  // namespace

Answered<Checked> CheckNew(const ctim::Entity& entity, json::value body, int min_tlp) {
  std::string given;
  if (const json::object* object = body.if_object()) given = TextAt(*object, "id");
  ctim::Validation validation = ctim::Validate(entity, std::move(body));
  if (!validation.ok()) return tl::unexpected(Invalid(validation));
  Checked checked;
  checked.entity = &entity;
  checked.document = std::move(validation.document.get_object());
  if (!given.empty() && !ctim::IsTransientId(given)) {
    return Refuse(403, json::object{{"error", "Missing capability to specify entity ID"},
                                    {"entity", checked.document}});
  }
  checked.given_id = std::move(given);
  if (auto refused = TlpRefused(checked.document, min_tlp)) return tl::unexpected(*refused);
  return checked;
}

Result<intel::Record> Life::Complete(const Checked& checked, const intel::Record* previous) const {
  const ctim::Entity& entity = *checked.entity;
  intel::Record record;
  record.type = entity.type;
  json::object fresh = checked.document;
  for (const std::string_view field : kOwnFields) fresh.erase(field);
  const json::object* before = nullptr;
  ctim::ShortId id = ctim::ShortId::New(entity.type);
  if (const auto chosen = ctim::ShortId::Parse(checked.new_id)) id = *chosen;
  if (previous != nullptr) {
    record.n = previous->n;
    record.hidden = previous->hidden;
    record.feed = previous->feed;
    record.generation = previous->generation;
    before = &previous->document;
    if (const auto old = ctim::ShortId::Parse(previous->id())) id = *old;
  }
  record.document = ctim::Complete(entity, std::move(fresh),
                                   {id, asker.login, {asker.org}, asker.client_id}, now, before);
  if (entity.type == "incident" && previous != nullptr) {
    // The clock keeps its intervals in the document; they are told to nobody.
    json::object was = previous->document;
    const json::value* intervals = record.hidden.if_contains(ctim::kHiddenIntervals);
    if (intervals != nullptr) {
      was[ctim::kHiddenIntervals] = *intervals;
      record.document[ctim::kHiddenIntervals] = *intervals;
    }
    ctim::ApplyStatusClock(record.document, was, now);
    if (const json::value* counted = record.document.if_contains(ctim::kHiddenIntervals)) {
      record.hidden[ctim::kHiddenIntervals] = *counted;
      record.document.erase(ctim::kHiddenIntervals);
    }
  }
  if (entity.type == "feed") {
    // Made here and kept over updates, whatever the caller sends.
    record.document.erase("secret");
    record.document.erase("feed_view_url");
    if (previous == nullptr && feed_keys != nullptr) {
      TRY(std::string sealed, feed_keys->Seal(RandomUuid(), "feed " + record.id()));
      record.hidden["secret"] = std::move(sealed);
    }
  }
  return record;
}

Result<Secret> FeedSecret(const intel::Record& feed, const crypto::SealingKeys& keys) {
  return keys.Open(TextAt(feed.hidden, "secret"), "feed " + feed.id());
}

void Life::Add(intel::Record record) {
  if (events) {
    tables.Add({.type = "event", .document = Event("record-created", record, asker, now)});
  }
  tables.Add(std::move(record));
}

Result<intel::Record> Life::Create(const Checked& checked) {
  TRY(intel::Record record, Complete(checked, nullptr));
  Add(record);
  return record;
}

Result<Answered<intel::Record>> Life::Read(std::string_view type, const std::string& id) {
  TRY(std::optional<intel::Record> record, tables.Get(type, id));
  if (!record) return Answered<intel::Record>(tl::unexpected(NotFound(type)));
  if (!intel::MayRead(record->document, asker, visibility))
    return Answered<intel::Record>(tl::unexpected(Forbidden()));
  return Answered<intel::Record>(*std::move(record));
}

Result<Answered<intel::Record>> Life::ToChange(std::string_view type, const std::string& id) {
  TRY(std::optional<intel::Record> record, tables.Get(type, id));
  if (!record) return Answered<intel::Record>(tl::unexpected(NotFound(type)));
  if (!intel::MayWrite(record->document, asker))
    return Answered<intel::Record>(tl::unexpected(Forbidden()));
  return Answered<intel::Record>(*std::move(record));
}

Result<intel::Record> Life::Change(const intel::Record& before, intel::Record after) {
  after.document["modified"] = FormatTime(now);
  TRY_VOID(tables.Replace(before, after));
  if (events) {
    json::object event = Event("record-updated", after, asker, now);
    event["fields"] = Differences(before.document, after.document);
    tables.Add({.type = "event", .document = std::move(event)});
  }
  return after;
}

Result<Answered<intel::Record>> Life::Replace(const ctim::Entity& entity, const std::string& id,
                                              const Checked& checked) {
  TRY(Answered<intel::Record> before, ToChange(entity.type, id));
  if (!before) return before;
  TRY(intel::Record completed, Complete(checked, &*before));
  TRY(intel::Record after, Change(*before, std::move(completed)));
  return Answered<intel::Record>(std::move(after));
}

Result<Answered<intel::Record>> Life::Patch(const ctim::Entity& entity, const std::string& id,
                                            const json::object& part, int min_tlp) {
  TRY(Answered<intel::Record> before, ToChange(entity.type, id));
  if (!before) return before;
  json::object merged = before->document;
  ctim::MergePatch(merged, part);
  for (const std::string_view field : kOwnFields) merged.erase(field);
  // A disposition and its name go together: whichever was sent decides.
  if (part.contains("disposition") && !part.contains("disposition_name"))
    merged.erase("disposition_name");
  if (part.contains("disposition_name") && !part.contains("disposition"))
    merged.erase("disposition");
  Answered<Checked> checked = CheckNew(entity, std::move(merged), min_tlp);
  if (!checked) return Answered<intel::Record>(tl::unexpected(checked.error()));
  TRY(intel::Record completed, Complete(*checked, &*before));
  TRY(intel::Record after, Change(*before, std::move(completed)));
  return Answered<intel::Record>(std::move(after));
}

Result<void> Life::Remove(const intel::Record& record) {
  TRY_VOID(tables.Remove(record));
  if (events)
    tables.Add({.type = "event", .document = Event("record-deleted", record, asker, now)});
  return {};
}

}  // namespace mailreeve::response::intel_api
