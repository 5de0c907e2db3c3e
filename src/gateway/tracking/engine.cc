#include "gateway/tracking/engine.h"

#include "io/event.h"
#include "io/pool.h"

#include <boost/asio/post.hpp>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace mailreeve::gateway::tracking {
namespace {

constexpr auto kMaintainEvery = std::chrono::seconds(1);  // when there was nothing to do
constexpr auto kMaintainAfterError = std::chrono::seconds(5);

// One thing to write, and its asker's place to wait.
struct Pending {
  explicit Pending(const io::Executor& executor) : event(executor) {}
  Appended item;
  size_t bytes = 0;
  // Of the executor's thread.
  io::Event event;
  bool done = false;
};

// Who is told of watched messages. Of the executor's thread.
struct Watcher {
  std::function<void(const WatchHit&)> hit;
};

class Engine final : public Store {
 public:
  Engine(EngineOptions options, std::unique_ptr<Core> core, io::Executor executor,
         log::Logger& logger)
      : options_(std::move(options)),
        core_(std::move(core)),
        executor_(std::move(executor)),
        logger_(logger),
        readers_("tracking search", options_.readers, options_.max_pending_reads),
        committer_([this] { CommitLoop(); }),
        keeper_([this] { KeepLoop(); }) {}

  ~Engine() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    committer_.join();
    {
      const std::lock_guard lock(keep_mutex_);
      keep_stop_ = true;
    }
    core_->StopMaintenance();
    keep_wake_.notify_all();
    keeper_.join();
  }

  mail::Mid NextMid() override {
    const mail::Mid id = core_->NextMid();
    ReserveSoon();
    return id;
  }
  mail::Icid NextIcid() override {
    const mail::Icid id = core_->NextIcid();
    ReserveSoon();
    return id;
  }

  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    auto pending = std::make_shared<Pending>(executor_);
    pending->item.record = std::move(record);
    core_->Prepare(pending->item);
    pending->bytes = pending->item.encoded.size();
    co_return co_await Submit(std::move(pending));
  }
  io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) override {
    auto pending = std::make_shared<Pending>(executor_);
    pending->item.mid = mid;
    for (const auto& event : events) pending->bytes += sizeof(event) + event.detail.size();
    pending->item.events = std::move(events);
    co_return co_await Submit(std::move(pending));
  }
  io::Task<Result<Page>> Search(Query query) override {
    co_return co_await readers_.Run(
        [this, query = std::move(query)] { return core_->Search(query); });
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    co_return co_await readers_.Run([this, mid] { return core_->Get(mid); });
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string queue_id,
                                                      Time not_after) override {
    co_return co_await readers_.Run([this, queue_id = std::move(queue_id), not_after] {
      return core_->FindByQueueId(queue_id, not_after);
    });
  }
  io::Task<Result<Coverage>> Held() override {
    co_return co_await readers_.Run([this]() -> Result<Coverage> { return core_->Held(); });
  }
  io::Task<Result<Totals>> Count(Time from, Time until) override {
    co_return co_await readers_.Run([this, from, until] { return core_->Count(from, until); });
  }
  io::Task<Result<Matches>> CountMatches(Query query) override {
    co_return co_await readers_.Run(
        [this, query = std::move(query)] { return core_->CountMatches(query); });
  }
  io::Task<Result<counters::Answer>> Counters(counters::Question question) override {
    co_return co_await readers_.Run(
        [this, question = std::move(question)] { return core_->Counters(question); });
  }
  io::Task<Result<HuntStep>> Hunt(std::shared_ptr<const std::vector<uint64_t>> wanted,
                                  std::string resume) override {
    co_return co_await readers_.Run([this, wanted = std::move(wanted), resume = std::move(resume)] {
      return core_->Hunt(*wanted, resume);
    });
  }
  void Watch(std::vector<uint64_t> fingerprints,
             std::function<void(const WatchHit&)> hit) override {
    watcher_->hit = std::move(hit);
    core_->Watch(std::move(fingerprints));
  }

 private:
  void ReserveSoon() {
    if (!core_->IdsRunLow()) return;
    {
      const std::lock_guard lock(mutex_);
      reserve_ = true;
    }
    wake_.notify_one();
  }

  io::Task<Result<void>> Submit(std::shared_ptr<Pending> pending) {
    {
      const std::lock_guard lock(mutex_);
      if (queue_.size() >= options_.max_pending ||
          queued_bytes_ + pending->bytes > options_.max_pending_bytes) {
        co_return Fail(Code::kLimited,
                       "message tracking: too many messages wait to be written; try again later");
      }
      queued_bytes_ += pending->bytes;
      queue_.push_back(pending);
    }
    wake_.notify_one();
    while (!pending->done) co_await pending->event.Wait();
    co_return pending->item.result;
  }

  // The one thread that commits: what came while the disk was busy goes into the next batch.
  void CommitLoop() {
    std::vector<std::shared_ptr<Pending>> taken;
    std::vector<Appended> batch;
    while (true) {
      taken.clear();
      batch.clear();
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stop_ || reserve_ || !queue_.empty(); });
        if (stop_ && queue_.empty()) return;
        reserve_ = false;
        while (!queue_.empty() && taken.size() < options_.max_batch) {
          queued_bytes_ -= queue_.front()->bytes;
          taken.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
      for (auto& pending : taken) batch.push_back(std::move(pending->item));
      core_->Commit(batch);
      for (size_t i = 0; i < taken.size(); ++i) taken[i]->item = std::move(batch[i]);
      // The store may be gone when this runs.
      asio::post(executor_, [watcher = watcher_, done = taken] {
        for (const auto& pending : done) {
          pending->done = true;
          pending->event.Notify();
          if (watcher->hit) {
            for (const WatchHit& hit : pending->item.watched) watcher->hit(hit);
          }
        }
      });
      if (core_->HasFrozen()) keep_wake_.notify_one();
    }
  }

  // Seals, compacts, drops; loads the filters first.
  void KeepLoop() {
    while (core_->LoadFilters()) {
      const std::lock_guard lock(keep_mutex_);
      if (keep_stop_) return;
    }
    while (true) {
      const auto more = core_->Maintain();
      if (!more && more.error().code != Code::kCancelled) {
        logger_.Error("tracking_maintenance_failed", {{"error", more.error().ToString()}});
      }
      std::unique_lock lock(keep_mutex_);
      if (keep_stop_) return;
      if (more && *more) continue;
      keep_wake_.wait_for(lock, more ? std::chrono::steady_clock::duration(kMaintainEvery)
                                     : std::chrono::steady_clock::duration(kMaintainAfterError));
    }
  }

  const EngineOptions options_;
  const std::unique_ptr<Core> core_;
  const io::Executor executor_;
  log::Logger& logger_;
  const std::shared_ptr<Watcher> watcher_ = std::make_shared<Watcher>();
  io::Pool readers_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Pending>> queue_;
  size_t queued_bytes_ = 0;
  bool stop_ = false, reserve_ = false;

  std::mutex keep_mutex_;
  std::condition_variable keep_wake_;
  bool keep_stop_ = false;

  std::thread committer_, keeper_;  // last: they use all of the above
};

}  // namespace

