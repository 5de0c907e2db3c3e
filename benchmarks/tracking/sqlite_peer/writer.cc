#include "writer.h"

#include "codec.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <bit>
#include <utility>

namespace mailreeve::bench::sqlite {
namespace {

constexpr size_t kDropChunk = 200;

uint64_t KindBit(mail::EventKind kind) { return uint64_t{1} << static_cast<unsigned>(kind); }

// A full or failing disk: the whole batch is refused, nothing of it stays.
bool SpoilsBatch(const Error& error) {
  return error.code != Code::kConflict && error.code != Code::kNotFound &&
         error.code != Code::kInvalid;
}

}  // namespace

SqliteWriter::SqliteWriter(const SqliteOptions& options, sql::Database db, io::Executor executor,
                           log::Logger& logger, const Clock& clock)
    : options_(options),
      db_(std::move(db)),
      executor_(std::move(executor)),
      logger_(logger),
      clock_(clock) {}

Result<std::unique_ptr<SqliteWriter>> SqliteWriter::Start(const SqliteOptions& options,
                                                          sql::Database db, io::Executor executor,
                                                          log::Logger& logger, const Clock& clock) {
  std::unique_ptr<SqliteWriter> writer(
      new SqliteWriter(options, std::move(db), std::move(executor), logger, clock));
  TRY_VOID(writer->Prepare());
  TRY_VOID(writer->ReadCounters());
  writer->thread_ = std::thread([w = writer.get()] { w->Run(); });
  return writer;
}

SqliteWriter::~SqliteWriter() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Result<void> SqliteWriter::Prepare() {
  TRY(auto message, db_.Prepare("INSERT INTO messages (mid, received, icid, direction, queue_id, "
                                "client_address, subject, kinds) "
                                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  TRY(auto record, db_.Prepare("INSERT INTO records (mid, record) VALUES (?1, ?2)"));
  TRY(auto posting,
      db_.Prepare("INSERT INTO postings (fingerprint, received, mid) VALUES (?1, ?2, ?3)"));
  TRY(auto event,
      db_.Prepare(
          "INSERT INTO events (mid, dedup_key, event) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"));
  TRY(auto known, db_.Prepare("SELECT kinds FROM messages WHERE mid = ?1"));
  TRY(auto kinds, db_.Prepare("UPDATE messages SET kinds = ?2 WHERE mid = ?1"));
  TRY(auto records, db_.Prepare("UPDATE counters SET value = value + ?1 WHERE name = 'records'"));
  TRY(auto reserve, db_.Prepare("UPDATE counters SET value = ?2 WHERE name = ?1"));
  statements_.emplace(Statements{std::move(message), std::move(record), std::move(posting),
                                 std::move(event), std::move(known), std::move(kinds),
                                 std::move(records), std::move(reserve)});
  return {};
}

Result<void> SqliteWriter::ReadCounters() {
  for (Ids* ids : {&mid_, &icid_}) {
    TRY(auto query, db_.Prepare("SELECT value FROM counters WHERE name = ?1"));
    TRY(const bool row, query.Bind(1, std::string_view(ids->name)).Step());
    if (!row || query.Integer(0) < 1) {
      return Fail(Code::kCorrupt, std::string("counter ") + ids->name + " is missing");
    }
    const auto value = static_cast<uint64_t>(query.Integer(0));
    ids->next = value;
    ids->reserved = value;
    query.Reset();
    TRY_VOID(statements_->reserve.Bind(1, std::string_view(ids->name))
                 .Bind(2, static_cast<int64_t>(value + options_.id_block))
                 .Run());
    ids->reserved = value + options_.id_block;
  }
  return {};
}

bool SqliteWriter::RunsLow(const Ids& ids) const {
  return ids.reserved - std::min<uint64_t>(ids.next, ids.reserved) < options_.id_block / 2 + 1;
}

uint64_t SqliteWriter::Next(Ids& ids) {
  // Only the executor's thread moves `next`; the writer's thread only raises `reserved`.
  const uint64_t id = ids.next;
  if (id >= ids.reserved) {
    {
      std::lock_guard lock(mutex_);
      reserve_ = true;
    }
    wake_.notify_one();
    return 0;
  }
  ids.next = id + 1;
  if (RunsLow(ids)) {
    {
      std::lock_guard lock(mutex_);
      reserve_ = true;
    }
    wake_.notify_one();
  }
  return id;
}

Result<void> SqliteWriter::Submit(std::shared_ptr<Pending> pending) {
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.max_pending ||
        queued_bytes_ + pending->bytes > options_.max_pending_bytes) {
      return Fail(Code::kLimited,
                  "tracking: too many messages wait to be written; try again later");
    }
    queued_bytes_ += pending->bytes;
    queue_.push_back(std::move(pending));
  }
  wake_.notify_one();
  return {};
}

void SqliteWriter::Run() {
  bool more_to_drop = false;
  while (true) {
    Batch batch;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::seconds(30),
                     [&] { return stop_ || reserve_ || more_to_drop || !queue_.empty(); });
      while (!queue_.empty() && batch.size() < options_.max_batch) {
        queued_bytes_ -= queue_.front()->bytes;
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      stopping = stop_ && queue_.empty();
      reserve_ = false;
    }
    for (Ids* ids : {&mid_, &icid_}) {
      if (RunsLow(*ids)) Reserve(*ids);
    }
    if (!batch.empty()) Write(batch);
    if (stopping) break;
    if (options_.keep_days > 0 && (more_to_drop || clock_.Now() >= next_drop_)) {
      auto more = DropOld();
      if (!more) logger_.Warn("tracking_retention_failed", {{"error", more.error().ToString()}});
      more_to_drop = more && *more;
      next_drop_ = clock_.Now() + std::chrono::minutes(10);
    }
  }
  // What was reserved and not handed out is given back, so that a quiet restart leaves no gap.
  for (Ids* ids : {&mid_, &icid_}) {
    (void)statements_->reserve.Bind(1, std::string_view(ids->name))
        .Bind(2, static_cast<int64_t>(ids->next.load()))
        .Run();
  }
  statements_.reset();
}

