#include "base/text.h"
#include "gateway/counters/message_tally.h"
#include "gateway/counters/table_impl.h"
#include "observable/observable.h"

#include <algorithm>

namespace mailreeve::gateway::counters {

using mail::Direction;
using mail::EventKind;
using mail::MessageRecord;

int64_t HourOf(Time time) {
  return std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
}
Time TimeOfHour(int64_t hour) { return Time(std::chrono::hours(hour)); }

namespace {

// Of one message or its events, into one hour.
class Counting {
 public:
  Counting(Table::Impl& table, int64_t hour) : table_(table), hour_(table.At(hour)) {}

  void All(Delta& delta) {
    if (!delta.empty()) hour_.all.Add(table_.shapes, 0, delta.Shape(table_.shapes), delta.values());
  }
  // `key` lives until Apply.
  void Key(Dimension dimension, std::string_view key, Delta& delta) {
    if (delta.empty()) return;
    if (key.size() > kMaxKeyBytes) {
      table_.key = CutUtf8(key, kMaxKeyBytes - 3);
      table_.key += "…";
      key = table_.Keep(table_.key);
    }
    if (table_.pending.size() >= Table::Impl::kMaxPending) table_.Apply();
    Table::Impl::Pending& added = table_.pending.emplace_back();
    added.group = &hour_.Of(dimension);
    added.key = key;
    added.hash = HashOf(key);
    added.group->FetchSlot(added.hash);
    added.shape = delta.Shape(table_.shapes);
    added.dimension = static_cast<uint8_t>(dimension);
    added.values_at = static_cast<uint32_t>(table_.pending_values.size());
    table_.pending_values.insert(table_.pending_values.end(), delta.values(),
                                 delta.values() + delta.size());
    added.group->Add(table_.shapes, 0, added.shape, delta.values());
  }

