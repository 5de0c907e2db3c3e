#pragma once

#include "gateway/segment/journal.h"
#include "gateway/tracking/core.h"
#include "gateway/tracking/manifest.h"
#include "gateway/tracking/units.h"
#include "gateway/tracking/watch_list.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

// The one Core. core.cc opens and recovers, core_commit.cc appends, core_read.cc answers,
// core_maintain.cc seals, compacts and drops. Internal to this folder.
//
// Locks, in this order: maintain_mutex_ (sealing, compaction, retention), commit_mutex_ (journal
// and the head that is added to), units_mutex_ (which units there are; held for moments).
namespace mailreeve::gateway::tracking {

class StoreCore final : public Core {
 public:
  static Result<std::unique_ptr<StoreCore>> Open(CoreOptions options, io::Files& files,
                                                 log::Logger& logger, const Clock& clock);
  ~StoreCore() override;

  mail::Mid NextMid() override { return Next(next_mid_, reserved_mid_); }
  mail::Icid NextIcid() override { return Next(next_icid_, reserved_icid_); }
  bool IdsRunLow() const override;
  void Prepare(Appended& item) const override;
  void Commit(std::span<Appended> batch) override;
  bool HasFrozen() const override { return units()->heads.size() > 1; }
  Result<bool> Maintain() override;
  void StopMaintenance() override { stop_maintenance_ = true; }
  Result<void> Seal() override;

  Result<Page> Search(const Query& query) const override;
  Result<mail::MessageRecord> Get(mail::Mid mid) const override;
  Result<mail::MessageRecord> FindByQueueId(const std::string& queue_id,
                                            Time not_after) const override;
  Coverage Held() const override;
  Result<Totals> Count(Time from, Time until) const override;
  Result<Matches> CountMatches(const Query& query) const override;
  Result<counters::Answer> Counters(const counters::Question& question) const override;
  Result<HuntStep> Hunt(const std::vector<uint64_t>& wanted,
                        const std::string& resume) const override;
  void Watch(std::vector<uint64_t> fingerprints) override;
  bool LoadFilters() override;

 private:
  StoreCore(CoreOptions options, io::Files& files, log::Logger& logger, const Clock& clock)
      : options_(std::move(options)),
        files_(files),
        logger_(logger),
        clock_(clock),
        health_(logger) {}

  // core.cc
  Result<void> Recover();
  Result<void> ReadOrRebuildManifest();
  Result<void> OpenSegments();
  Result<void> ReplayJournals();
  Result<void> Replay(uint64_t sequence);
  Result<void> RemoveLeftovers();
  mail::Mid Next(std::atomic<uint64_t>& next, const std::atomic<uint64_t>& reserved);
  std::shared_ptr<const Units> units() const {
    const std::lock_guard lock(units_mutex_);
    return units_;
  }
  void SetUnits(std::shared_ptr<const Units> units) {
    const std::lock_guard lock(units_mutex_);
    units_ = std::move(units);
  }

  // core_commit.cc
  struct Batch;
  Result<void> ReadyJournal();
  Result<void> Rotate();
  bool HeadIsFull() const;
  // An error: what may hold it cannot be read now.
  Result<bool> IsHeld(const Units& units, mail::Mid mid) const;
  void CheckRecord(const Units& units, Appended& item, Batch& batch) const;
  void CheckEvents(const Units& units, Appended& item, Batch& batch) const;
  void ReserveIds();
  void Apply(Appended& item);

  // core_read.cc
  Coverage CoverageOf(const Units& units) const;
  Result<mail::MessageRecord> Load(const Units& units, mail::Mid mid) const;

  // core_maintain.cc
  Result<void> GoOn() const;  // kCancelled after StopMaintenance
  Result<bool> SealFrozen();
  // Of a compaction at some step: it takes long, and full heads take memory.
  Result<void> SealMeanwhile(uint32_t step);
  Result<bool> DropOld();
  Result<bool> Compact();
  Result<void> Publish(Manifest manifest, std::shared_ptr<const Units> units);
  Result<void> WriteSealed(const std::vector<std::shared_ptr<Head>>& heads,
                           segment::SegmentInfo info, segment::SegmentInfo& made);
  Result<void> WriteCompacted(const std::vector<std::shared_ptr<const segment::Segment>>& inputs,
                              segment::SegmentInfo info, segment::SegmentInfo& made);

  const CoreOptions options_;
  io::Files& files_;
  log::Logger& logger_;
  const Clock& clock_;
  mutable Health health_;
  std::unique_ptr<io::FileLock> lock_;

  std::mutex maintain_mutex_;
  std::atomic<bool> stop_maintenance_{false};
  Manifest manifest_;                     // of maintain_mutex_
  std::unordered_set<uint64_t> spoiled_;  // segments that compaction cannot read
  Time last_look_{};                      // of retention
  std::optional<Time> held_until_;        // retention waits after a clock jump

  std::set<std::pair<mail::Mid, std::string>> replayed_keys_;  // while journals are replayed

  std::mutex commit_mutex_;
  std::unique_ptr<segment::JournalWriter> journal_;
  std::shared_ptr<Head> active_;
  uint64_t next_journal_ = 1;
  // Journals below it were replayed at the start. A later one may repeat what an earlier one holds
  // of a batch that failed, so they are sealed together: of one that is left alone, a replay would
  // not know what it repeats.
  uint64_t replayed_until_ = 0;
  Time active_since_{};
  std::atomic<uint64_t> max_mid_{0};
  std::shared_ptr<const WatchList> watch_;  // of commit_mutex_
  bool journal_doubt_ = false;              // a journal was torn or damaged
  bool closed_well_ = false;                // the last journal ends with the ids that were next
  uint64_t reserving_mid_ = 0, reserving_icid_ = 0;  // by the batch under way; 0: none
  std::atomic<uint64_t> torn_bytes_{0};

  std::atomic<uint64_t> next_mid_{1}, reserved_mid_{1}, next_icid_{1}, reserved_icid_{1};

  mutable std::mutex units_mutex_;
  std::shared_ptr<const Units> units_;
};

}  // namespace mailreeve::gateway::tracking
