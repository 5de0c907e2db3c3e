#pragma once

#include "base/time.h"
#include "gateway/remediation/plan.h"
#include "io/asio.h"
#include "io/pool.h"
#include "sql/database.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// What remediation must not forget: plans, batches, the state of each item and forward, and every
// step before and after it is taken. Each write is on disk (synchronous FULL) when its call
// returns.
//
// Threads: call from one executor; the work runs on one thread of its own, in order.
// Errors: kNotFound, kConflict, kUnavailable, kCorrupt.
namespace mailreeve::gateway::remediation {

// An item's row.
struct JournalItem {
  size_t number = 0;  // place in the plan
  Receipt receipt;    // `forwarded` is not kept here: it is the forward's
  bool events_recorded = false;
};

struct JournalForward {
  ForwardState state;
  std::optional<Time> intended;  // when the last byte was about to be sent
};

struct JournalBatch {
  Batch batch;  // without receipts and forwards
  std::vector<JournalItem> items;
  std::vector<JournalForward> forwards;
};

// One line of the journal, for people and for the end-to-end tests.
struct Step {
  mail::Mid mid = 0;
  std::optional<uint32_t> rid;
  std::string name;    // "remove_intended", "removed", "forward_intended", …
  std::string detail;  // JSON
};

class Journal {
 public:
  static Result<std::unique_ptr<Journal>> Open(const std::string& path);

  io::Task<Result<void>> SavePlan(Plan plan);
  io::Task<Result<Plan>> LoadPlan(std::string id);

  // Begins the batch, or answers the id of the one that has this key already (`plan_id` must be the
  // same then). kConflict: the plan was executed under another key, or an item is in another batch
  // that has not ended.
  io::Task<Result<std::string>> Begin(Batch batch, std::vector<PlanItem> items,
                                      std::vector<ForwardState> forwards);
  // The batch that has this key.
  io::Task<Result<std::optional<Batch>>> FindByKey(std::string key);

  io::Task<Result<void>> SetBatchState(std::string id, BatchState state, std::optional<Time> ended);
  io::Task<Result<void>> SaveItem(std::string batch_id, JournalItem item, Time now, Step step);
  io::Task<Result<void>> SaveForward(std::string batch_id, JournalForward forward, Time now,
                                     Step step);

  io::Task<Result<JournalBatch>> LoadBatch(std::string id);
  io::Task<Result<std::vector<Batch>>> List(size_t limit, std::optional<mail::Mid> mid);
  io::Task<Result<std::vector<std::string>>> OpenBatches();
  // Whom we forwarded a message under this canonical Message-ID to; none when it is no forward of
  // ours.
  io::Task<Result<std::optional<std::string>>> ForwardRecipient(std::string message_id);
  // Forgets plans that expired unused before `plans`, and batches that ended before `batches`.
  io::Task<Result<void>> Prune(Time plans, Time batches);

 private:
  explicit Journal(sql::Database db) : db_(std::move(db)), pool_("remediation journal", 1, 20000) {}

  Result<void> DoSavePlan(const Plan& plan);
  Result<Plan> DoLoadPlan(const std::string& id);
  Result<std::string> DoBegin(const Batch& batch, const std::vector<PlanItem>& items,
                              const std::vector<ForwardState>& forwards);
  Result<void> DoStep(const std::string& batch_id, Time now, const Step& step);
  Result<void> DoSaveItem(const std::string& batch_id, const JournalItem& item);
  Result<void> DoSaveForward(const std::string& batch_id, const JournalForward& forward);
  Result<JournalBatch> DoLoadBatch(const std::string& id);
  Result<std::vector<Batch>> DoList(size_t limit, std::optional<mail::Mid> mid);

  sql::Database db_;
  io::Pool pool_;  // last: joined before the database goes
};

}  // namespace mailreeve::gateway::remediation