 private:
  Table::Impl& table_;
  Hour& hour_;
};

std::string_view DomainOf(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

void Unique(std::vector<std::string_view>& keys) {
  if (keys.size() <= 12) {
    size_t kept = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (std::find(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(kept), keys[i]) ==
          keys.begin() + static_cast<std::ptrdiff_t>(kept)) {
        keys[kept++] = keys[i];
      }
    }
    keys.resize(kept);
    return;
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

// Calls `each(domain, recipients)` for runs of recipients of one domain.
template <class Each>
void ByDomain(const MessageRecord& record, const Each& each) {
  const auto& to = record.recipients;
  for (size_t i = 0; i < to.size();) {
    const std::string_view domain = DomainOf(to[i].address);
    size_t end = i + 1;
    while (end < to.size() && DomainOf(to[end].address) == domain) ++end;
    each(domain, end - i);
    i = end;
  }
}

void CountRecipients(Counting& counting, const MessageRecord& record, const MessageTally& tally) {
  const bool to_us = record.direction != Direction::kOutgoing;
  Delta one, user;
  tally.AddClass(one, 1, record.direction);
  tally.AddClass(user, 1, Direction::kIncoming);
  for (const mail::Recipient& recipient : record.recipients) {
    counting.Key(Dimension::kRecipient, recipient.address, one);
    if (to_us) counting.Key(Dimension::kUser, recipient.address, user);
  }
  ByDomain(record, [&](std::string_view domain, size_t recipients) {
    Delta delta;
    tally.AddClass(delta, recipients, record.direction);
    counting.Key(Dimension::kDestinationDomain, domain, delta);
  });
}

void CountUrls(Table::Impl& table, Counting& counting, const MessageRecord& record,
               const MessageTally& tally) {
  if (record.inspection.urls.empty()) return;
  Delta delta;
  tally.AddMessage(delta, record.direction);
  tally.AddHarm(delta, record.direction);
  std::vector<std::string_view>& keys = table.views;
  keys.clear();
  for (const mail::FoundUrl& url : record.inspection.urls) keys.push_back(url.url);
  Unique(keys);
  for (const std::string_view url : keys) counting.Key(Dimension::kUrl, url, delta);
  for (std::string_view& key : keys) key = observable::UrlHost(key);
  Unique(keys);
  for (const std::string_view host : keys) {
    if (!host.empty()) counting.Key(Dimension::kUrlDomain, host, delta);
  }
}

void CountFiles(Table::Impl& table, Counting& counting, const MessageRecord& record,
                const MessageTally& tally) {
  const auto& files = record.inspection.attachments;
  if (files.empty()) return;
  Delta message, recipients;
  tally.AddMessage(message, record.direction);
  tally.AddHarm(message, record.direction);
  recipients.Add(MetricOf(Count::kMessages, record.direction), 1);
  tally.AddClass(recipients, tally.recipients, record.direction);
  table.composed.clear();
  for (const mail::Attachment& file : files) {
    if (file.sha256.empty()) continue;
    table.composed.push_back(file.sha256 + " " + (file.names.empty() ? "" : file.names.front()));
  }
  std::vector<std::string_view>& keys = table.views;
  keys.assign(table.composed.begin(), table.composed.end());
  Unique(keys);
  for (const std::string_view key : keys) counting.Key(Dimension::kFile, key, message);
  keys.clear();
  for (const mail::Attachment& file : files)
    keys.push_back(file.sniffed_type.empty() ? file.declared_type : file.sniffed_type);
  Unique(keys);
  for (const std::string_view key : keys) counting.Key(Dimension::kFileType, key, recipients);
}

void CountVerdicts(Table::Impl& table, Counting& counting, const MessageRecord& record,
                   const MessageTally& tally) {
  for (const mail::Verdict& verdict : record.verdicts) {
    if (verdict.disposition != 2 && verdict.disposition != 3) continue;
    Delta delta;
    delta.Add(MetricOf(Count::kRecipients, record.direction), tally.recipients);
    delta.Add(MetricOf(verdict.disposition == 2 ? Count::kMalicious : Count::kSuspicious,
                       record.direction),
              tally.recipients);
    table.key = verdict.engine;
    table.key += ": ";
    table.key += verdict.reason;
    counting.Key(Dimension::kPolicy, table.Keep(table.key), delta);
  }
}

// Events that say what became of delivery, and of remediation.
bool IsDelivery(EventKind kind) {
  return kind == EventKind::kDelivered || kind == EventKind::kDeferred ||
         kind == EventKind::kBounced || kind == EventKind::kExpired;
}
bool IsRefusal(EventKind kind) {
  return kind == EventKind::kRejected || kind == EventKind::kTemporarilyRefused ||
         kind == EventKind::kDiscarded || kind == EventKind::kQuarantined;
}
bool IsRemediation(EventKind kind) {
  return kind >= EventKind::kForwarded && kind <= EventKind::kRestored;
}

const mail::Recipient* RecipientOf(const MessageRecord& record, uint32_t rid) {
  if (rid < record.recipients.size() && record.recipients[rid].rid == rid)
    return &record.recipients[rid];
  // Records number their recipients 0, 1, …; one that does not is looked through, but not for each
  // of very many events.
  if (record.recipients.size() > 1000) return nullptr;
  for (const mail::Recipient& recipient : record.recipients) {
    if (recipient.rid == rid) return &recipient;
  }
  return nullptr;
}

void CountEvent(Table::Impl& table, const MessageRecord& record, const MessageTally& tally,
                const mail::Event& event) {
  const std::optional<Count> count = CountOfEvent(event.kind);
  if (!count) return;
  Counting counting(table, HourOf(event.time));
  const uint64_t recipients = event.rid ? 1 : tally.recipients;
  const Metric metric = MetricOf(*count, record.direction);
  Delta delta;
  delta.Add(metric, recipients);
  Delta all = delta;
  if (tally.dmarc_failed &&
      (event.kind == EventKind::kRejected || event.kind == EventKind::kQuarantined)) {
    all.Add(MetricOf(event.kind == EventKind::kRejected ? Count::kDmarcFailRejected
                                                        : Count::kDmarcFailQuarantined,
                     record.direction),
            1);
  }
  counting.All(all);
  if (IsRefusal(event.kind)) {
    counting.Key(Dimension::kSenderDomain, DomainOf(record.envelope_from), all);
    counting.Key(Dimension::kSenderIp, record.connection.client_address, delta);
    return;
  }
  const bool delivery = IsDelivery(event.kind), remediation = IsRemediation(event.kind);
  if (remediation) counting.Key(Dimension::kRemediation, mail::EventName(event.kind), delta);
  if (!delivery && !remediation) return;
  const bool by_recipient = remediation || event.kind == EventKind::kBounced;
  if (event.rid) {
    const mail::Recipient* recipient = RecipientOf(record, *event.rid);
    if (recipient == nullptr) return;
    if (by_recipient) counting.Key(Dimension::kRecipient, recipient->address, delta);
    if (delivery) counting.Key(Dimension::kDestinationDomain, DomainOf(recipient->address), delta);
    return;
  }
  if (by_recipient) {
    Delta one;
    one.Add(metric, 1);
    for (const mail::Recipient& recipient : record.recipients)
      counting.Key(Dimension::kRecipient, recipient.address, one);
  }
  if (delivery) {
    ByDomain(record, [&](std::string_view domain, size_t count_of) {
      Delta some;
      some.Add(metric, count_of);
      counting.Key(Dimension::kDestinationDomain, domain, some);
    });
  }
}

}  // namespace

Table::Table() : impl_(std::make_unique<Impl>()) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

void Table::Count(const MessageRecord& record) {
  Impl& table = *impl_;
  table.new_keys.fill(0);
  const MessageTally tally = MessageTally::Of(record);
  const bool connected = table.FirstOf(record.connection.icid);
  const Direction direction = record.direction;
  const std::string_view sender_domain = DomainOf(record.envelope_from);
  Counting counting(table, HourOf(record.received));

  Delta all;
  tally.AddMessage(all, direction);
  tally.AddClass(all, tally.recipients, direction);
  Delta sender = all;  // of one sender: no more than this
  Delta authentication;
  tally.AddAuthentication(authentication, record, connected);
  Delta tls;
  tally.AddTls(tls, record, connected);
  all.Add(MetricOf(Count::kBytes, direction), record.inspection.size);
  tally.AddAuthentication(all, record, connected);
  tally.AddTls(all, record, connected);
  Delta by_domain = sender;
  tally.AddTls(by_domain, record, connected);
  Delta by_ip = sender;
  if (connected) {
    for (Delta* delta : {&all, &by_domain, &by_ip, &tls, &authentication})
      delta->Add(MetricOf(Count::kConnections, direction), 1);
  }

  counting.All(all);
  counting.Key(Dimension::kSenderDomain, sender_domain, by_domain);
  counting.Key(Dimension::kSenderIp, record.connection.client_address, by_ip);
  counting.Key(Dimension::kSender, record.envelope_from, sender);
  if (direction != Direction::kIncoming) {
    Delta user;
    tally.AddMessage(user, Direction::kOutgoing);
    tally.AddClass(user, tally.recipients, Direction::kOutgoing);
    counting.Key(Dimension::kUser, record.envelope_from, user);
  }
  CountRecipients(counting, record, tally);
  Delta message;
  tally.AddMessage(message, direction);
  tally.AddHarm(message, direction);
  counting.Key(Dimension::kSubject, record.inspection.subject, message);
  CountUrls(table, counting, record, tally);
  CountFiles(table, counting, record, tally);
  const std::string_view user_domain = DomainOf(record.connection.authenticated_user);
  counting.Key(Dimension::kAuthentication, user_domain.empty() ? sender_domain : user_domain,
               authentication);
  table.key = record.connection.tls_protocol;
  if (!table.key.empty() && !record.connection.tls_cipher.empty()) {
    table.key += ' ';
    table.key += record.connection.tls_cipher;
  }
  counting.Key(Dimension::kTls, table.Keep(table.key), tls);
  CountVerdicts(table, counting, record, tally);
  for (const mail::Event& event : record.events) CountEvent(table, record, tally, event);
  table.Apply();
  table.PruneWhenFull();
}

void Table::Count(const MessageRecord& before, const std::vector<mail::Event>& added) {
  const MessageTally tally = MessageTally::Of(before);
  impl_->new_keys.fill(0);
  for (const mail::Event& event : added) CountEvent(*impl_, before, tally, event);
  impl_->Apply();
  impl_->PruneWhenFull();
}

std::string_view Table::Impl::Keep(std::string_view text) {
  constexpr size_t kRoom = 64 * 1024;
  if (kept.capacity() < kRoom) kept.reserve(kRoom);
  if (kept.size() + text.size() > kept.capacity()) {
    // What waits holds views of it.
    Apply();
    if (text.size() > kept.capacity()) text = CutUtf8(text, kept.capacity());
  }
  const size_t at = kept.size();
  kept += text;
  return std::string_view(kept).substr(at);
}

void Table::Impl::Apply() {
  for (Pending& one : pending) {
    one.row = one.group->Find(one.hash);
    if (one.row != Group<uint32_t>::kNone) one.group->FetchRow(one.row);
  }
  for (const Pending& one : pending) {
    if (one.row != Group<uint32_t>::kNone) one.group->FetchValues(one.row);
  }
  for (const Pending& one : pending) {
    uint32_t row = one.row;
    const uint64_t* values = pending_values.data() + one.values_at;
    // One before it may have brought it.
    if (row == Group<uint32_t>::kNone) row = one.group->Find(one.hash);
    if (row == Group<uint32_t>::kNone) {
      if (new_keys[one.dimension] >= kMaxNewKeysPerMessage) {
        uint64_t largest = 0;
        for (size_t i = 0; i < shapes.At(one.shape).size(); ++i)
          largest = std::max(largest, values[i]);
        one.group->AddMissed(largest);
        continue;
      }
      ++new_keys[one.dimension];
      ++rows;
      row = one.group->Insert(one.hash, one.key);
    }
    one.group->Add(shapes, row, one.shape, values);
  }
  pending.clear();
  pending_values.clear();
  kept.clear();
}

void Table::Impl::PruneWhenFull() {
  if (rows < prune_at) return;
  // Large groups first; many small ones (old mail of many years) are cut only when that does not
  // do.
  for (size_t floor = 8192; floor >= 64 && rows > max_rows / 2; floor /= 4) {
    rows = 0;
    for (auto& [hour, counts] : hours) {
      for (auto& group : counts.by) {
        if (!group) continue;
        if (group->rows() > floor) group->Prune(shapes, std::max(floor, group->rows() / 4));
        rows += group->rows();
      }
    }
  }
  prune_at = std::max(max_rows, rows + rows / 2);
}

size_t Table::memory_bytes() const {
  size_t out = sizeof(Impl) + impl_->shapes.size() * 256;
  for (const auto& [hour, counts] : impl_->hours) {
    out += sizeof(Hour) + 64 + counts.all.memory_bytes();
    for (const auto& group : counts.by) {
      if (group) out += group->memory_bytes();
    }
  }
  return out;
}

}  // namespace mailreeve::gateway::counters
