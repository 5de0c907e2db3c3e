#include "gateway/remediation/plan.h"

#include "base/bytes.h"
#include "crypto/hash.h"

#include <array>
#include <map>
#include <set>

namespace mailreeve::gateway::remediation {
namespace {

constexpr std::array<std::string_view, 3> kActions = {"delete", "forward", "forward_and_delete"};
constexpr std::array<std::string_view, 5> kStates = {"present", "moved", "gone", "unreachable",
                                                     "refused"};
constexpr std::array<std::string_view, 7> kOutcomes = {
    "", "removed", "already_gone", "moved_followed", "refused", "unreachable", "forwarded"};
constexpr std::array<std::string_view, 4> kProgress = {"queued", "in_progress", "retry_wait",
                                                       "done"};
constexpr std::array<std::string_view, 5> kBatchStates = {"pending", "running", "completed",
                                                          "completed_with_errors", "failed"};

json::object CallerJson(const relay::Caller& caller) {
  return {{"user_id", caller.user_id},
          {"user_name", caller.user_name},
          {"client_id", caller.client_id},
          {"org_id", caller.org_id},
          {"request_id", caller.request_id}};
}

json::value TimeOrNull(const std::optional<Time>& time) {
  return time ? json::value(FormatTime(*time)) : json::value(nullptr);
}

json::object LocationJson(const mailbox::Location& location) {
  return {{"folder", location.folder},
          {"uid_validity", location.uid_validity},
          {"uid", location.uid},
          {"flags", location.flags},
          {"internal_date", FormatTime(location.internal_date)}};
}

}  // namespace

std::string_view ActionName(Action action) { return kActions.at(static_cast<size_t>(action)); }

Result<Action> ParseAction(std::string_view name) {
  for (size_t i = 0; i < kActions.size(); ++i) {
    if (kActions[i] == name) return static_cast<Action>(i);
  }
  return Fail(Code::kInvalid, "action: must be delete, forward or forward_and_delete");
}

std::string_view MailStateName(MailState state) { return kStates.at(static_cast<size_t>(state)); }
std::string_view OutcomeName(Outcome outcome) { return kOutcomes.at(static_cast<size_t>(outcome)); }
std::string_view ProgressName(Progress progress) {
  return kProgress.at(static_cast<size_t>(progress));
}
std::string_view BatchStateName(BatchState state) {
  return kBatchStates.at(static_cast<size_t>(state));
}

std::string PlanHash(const Plan& plan) {
  json::array items;
  for (const PlanItem& item : plan.items) {
    json::array copies;
    for (const auto& copy : item.copies)
      copies.push_back(json::array{copy.folder, copy.uid_validity, copy.uid});
    items.push_back(json::array{item.mid, item.rid, item.recipient, item.message_id,
                                item.content_digest, MailStateName(item.state), item.reason,
                                std::move(copies)});
  }
  const json::array whole{"mailreeve-plan-1", ActionName(plan.action), std::move(items)};
  return HexEncode(crypto::Sha256(json::Serialize(whole)));
}

json::object ToJson(const PlanItem& item) {
  json::array copies;
  for (const auto& copy : item.copies) copies.push_back(LocationJson(copy));
  return {{"mid", item.mid},
          {"rid", item.rid},
          {"recipient", item.recipient},
          {"message_id", item.message_id},
          {"subject", item.subject},
          {"envelope_from", item.envelope_from},
          {"content_digest", item.content_digest},
          {"received", FormatTime(item.received)},
          {"state", MailStateName(item.state)},
          {"copies", std::move(copies)},
          {"unread", item.unread},
          {"answered", item.answered},
          {"flagged", item.flagged},
          {"reason", item.reason},
          {"detail", item.detail},
          {"folders_searched", item.folders_searched},
          {"others_seen", item.others_seen}};
}

Result<PlanItem> PlanItemFromJson(const json::value& from) {
  const auto corrupt = [](Error error) {
    return Fail(Error(Code::kCorrupt, "remediation journal: " + error.message));
  };
  const auto read = [&]() -> Result<PlanItem> {
    TRY(const json::object* object, json::AsObject(from, ""));
    PlanItem item;
    TRY(const int64_t mid, json::RequireInteger(*object, "mid"));
    TRY(const int64_t rid, json::RequireInteger(*object, "rid"));
    item.mid = static_cast<mail::Mid>(mid);
    item.rid = static_cast<uint32_t>(rid);
    TRY(item.recipient, json::RequireString(*object, "recipient"));
    TRY(item.message_id, json::RequireString(*object, "message_id"));
    TRY(item.subject, json::RequireString(*object, "subject"));
    TRY(item.envelope_from, json::RequireString(*object, "envelope_from"));
    TRY(item.content_digest, json::RequireString(*object, "content_digest"));
    TRY(const std::string received, json::RequireString(*object, "received"));
    TRY(item.received, ParseTime(received));
    TRY(const std::string state, json::RequireString(*object, "state"));
    size_t at = 0;
    while (at < kStates.size() && kStates[at] != state) ++at;
    if (at == kStates.size()) return Fail(Code::kInvalid, "unknown state");
    item.state = static_cast<MailState>(at);
    if (const json::value* copies = object->if_contains("copies"); copies != nullptr) {
      TRY(const json::array* list, json::AsArray(*copies, "copies"));
      for (const json::value& copy : *list) {
        TRY(const json::object* fields, json::AsObject(copy, "copies[]"));
        mailbox::Location location;
        TRY(location.folder, json::RequireString(*fields, "folder"));
        TRY(const int64_t validity, json::RequireInteger(*fields, "uid_validity"));
        TRY(const int64_t uid, json::RequireInteger(*fields, "uid"));
        location.uid_validity = static_cast<uint32_t>(validity);
        location.uid = static_cast<uint32_t>(uid);
        TRY(location.flags, json::RequireString(*fields, "flags"));
        TRY(const std::string date, json::RequireString(*fields, "internal_date"));
        TRY(location.internal_date, ParseTime(date));
        item.copies.push_back(std::move(location));
      }
    }
    TRY(item.unread, json::OptionalBool(*object, "unread", false));
    TRY(item.answered, json::OptionalBool(*object, "answered", false));
    TRY(item.flagged, json::OptionalBool(*object, "flagged", false));
    TRY(item.reason, json::OptionalString(*object, "reason", ""));
    TRY(item.detail, json::OptionalString(*object, "detail", ""));
    TRY(const int64_t searched, json::OptionalInteger(*object, "folders_searched", 0));
    TRY(const int64_t others, json::OptionalInteger(*object, "others_seen", 0));
    item.folders_searched = static_cast<size_t>(searched);
    item.others_seen = static_cast<size_t>(others);
    return item;
  };
  auto item = read();
  if (!item) return corrupt(std::move(item.error()));
  return item;
}

json::object ToJson(const Plan& plan) {
  std::map<std::string_view, size_t> states;
  for (const auto name : kStates) states[name] = 0;
  size_t unread = 0, answered = 0, flagged = 0;
  json::array items;
  for (const PlanItem& item : plan.items) {
    ++states[MailStateName(item.state)];
    unread += item.unread;
    answered += item.answered;
    flagged += item.flagged;
    items.push_back(ToJson(item));
  }
  json::object counts;
  for (const auto& [name, count] : states) counts[name] = count;
  counts["unread"] = unread;
  counts["answered"] = answered;
  counts["flagged"] = flagged;
  json::array missing;
  for (const std::string& what : plan.missing) missing.push_back(json::value(what));
  return {{"id", plan.id},
          {"hash", plan.hash},
          {"action", ActionName(plan.action)},
          {"created", FormatTime(plan.created)},
          {"expires", FormatTime(plan.expires)},
          {"mailboxes", plan.mailboxes},
          {"messages", plan.messages},
          {"counts", std::move(counts)},
          {"forward", {{"needed", plan.forward_needed}, {"address", plan.forward_address}}},
          {"missing", std::move(missing)},
          {"items", std::move(items)},
          {"caller", CallerJson(plan.caller)}};
}

json::object ToJson(const Receipt& receipt) {
  json::object evidence = receipt.evidence;
  return {{"mid", receipt.planned.mid},
          {"rid", receipt.planned.rid},
          {"recipient", receipt.planned.recipient},
          {"message_id", receipt.planned.message_id},
          {"subject", receipt.planned.subject},
          {"planned_state", MailStateName(receipt.planned.state)},
          {"progress", ProgressName(receipt.progress)},
          {"result", OutcomeName(receipt.outcome)},
          {"why", receipt.why},
          {"detail", receipt.detail},
          {"attempts", receipt.attempts},
          {"forwarded", receipt.forwarded},
          {"ended", TimeOrNull(receipt.ended)},
          {"evidence", std::move(evidence)}};
}

json::object ToJson(const ForwardState& forward) {
  return {{"mid", forward.mid},
          {"state", forward.state},
          {"message_id", forward.message_id},
          {"to", forward.to},
          {"source", forward.source},
          {"queue_id", forward.queue_id},
          {"reply", forward.reply},
          {"server", forward.server},
          {"why", forward.why},
          {"attempts", forward.attempts},
          {"accepted", TimeOrNull(forward.accepted)},
          {"evidence", forward.evidence}};
}

json::object ToJson(const Batch& batch) {
  json::object out{{"id", batch.id},
                   {"plan_id", batch.plan_id},
                   {"plan_hash", batch.plan_hash},
                   {"idempotency_key", batch.idempotency_key},
                   {"name", batch.name},
                   {"action", ActionName(batch.action)},
                   {"state", BatchStateName(batch.state)},
                   {"forward_to", batch.forward_to},
                   {"caller", CallerJson(batch.caller)},
                   {"created", FormatTime(batch.created)},
                   {"ended", TimeOrNull(batch.ended)},
                   {"total", batch.total},
                   {"done", batch.done}};
  if (!batch.receipts.empty()) {
    json::object counts;
    for (size_t i = 1; i < kOutcomes.size(); ++i) counts[kOutcomes[i]] = 0;
    std::map<std::string_view, uint64_t> by_outcome;
    json::array receipts;
    for (const Receipt& receipt : batch.receipts) {
      if (receipt.outcome != Outcome::kNone) ++by_outcome[OutcomeName(receipt.outcome)];
      receipts.push_back(ToJson(receipt));
    }
    for (const auto& [name, count] : by_outcome) counts[name] = count;
    out["counts"] = std::move(counts);
    out["receipts"] = std::move(receipts);
  }
  if (!batch.forwards.empty()) {
    json::array forwards;
    for (const ForwardState& forward : batch.forwards) forwards.push_back(ToJson(forward));
    out["forwards"] = std::move(forwards);
  }
  return out;
}

}  // namespace mailreeve::gateway::remediation
