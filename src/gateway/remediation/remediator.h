#pragma once

#include "audit/audit.h"
#include "base/time.h"
#include "gateway/remediation/forwarder.h"
#include "gateway/remediation/plan.h"
#include "gateway/tracking/store.h"
#include "io/asio.h"
#include "io/scope.h"
#include "log/log.h"
#include "mailbox/mailbox.h"
#include "relay/relay.h"
#include "settings/settings.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

// Takes tracked mail out of mailboxes, forwards it, or both: plan (dry run, frozen, hashed),
// execution (steps journalled before and after), verification, receipt (design.md 6; gateway-api.md
// 5; system.md D1, E1, E2, E4).
//
// Threads: one executor, the scope's. Journal writes run on a thread of its own.
// Ownership: everything passed outlives it, and the scope is joined before it goes.
// Errors: kNotFound (MID, plan, batch), kConflict (plan hash differs, plan expired or executed
// under another key, key used for another plan, a mailbox item is in another open batch), kInvalid
// (no forward address, bad address, forward loop, too many messages), kUnavailable (journal,
// tracking or audit log cannot be written: nothing was done then).
//
//   CO_TRY(Plan plan, co_await remediator.MakePlan(Action::kForwardAndDelete, {mid}, caller));
//   CO_TRY(std::string batch, co_await remediator.Execute(plan.id, plan.hash, key,
//   "soc@example.org", "phish", caller)); CO_TRY(Batch done, co_await remediator.WaitBatch(batch,
//   30s));
namespace mailreeve::gateway::remediation {

struct Options {
  // Bootstrap: paths and names.
  std::string journal_path;                // SQLite file; ":memory:" in tests that need no restart
  std::string gateway_name = "localhost";  // host part of addresses and Message-IDs of forwards
  // True when forwards pass through this gateway's own milter, so that tracking tells whether one
  // of unknown outcome was accepted. False: a forward of unknown outcome is never sent again and
  // nothing is deleted on its account.
  bool forwards_are_tracked = true;

  // Settings (schema/settings/remediation.json).
  std::string forward_address;  // used when Execute is given none
  std::string forward_sender;   // envelope sender of forwards; empty: the null sender
  size_t max_messages = 1000;   // MIDs in a plan
  size_t max_items = 10000;     // mailbox items in a plan
  size_t concurrency = 4;       // mailboxes worked on at once, plans and batches together
  uint32_t attempts = 3;        // for a mailbox or mail server that cannot be reached
  std::chrono::milliseconds retry_delay{2000};      // before the second attempt; doubled each time
  std::chrono::milliseconds item_deadline{120000};  // one attempt on one mailbox
  std::chrono::milliseconds plan_deadline{20000};   // one mailbox in a dry run
  std::chrono::milliseconds forward_deadline{120000};
  // After an unknown outcome: how long the mail server is given to finish before tracking is asked.
  std::chrono::milliseconds forward_settle{10000};
  std::chrono::seconds plan_lifetime{3600};
  std::chrono::hours history{90 * 24};                    // of ended batches
  std::vector<std::string> delivery_folders = {"INBOX"};  // found elsewhere: moved
  size_t max_original_bytes = 64 * 1024 * 1024;
};
// The settings part; the caller fills in the bootstrap part.
Options FromSettings(const settings::Snapshot& snapshot);

class Remediator {
 public:
  // Opens the journal. kUnavailable, kCorrupt.
  static Result<std::unique_ptr<Remediator>> Open(Options options, tracking::Store& store,
                                                  mailbox::MailboxStore& mailboxes,
                                                  Forwarder& forwarder, audit::Log& audit,
                                                  const Clock& clock, io::Scope& scope,
                                                  log::Logger& logger);
  ~Remediator();

  // Goes on with batches that a stop or a crash interrupted. Call once at start, before any other
  // call.
  io::Task<Result<size_t>> Resume();

  // The dry run: reads mailboxes, changes nothing. An unreachable mailbox is an item of the plan,
  // not an error.
  io::Task<Result<Plan>> MakePlan(Action action, std::vector<mail::Mid> mids, relay::Caller caller);
  io::Task<Result<Plan>> GetPlan(std::string plan_id);

  // Starts the batch and answers its id when it is in the journal. The same key again answers the
  // same batch. `forward_to` empty: Options::forward_address. `name` may be empty.
  io::Task<Result<std::string>> Execute(std::string plan_id, std::string plan_hash,
                                        std::string idempotency_key, std::string forward_to,
                                        std::string name, relay::Caller caller);

  io::Task<Result<Batch>> GetBatch(std::string batch_id);
  // The batch when it has ended, or as it stands after `deadline` (finished() tells).
  io::Task<Result<Batch>> WaitBatch(std::string batch_id, std::chrono::milliseconds deadline);
  // Newest first, without receipts.
  io::Task<Result<std::vector<Batch>>> ListBatches(size_t limit);
  // Batches that acted on the message, newest first, without receipts.
  io::Task<Result<std::vector<Batch>>> BatchesOf(mail::Mid mid);

 private:
  struct Impl;
  explicit Remediator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailreeve::gateway::remediation
