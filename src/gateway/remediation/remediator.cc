#include "gateway/remediation/remediator.h"

#include "base/random.h"
#include "base/text.h"
#include "gateway/remediation/engine.h"
#include "gateway/remediation/letter.h"
#include "io/deadline.h"

#include <algorithm>
#include <set>

namespace mailreeve::gateway::remediation {
namespace {

constexpr size_t kLongestKey = 200;
constexpr size_t kLongestName = 200;

bool HasFlag(const mailbox::Location& location, std::string_view flag) {
  for (const std::string_view word : Split(location.flags, ' ')) {
    if (AsciiEqualFold(word, flag)) return true;
  }
  return false;
}

bool WasDelivered(const mail::MessageRecord& record, uint32_t rid) {
  return std::any_of(record.events.begin(), record.events.end(), [&](const mail::Event& event) {
    return event.kind == mail::EventKind::kDelivered && (!event.rid || *event.rid == rid);
  });
}

struct PlanRun {
  explicit PlanRun(const io::Executor& executor) : changed(executor) {}
  std::vector<PlanItem> items;
  size_t open = 0;
  io::Event changed;
};

audit::Entry::Actor ActorOf(const relay::Caller& caller) {
  if (!caller.user_id.empty())
    return {.kind = "user", .id = caller.user_id, .name = caller.user_name};
  if (!caller.client_id.empty())
    return {.kind = "client", .id = caller.client_id, .name = caller.user_name};
  return {.kind = "system", .id = "", .name = caller.user_name};
}

Batch WithReceipts(JournalBatch loaded) {
  Batch out = std::move(loaded.batch);
  for (JournalForward& forward : loaded.forwards) out.forwards.push_back(std::move(forward.state));
  for (JournalItem& item : loaded.items) {
    Receipt receipt = std::move(item.receipt);
    receipt.forwarded =
        std::any_of(out.forwards.begin(), out.forwards.end(), [&](const ForwardState& forward) {
          return forward.mid == receipt.planned.mid && forward.state == "accepted";
        });
    out.receipts.push_back(std::move(receipt));
  }
  return out;
}

}  // namespace

Options FromSettings(const settings::Snapshot& snapshot) {
  using std::chrono::milliseconds;
  Options out;
  out.forward_address = snapshot.Text("remediation.forward_address");
  out.forward_sender = snapshot.Text("remediation.forward_sender");
  out.concurrency = static_cast<size_t>(snapshot.Integer("remediation.concurrency"));
  out.attempts = static_cast<uint32_t>(snapshot.Integer("remediation.attempts"));
  out.retry_delay = milliseconds(snapshot.Integer("remediation.retry_delay"));
  out.item_deadline = milliseconds(snapshot.Integer("remediation.item_deadline"));
  out.plan_deadline = milliseconds(snapshot.Integer("remediation.plan_deadline"));
  out.plan_lifetime = std::chrono::seconds(snapshot.Integer("remediation.plan_lifetime"));
  out.max_messages = static_cast<size_t>(snapshot.Integer("remediation.max_messages"));
  out.history = std::chrono::hours(24 * snapshot.Integer("remediation.history"));
  out.forwards_are_tracked = snapshot.Bool("remediation.forwards_are_tracked");
  out.delivery_folders = snapshot.TextList("remediation.delivery_folders");
  return out;
}

struct Remediator::Impl {
  Impl(Options o, tracking::Store& s, mailbox::MailboxStore& mailboxes, Forwarder& forwarder,
       audit::Log& audit, const Clock& c, io::Scope& sc, log::Logger& l, std::unique_ptr<Journal> j)
      : options(std::move(o)),
        store(s),
        clock(c),
        scope(sc),
        logger(l),
        journal(std::move(j)),
        engine(options, s, mailboxes, forwarder, audit, c, sc, l, *journal) {}

