#include "response/intel/store.h"

#include <algorithm>

namespace mailreeve::response::intel {

StoreOptions FromSettings(const settings::Snapshot& snapshot) {
  StoreOptions options;
  options.visibility = snapshot.Text("intel.record_visibility") == "everyone"
                           ? Visibility::kEveryone
                           : Visibility::kGroup;
  options.readers = static_cast<size_t>(snapshot.Integer("intel.readers"));
  options.max_pending = static_cast<size_t>(snapshot.Integer("intel.max_pending"));
  options.max_group = static_cast<size_t>(snapshot.Integer("intel.max_group"));
  options.search.max_window = snapshot.Integer("intel.max_window");
  options.search.max_examined = snapshot.Integer("intel.max_examined");
  return options;
}

Result<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  std::unique_ptr<Store> store(new Store(std::move(options)));
  TRY(store->writer_, store->OpenTables(true));
  const StoreOptions& o = store->options_;
  store->write_pool_ = std::make_unique<io::Pool>("the intelligence store", 1, o.max_pending);
  store->read_pool_ =
      std::make_unique<io::Pool>("the intelligence store", o.readers, o.max_pending);
  return store;
}

Store::~Store() = default;

Result<std::unique_ptr<Tables>> Store::OpenTables(bool migrate) {
  TRY(sql::Database database, sql::Database::Open(options_.database));
  TRY(Tables tables, Tables::Open(std::move(database), options_.prefix, migrate));
  return std::make_unique<Tables>(std::move(tables));
}

Result<std::unique_ptr<Tables>> Store::Borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Tables> tables = std::move(idle_.back());
      idle_.pop_back();
      return tables;
    }
  }
  return OpenTables(false);
}

void Store::GiveBack(std::unique_ptr<Tables> tables) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(tables));
}

void Store::Forget(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  std::erase(waiting_, job);
}

// Runs on the write pool's thread. Each caller comes once; the first does the work of all that
// wait.
Result<void> Store::Drain(const std::shared_ptr<Job>& mine) {
  while (!mine->done) {
    std::vector<std::shared_ptr<Job>> jobs;
    {
      const std::lock_guard lock(mutex_);
      const size_t count = std::min(waiting_.size(), options_.max_group);
      jobs.assign(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(count));
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(count));
    }
    if (jobs.empty()) return Fail(Code::kCancelled, "the write was given up");
    RunTogether(jobs);
  }
  return {};
}

void Store::RunTogether(const std::vector<std::shared_ptr<Job>>& jobs) {
  const auto alone = [&](Job& job) {
    job.result = writer_->Transaction([&] { return job.Run(*writer_); });
    job.done = true;
  };
  if (jobs.size() == 1) {
    alone(*jobs.front());
    return;
  }
  const Result<void> all = writer_->Transaction([&]() -> Result<void> {
    for (const std::shared_ptr<Job>& job : jobs)
      job->result = writer_->Part([&] { return job->Run(*writer_); });
    return {};
  });
  if (all) {
    for (const std::shared_ptr<Job>& job : jobs) job->done = true;
    return;
  }
  // Nothing of it was kept. One by one, so that each is told of its own error only.
  for (const std::shared_ptr<Job>& job : jobs) alone(*job);
}

Result<void> Store::WriteNow(const std::function<Result<void>(Tables&)>& work) {
  TRY(std::unique_ptr<Tables> tables, OpenTables(false));
  return tables->Transaction([&] { return work(*tables); });
}

}  // namespace mailreeve::response::intel
