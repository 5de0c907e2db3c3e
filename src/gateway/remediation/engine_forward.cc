// The forwards of a batch: one for each message, sent once whatever happens (docs/remediation.md).
#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "gateway/remediation/engine.h"
#include "gateway/remediation/letter.h"
#include "io/deadline.h"
#include "mail/content_digest.h"
#include "observable/observable.h"

#include <algorithm>
#include <map>

namespace mailreeve::gateway::remediation {

io::Task<Result<void>> Engine::SaveForward(const Run& run, const JournalForward& forward,
                                           std::string step) {
  CO_TRY_VOID(co_await journal_.SaveForward(run.batch.id, forward, clock_.Now(),
                                            {.mid = forward.state.mid,
                                             .name = std::move(step),
                                             .detail = json::Serialize(ToJson(forward.state))}));
  changed_.Notify();
  co_return Result<void>();
}

io::Task<Result<void>> Engine::EnsureForward(std::shared_ptr<Run> run, JournalForward* forward,
                                             const std::vector<JournalItem>* items) {
  ForwardState& state = forward->state;
  auto delay = options_.retry_delay;
  for (uint32_t tries = 0;;) {
    if (state.state == "sending") CO_TRY_VOID(co_await SettleForward(run, forward));
    if (state.state != "pending") co_return Result<void>();
    std::string failed;
    bool retry = true;
    Original original = co_await FindOriginal(items);
    if (!original.bytes) {
      failed = original.why + ": " + original.detail;
      retry = original.retry;
    } else if (HasField(*original.bytes, kLoopField)) {
      failed = "forward_loop: the message is itself a forward of Mailreeve";
      retry = false;
    } else {
      const PlanItem& planned = items->front().receipt.planned;
      auto letter = std::make_shared<ForwardLetter>();
      letter->message_id = state.message_id;
      letter->envelope_sender = options_.forward_sender;
      letter->from = "mailreeve@" + options_.gateway_name;
      letter->to = state.to;
      letter->batch_id = run->batch.id;
      letter->batch_name = run->batch.name;
      letter->mid = state.mid;
      letter->subject = planned.subject;
      letter->original_sender = planned.envelope_from;
      letter->asked_by = run->batch.caller.user_name;
      letter->date = FormatMailDate(clock_.Now());
      letter->original = std::move(*original.bytes);
      state.source = original.source;
      state.state = "sending";
      ++state.attempts;
      forward->intended = clock_.Now();
      CO_TRY_VOID(co_await SaveForward(*run, *forward, "forward_intended"));
      auto outcome_unknown = std::make_shared<bool>(false);
      auto sent = co_await io::WithDeadline(forwarder_.Send(letter, outcome_unknown),
                                            options_.forward_deadline, "forwarding");
      if (sent) {
        state.state = "accepted";
        state.queue_id = sent->queue_id;
        state.reply = sent->reply;
        state.server = sent->server;
        state.accepted = clock_.Now();
        state.evidence = "reply";
        CO_TRY_VOID(co_await SaveForward(*run, *forward, "forward_accepted"));
        co_return Result<void>();
      }
      failed = std::string(CodeName(sent.error().code)) + ": " + sent.error().ToString();
      retry = sent.error().code != Code::kDenied &&
              (sent.error().code != Code::kInvalid || *outcome_unknown);
      if (!*outcome_unknown) {
        state.state = "pending";
        forward->intended.reset();
      }
      state.why = failed;
      CO_TRY_VOID(co_await SaveForward(*run, *forward,
                                       *outcome_unknown ? "forward_unknown" : "forward_not_sent"));
      if (*outcome_unknown) {
        ++tries;
        continue;  // settles it first
      }
    }
    if (!retry || ++tries >= options_.attempts) {
      state.state = "failed";
      state.why = failed;
      CO_TRY_VOID(co_await SaveForward(*run, *forward, "forward_failed"));
      co_return Result<void>();
    }
    co_await io::Sleep(delay);
    delay *= 2;
  }
}

io::Task<Result<void>> Engine::SettleForward(std::shared_ptr<Run> run, JournalForward* forward) {
  ForwardState& state = forward->state;
  // The mail server may still be taking what it was sent before the connection or this program
  // ended.
  if (forward->intended) {
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Now() - *forward->intended);
    const auto wait = std::clamp<std::chrono::milliseconds>(
        options_.forward_settle - since, std::chrono::milliseconds(0), options_.forward_settle);
    if (wait.count() > 0) co_await io::Sleep(wait);
  }
  if (!options_.forwards_are_tracked) {
    state.state = "unknown";
    state.why = "forward_outcome_unknown: the answer was lost, and forwards are not tracked here";
    co_return co_await SaveForward(*run, *forward, "forward_unknown");
  }
  tracking::Query query;
  query.message_id =
      observable::CanonicalMessageId("<" + state.message_id + ">").value_or(state.message_id);
  query.limit = 10;
  CO_TRY(const tracking::Page page, co_await store_.Search(query));
  if (!page.coverage.complete) {
    co_return Fail(Code::kUnavailable,
                   "tracking cannot tell whether the forward passed: " + page.coverage.why);
  }
  for (const mail::MessageRecord& record : page.records) {
    const bool refused =
        std::any_of(record.events.begin(), record.events.end(), [](const mail::Event& event) {
          return event.kind == mail::EventKind::kRejected ||
                 event.kind == mail::EventKind::kTemporarilyRefused ||
                 event.kind == mail::EventKind::kDiscarded;
        });
    if (refused) continue;
    state.state = "accepted";
    state.queue_id = record.queue_id;
    state.reply = "seen by this gateway as MID " + std::to_string(record.mid);
    state.accepted = record.received;
    state.evidence = "tracking";
    state.why.clear();
    co_return co_await SaveForward(*run, *forward, "forward_found_in_tracking");
  }
  state.state = "pending";
  forward->intended.reset();
  co_return co_await SaveForward(*run, *forward, "forward_not_taken");
}

