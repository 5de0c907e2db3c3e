#pragma once

#include "base/time.h"
#include "gateway/tracking/fingerprints.h"
#include "gateway/tracking/head_texts.h"
#include "gateway/tracking/store.h"
#include "io/files.h"
#include "log/log.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

// The tracking store without threads of its own: what is written to disk when, and how it is found
// again (docs/tracking-format.md). The engine (engine.h) gives it threads; the simulator
// (tests/simulator) drives it step by step over io::SimFiles.
//
// Threads: Commit and ids from one thread at a time; Maintain from one thread at a time, beside
// Commit; the const calls from any, beside both. Ownership: files, logger and clock outlive it.
namespace mailreeve::gateway::tracking {

struct CoreOptions {
  std::string dir;  // made when it is not there

  // Settings (schema/settings/tracking.json).
  uint64_t keep_days = 0;        // records received longer ago are dropped; 0: kept for good
  uint64_t max_store_bytes = 0;  // oldest segments are dropped above it; 0: no limit
  size_t max_record_bytes = 16 * 1024 * 1024;  // of an encoded record; larger ones are kInvalid
  size_t max_examined = 500000;  // messages one search looks at before it answers with what it has
  size_t max_counted = 50000;    // messages that CountMatches looks at where the index cannot count
  size_t max_any_of = 1000;      // observables of a query
  size_t max_page_bytes = 64 * 1024 * 1024;  // records of one page; the page ends early then
  size_t max_indexed_per_class = 2000;  // observables of one class (url, domain, …) in one message;
                                        // further ones are counted, not indexed
  size_t max_indexed_recipients = 50000;
  size_t max_counter_keys = 2500;  // per segment and report dimension; half as many per hour

  size_t seal_records = 131072;             // of the head before it becomes a segment
  uint64_t seal_bytes = 256 * 1024 * 1024;  // the same, of its journal
  uint64_t seal_seconds = 86400;            // the same, of its age
  size_t compact_records = 1048576;         // of a segment that compaction makes

  size_t compact_segments =
      4;                       // neighbours of like size that are merged before there is a full one
  uint64_t id_block = 100000;  // ids reserved ahead in one write
  int compression_level = 3;   // zstd, of segments that compaction makes
  Privacy privacy;
};

struct Appended {
  // Set by Prepare.
  std::vector<uint64_t> fingerprints;
  std::string encoded;  // empty: not prepared yet
  HeadTexts texts;

  // Either a record, or events of the message `mid`.
  std::optional<mail::MessageRecord> record;
  mail::Mid mid = 0;
  std::vector<mail::Event> events;
  Result<void> result;            // set by Commit
  std::vector<WatchHit> watched;  // set by Commit
};

class Core {
 public:
  // Takes the store over and replays the journal. kConflict: another process holds it, or a newer
  // program wrote it. kUnavailable: folder or files cannot be opened. Damage never stops it: it is
  // logged, set aside and told by Held().
  static Result<std::unique_ptr<Core>> Open(CoreOptions options, io::Files& files,
                                            log::Logger& logger, const Clock& clock);
  virtual ~Core() = default;

  virtual mail::Mid NextMid() = 0;
  virtual mail::Icid NextIcid() = 0;
  // Commit, even of nothing, should come soon, since it reserves ids. Any thread.
  virtual bool IdsRunLow() const = 0;

  // The part of a record's way that needs no order: checks, fingerprints, encoding. Any thread.
  // Commit does it when it was not done.
  virtual void Prepare(Appended& item) const = 0;
  // Makes all of the batch durable with one sync and visible, then sets each `result`. Nothing of
  // it is acknowledged when the sync fails.
  virtual void Commit(std::span<Appended> batch) = 0;

  // A full head waits to be sealed. Any thread.
  virtual bool HasFrozen() const = 0;
  // One step of sealing, compaction or retention; false when there is nothing to do now.
  virtual Result<bool> Maintain() = 0;
  // Makes a Maintain under way end soon, with kCancelled; what it made so far is thrown away. For
  // good. Any thread.
  virtual void StopMaintenance() = 0;
  // Seals the head now, whatever its size.
  virtual Result<void> Seal() = 0;

  virtual Result<Page> Search(const Query& query) const = 0;
  virtual Result<mail::MessageRecord> Get(mail::Mid mid) const = 0;
  virtual Result<mail::MessageRecord> FindByQueueId(const std::string& queue_id,
                                                    Time not_after) const = 0;
  virtual Coverage Held() const = 0;
  virtual Result<Totals> Count(Time from, Time until) const = 0;
  virtual Result<Matches> CountMatches(const Query& query) const = 0;
  virtual Result<counters::Answer> Counters(const counters::Question& question) const = 0;
  virtual Result<HuntStep> Hunt(const std::vector<uint64_t>& wanted,
                                const std::string& resume) const = 0;
  virtual void Watch(std::vector<uint64_t> fingerprints) = 0;
  // Reads the filters of one segment into memory, newest first; false when all are. Answers before
  // are right, but slower. Any thread.
  virtual bool LoadFilters() = 0;
};

// Every checksum of a store that may be in use: reads only, takes no lock.
struct Damage {
  std::string file;
  uint64_t offset = 0;
  std::string what;
};
struct CheckReport {
  uint64_t files = 0, bytes = 0, records = 0, torn_bytes = 0;
  std::vector<Damage> damaged;
  std::vector<std::string> missing;
};
Result<CheckReport> CheckStore(io::Files& files, const std::string& dir,
                               const std::function<bool()>& stop = {});

}  // namespace mailreeve::gateway::tracking
