#pragma once

#include "io/pool.h"
#include "io/scope.h"
#include "response/api/feed_library.h"
#include "response/feed_import/importer.h"

#include <memory>
#include <string>
#include <vector>

namespace mailreeve::response::api {

// The feeds of a file, taken into the global intelligence store when they are due; records of
// feeds that have run out go every hour.
// Threads: opened before the executor runs (blocking), then the executor's. Ownership: borrows
// store, clock and logger; the scope's tasks end before it. Errors: of the file, naming the feed;
// settings outbound.*.
class FeedSystem {
 public:
  struct Options {
    std::string feeds_file;    // docs/feeds.md; empty: no feeds
    std::string state_folder;  // made when it is not there
  };
  static Result<std::unique_ptr<FeedSystem>> Open(Options options,
                                                  const settings::Snapshot& snapshot,
                                                  intel::Store& store, const Clock& clock,
                                                  log::Logger& logger);
  void Start(io::Scope& scope);

 private:
  FeedSystem(intel::Store& store, const Clock& clock, log::Logger& logger)
      : store_(store), library_(store), clock_(clock), logger_(logger), pool_("feeds", 1, 16) {}
  io::Task<void> RemoveExpired();

  intel::Store& store_;
  FeedLibrary library_;
  const Clock& clock_;
  log::Logger& logger_;
  io::Pool pool_;
  std::vector<feed_import::Feed> feeds_;
  std::unique_ptr<feed_import::HttpSource> source_;
  std::unique_ptr<feed_import::Importer> importer_;
};

}  // namespace mailreeve::response::api
