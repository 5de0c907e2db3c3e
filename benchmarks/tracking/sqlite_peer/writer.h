#pragma once

#include "base/time.h"
#include "io/event.h"
#include "log/log.h"
#include "sql/database.h"
#include "store.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// The one thread that changes the tracking database. Internal to this folder.
//
// Threads: Submit and Next* from the executor; the rest is the thread's own. The thread never
// touches a coroutine: it posts the results of a whole batch to the executor.
namespace mailreeve::bench::sqlite {

// One thing to write, and its asker's place to wait.
struct Pending {
  explicit Pending(const io::Executor& executor) : event(executor) {}

  std::optional<mail::MessageRecord> record;  // append
  mail::Mid mid = 0;                          // append events
  std::vector<mail::Event> events;
  size_t bytes = 0;

  // Of the executor's thread.
  io::Event event;
  bool done = false;
  Result<void> result;
};

class SqliteWriter {
 public:
  // Takes the database over and starts the thread.
  static Result<std::unique_ptr<SqliteWriter>> Start(const SqliteOptions& options, sql::Database db,
                                                     io::Executor executor, log::Logger& logger,
                                                     const Clock& clock);
  ~SqliteWriter();

  // kLimited when the queue is full.
  Result<void> Submit(std::shared_ptr<Pending> pending);

  // 0 when none is reserved.
  uint64_t NextMid() { return Next(mid_); }
  uint64_t NextIcid() { return Next(icid_); }

 private:
  // Ids in [next, reserved) may be handed out; `reserved` is on disk.
  struct Ids {
    const char* name;
    std::atomic<uint64_t> next{1};
    std::atomic<uint64_t> reserved{1};
  };
  struct Statements {
    sql::Statement message, record, posting, event, known, kinds, records, reserve;
  };
  using Batch = std::vector<std::shared_ptr<Pending>>;

  SqliteWriter(const SqliteOptions& options, sql::Database db, io::Executor executor,
               log::Logger& logger, const Clock& clock);
  Result<void> Prepare();
  Result<void> ReadCounters();
  uint64_t Next(Ids& ids);
  bool RunsLow(const Ids& ids) const;
  void Run();
  void Write(const Batch& batch);
  Result<void> WriteOne(Pending& pending, int64_t& added);
  Result<void> WriteRecord(mail::MessageRecord& record);
  Result<void> WriteEvents(mail::Mid mid, const std::vector<mail::Event>& events);
  Result<void> WriteRest(const mail::MessageRecord& record, const std::vector<mail::Event>& keyed,
                         std::string_view bytes);
  // True when there may be more to drop.
  Result<bool> DropOld();
  void Reserve(Ids& ids);

  const SqliteOptions options_;
  sql::Database db_;
  std::optional<Statements> statements_;
  const io::Executor executor_;
  log::Logger& logger_;
  const Clock& clock_;
  Ids mid_{"mid"}, icid_{"icid"};
  Time next_drop_{};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Pending>> queue_;
  size_t queued_bytes_ = 0;
  bool stop_ = false;
  bool reserve_ = false;
  std::thread thread_;
};

}  // namespace mailreeve::bench::sqlite