  io::Task<void> Probe(std::shared_ptr<PlanRun> run, size_t index, std::shared_ptr<void> token) {
    (void)token;
    const mailbox::MessageIdentity identity = IdentityOf(run->items[index]);
    Result<mailbox::FindResult> found = mailbox::FindResult();
    {
      const Slots::Slot slot = co_await engine.slots().Take();
      found =
          co_await io::WithDeadline(engine.Look(identity), options.plan_deadline, "the mailbox");
    }
    PlanItem& item = run->items[index];
    if (!found) {
      const Failure failure = Classify(found.error());
      item.state =
          failure.outcome == Outcome::kUnreachable ? MailState::kUnreachable : MailState::kRefused;
      item.reason = failure.why;
      item.detail = found.error().ToString();
      co_return;
    }
    item.folders_searched = found->folders_searched;
    item.others_seen = found->others.size();
    item.copies = found->confirmed;
    if (found->confirmed.empty()) {
      item.state = MailState::kGone;
      if (!found->folders_unreadable.empty()) {
        item.state = MailState::kRefused;
        item.reason = "folders_unreadable";
        item.detail = "not found, but not every folder could be searched";
      } else if (!found->others.empty()) {
        item.state = MailState::kRefused;
        const std::string& why = found->others.front().why;
        item.reason = why.substr(0, why.find(':'));
        item.detail =
            "a message with this Message-ID is there, but it is not the one that was delivered";
      }
      co_return;
    }
    item.state = MailState::kMoved;
    item.unread = true;
    for (const auto& copy : found->confirmed) {
      const auto& folders = options.delivery_folders;
      if (std::find(folders.begin(), folders.end(), copy.folder) != folders.end())
        item.state = MailState::kPresent;
      if (HasFlag(copy, "\\Seen")) item.unread = false;
      item.answered = item.answered || HasFlag(copy, "\\Answered");
      item.flagged = item.flagged || HasFlag(copy, "\\Flagged");
    }
  }