void SqliteWriter::Reserve(Ids& ids) {
  const uint64_t up_to = ids.next + options_.id_block;
  auto done = statements_->reserve.Bind(1, std::string_view(ids.name))
                  .Bind(2, static_cast<int64_t>(up_to))
                  .Run();
  if (done) {
    ids.reserved = up_to;
  } else {
    logger_.Error("tracking_ids_not_reserved",
                  {{"counter", ids.name}, {"error", done.error().ToString()}});
  }
}

void SqliteWriter::Write(const Batch& batch) {
  std::vector<Result<void>> results(batch.size());
  auto written = db_.Transaction([&]() -> Result<void> {
    int64_t added = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      results[i] = WriteOne(*batch[i], added);
      if (!results[i] && SpoilsBatch(results[i].error())) return results[i];
    }
    if (added > 0) TRY_VOID(statements_->records.Bind(1, added).Run());
    return {};
  });
  if (!written) {
    logger_.Error("tracking_write_failed",
                  {{"error", written.error().ToString()}, {"messages", batch.size()}});
    for (auto& result : results) result = tl::unexpected<Error>(written.error());
  }
  asio::post(executor_, [batch, results = std::move(results)]() mutable {
    for (size_t i = 0; i < batch.size(); ++i) {
      batch[i]->result = std::move(results[i]);
      batch[i]->done = true;
      batch[i]->event.Notify();
    }
  });
}

Result<void> SqliteWriter::WriteOne(Pending& pending, int64_t& added) {
  if (pending.record) {
    TRY_VOID(WriteRecord(*pending.record));
    ++added;
    return {};
  }
  return WriteEvents(pending.mid, pending.events);
}

// Ordered so that what can be refused for one message alone comes before the first change.
Result<void> SqliteWriter::WriteRecord(mail::MessageRecord& record) {
  const auto mid = static_cast<int64_t>(record.mid);
  std::vector<mail::Event> keyed;
  std::erase_if(record.events, [&keyed](mail::Event& event) {
    if (event.dedup_key.empty()) return false;
    keyed.push_back(std::move(event));
    return true;
  });
  uint64_t kinds = 0;
  for (const auto& event : record.events) kinds |= KindBit(event.kind);
  for (const auto& event : keyed) kinds |= KindBit(event.kind);
  const std::string bytes = mail::Encode(record);
  if (bytes.size() > options_.max_record_bytes) {
    return Fail(Code::kInvalid, "message record of " + std::to_string(bytes.size()) +
                                    " bytes; at most " + std::to_string(options_.max_record_bytes) +
                                    " are stored");
  }
  auto inserted = statements_->message.Bind(1, mid)
                      .Bind(2, ToEpochMicros(record.received))
                      .Bind(3, static_cast<int64_t>(record.connection.icid))
                      .Bind(4, static_cast<int64_t>(record.direction))
                      .Bind(5, std::string_view(record.queue_id))
                      .Bind(6, std::string_view(record.connection.client_address))
                      .Bind(7, std::string_view(SubjectColumn(record)))
                      .Bind(8, static_cast<int64_t>(kinds))
                      .Run();
  if (!inserted) {
    if (inserted.error().code == Code::kConflict) {
      return Fail(Code::kConflict, "MID " + std::to_string(record.mid) + " is tracked already");
    }
    return Fail(std::move(inserted).error());
  }
  // From here on the message is half there: no failure may leave it so.
  auto rest = WriteRest(record, keyed, bytes);
  if (!rest && !SpoilsBatch(rest.error())) {
    return Fail(Error(Code::kInternal, rest.error().message)
                    .Note("tracking MID " + std::to_string(record.mid)));
  }
  return rest;
}

