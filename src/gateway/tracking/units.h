#pragma once

#include "gateway/segment/segment.h"
#include "gateway/tracking/head.h"
#include "gateway/tracking/manifest.h"
#include "log/log.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

// What the store is made of at one moment. Internal to this folder. Threads: immutable; Health is
// safe.
namespace mailreeve::gateway::tracking {

struct MissingSegment {
  segment::SegmentInfo info;
  std::string why;
};

struct Units {
  std::vector<std::shared_ptr<const segment::Segment>> segments;  // in order of journals
  std::vector<std::shared_ptr<Head>> heads;                       // the last is added to
  std::vector<MissingSegment> missing;

  // Units with journals after this one have events of the message.
  bool HasLaterEvents(mail::Mid mid, uint64_t journal) const;
  // Adds them, in order of time. An error says what could not be read; the rest was added.
  Result<void> AddLaterEvents(mail::MessageRecord& record, uint64_t journal) const;
};

// Damage found so far, so that every answer can tell of it.
class Health {
 public:
  explicit Health(log::Logger& logger) : logger_(logger) {}
  // `rows` of one block of a segment cannot be read.
  void Unreadable(uint64_t segment, uint64_t block, uint64_t rows, const Error& error);
  // Journal frames that were acknowledged and are damaged.
  // Later events that cannot be read.
  void UnreadableEvents(const Error& error);
  void Lost(LostFrames frames);
  std::vector<LostFrames> lost() const;
  // Something that only makes answers slower.
  void Slower(const Error& error);

  uint64_t unreadable_rows() const;
  std::string Told() const;  // what the answers say; empty when all is well

 private:
  log::Logger& logger_;
  mutable std::mutex mutex_;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> blocks_;
  uint64_t rows_ = 0;
  std::set<LostFrames> lost_;
  std::string first_unreadable_, events_;
  uint64_t slower_ = 0;
};

}  // namespace mailreeve::gateway::tracking
