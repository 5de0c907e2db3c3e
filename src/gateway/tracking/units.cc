#include "gateway/tracking/units.h"

namespace mailreeve::gateway::tracking {

bool Units::HasLaterEvents(mail::Mid mid, uint64_t journal) const {
  for (const auto& segment : segments) {
    if (segment->info().first_journal > journal && segment->HasLaterEvents(mid)) return true;
  }
  for (const auto& head : heads) {
    if (head->journal() > journal && head->HasLaterEvents(mid)) return true;
  }
  return false;
}

Result<void> Units::AddLaterEvents(mail::MessageRecord& record, uint64_t journal) const {
  Result<void> result;
  const size_t before = record.events.size();
  const auto add = [&record](std::vector<mail::Event> events) {
    record.events.insert(record.events.end(), std::make_move_iterator(events.begin()),
                         std::make_move_iterator(events.end()));
  };
  for (const auto& segment : segments) {
    if (segment->info().first_journal <= journal || !segment->HasLaterEvents(record.mid)) continue;
    auto events = segment->LaterEventsOf(record.mid);
    if (events) {
      add(*std::move(events));
    } else if (result || result.error().code == Code::kCorrupt) {
      // Of several the one that a second try may mend.
      result = Fail(std::move(events).error());
    }
  }
  for (const auto& head : heads) {
    if (head->journal() > journal) add(head->LaterEventsOf(record.mid));
  }
  if (record.events.size() != before) SortByTime(record.events);
  return result;
}

void Health::Unreadable(uint64_t segment, uint64_t block, uint64_t rows, const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!blocks_.emplace(std::pair(segment, block), rows).second) return;
    rows_ += rows;
    if (first_unreadable_.empty()) first_unreadable_ = error.ToString();
  }
  logger_.Error(
      "tracking_block_unreadable",
      {{"segment", segment}, {"block", block}, {"messages", rows}, {"error", error.ToString()}});
}

void Health::UnreadableEvents(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!events_.empty()) return;
    events_ = error.ToString();
  }
  logger_.Error("tracking_events_unreadable", {{"error", error.ToString()}});
}

void Health::Lost(LostFrames frames) {
  constexpr size_t kMaxLost = 1000;  // told one by one
  logger_.Error("tracking_journal_damaged",
                {{"file", frames.file}, {"offset", frames.offset}, {"bytes", frames.bytes}});
  const std::lock_guard lock(mutex_);
  if (lost_.size() < kMaxLost) lost_.insert(std::move(frames));
}

std::vector<LostFrames> Health::lost() const {
  const std::lock_guard lock(mutex_);
  return {lost_.begin(), lost_.end()};
}

void Health::Slower(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (++slower_ > 100) return;  // once is enough for people; a flood helps nobody
  }
  logger_.Warn("tracking_index_damaged", {{"error", error.ToString()}});
}

uint64_t Health::unreadable_rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

std::string Health::Told() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  if (rows_ > 0) {
    out = std::to_string(rows_) +
          " messages are in damaged blocks and are not searched (first: " + first_unreadable_ + ")";
  }
  if (!events_.empty()) {
    if (!out.empty()) out += "; ";
    out += "later events of some messages are damaged and are not shown (first: " + events_ + ")";
  }
  if (!lost_.empty()) {
    if (!out.empty()) out += "; ";
    uint64_t bytes = 0;
    for (const LostFrames& lost : lost_) bytes += lost.bytes;
    out += std::to_string(bytes) +
           " bytes of the journal are damaged (first: " + lost_.begin()->file + " at offset " +
           std::to_string(lost_.begin()->offset) + "), so messages or events may be missing";
  }
  return out;
}

}  // namespace mailreeve::gateway::tracking
