#pragma once

#include "gateway/segment/segment.h"
#include "gateway/tracking/head.h"
#include "log/log.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
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
  void LostFrames(const std::string& file, uint64_t offset, uint64_t bytes);
  // Something that only makes answers slower.
  void Slower(const Error& error);

  uint64_t unreadable_rows() const;
  std::string Told() const;  // what the answers say; empty when all is well

 private:
  log::Logger& logger_;
  mutable std::mutex mutex_;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> blocks_;
  uint64_t rows_ = 0;
  uint64_t lost_bytes_ = 0;
  std::string first_lost_, first_unreadable_;
  uint64_t slower_ = 0;
};

}  // namespace mailreeve::gateway::tracking
