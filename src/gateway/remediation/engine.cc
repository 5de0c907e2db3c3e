#include "gateway/remediation/engine.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "gateway/remediation/letter.h"
#include "io/deadline.h"
#include "mail/content_digest.h"
#include "observable/observable.h"

#include <algorithm>
#include <map>

namespace mailreeve::gateway::remediation {
namespace {

// How often a message that its user moves about is followed in one attempt.
constexpr int kFollowRounds = 5;

json::object LocationJson(const mailbox::Location& location, const std::string& digest) {
  return {{"folder", location.folder}, {"uid_validity", location.uid_validity},
          {"uid", location.uid},       {"flags", location.flags},
          {"digest", digest},          {"internal_date", FormatTime(location.internal_date)}};
}

json::array& ArrayIn(json::object& object, std::string_view key) {
  json::value& value = object[key];
  if (!value.is_array()) value = json::array();
  return value.as_array();
}

bool Contains(const json::array& list, const mailbox::Location& location) {
  return std::any_of(list.begin(), list.end(), [&](const json::value& one) {
    if (!one.is_object()) return false;
    const json::object& object = one.as_object();
    const auto* folder = object.if_contains("folder");
    const auto* validity = object.if_contains("uid_validity");
    const auto* uid = object.if_contains("uid");
    const auto is = [](const json::value* value, uint32_t number) {
      return value != nullptr && value->is_number() && value->to_number<double>() == number;
    };
    return folder != nullptr && folder->is_string() && folder->as_string() == location.folder &&
           is(validity, location.uid_validity) && is(uid, location.uid);
  });
}

std::string BeforeColon(std::string_view text) {
  return std::string(text.substr(0, text.find(':')));
}

// A token whose end counts one down and wakes who waits for all of them, also when its task never
// started.
std::shared_ptr<void> MakeToken(std::shared_ptr<size_t> open, std::shared_ptr<io::Event> changed) {
  ++*open;
  return std::shared_ptr<void>(nullptr,
                               [open = std::move(open), changed = std::move(changed)](void*) {
                                 --*open;
                                 changed->Notify();
                               });
}

}  // namespace

io::Task<Slots::Slot> Slots::Take() {
  while (used_ >= limit_) co_await free_.Wait();
  co_return Slot(*this);
}

Failure Classify(const Error& error) {
  switch (error.code) {
    case Code::kUnauthenticated:
      return {.outcome = Outcome::kRefused, .why = "login_refused"};
    case Code::kNotFound:
      return {.outcome = Outcome::kRefused, .why = "no_such_mailbox"};
    case Code::kDenied:
      return {.outcome = Outcome::kRefused, .why = "denied_by_store"};
    case Code::kConflict:
      return {.retry = true, .outcome = Outcome::kRefused, .why = "uidvalidity_changed"};
    case Code::kTimeout:
      return {.retry = true, .outcome = Outcome::kUnreachable, .why = "timeout"};
    case Code::kInvalid:
    case Code::kLimited:
    case Code::kCorrupt:
      return {.retry = true, .outcome = Outcome::kUnreachable, .why = "nonsense"};
    case Code::kUnavailable:
    case Code::kCancelled:
      return {.retry = true, .outcome = Outcome::kUnreachable, .why = "not_reachable"};
    case Code::kInternal:
      break;
  }
  return {.outcome = Outcome::kRefused, .why = "internal"};
}

bool IsSettledByPlan(const PlanItem& item) {
  return item.state == MailState::kRefused &&
         (item.reason == "not_delivered" || item.reason == "digest_unknown" ||
          item.reason == "own_forward");
}

mailbox::MessageIdentity IdentityOf(const PlanItem& item) {
  return {.message_id = item.message_id,
          .content_digest = item.content_digest,
          .envelope_from = item.envelope_from,
          .recipient = item.recipient,
          .received = item.received};
}

std::string ForwardMessageId(std::string_view batch_id, mail::Mid mid,
                             std::string_view gateway_name) {
  const std::string digest = HexEncode(
      crypto::Sha256("mailreeve-forward-1\n" + std::string(batch_id) + "\n" + std::to_string(mid)));
  return "forward." + digest.substr(0, 40) + "@" + std::string(gateway_name);
}

struct Engine::ItemWork {
  std::shared_ptr<Run> run;
  JournalItem item;
  std::optional<JournalForward> forward;
  bool forward_accepted() const { return forward && forward->state.state == "accepted"; }
};

Engine::Engine(const Options& options, tracking::Store& store, mailbox::MailboxStore& mailboxes,
               Forwarder& forwarder, audit::Log& audit, const Clock& clock, io::Scope& scope,
               log::Logger& logger, Journal& journal)
    : options_(options),
      store_(store),
      mailboxes_(mailboxes),
      forwarder_(forwarder),
      audit_(audit),
      clock_(clock),
      scope_(scope),
      logger_(logger),
      journal_(journal),
      slots_(scope.executor(), std::max<size_t>(options.concurrency, 1)),
      changed_(scope.executor()),
      audit_pool_("remediation audit", 1, 1000) {}

void Engine::Start(std::string batch_id) {
  scope_.Spawn("remediation batch", RunBatch(std::move(batch_id)));
}

io::Task<Result<void>> Engine::Audit(audit::Entry entry) {
  co_return co_await audit_pool_.Run(
      [this, entry = std::move(entry)] { return audit_.Append(entry); });
}

io::Task<Result<mailbox::FindResult>> Engine::Look(mailbox::MessageIdentity identity) {
  CO_TRY(const auto mailbox, co_await mailboxes_.Open(identity.recipient));
  auto found = co_await mailbox->Find(identity);
  if (found) co_await mailbox->Close();
  co_return found;
}

bool Engine::IsDeliveryFolder(std::string_view folder) const {
  return std::find(options_.delivery_folders.begin(), options_.delivery_folders.end(), folder) !=
         options_.delivery_folders.end();
}

json::object Engine::Question(const mailbox::FindResult& found, const PlanItem& item) const {
  json::array folders, unreadable, copies, others;
  for (const std::string& folder : found.folders) folders.push_back(json::value(folder));
  for (const std::string& folder : found.folders_unreadable)
    unreadable.push_back(json::value(folder));
  for (const auto& location : found.confirmed)
    copies.push_back(LocationJson(location, item.content_digest));
  for (const auto& other : found.others) {
    others.push_back(json::object{{"folder", other.location.folder},
                                  {"uid_validity", other.location.uid_validity},
                                  {"uid", other.location.uid},
                                  {"why", other.why}});
  }
  return {{"time", FormatTime(clock_.Now())},
          {"server", found.server},
          {"asked", found.asked},
          {"folders", std::move(folders)},
          {"folders_searched", found.folders_searched},
          {"folders_unreadable", std::move(unreadable)},
          {"found", std::move(copies)},
          {"others", std::move(others)}};
}

io::Task<Result<void>> Engine::SaveItem(ItemWork& work, std::string step, json::value detail) {
  const PlanItem& planned = work.item.receipt.planned;
  CO_TRY_VOID(co_await journal_.SaveItem(work.run->batch.id, work.item, clock_.Now(),
                                         {.mid = planned.mid,
                                          .rid = planned.rid,
                                          .name = std::move(step),
                                          .detail = json::Serialize(detail)}));
  changed_.Notify();
  co_return Result<void>();
}

// ---- A batch
// -------------------------------------------------------------------------------------------------------

io::Task<void> Engine::RunBatch(std::string id) {
  while (true) {
    auto loaded = co_await journal_.LoadBatch(id);
    if (!loaded) {
      logger_.Error("remediation_journal_failed",
                    {{"batch", id}, {"error", loaded.error().ToString()}});
    } else if (std::all_of(loaded->items.begin(), loaded->items.end(), [](const JournalItem& item) {
                 return item.receipt.progress == Progress::kDone && item.events_recorded;
               })) {
      const auto finished = co_await Finish(*loaded);
      if (finished) break;
      logger_.Error("remediation_end_failed",
                    {{"batch", id}, {"error", finished.error().ToString()}});
    } else {
      auto run = std::make_shared<Run>();
      run->batch = loaded->batch;
      run->changed = std::make_shared<io::Event>(scope_.executor());
      (void)co_await journal_.SetBatchState(id, BatchState::kRunning, std::nullopt);
      std::map<mail::Mid, std::vector<JournalItem>> messages;
      for (JournalItem& item : loaded->items)
        messages[item.receipt.planned.mid].push_back(std::move(item));
      for (auto& [mid, items] : messages) {
        std::optional<JournalForward> forward;
        for (const JournalForward& one : loaded->forwards) {
          if (one.state.mid == mid) forward = one;
        }
        scope_.Spawn("remediation message", RunMessage(run, std::move(forward), std::move(items),
                                                       MakeToken(run->open, run->changed)));
      }
      while (*run->open > 0) co_await run->changed->Wait();
      changed_.Notify();
      auto after = co_await journal_.LoadBatch(id);
      if (after &&
          std::all_of(after->items.begin(), after->items.end(), [](const JournalItem& item) {
            return item.receipt.progress == Progress::kDone && item.events_recorded;
          })) {
        continue;
      }
    }
    // Something could not be written; what is not done is tried again.
    co_await io::Sleep(
        std::max<std::chrono::milliseconds>(options_.retry_delay, std::chrono::milliseconds(100)));
  }
  changed_.Notify();
}

io::Task<Result<void>> Engine::Finish(const JournalBatch& loaded) {
  size_t good = 0, bad = 0;
  std::map<std::string, int64_t> counts;
  for (const JournalItem& item : loaded.items) {
    const Outcome outcome = item.receipt.outcome;
    ++counts[std::string(OutcomeName(outcome))];
    (outcome == Outcome::kRefused || outcome == Outcome::kUnreachable ? bad : good) += 1;
  }
  const BatchState state = bad == 0    ? BatchState::kCompleted
                           : good == 0 ? BatchState::kFailed
                                       : BatchState::kCompletedWithErrors;
  json::object details{
      {"phase", "end"}, {"plan", loaded.batch.plan_hash}, {"state", BatchStateName(state)}};
  for (const auto& [name, count] : counts) details[name] = count;
  CO_TRY_VOID(co_await Audit(
      {.time = clock_.Now(),
       .actor = {.kind = "system", .id = options_.gateway_name, .name = "remediation"},
       .origin = {.address = "local",
                  .channel = loaded.batch.caller.org_id.empty() ? "admin-socket" : "device-channel",
                  .request_id = loaded.batch.caller.request_id},
       .action = "mail.remediate",
       .object = {.type = "remediation-batch", .id = loaded.batch.id},
       .result = bad == 0 ? "success" : "failure",
       .message =
           "Remediation ended: " + std::to_string(good) + " done, " + std::to_string(bad) + " not.",
       .details = std::move(details)}));
  CO_TRY_VOID(co_await journal_.SetBatchState(loaded.batch.id, state, clock_.Now()));
  logger_.Info("remediation_ended",
               {{"batch", loaded.batch.id}, {"done", good}, {"not_done", bad}});
  co_return Result<void>();
}

io::Task<void> Engine::RunMessage(std::shared_ptr<Run> run, std::optional<JournalForward> forward,
                                  std::vector<JournalItem> items, std::shared_ptr<void> token) {
  std::vector<mail::Event> started;
  bool open = false;
  for (const JournalItem& item : items) {
    if (item.receipt.progress == Progress::kDone) continue;
    open = true;
    const uint32_t rid = item.receipt.planned.rid;
    started.push_back(
        {.time = clock_.Now(),
         .kind = mail::EventKind::kRemediationStarted,
         .rid = rid,
         .detail = "batch " + run->batch.id + ": " + std::string(ActionName(run->batch.action)),
         .dedup_key = "remediation:" + run->batch.id + ":" + std::to_string(rid) + ":started"});
  }
  if (open) {
    const auto appended =
        co_await store_.AppendEvents(items.front().receipt.planned.mid, std::move(started));
    if (!appended && appended.error().code != Code::kNotFound) {
      logger_.Warn("remediation_tracking_failed",
                   {{"batch", run->batch.id}, {"error", appended.error().ToString()}});
      co_return;
    }
    if (forward) {
      const auto settled = co_await EnsureForward(run, &*forward, &items);
      if (!settled) {
        logger_.Error("remediation_forward_stopped",
                      {{"batch", run->batch.id}, {"error", settled.error().ToString()}});
        co_return;
      }
    }
  }
  for (JournalItem& item : items) {
    if (item.receipt.progress == Progress::kDone && item.events_recorded) continue;
    scope_.Spawn("remediation item",
                 RunItem(run, std::move(item), forward, MakeToken(run->open, run->changed)));
  }
  (void)token;
}

// ---- One recipient
// -------------------------------------------------------------------------------------------------

io::Task<void> Engine::RunItem(std::shared_ptr<Run> run, JournalItem item,
                               std::optional<JournalForward> forward, std::shared_ptr<void> token) {
  (void)token;
  auto work = std::make_shared<ItemWork>();
  work->run = std::move(run);
  work->item = std::move(item);
  work->forward = std::move(forward);
  Result<void> result;
  if (work->item.receipt.progress != Progress::kDone) result = co_await WorkOn(work);
  if (result) result = co_await RecordEvents(*work);
  if (!result) {
    logger_.Error("remediation_item_stopped", {{"batch", work->run->batch.id},
                                               {"mid", work->item.receipt.planned.mid},
                                               {"rid", work->item.receipt.planned.rid},
                                               {"error", result.error().ToString()}});
  }
}

io::Task<Result<void>> Engine::WorkOn(std::shared_ptr<ItemWork> work) {
  Receipt& receipt = work->item.receipt;
  Verdict verdict;
  if (IsSettledByPlan(receipt.planned)) {
    verdict = {Outcome::kRefused, receipt.planned.reason, receipt.planned.detail};
  }
  auto delay = options_.retry_delay;
  for (uint32_t tries = 0; verdict.outcome == Outcome::kNone;) {
    ++tries;
    ++receipt.attempts;
    receipt.progress = Progress::kInProgress;
    CO_TRY_VOID(co_await SaveItem(*work, "attempt"));
    Result<Verdict> attempt = Verdict();
    {
      const Slots::Slot slot = co_await slots_.Take();
      attempt = co_await io::WithDeadline(Attempt(work), options_.item_deadline, "the mailbox");
    }
    if (attempt) {
      verdict = std::move(*attempt);
      break;
    }
    const Failure failure = Classify(attempt.error());
    if (!failure.retry || tries >= options_.attempts) {
      verdict = {failure.outcome, failure.why, attempt.error().ToString()};
      break;
    }
    receipt.progress = Progress::kRetryWait;
    receipt.detail = attempt.error().ToString();
    CO_TRY_VOID(co_await SaveItem(*work, "retry_wait", json::value(receipt.detail)));
    co_await io::Sleep(delay);
    delay *= 2;
  }
  receipt.progress = Progress::kDone;
  receipt.outcome = verdict.outcome;
  receipt.why = std::move(verdict.why);
  receipt.detail = std::move(verdict.detail);
  receipt.ended = clock_.Now();
  co_return co_await SaveItem(*work, "done",
                              json::value(std::string(OutcomeName(receipt.outcome))));
}

io::Task<Result<Engine::Verdict>> Engine::Attempt(std::shared_ptr<ItemWork> work) {
  Receipt& receipt = work->item.receipt;
  const PlanItem& planned = receipt.planned;
  const mailbox::MessageIdentity identity = IdentityOf(planned);
  const Action action = work->run->batch.action;
  // A crash or a lost connection after a removal: what we had set out to remove and is gone, we
  // removed.
  const bool interrupted = receipt.evidence.contains("intended");

  for (int round = 0; round < kFollowRounds; ++round) {
    CO_TRY(const auto mailbox, co_await mailboxes_.Open(planned.recipient));
    CO_TRY(const mailbox::FindResult found, co_await mailbox->Find(identity));
    const bool intended = receipt.evidence.contains("intended");
    receipt.evidence[intended ? "after" : "before"] = Question(found, planned);

    if (found.confirmed.empty()) {
      co_await mailbox->Close();
      if (!found.folders_unreadable.empty()) {
        co_return Verdict{Outcome::kRefused, "folders_unreadable",
                          "not found, but not every folder could be searched: that proves nothing"};
      }
      if (intended) {
        const bool moved = receipt.evidence.contains("moved");
        std::string detail = moved ? "was moved by its user; followed, removed and verified"
                                   : "removed and verified";
        if (interrupted)
          detail += "; the removal had been interrupted before its answer was recorded";
        co_return Verdict{moved ? Outcome::kMovedFollowed : Outcome::kRemoved, "",
                          std::move(detail)};
      }
      if (!found.others.empty()) {
        co_return Verdict{
            Outcome::kRefused, BeforeColon(found.others.front().why),
            "a message with this Message-ID is there, but it is not the one that was delivered"};
      }
      // "Not found" alone is no proof: asked once more, in a session of its own.
      CO_TRY(const auto again, co_await Look(identity));
      receipt.evidence["after"] = Question(again, planned);
      if (!again.confirmed.empty()) continue;
      if (!again.folders_unreadable.empty() || !again.others.empty()) continue;
      co_return Verdict{Outcome::kAlreadyGone, "", "in no folder, asked twice; not removed by us"};
    }

    if (!Deletes(action) || (Forwards(action) && !work->forward_accepted())) {
      co_await mailbox->Close();
      if (work->forward_accepted()) {
        co_return Verdict{Outcome::kForwarded, "", "a copy was forwarded; the message stays"};
      }
      const std::string why = work->forward ? work->forward->state.why : "";
      co_return Verdict{Outcome::kRefused, "forward_not_accepted",
                        "not touched, because the forward was not accepted: " + why};
    }

    json::array intents = ArrayIn(receipt.evidence, "intended");
    bool in_delivery_folder = false, elsewhere = false;
    for (const auto& location : found.confirmed) {
      in_delivery_folder = in_delivery_folder || IsDeliveryFolder(location.folder);
      if (Contains(intents, location)) continue;
      // A place that was not among those of the first look: it moved while we worked.
      elsewhere = elsewhere || intended;
      intents.push_back(LocationJson(location, planned.content_digest));
    }
    receipt.evidence["intended"] = std::move(intents);
    if ((!intended && !in_delivery_folder) || elsewhere) receipt.evidence["moved"] = true;
    CO_TRY_VOID(co_await SaveItem(*work, "remove_intended", receipt.evidence["intended"]));
    for (const auto& location : found.confirmed) {
      CO_TRY_VOID(co_await mailbox->Remove(location));
      json::object removed = LocationJson(location, planned.content_digest);
      removed["time"] = FormatTime(clock_.Now());
      ArrayIn(receipt.evidence, "removed").push_back(std::move(removed));
    }
    CO_TRY_VOID(co_await SaveItem(*work, "removed"));
    co_await mailbox->Close();
    // The next round asks all folders again in a fresh session: the verification, or the start of
    // following it.
  }
  co_return Verdict{Outcome::kRefused, "still_there",
                    "removed several times and found again each time"};
}

io::Task<Result<void>> Engine::RecordEvents(ItemWork& work) {
  const Receipt& receipt = work.item.receipt;
  const std::string& batch = work.run->batch.id;
  const uint32_t rid = receipt.planned.rid;
  std::vector<mail::Event> events;
  const auto add = [&](mail::EventKind kind, std::string_view name, std::string detail) {
    events.push_back(
        {.time = clock_.Now(),
         .kind = kind,
         .rid = rid,
         .detail = "batch " + batch + ": " + std::string(CutUtf8(ToValidUtf8(detail), 500)),
         .dedup_key =
             "remediation:" + batch + ":" + std::to_string(rid) + ":" + std::string(name)});
  };
  if (work.forward_accepted()) {
    add(mail::EventKind::kForwarded, "forwarded",
        "to " + work.forward->state.to + ": " + work.forward->state.reply);
    events.back().queue_id = work.forward->state.queue_id;
  }
  const std::string detail =
      receipt.why.empty() ? receipt.detail : receipt.why + ": " + receipt.detail;
  switch (receipt.outcome) {
    case Outcome::kRemoved:
      add(mail::EventKind::kRemoved, "outcome", detail);
      break;
    case Outcome::kAlreadyGone:
      add(mail::EventKind::kAlreadyGone, "outcome", detail);
      break;
    case Outcome::kMovedFollowed:
      add(mail::EventKind::kMovedFollowed, "outcome", detail);
      break;
    case Outcome::kRefused:
      add(mail::EventKind::kRemediationRefused, "outcome", detail);
      break;
    case Outcome::kUnreachable:
      add(mail::EventKind::kRemediationUnreachable, "outcome", detail);
      break;
    case Outcome::kForwarded:
    case Outcome::kNone:
      break;
  }
  if (!events.empty()) {
    const auto appended = co_await store_.AppendEvents(receipt.planned.mid, std::move(events));
    // Retention may have dropped the message meanwhile; the receipt stays.
    if (!appended && appended.error().code != Code::kNotFound)
      co_return Fail(Error(appended.error()));
  }
  work.item.events_recorded = true;
  co_return co_await SaveItem(work, "events_recorded");
}

}  // namespace mailreeve::gateway::remediation