EngineOptions FromSettings(const settings::Snapshot& snapshot) {
  const auto number = [&snapshot](std::string_view name) {
    return static_cast<uint64_t>(snapshot.Integer(name));
  };
  const auto keep = [&snapshot](std::string_view name) {
    const std::string how = snapshot.Text(name);
    return how == "hash" ? Keep::kHash : how == "drop" ? Keep::kDrop : Keep::kClear;
  };
  EngineOptions options;
  options.readers = number("tracking.readers");
  options.max_pending_reads = number("tracking.max_pending_searches");
  options.max_pending = number("tracking.max_pending_messages");
  CoreOptions& core = options.core;
  core.max_examined = number("tracking.max_examined");
  core.max_counted = number("tracking.max_counted");
  core.keep_days = number("tracking.keep_days");
  core.max_store_bytes = number("tracking.max_store_mib") << 20;
  core.max_indexed_per_class = number("tracking.max_indexed_per_class");
  core.max_indexed_recipients = number("tracking.max_indexed_recipients");
  core.max_counter_keys = number("tracking.max_counter_keys");
  core.seal_records = number("tracking.seal_messages");
  core.seal_seconds = number("tracking.seal_hours") * 3600;
  core.compact_records = number("tracking.compact_messages");
  core.compression_level = static_cast<int>(number("tracking.compression_level"));
  core.privacy.subjects = keep("tracking.privacy_subjects");
  core.privacy.senders = keep("tracking.privacy_senders");
  core.privacy.recipients = keep("tracking.privacy_recipients");
  core.privacy.file_names = keep("tracking.privacy_file_names");
  core.privacy.urls = keep("tracking.privacy_urls");
  core.privacy.client_address = keep("tracking.privacy_client_address");
  return options;
}

Result<std::unique_ptr<Store>> OpenStore(EngineOptions options, io::Files& files,
                                         io::Executor executor, log::Logger& logger,
                                         const Clock& clock) {
  TRY(auto core, Core::Open(options.core, files, logger, clock));
  return std::unique_ptr<Store>(
      std::make_unique<Engine>(std::move(options), std::move(core), std::move(executor), logger));
}

}  // namespace mailreeve::gateway::tracking
