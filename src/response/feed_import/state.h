#pragma once

#include "base/time.h"
#include "io/files.h"
#include "json/json.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

// How far a feed is. One small file a feed, replaced whole.
//
// Threads: a value; StateFolder is blocking. Errors: a file that cannot be read is as none, so that
// the feed is taken anew; writing as io/files.h.
//
//   StateFolder states(io::PosixFiles(), "/var/lib/mailreeve/feeds");
//   FeedState state = states.Load("demo");
namespace mailreeve::response::feed_import {

struct FeedState {
  std::string etag, last_modified;            // of the last whole answer
  std::string added_after;                    // TAXII
  std::map<std::string, std::string> events;  // MISP: uuid -> timestamp
  int64_t generation = 0;
  std::optional<Time> tried, succeeded, read_whole;
  int64_t failures = 0;                 // in a row
  std::string error;                    // of the last run; empty: it went well
  uint64_t entries = 0;                 // of the last whole answer
  uint64_t documents = 0, removed = 0;  // of the last run
  std::map<std::string, size_t> skipped;

  json::object ToJson() const;
  static Result<FeedState> FromJson(const json::value& value);
};

class StateFolder {
 public:
  StateFolder(io::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
  FeedState Load(const std::string& feed);
  Result<void> Save(const std::string& feed, const FeedState& state);

 private:
  std::string PathOf(const std::string& feed) const { return folder_ + "/" + feed + ".json"; }
  io::Files& files_;
  std::string folder_;
};

}  // namespace mailreeve::response::feed_import