  const Options options;
  tracking::Store& store;
  const Clock& clock;
  io::Scope& scope;
  log::Logger& logger;
  std::unique_ptr<Journal> journal;
  Engine engine;
};

Remediator::Remediator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Remediator::~Remediator() = default;

Result<std::unique_ptr<Remediator>> Remediator::Open(Options options, tracking::Store& store,
                                                     mailbox::MailboxStore& mailboxes,
                                                     Forwarder& forwarder, audit::Log& audit,
                                                     const Clock& clock, io::Scope& scope,
                                                     log::Logger& logger) {
  TRY(auto journal, Journal::Open(options.journal_path));
  return std::unique_ptr<Remediator>(
      new Remediator(std::make_unique<Impl>(std::move(options), store, mailboxes, forwarder, audit,
                                            clock, scope, logger, std::move(journal))));
}

io::Task<Result<size_t>> Remediator::Resume() {
  Impl& i = *impl_;
  const Time now = i.clock.Now();
  CO_TRY_VOID(co_await i.journal->Prune(now - std::chrono::hours(24), now - i.options.history));
  CO_TRY(const std::vector<std::string> open, co_await i.journal->OpenBatches());
  for (const std::string& id : open) {
    i.logger.Info("remediation_resumed", {{"batch", id}});
    i.engine.Start(id);
  }
  co_return open.size();
}

io::Task<Result<Plan>> Remediator::MakePlan(Action action, std::vector<mail::Mid> mids,
                                            relay::Caller caller) {
  Impl& i = *impl_;
  std::vector<mail::Mid> unique;
  std::set<mail::Mid> seen;
  for (const mail::Mid mid : mids) {
    if (seen.insert(mid).second) unique.push_back(mid);
  }
  if (unique.empty()) co_return Fail(Code::kInvalid, "a plan needs at least one MID");
  if (unique.size() > i.options.max_messages) {
    co_return Fail(Code::kInvalid,
                   "a plan takes at most " + std::to_string(i.options.max_messages) + " messages");
  }
  auto run = std::make_shared<PlanRun>(i.scope.executor());
  for (const mail::Mid mid : unique) {
    auto record = co_await i.store.Get(mid);
    if (!record) co_return Fail(std::move(record.error()).Note("MID " + std::to_string(mid)));
    CO_TRY(const std::optional<std::string> forwarded_to,
           co_await i.journal->ForwardRecipient(record->inspection.message_id));
    for (const mail::Recipient& recipient : record->recipients) {
      if (run->items.size() >= i.options.max_items) {
        co_return Fail(Code::kInvalid, "the plan would hold more than " +
                                           std::to_string(i.options.max_items) + " mailboxes");
      }
      PlanItem item{.mid = mid,
                    .rid = recipient.rid,
                    .recipient = recipient.address,
                    .message_id = record->inspection.message_id,
                    .subject = record->inspection.subject,
                    .envelope_from = record->envelope_from,
                    .content_digest = record->inspection.content_digest,
                    .received = record->received};
      if (forwarded_to && AsciiEqualFold(*forwarded_to, recipient.address)) {
        item.state = MailState::kRefused;
        item.reason = "own_forward";
        item.detail = "this is the copy that remediation forwarded for examination; it is kept";
      } else if (!WasDelivered(*record, recipient.rid)) {
        item.state = MailState::kRefused;
        item.reason = "not_delivered";
        item.detail = "this gateway has not seen it delivered to this recipient (" +
                      mail::StatusOf(*record, recipient.rid) + ")";
      } else if (item.content_digest.empty()) {
        item.state = MailState::kRefused;
        item.reason = "digest_unknown";
        item.detail =
            "its content was not digested when it came in, so it cannot be told from others";
      }
      run->items.push_back(std::move(item));
    }
  }
  for (size_t index = 0; index < run->items.size(); ++index) {
    if (run->items[index].state == MailState::kRefused) continue;
    ++run->open;
    // Counts down when the task ends, and when it never starts.
    std::shared_ptr<void> token(nullptr, [run](void*) {
      --run->open;
      run->changed.Notify();
    });
    i.scope.Spawn("remediation plan", i.Probe(run, index, std::move(token)));
  }
  while (run->open > 0) co_await run->changed.Wait();

  Plan plan;
  plan.id = RandomUuid();
  plan.action = action;
  plan.created = i.clock.Now();
  plan.expires = plan.created + i.options.plan_lifetime;
  plan.caller = std::move(caller);
  plan.items = run->items;
  plan.forward_address = i.options.forward_address;
  plan.hash = PlanHash(plan);
  CO_TRY_VOID(co_await i.journal->SavePlan(plan));
  co_return co_await GetPlan(plan.id);
}

io::Task<Result<Plan>> Remediator::GetPlan(std::string plan_id) {
  CO_TRY(Plan plan, co_await impl_->journal->LoadPlan(std::move(plan_id)));
  std::set<std::string> mailboxes;
  std::set<mail::Mid> messages;
  for (const PlanItem& item : plan.items) {
    if (item.state == MailState::kRefused || item.state == MailState::kGone) continue;
    mailboxes.insert(item.recipient);
    messages.insert(item.mid);
  }
  plan.mailboxes = mailboxes.size();
  plan.messages = messages.size();
  plan.forward_needed = Forwards(plan.action);
  if (plan.forward_needed && plan.forward_address.empty())
    plan.missing.push_back("forward_address");
  co_return plan;
}

io::Task<Result<std::string>> Remediator::Execute(std::string plan_id, std::string plan_hash,
                                                  std::string idempotency_key,
                                                  std::string forward_to, std::string name,
                                                  relay::Caller caller) {
  Impl& i = *impl_;
  if (idempotency_key.empty() || idempotency_key.size() > kLongestKey) {
    co_return Fail(Code::kInvalid,
                   "idempotency_key: must have 1 to " + std::to_string(kLongestKey) + " bytes");
  }
  if (name.size() > kLongestName || !IsValidUtf8(name)) {
    co_return Fail(Code::kInvalid,
                   "name: must be UTF-8 of at most " + std::to_string(kLongestName) + " bytes");
  }
  CO_TRY(const std::optional<Batch> known, co_await i.journal->FindByKey(idempotency_key));
  if (known) {
    if (known->plan_id != plan_id || known->plan_hash != plan_hash) {
      co_return Fail(Code::kConflict, "the idempotency key was used for another plan");
    }
    co_return known->id;
  }
  CO_TRY(const Plan plan, co_await GetPlan(plan_id));
  if (plan.hash != plan_hash || PlanHash(plan) != plan_hash) {
    co_return Fail(Code::kConflict,
                   "the plan hash is not that of the plan; make a new plan and look at it");
  }
  if (i.clock.Now() > plan.expires) {
    co_return Fail(Code::kConflict,
                   "the plan expired at " + FormatTime(plan.expires) + "; make a new one");
  }
  Batch batch;
  batch.id = RandomUuid();
  std::vector<ForwardState> forwards;
  if (Forwards(plan.action)) {
    if (forward_to.empty()) forward_to = plan.forward_address;
    if (forward_to.empty()) {
      co_return Fail(Code::kInvalid,
                     "forward_to: must be given, since no forward address is set on the gateway");
    }
    if (!IsPlainAddress(forward_to))
      co_return Fail(Code::kInvalid, "forward_to: must be a plain e-mail address");
    std::set<mail::Mid> messages;
    for (const PlanItem& item : plan.items) {
      if (item.reason == "own_forward") continue;
      if (AsciiEqualFold(item.recipient, forward_to)) {
        co_return Fail(
            Code::kInvalid,
            "forward_to: is a recipient of the campaign itself; the copy would come back");
      }
      // A forward that nobody's copy can feed is not begun.
      if (item.state != MailState::kRefused || item.reason != "not_delivered")
        messages.insert(item.mid);
    }
    for (const mail::Mid mid : messages) {
      ForwardState forward;
      forward.mid = mid;
      forward.state = "pending";
      forward.to = forward_to;
      forward.message_id = ForwardMessageId(batch.id, mid, i.options.gateway_name);
      forwards.push_back(std::move(forward));
    }
  } else {
    forward_to.clear();
  }
  batch.plan_id = plan.id;
  batch.plan_hash = plan.hash;
  batch.idempotency_key = idempotency_key;
  batch.name = name;
  batch.action = plan.action;
  batch.forward_to = forward_to;
  batch.caller = caller;
  batch.created = i.clock.Now();
  CO_TRY_VOID(co_await i.engine.Audit(
      {.time = i.clock.Now(),
       .actor = ActorOf(caller),
       .origin = {.address = "local",
                  .channel = caller.org_id.empty() ? "admin-socket" : "device-channel",
                  .request_id = caller.request_id},
       .action = "mail.remediate",
       .object = {.type = "remediation-batch", .id = batch.id},
       .result = "success",
       .message = "Remediation begun: " + std::string(ActionName(plan.action)) + " of " +
                  std::to_string(plan.messages) + " messages in " + std::to_string(plan.mailboxes) +
                  " mailboxes.",
       .details = {{"phase", "start"},
                   {"plan", plan.hash},
                   {"action", ActionName(plan.action)},
                   {"name", name},
                   {"forward_to", forward_to},
                   {"mailboxes", plan.mailboxes},
                   {"messages", plan.messages}}}));
  CO_TRY(const std::string id, co_await i.journal->Begin(batch, plan.items, forwards));
  // Another call with the same key may have been quicker.
  if (id == batch.id) i.engine.Start(id);
  co_return id;
}

io::Task<Result<Batch>> Remediator::GetBatch(std::string batch_id) {
  CO_TRY(JournalBatch loaded, co_await impl_->journal->LoadBatch(std::move(batch_id)));
  co_return WithReceipts(std::move(loaded));
}

io::Task<Result<Batch>> Remediator::WaitBatch(std::string batch_id,
                                              std::chrono::milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (true) {
    CO_TRY(Batch batch, co_await GetBatch(batch_id));
    const auto left = until - std::chrono::steady_clock::now();
    if (batch.finished() || left <= std::chrono::steady_clock::duration::zero()) co_return batch;
    // Also looks by itself now and then: what changes while the journal is read wakes nobody.
    co_await impl_->engine.changed().WaitFor(
        std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(500)));
  }
}

io::Task<Result<std::vector<Batch>>> Remediator::ListBatches(size_t limit) {
  co_return co_await impl_->journal->List(std::min<size_t>(limit, 1000), std::nullopt);
}

io::Task<Result<std::vector<Batch>>> Remediator::BatchesOf(mail::Mid mid) {
  co_return co_await impl_->journal->List(1000, mid);
}

}  // namespace mailreeve::gateway::remediation
