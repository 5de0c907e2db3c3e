#include "gateway/tracking/head.h"

#include "gateway/tracking/fold.h"

#include <algorithm>
#include <mutex>

namespace mailreeve::gateway::tracking {
namespace {

constexpr size_t kRunPairs = 65536;  // looked through one by one before they are sorted

uint32_t KindBit(mail::EventKind kind) { return uint32_t{1} << static_cast<unsigned>(kind); }

}  // namespace

void SortByTime(std::vector<mail::Event>& events) {
  std::stable_sort(events.begin(), events.end(),
                   [](const mail::Event& a, const mail::Event& b) { return a.time < b.time; });
}

HeadTexts HeadTextsOf(const mail::MessageRecord& record) {
  HeadTexts out;
  const mail::Inspection& i = record.inspection;
  const auto add = [](std::string& to, const std::string& text) {
    to += '\n';
    to += FoldText(text);
  };
  add(out.subjects, i.subject);
  for (const auto& text : i.other_subjects) add(out.subjects, text);
  add(out.others, record.envelope_from);
  for (const auto& recipient : record.recipients) add(out.others, recipient.address);
  for (const auto& address : i.addresses) add(out.others, address.address);
  for (const auto& file : i.attachments) {
    for (const auto& name : file.names) add(out.others, name);
  }
  return out;
}

void Head::Add(Added added) {
  const std::unique_lock lock(mutex_);
  const auto row = static_cast<uint32_t>(rows_.size());
  uint32_t kinds = 0;
  for (const auto& event : added.events) kinds |= KindBit(event.kind);
  bytes_ += added.encoded.size() + added.fingerprints.size() * sizeof(Pair) +
            added.texts.subjects.size() + added.texts.others.size() + 240;
  const InOrder place{{ToEpochMicros(added.received), added.mid}, row};
  if (order_.empty() || order_.back() < place) {
    order_.push_back(place);
  } else {
    order_.insert(std::upper_bound(order_.begin(), order_.end(), place), place);
  }
  rows_.push_back({added.mid,
                   added.icid,
                   place.place.received,
                   kinds,
                   std::move(added.encoded),
                   std::move(added.texts),
                   {}});
  by_mid_.emplace(added.mid, row);
  for (const uint64_t fingerprint : added.fingerprints) newest_.emplace_back(fingerprint, row);
  if (newest_.size() >= kRunPairs) {
    std::sort(newest_.begin(), newest_.end());
    runs_.push_back(std::move(newest_));
    newest_ = {};
    newest_.reserve(kRunPairs + 1024);
  }
}

void Head::AddEvents(mail::Mid mid, std::vector<mail::Event> events) {
  const std::unique_lock lock(mutex_);
  const auto found = by_mid_.find(mid);
  bytes_ += events.size() * sizeof(mail::Event);
  std::vector<mail::Event>* to = nullptr;
  if (found != by_mid_.end()) {
    Row& row = rows_[found->second];
    for (const auto& event : events) row.kinds |= KindBit(event.kind);
    to = &row.later;
  } else {
    later_events_ += events.size();
    to = &later_[mid];
  }
  to->insert(to->end(), std::make_move_iterator(events.begin()),
             std::make_move_iterator(events.end()));
}

uint32_t Head::rows() const {
  const std::shared_lock lock(mutex_);
  return static_cast<uint32_t>(rows_.size());
}
size_t Head::later_events() const {
  const std::shared_lock lock(mutex_);
  return later_events_;
}
size_t Head::memory_bytes() const {
  const std::shared_lock lock(mutex_);
  return bytes_;
}
bool Head::Has(mail::Mid mid) const {
  const std::shared_lock lock(mutex_);
  return by_mid_.contains(mid);
}
std::optional<std::pair<Place, Place>> Head::Span() const {
  const std::shared_lock lock(mutex_);
  if (order_.empty()) return std::nullopt;
  return std::pair(order_.front().place, order_.back().place);
}

Result<mail::MessageRecord> Head::Load(mail::Mid mid) const {
  uint32_t row = 0;
  {
    const std::shared_lock lock(mutex_);
    const auto found = by_mid_.find(mid);
    if (found == by_mid_.end()) {
      return Fail(Code::kNotFound, "MID " + std::to_string(mid) + " is not tracked");
    }
    row = found->second;
  }
  return LoadRow(row);
}

Result<mail::MessageRecord> Head::LoadRow(uint32_t row) const {
  std::string_view encoded;
  std::vector<mail::Event> later;
  {
    const std::shared_lock lock(mutex_);
    encoded = rows_[row].encoded;
    later = rows_[row].later;
  }
  TRY(mail::MessageRecord record, mail::DecodeMessageRecord(encoded));
  record.events.insert(record.events.end(), std::make_move_iterator(later.begin()),
                       std::make_move_iterator(later.end()));
  SortByTime(record.events);
  return record;
}

bool Head::HasLaterEvents(mail::Mid mid) const {
  const std::shared_lock lock(mutex_);
  return later_.contains(mid);
}
std::vector<mail::Event> Head::LaterEventsOf(mail::Mid mid) const {
  const std::shared_lock lock(mutex_);
  const auto found = later_.find(mid);
  return found == later_.end() ? std::vector<mail::Event>() : found->second;
}

void Head::RowsWith(uint64_t fingerprint, std::vector<uint32_t>& rows) const {
  for (const auto& run : runs_) {
    for (auto at = std::lower_bound(run.begin(), run.end(), Pair(fingerprint, 0));
         at != run.end() && at->first == fingerprint; ++at) {
      rows.push_back(at->second);
    }
  }
  for (const auto& [each, row] : newest_) {
    if (each == fingerprint) rows.push_back(row);
  }
}

std::vector<Head::Candidate> Head::Candidates(
    const Plan& plan, const Place& below, size_t max,
    const std::function<bool(mail::Mid)>& has_later) const {
  const std::shared_lock lock(mutex_);
  std::vector<Candidate> out;
  std::vector<uint32_t> event_kinds;  // one mask for each group of events
  std::optional<std::vector<uint32_t>> rows;
  for (const auto& group : plan.groups) {
    if (group.of_events) {
      uint32_t mask = 0;
      for (unsigned kind = 0; kind <= mail::kMaxEventKind; ++kind) {
        const auto each = static_cast<mail::EventKind>(kind);
        if (std::binary_search(group.fingerprints.begin(), group.fingerprints.end(),
                               EventToken(each))) {
          mask |= KindBit(each);
        }
      }
      event_kinds.push_back(mask);
      continue;
    }
    std::vector<uint32_t> found;
    for (const uint64_t fingerprint : group.fingerprints) RowsWith(fingerprint, found);
    for (const mail::Mid mid : group.mids) {
      if (const auto at = by_mid_.find(mid); at != by_mid_.end()) found.push_back(at->second);
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (!rows) {
      rows = std::move(found);
    } else {
      std::vector<uint32_t> both;
      std::set_intersection(rows->begin(), rows->end(), found.begin(), found.end(),
                            std::back_inserter(both));
      rows = std::move(both);
    }
    if (rows->empty()) return out;
  }
  const auto may_fit = [&](const Place& place, uint32_t index) {
    const Row& row = rows_[index];
    if (!(place < below) || !plan.InTime(place.received)) return false;
    if (plan.mid && row.mid != *plan.mid) return false;
    if (plan.icid && row.icid != *plan.icid) return false;
    for (const uint32_t mask : event_kinds) {
      if ((row.kinds & mask) == 0 && !has_later(row.mid)) return false;
    }
    for (const auto& text : plan.texts) {
      if (!text.index) continue;
      std::string_view needle = text.condition.value;
      if (text.condition.field == TextCondition::Field::kSenderDomain && needle.starts_with('.')) {
        needle.remove_prefix(1);
      }
      const std::string& held =
          *text.index == segment::TextIndex::kSubjects ? row.texts.subjects : row.texts.others;
      if (held.find(needle) == std::string::npos) return false;
    }
    return true;
  };
  if (plan.mid) {
    const auto found = by_mid_.find(*plan.mid);
    if (found == by_mid_.end()) return out;
    const Place place{rows_[found->second].received, *plan.mid};
    const bool in_rows = !rows || std::binary_search(rows->begin(), rows->end(), found->second);
    if (in_rows && may_fit(place, found->second)) out.push_back({place, found->second});
    return out;
  }
  if (rows) {
    for (const uint32_t row : *rows) {
      const Place place{rows_[row].received, rows_[row].mid};
      if (may_fit(place, row)) out.push_back({place, row});
    }
    std::sort(out.begin(), out.end(),
              [](const Candidate& a, const Candidate& b) { return b.place < a.place; });
    return out;
  }
  auto at = std::lower_bound(order_.begin(), order_.end(), InOrder{below, 0});
  while (at != order_.begin() && out.size() < max) {
    --at;
    if (at->place.received < plan.from) break;
    if (may_fit(at->place, at->row)) out.push_back({at->place, at->row});
  }
  return out;
}

void Head::ForFingerprints(const std::function<void(uint64_t, uint32_t)>& take) const {
  const std::shared_lock lock(mutex_);
  for (const auto& run : runs_) {
    for (const auto& [fingerprint, row] : run) take(fingerprint, row);
  }
  for (const auto& [fingerprint, row] : newest_) take(fingerprint, row);
}

std::pair<mail::Mid, Time> Head::WhoIs(uint32_t row) const {
  const std::shared_lock lock(mutex_);
  return {rows_[row].mid, FromEpochMicros(rows_[row].received)};
}

std::vector<mail::Mid> Head::LaterMids() const {
  const std::shared_lock lock(mutex_);
  std::vector<mail::Mid> out;
  out.reserve(later_.size());
  for (const auto& [mid, events] : later_) out.push_back(mid);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<uint32_t> Head::RowsInOrder() const {
  const std::shared_lock lock(mutex_);
  std::vector<uint32_t> out;
  out.reserve(order_.size());
  for (const auto& each : order_) out.push_back(each.row);
  return out;
}

void Head::AddCounters(counters::Merger& merger) const {
  const std::shared_lock lock(mutex_);
  merger.Add(counters_);
}
void Head::Count(const mail::MessageRecord& record) {
  const std::unique_lock lock(mutex_);
  counters_.Count(record);
}
void Head::Count(const mail::MessageRecord& before, const std::vector<mail::Event>& added) {
  const std::unique_lock lock(mutex_);
  counters_.Count(before, added);
}

}  // namespace mailreeve::gateway::tracking