Result<void> SqliteWriter::WriteRest(const mail::MessageRecord& record,
                                     const std::vector<mail::Event>& keyed,
                                     std::string_view bytes) {
  const auto mid = static_cast<int64_t>(record.mid);
  TRY_VOID(statements_->record.Bind(1, mid)
               .Bind(2, sql::Blob{Compress(bytes, options_.compression_level)})
               .Run());
  for (const int64_t fingerprint : PostingsOf(record)) {
    TRY_VOID(statements_->posting.Bind(1, fingerprint)
                 .Bind(2, ToEpochMicros(record.received))
                 .Bind(3, mid)
                 .Run());
  }
  for (const auto& event : keyed) {
    TRY_VOID(statements_->event.Bind(1, mid)
                 .Bind(2, std::string_view(event.dedup_key))
                 .Bind(3, sql::Blob{mail::Encode(event)})
                 .Run());
  }
  return {};
}

Result<void> SqliteWriter::WriteEvents(mail::Mid mid, const std::vector<mail::Event>& events) {
  const auto id = static_cast<int64_t>(mid);
  TRY(const bool known, statements_->known.Bind(1, id).Step());
  if (!known) return Fail(Code::kNotFound, "MID " + std::to_string(mid) + " is not tracked");
  const auto before = static_cast<uint64_t>(statements_->known.Integer(0));
  statements_->known.Reset();
  uint64_t kinds = before;
  for (const auto& event : events) {
    auto& insert = statements_->event.Bind(1, id).Bind(3, sql::Blob{mail::Encode(event)});
    if (event.dedup_key.empty()) {
      insert.BindNull(2);
    } else {
      insert.Bind(2, std::string_view(event.dedup_key));
    }
    TRY(const int64_t rows, insert.Run());
    if (rows > 0) kinds |= KindBit(event.kind);
  }
  if (kinds != before)
    TRY_VOID(statements_->kinds.Bind(1, id).Bind(2, static_cast<int64_t>(kinds)).Run());
  return {};
}

Result<bool> SqliteWriter::DropOld() {
  const int64_t before = ToEpochMicros(clock_.Now() - std::chrono::hours(24 * options_.keep_days));
  struct Old {
    int64_t mid, received;
    std::string frame;
  };
  std::vector<Old> old;
  {
    TRY(auto query, db_.Prepare("SELECT m.mid, m.received, r.record FROM messages m LEFT JOIN "
                                "records r ON r.mid = m.mid "
                                "WHERE m.received < ?1 ORDER BY m.received, m.mid LIMIT ?2"));
    query.Bind(1, before).Bind(2, static_cast<int64_t>(kDropChunk));
    while (true) {
      TRY(const bool row, query.Step());
      if (!row) break;
      old.push_back({query.Integer(0), query.Integer(1), query.Bytes(2)});
    }
  }
  if (old.empty()) return false;
  TRY_VOID(db_.Transaction([&]() -> Result<void> {
    TRY(auto posting,
        db_.Prepare("DELETE FROM postings WHERE fingerprint = ?1 AND received = ?2 AND mid = ?3"));
    TRY(auto event, db_.Prepare("DELETE FROM events WHERE mid = ?1"));
    TRY(auto record, db_.Prepare("DELETE FROM records WHERE mid = ?1"));
    TRY(auto message, db_.Prepare("DELETE FROM messages WHERE mid = ?1"));
    for (const Old& each : old) {
      // Of a damaged record the postings stay; search skips those that have no message.
      if (auto bytes = Decompress(each.frame, options_.max_record_bytes)) {
        if (auto decoded = mail::DecodeMessageRecord(*bytes)) {
          for (const int64_t fingerprint : PostingsOf(*decoded)) {
            TRY_VOID(posting.Bind(1, fingerprint).Bind(2, each.received).Bind(3, each.mid).Run());
          }
        }
      }
      TRY_VOID(event.Bind(1, each.mid).Run());
      TRY_VOID(record.Bind(1, each.mid).Run());
      TRY_VOID(message.Bind(1, each.mid).Run());
    }
    TRY_VOID(statements_->records.Bind(1, -static_cast<int64_t>(old.size())).Run());
    return {};
  }));
  logger_.Info("tracking_dropped_old", {{"messages", old.size()}});
  return old.size() == kDropChunk;
}

}  // namespace mailreeve::bench::sqlite
