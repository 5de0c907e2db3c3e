#include "gateway/tracking/units.h"

#include <algorithm>

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
    } else {
      result = Fail(std::move(events).error());
    }
  }
  for (const auto& head : heads) {
    if (head->journal() > journal) add(head->LaterEventsOf(record.mid));
  }
  if (record.events.size() != before) {
    std::stable_sort(record.events.begin(), record.events.end(),
                     [](const mail::Event& a, const mail::Event& b) { return a.time < b.time; });
  }
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

void Health::LostFrames(const std::string& file, uint64_t offset, uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    lost_bytes_ += bytes;
    if (first_lost_.empty()) first_lost_ = file + " at offset " + std::to_string(offset);
  }
  logger_.Error("tracking_journal_damaged", {{"file", file}, {"offset", offset}, {"bytes", bytes}});
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
  if (lost_bytes_ > 0) {
    if (!out.empty()) out += "; ";
    out += std::to_string(lost_bytes_) +
           " bytes of the journal are damaged (first: " + first_lost_ +
           "), so messages or events may be missing";
  }
  return out;
}

}  // namespace mailreeve::gateway::tracking
