#include "store.h"

#include "io/file.h"
#include "io/pool.h"
#include "reader.h"
#include "writer.h"

#include <mutex>
#include <utility>

namespace mailreeve::bench::sqlite {
namespace {

constexpr std::string_view kTables = R"sql(CREATE TABLE messages (
  mid INTEGER PRIMARY KEY,
  received INTEGER NOT NULL,
  icid INTEGER NOT NULL,
  direction INTEGER NOT NULL,
  queue_id TEXT NOT NULL,
  client_address TEXT NOT NULL,
  subject TEXT NOT NULL,
  kinds INTEGER NOT NULL
);
CREATE INDEX messages_received ON messages (received, mid);
CREATE INDEX messages_queue_id ON messages (queue_id, received, mid);
CREATE INDEX messages_icid ON messages (icid, received, mid);

CREATE TABLE records (
  mid INTEGER PRIMARY KEY,
  record BLOB NOT NULL
);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  mid INTEGER NOT NULL,
  dedup_key TEXT,
  event BLOB NOT NULL
);
CREATE UNIQUE INDEX events_mid ON events (mid, dedup_key);

CREATE TABLE postings (
  fingerprint INTEGER NOT NULL,
  received INTEGER NOT NULL,
  mid INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, received, mid)
) WITHOUT ROWID;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('mid', 1), ('icid', 1), ('records', 0);
)sql";

class SqliteStore final : public Store {
 public:
  SqliteStore(SqliteOptions options, std::string path, io::Executor executor, log::Logger& logger,
              std::unique_ptr<SqliteWriter> writer)
      : options_(std::move(options)),
        path_(std::move(path)),
        executor_(std::move(executor)),
        logger_(logger),
        writer_(std::move(writer)),
        pool_("tracking search", options_.readers, options_.max_pending_reads) {}

  mail::Mid NextMid() override { return writer_->NextMid(); }
  mail::Icid NextIcid() override { return writer_->NextIcid(); }

  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    if (record.mid == 0)
      co_return Fail(Code::kUnavailable, "tracking: no message id can be reserved");
    if (record.mid > INT64_MAX) co_return Fail(Code::kInvalid, "tracking: message id out of range");
    auto pending = std::make_shared<Pending>(executor_);
    pending->bytes = SizeOf(record);
    pending->record = std::move(record);
    co_return co_await Wait(std::move(pending));
  }

  io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) override {
    auto pending = std::make_shared<Pending>(executor_);
    pending->mid = mid;
    pending->bytes = 200 * events.size();
    pending->events = std::move(events);
    co_return co_await Wait(std::move(pending));
  }

  io::Task<Result<Page>> Search(Query query) override {
    co_return co_await Read(
        [query = std::move(query)](Reader& reader) { return reader.Search(query); });
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    co_return co_await Read([mid](Reader& reader) { return reader.Get(mid); });
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string queue_id,
                                                      Time not_after) override {
    co_return co_await Read([queue_id = std::move(queue_id), not_after](Reader& reader) {
      return reader.FindByQueueId(queue_id, not_after);
    });
  }
  io::Task<Result<Coverage>> Held() override {
    co_return co_await Read([](Reader& reader) { return reader.Held(); });
  }
  io::Task<Result<Totals>> Count(Time from, Time until) override {
    co_return co_await Read([from, until](Reader& reader) { return reader.Count(from, until); });
  }

 private:
  // About what the record takes in memory and on disk; exact size is known to the writer only.
  static size_t SizeOf(const mail::MessageRecord& record) {
    size_t size =
        1000 + 100 * record.recipients.size() + 300 * record.inspection.attachments.size();
    for (const auto& url : record.inspection.urls) size += url.url.size() + url.raw.size() + 16;
    for (const auto& address : record.inspection.addresses)
      size += address.raw.size() + 2 * address.address.size();
    return size + record.inspection.subject_raw.size() + 24 * record.inspection.domains.size();
  }

  io::Task<Result<void>> Wait(std::shared_ptr<Pending> pending) {
    CO_TRY_VOID(writer_->Submit(pending));
    while (!pending->done) co_await pending->event.Wait();
    co_return std::move(pending->result);
  }

  // `work` takes a Reader& and runs on a thread of the pool.
  template <class F>
  io::Task<std::invoke_result_t<F, Reader&>> Read(F work) {
    using R = std::invoke_result_t<F, Reader&>;
    auto result = co_await pool_.Run([this, work = std::move(work)]() mutable -> R {
      TRY(auto reader, Borrow());
      R answer = work(*reader);
      if (answer || answer.error().code != Code::kCorrupt) GiveBack(std::move(reader));
      return answer;
    });
    if (!result && result.error().code == Code::kCorrupt) {
      logger_.Error("tracking_damaged", {{"path", path_}, {"error", result.error().ToString()}});
      co_return Fail(std::move(result).error().Note("tracking database '" + path_ +
                                                    "' is damaged; restore it from a copy"));
    }
    co_return result;
  }

  Result<std::unique_ptr<Reader>> Borrow() {
    {
      std::lock_guard lock(mutex_);
      if (!readers_.empty()) {
        auto reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
    }
    return Reader::Open(options_, path_, damaged_);
  }
  void GiveBack(std::unique_ptr<Reader> reader) {
    std::lock_guard lock(mutex_);
    readers_.push_back(std::move(reader));
  }

  const SqliteOptions options_;
  const std::string path_;
  const io::Executor executor_;
  log::Logger& logger_;
  std::shared_ptr<Damaged> damaged_ = std::make_shared<Damaged>();
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::unique_ptr<SqliteWriter> writer_;
  io::Pool pool_;  // last: its threads end before what they use
};

Result<sql::Database> OpenDatabase(const std::string& path) {
  TRY(auto db, sql::Database::Open({.path = path}));
  TRY_VOID(db.Migrate("tracking", {{1, "messages", kTables}}));
  // Half of SQLite's cost of a commit is moving pages to the main file: do it in larger steps.
  TRY_VOID(db.Execute("PRAGMA wal_autocheckpoint=4000"));
  TRY_VOID(db.Execute("PRAGMA cache_size=-65536"));
  return db;
}

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(SqliteOptions options, io::Executor executor,
                                               log::Logger& logger, const Clock& clock) {
  TRY_VOID(io::MakeFolders(options.dir, 0700));
  const std::string path = options.dir + "/tracking.db";
  const auto explain = [&path](Error error) {
    const bool damaged = error.code == Code::kCorrupt;
    return Fail(std::move(error).Note(
        "tracking database '" + path + "'" +
        (damaged ? " is damaged; restore it from a copy, or move it away to begin anew" : "")));
  };
  auto db = OpenDatabase(path);
  if (!db) return explain(std::move(db).error());
  auto writer = SqliteWriter::Start(options, *std::move(db), executor, logger, clock);
  if (!writer) return explain(std::move(writer).error());
  return std::unique_ptr<Store>(std::make_unique<SqliteStore>(
      std::move(options), path, std::move(executor), logger, *std::move(writer)));
}

}  // namespace mailreeve::bench::sqlite
