#pragma once

#include "gateway/tracking/units.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Goes through all units for what fits a plan, newest first. Internal to this folder. Threads: one.
namespace mailreeve::gateway::tracking {

class Walk {
 public:
  // All that is passed outlives it. `max_examined`: records it may look at.
  Walk(const Units& units, const Plan& plan, Health& health, size_t max_examined);
  ~Walk();

  // The next record that fits, with all its events; nothing at the end, or when it had to stop.
  std::optional<mail::MessageRecord> Next();
  // It looked at as much as it may: all before `resume` in order is answered, the rest is not.
  bool stopped() const { return stopped_; }
  Place resume() const { return resume_; }
  // False: certainly nothing more comes.
  bool MayHaveMore();

  uint64_t examined() const { return examined_; }
  uint64_t unreadable() const { return unreadable_; }
  uint64_t segments_read() const { return segments_read_; }
  uint64_t segments_skipped() const { return segments_skipped_; }
  const std::string& why() const { return why_; }  // something was left out

 private:
  class Cursor;
  class SegmentCursor;
  class HeadCursor;
  friend class Cursor;
  void LeftOut(const Error& error, uint64_t rows);

  const Units& units_;
  const Plan& plan_;
  Health& health_;
  const size_t max_examined_;
  std::vector<std::unique_ptr<Cursor>> cursors_;
  uint64_t examined_ = 0, unreadable_ = 0, segments_read_ = 0, segments_skipped_ = 0;
  bool stopped_ = false;
  Place resume_;
  std::string why_;
};

// The rows of a segment that the groups of a plan leave, within its time span.
struct RowSpan {
  uint32_t first = 0, end = 0;  // by blocks: some rows at the edges may be outside the time span
};
RowSpan SpanOf(const segment::Segment& segment, const Plan& plan);
// The postings of the groups; nothing when a group has none and no later event can add any.
struct GroupRows {
  std::vector<segment::Postings> postings;
  uint64_t count = 0;
};
Result<std::optional<std::vector<GroupRows>>> GroupsOf(const segment::Segment& segment,
                                                       const Plan& plan);
// Rows of one group, ascending, unique.
Result<std::vector<uint32_t>> RowsOf(const segment::Segment& segment, const GroupRows& group);

}  // namespace mailreeve::gateway::tracking
