#include "gateway/history/mail_history.h"

#include <algorithm>
#include <utility>

namespace mailreeve::gateway::history {

std::optional<Format> FormatFromName(std::string_view name) {
  if (name == "log") return Format::kAny;
  if (name == "postfix") return Format::kPostfix;
  if (name == "rspamd") return Format::kRspamd;
  if (name == "dovecot") return Format::kDovecot;
  return std::nullopt;
}

MailHistory::MailHistory(HistoryOptions options)
    : options_(std::move(options)), postfix_(options_.postfix) {}

PostfixCounts MailHistory::counts() const {
  return {counts_.lines + postfix_.counts().lines, counts_.used + postfix_.counts().used};
}

void MailHistory::Add(std::string_view line, Time now) {
  const auto reads = [this](Format format) {
    return options_.format == Format::kAny || options_.format == format;
  };
  if (reads(Format::kRspamd)) {
    auto scan =
        line.starts_with("{") ? ReadScanRow(line) : ReadScanLine(line, options_.postfix.time, now);
    if (scan) {
      ++counts_.lines;
      // Without either id nothing tells whether it was read before.
      if (scan->queue_id.empty() && scan->message_id.empty()) return;
      ++counts_.used;
      return AddScan(*std::move(scan));
    }
  }
  if (reads(Format::kDovecot)) {
    if (auto saved = ReadSaved(line, options_.postfix.time, now)) {
      ++counts_.lines;
      ++counts_.used;
      return AddSaved(*std::move(saved));
    }
  }
  if (!reads(Format::kPostfix)) {
    ++counts_.lines;
    return;
  }
  postfix_.Add(line, now);
  TakeFromPostfix();
}

void MailHistory::Finish() {
  postfix_.Finish();
  TakeFromPostfix();
  while (!scans_.empty()) DropScan(scans_.begin());
  loose_.insert(loose_.end(), std::make_move_iterator(deliveries_.begin()),
                std::make_move_iterator(deliveries_.end()));
  deliveries_.clear();
  delivery_by_message_id_.clear();
}

void MailHistory::AddScan(Scan scan) {
  if (scans_.size() >= options_.max_waiting) DropScan(scans_.begin());
  const auto place = scans_.insert(scans_.end(), std::move(scan));
  if (!place->queue_id.empty()) scan_by_queue_id_.insert_or_assign(place->queue_id, place);
  if (!place->message_id.empty()) scan_by_message_id_.emplace(place->message_id, place);
}

namespace {

template <class Map, class Place>
void Forget(Map& map, const std::string& key, Place place) {
  const auto [begin, end] = map.equal_range(key);
  for (auto each = begin; each != end; ++each) {
    if (each->second != place) continue;
    map.erase(each);
    return;
  }
}

}  // namespace

// A scan that no mail server's message asked for is a message of its own.
void MailHistory::DropScan(Scans::iterator scan) {
  Forget(scan_by_queue_id_, scan->queue_id, scan);
  Forget(scan_by_message_id_, scan->message_id, scan);
  auto record = RecordOf(*scan, options_.postfix.max_recipients);
  scans_.erase(scan);
  AddDeliveries(record);
  records_.push_back(std::move(record));
}

std::optional<Scan> MailHistory::TakeScanOf(const mail::MessageRecord& record) {
  const auto near = [&](const Scan& scan) {
    return std::chrono::abs(scan.time - record.received) <= options_.same_message;
  };
  auto found = scans_.end();
  if (const auto by_queue_id = scan_by_queue_id_.find(record.queue_id);
      by_queue_id != scan_by_queue_id_.end() && near(*by_queue_id->second)) {
    found = by_queue_id->second;
  } else if (!record.inspection.message_id.empty()) {
    const auto [begin, end] = scan_by_message_id_.equal_range(record.inspection.message_id);
    for (auto each = begin; each != end; ++each) {
      // One that names another queue id is of another delivery of the same letter.
      if (each->second->queue_id.empty() && near(*each->second)) found = each->second;
    }
  }
  if (found == scans_.end()) return std::nullopt;
  Forget(scan_by_queue_id_, found->queue_id, found);
  Forget(scan_by_message_id_, found->message_id, found);
  Scan out = std::move(*found);
  scans_.erase(found);
  return out;
}

void MailHistory::AddSaved(Saved saved) {
  // Nothing is under way that it could belong to.
  if (postfix_.open() == 0 && scans_.empty()) {
    loose_.push_back(std::move(saved));
    return;
  }
  if (deliveries_.size() >= options_.max_waiting) {
    Forget(delivery_by_message_id_, deliveries_.front().message_id, deliveries_.begin());
    loose_.push_back(std::move(deliveries_.front()));
    deliveries_.pop_front();
  }
  const auto place = deliveries_.insert(deliveries_.end(), std::move(saved));
  delivery_by_message_id_.emplace(place->message_id, place);
}

// The mail server has told of most deliveries already; then Dovecot's line only names the mailbox.
void MailHistory::AddDeliveries(mail::MessageRecord& record) {
  if (record.inspection.message_id.empty()) return;
  const auto [begin, end] = delivery_by_message_id_.equal_range(record.inspection.message_id);
  std::vector<Deliveries::iterator> taken;
  for (auto each = begin; each != end; ++each) {
    const Saved& saved = *each->second;
    const auto rid = RecipientOf(record, saved.user);
    if (!rid || saved.time + options_.same_message < record.received) continue;
    taken.push_back(each->second);
    const auto told = std::find_if(record.events.begin(), record.events.end(), [&](const auto& e) {
      return e.rid == rid && e.kind == mail::EventKind::kDelivered;
    });
    if (told == record.events.end()) {
      record.events.push_back(EventOf(saved, *rid, record.received));
    } else if (told->relay != "dovecot") {
      told->detail += "; dovecot: " + saved.detail;
    }
  }
  for (const auto& place : taken) {
    Forget(delivery_by_message_id_, place->message_id, place);
    deliveries_.erase(place);
  }
  std::stable_sort(record.events.begin(), record.events.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
}

void MailHistory::TakeFromPostfix() {
  for (auto& record : postfix_.Take()) {
    if (const auto scan = TakeScanOf(record)) history::AddScan(*scan, record);
    AddDeliveries(record);
    records_.push_back(std::move(record));
  }
}

namespace {

template <class T>
std::vector<T> TakeFront(std::deque<T>& from, size_t most) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(most, from.size()));
  std::vector<T> out(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
  return out;
}

}  // namespace

std::vector<mail::MessageRecord> MailHistory::TakeRecords(size_t most) {
  return TakeFront(records_, most);
}

std::vector<Saved> MailHistory::TakeSaved(size_t most) { return TakeFront(loose_, most); }

}  // namespace mailreeve::gateway::history
