#pragma once

#include "audit/audit.h"
#include "gateway/remediation/forwarder.h"
#include "gateway/remediation/journal.h"
#include "gateway/remediation/remediator.h"
#include "gateway/tracking/store.h"
#include "io/event.h"
#include "io/scope.h"
#include "mailbox/mailbox.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Carries batches out. A batch is run in passes over what is not done yet, and every step reads its
// place from the journal, so that a pass may be cut off anywhere and the next one goes on
// (docs/remediation.md).
//
// Threads: the scope's executor. Ownership: everything passed outlives it.
namespace mailreeve::gateway::remediation {

// Bounds how many mailboxes are open at once. A Slot gives its place back when it goes.
class Slots {
 public:
  Slots(const io::Executor& executor, size_t limit) : free_(executor), limit_(limit) {}

  class Slot {
   public:
    explicit Slot(Slots& slots) : slots_(&slots) { ++slots_->used_; }
    Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (slots_ == nullptr) return;
      --slots_->used_;
      slots_->free_.Notify();
    }

   private:
    Slots* slots_;
  };

  io::Task<Slot> Take();

 private:
  io::Event free_;
  size_t limit_;
  size_t used_ = 0;
};

// What an error of a mailbox means for the recipient's result.
struct Failure {
  bool retry = false;
  Outcome outcome = Outcome::kRefused;
  std::string why;
};
Failure Classify(const Error& error);

mailbox::MessageIdentity IdentityOf(const PlanItem& item);
// Refused for what tracking says: no mailbox is asked about it.
bool IsSettledByPlan(const PlanItem& item);
// Deterministic: the same batch and message give the same forward.
std::string ForwardMessageId(std::string_view batch_id, mail::Mid mid,
                             std::string_view gateway_name);

// Carries out batches: items in engine.cc, forwards in engine_forward.cc.
class Engine {
 public:
  Engine(const Options& options, tracking::Store& store, mailbox::MailboxStore& mailboxes,
         Forwarder& forwarder, audit::Log& audit, const Clock& clock, io::Scope& scope,
         log::Logger& logger, Journal& journal);

  // Runs the batch in the background until it has ended.
  void Start(std::string batch_id);
  // One mailbox asked, and closed.
  io::Task<Result<mailbox::FindResult>> Look(mailbox::MessageIdentity identity);
  io::Task<Result<void>> Audit(audit::Entry entry);

  Slots& slots() { return slots_; }
  // Notified whenever an item or batch moved on.
  io::Event& changed() { return changed_; }

 private:
  struct Run {    // one pass over a batch
    Batch batch;  // without receipts
    std::shared_ptr<size_t> open = std::make_shared<size_t>(0);
    std::shared_ptr<io::Event> changed;
  };
  struct ItemWork;  // one recipient in it
  struct Verdict {
    Outcome outcome = Outcome::kNone;
    std::string why, detail;
  };
  struct Original {
    std::optional<std::string> bytes;
    std::string source, why, detail;
    bool retry = false;
  };

  io::Task<void> RunBatch(std::string id);
  io::Task<void> RunMessage(std::shared_ptr<Run> run, std::optional<JournalForward> forward,
                            std::vector<JournalItem> items, std::shared_ptr<void> token);
  io::Task<void> RunItem(std::shared_ptr<Run> run, JournalItem item,
                         std::optional<JournalForward> forward, std::shared_ptr<void> token);
  io::Task<Result<void>> WorkOn(std::shared_ptr<ItemWork> work);
  io::Task<Result<Verdict>> Attempt(std::shared_ptr<ItemWork> work);
  io::Task<Result<void>> EnsureForward(std::shared_ptr<Run> run, JournalForward* forward,
                                       const std::vector<JournalItem>* items);
  io::Task<Result<void>> SettleForward(std::shared_ptr<Run> run, JournalForward* forward);
  io::Task<Original> FindOriginal(const std::vector<JournalItem>* items);
  io::Task<Result<std::optional<std::string>>> FetchOriginal(PlanItem item);
  io::Task<Result<void>> SaveForward(const Run& run, const JournalForward& forward,
                                     std::string step);
  io::Task<Result<void>> SaveItem(ItemWork& work, std::string step, json::value detail = nullptr);
  io::Task<Result<void>> RecordEvents(ItemWork& work);
  io::Task<Result<void>> Finish(const JournalBatch& batch);
  json::object Question(const mailbox::FindResult& found, const PlanItem& item) const;
  bool IsDeliveryFolder(std::string_view folder) const;

  const Options& options_;
  tracking::Store& store_;
  mailbox::MailboxStore& mailboxes_;
  Forwarder& forwarder_;
  audit::Log& audit_;
  const Clock& clock_;
  io::Scope& scope_;
  log::Logger& logger_;
  Journal& journal_;
  Slots slots_;
  io::Event changed_;
  io::Pool audit_pool_;
};

}  // namespace mailreeve::gateway::remediation
