#pragma once

#include "io/files.h"
#include "io/pool.h"
#include "log/log.h"
#include "response/feed_formats/misp.h"
#include "response/feed_import/feed.h"
#include "response/feed_import/library.h"
#include "response/feed_import/source.h"
#include "response/feed_import/state.h"
#include "settings/settings.h"
#include "stix/from_stix.h"

#include <functional>

// Takes feeds: what has changed goes into the library, what is no longer listed goes out of it.
//
// One feed at a time, so that memory is that of one: lists and CSV from files are read as they
// come; over HTTP an answer is held whole, up to a limit. A feed that suddenly lists much less is
// taken for broken: nothing is removed and the run fails.
//
// Threads: one executor; files are read on the pool. Ownership: borrows everything; outlives its
// tasks. Errors: of the source, the formats and the library; also kept in the feed's state.
//
//   Importer importer(library, source, files, pool, states, clock, logger, options);
//   scope.Spawn("feeds", importer.Run(feeds));
namespace mailreeve::response::feed_import {

struct Options {
  size_t batch = 5000;                            // documents of one Put
  size_t max_document_bytes = 256 * 1024 * 1024;  // of a STIX or MISP document
  size_t max_pages = 100'000;                     // of one run of TAXII
  size_t page_size = 1000;                        // asked of TAXII
  size_t max_event_failures = 20;                 // MISP events that may fail in one run
  int64_t max_shrink_percent = 80;                // less listed than before by more: broken
  uint64_t shrink_from = 100;                     // entries before from which that counts
  std::chrono::seconds run_timeout{3600};
  std::chrono::seconds first_retry{60};  // doubles with each failure, up to the interval
  size_t max_text_entries = 5'000'000;
  stix::FromStixOptions stix;
  feed_formats::MispLimits misp;
};
// The settings feeds.* over the defaults.
Options FromSettings(const settings::Snapshot& snapshot);

struct Report {
  bool unchanged = false;  // the source said so
  uint64_t documents = 0, removed = 0;
  feed_formats::Counts counts;
};

class Importer {
 public:
  Importer(Library& library, Source& source, io::Files& files, io::Pool& pool, StateFolder states,
           const Clock& clock, log::Logger& logger, Options options);

  // One run, whether it is due or not. Its state is saved either way.
  io::Task<Result<Report>> Take(Feed feed);
  // Takes feeds when they are due, until cancelled.
  io::Task<void> Run(std::vector<Feed> feeds);
  // When the feed is due: at once the first time.
  Time DueAt(const Feed& feed, const FeedState& state) const;

 private:
  struct Work;
  io::Task<Result<void>> TakeAny(Work& work);
  io::Task<Result<void>> TakeText(Work& work);
  io::Task<Result<void>> TakeStix(Work& work);
  io::Task<Result<void>> TakeTaxii(Work& work);
  io::Task<Result<void>> TakeMisp(Work& work);
  io::Task<Result<void>> TakeEvent(Work& work, feed_formats::MispEvent event);
  io::Task<Result<void>> PutEntries(Work& work, std::vector<feed_formats::Entry> entries);
  io::Task<Result<void>> PutDocuments(Work& work, std::string set,
                                      std::vector<json::object> documents);
  io::Task<Result<void>> FinishWhole(Work& work, uint64_t entries);
  Result<void> CheckSize(const Work& work, uint64_t entries) const;
  // The answer, or nothing when it has not changed. `whole`: conditional, and its validators are
  // kept.
  io::Task<Result<std::optional<http::Response>>> Fetch(Work& work, std::string url, bool whole,
                                                        std::string accept);
  // The text of a URL or file, at most max_document_bytes.
  io::Task<Result<std::optional<std::string>>> ReadDocument(Work& work, std::string url, bool whole,
                                                            std::string accept);

  Library& library_;
  Source& source_;
  io::Files& files_;
  io::Pool& pool_;
  StateFolder states_;
  const Clock& clock_;
  log::Logger& logger_;
  const Options options_;
};

}  // namespace mailreeve::response::feed_import