io::Task<Engine::Original> Engine::FindOriginal(const std::vector<JournalItem>* items) {
  Original out;
  out.why = "no_copy";
  out.detail = "no mailbox holds a copy any more";
  for (const JournalItem& item : *items) {
    const PlanItem& planned = item.receipt.planned;
    if (IsSettledByPlan(planned)) continue;
    const Slots::Slot slot = co_await slots_.Take();
    auto fetched =
        co_await io::WithDeadline(FetchOriginal(planned), options_.item_deadline, "the mailbox");
    if (!fetched) {
      const Failure failure = Classify(fetched.error());
      out.retry = out.retry || failure.retry;
      out.why = "no_copy_reachable";
      out.detail = fetched.error().ToString();
      continue;
    }
    if (!*fetched) continue;
    out.bytes = std::move(**fetched);
    out.source = planned.recipient;
    co_return out;
  }
  co_return out;
}

io::Task<Result<std::optional<std::string>>> Engine::FetchOriginal(PlanItem item) {
  CO_TRY(const auto mailbox, co_await mailboxes_.Open(item.recipient));
  CO_TRY(const mailbox::FindResult found, co_await mailbox->Find(IdentityOf(item)));
  std::optional<std::string> out;
  for (const auto& location : found.confirmed) {
    auto bytes = co_await mailbox->Fetch(location);
    if (!bytes) {
      if (bytes.error().code == Code::kNotFound || bytes.error().code == Code::kConflict) continue;
      co_return Fail(std::move(bytes.error()));
    }
    if (bytes->size() > options_.max_original_bytes) {
      co_return Fail(Code::kDenied, "the message is larger than what may be forwarded");
    }
    if (mail::ContentDigest(*bytes) != item.content_digest) continue;
    out = std::move(*bytes);
    break;
  }
  co_await mailbox->Close();
  co_return out;
}

}  // namespace mailreeve::gateway::remediation
