#pragma once

#include "base/time.h"
#include "io/pool.h"
#include "log/log.h"
#include "response/intel/search.h"
#include "settings/settings.h"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

// One store of intelligence documents: private or global.
//
// Writes of all callers go through one thread; those that wait are done together in one
// transaction, each as a part of its own. Readers have connections of their own and see the store
// of one moment.
//
// Threads: every Task on any executor, any number at once. Ownership: outlives its tasks. Errors:
// what the work answers; kLimited when too many wait; sql/database.h.
//
//   TRY(auto store, Store::Open({.database = {.path = "intel.db"}}));
//   CO_TRY(auto record, co_await store->Read([id](Tables& tables) { return tables.Get("actor", id);
//   }));
namespace mailreeve::response::intel {

struct StoreOptions {
  sql::OpenOptions database;
  std::string prefix = "intel_";  // beginning of the tables' names
  Visibility visibility = Visibility::kGroup;
  size_t readers = 4;         // connections
  size_t max_pending = 2000;  // calls that wait or run, of each kind
  size_t max_group = 256;     // writes in one transaction
  SearchLimits search;
};

// The settings intel.* over the defaults; the database is the caller's.
StoreOptions FromSettings(const settings::Snapshot& snapshot);

class Store {
 public:
  // Makes what is not there. Blocking.
  static Result<std::unique_ptr<Store>> Open(StoreOptions options);
  ~Store();
  Store(const Store&) = delete;

  const StoreOptions& options() const { return options_; }

  // `work(Tables&)` answers a Result; its effects on the store happen together or not at all. It
  // may run more than once (PostgreSQL), so it has no other effects, and sets what it sets anew.
  template <class F>
  io::Task<std::invoke_result_t<F&, Tables&>> Write(F work) {
    using Answer = std::invoke_result_t<F&, Tables&>;
    struct Typed final : Job {
      explicit Typed(F f) : work(std::move(f)) {}
      Result<void> Run(Tables& tables) override {
        answer.emplace(work(tables));
        if (!*answer) return tl::unexpected(answer->error());
        return {};
      }
      F work;
      std::optional<Answer> answer;
    };
    auto job = std::make_shared<Typed>(std::move(work));
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(job);
    }
    const Result<void> ran = co_await write_pool_->Run([this, job] { return Drain(job); });
    if (!ran) {
      Forget(job);
      co_return tl::unexpected(ran.error());
    }
    if (!job->result) co_return tl::unexpected(job->result.error());
    co_return std::move(*job->answer);
  }

  // `work(Tables&)` only reads.
  template <class F>
  io::Task<std::invoke_result_t<F&, Tables&>> Read(F work) {
    using Answer = std::invoke_result_t<F&, Tables&>;
    co_return co_await read_pool_->Run([this, work = std::move(work)]() mutable -> Answer {
      Result<std::unique_ptr<Tables>> tables = Borrow();
      if (!tables) return tl::unexpected(tables.error());
      std::optional<Answer> answer;
      const Result<void> ran = (*tables)->Snapshot([&]() -> Result<void> {
        answer.emplace(work(**tables));
        if (!*answer) return tl::unexpected(answer->error());
        return {};
      });
      GiveBack(*std::move(tables));
      if (!ran) return tl::unexpected(ran.error());
      return std::move(*answer);
    });
  }

  // Blocking, for programs and tests.
  Result<void> WriteNow(const std::function<Result<void>(Tables&)>& work);

 private:
  struct Job {
    virtual ~Job() = default;
    virtual Result<void> Run(Tables& tables) = 0;
    bool done = false;
    Result<void> result;
  };
  explicit Store(StoreOptions options) : options_(std::move(options)) {}
  Result<void> Drain(const std::shared_ptr<Job>& mine);
  void RunTogether(const std::vector<std::shared_ptr<Job>>& jobs);
  void Forget(const std::shared_ptr<Job>& job);
  Result<std::unique_ptr<Tables>> OpenTables(bool migrate);
  Result<std::unique_ptr<Tables>> Borrow();
  void GiveBack(std::unique_ptr<Tables> tables);

  const StoreOptions options_;
  std::unique_ptr<Tables> writer_;  // of the write pool's one thread
  std::mutex mutex_;
  std::deque<std::shared_ptr<Job>> waiting_;
  std::vector<std::unique_ptr<Tables>> idle_;
  std::unique_ptr<io::Pool> write_pool_, read_pool_;  // last: they end first
};

}  // namespace mailreeve::response::intel
