#pragma once

#include "codec.h"
#include "sql/database.h"
#include "store.h"

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

// Reads the tracking database. Internal to this folder.
// Threads: one Reader belongs to one thread at a time; Damaged is shared and safe.
namespace mailreeve::bench::sqlite {

// The records that could not be read so far.
class Damaged {
 public:
  // True when it was not known yet.
  bool Add(mail::Mid mid) {
    std::lock_guard lock(mutex_);
    return mids_.insert(mid).second;
  }
  uint64_t size() const {
    std::lock_guard lock(mutex_);
    return mids_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::set<mail::Mid> mids_;
};

class Reader {
 public:
  static Result<std::unique_ptr<Reader>> Open(const SqliteOptions& options, const std::string& path,
                                              std::shared_ptr<Damaged> damaged);

  Result<Page> Search(const Query& query);
  Result<mail::MessageRecord> Get(mail::Mid mid);
  Result<mail::MessageRecord> FindByQueueId(const std::string& queue_id, Time not_after);
  Result<Coverage> Held();
  Result<Totals> Count(Time from, Time until);

 private:
  // Any of these postings fits; groups are joined by "and".
  using Group = std::vector<int64_t>;
  struct Asked;
  class Walk;

  explicit Reader(const SqliteOptions& options, sql::Database db, std::shared_ptr<Damaged> damaged)
      : options_(options), db_(std::move(db)), damaged_(std::move(damaged)) {}

  template <class F>
  auto Snapshot(F work);
  Result<Page> SearchInSnapshot(const Query& query);
  Result<mail::MessageRecord> Load(mail::Mid mid, size_t* bytes = nullptr);
  Result<Coverage> Cover();

  const SqliteOptions options_;
  sql::Database db_;
  std::shared_ptr<Damaged> damaged_;
};

}  // namespace mailreeve::bench::sqlite
