#include "gateway/history/postfix_history.h"

#include "gateway/history/text.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace mailreeve::gateway::history {
namespace {

using delivery::Entry;
using delivery::EntryKind;

// The value of "key=value" among fields that a comma and a space divide.
std::optional<std::string_view> Value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = std::min(text.size(), text.find(", "));
    const std::string_view field = text.substr(0, end);
    if (field.starts_with(key)) return field.substr(key.size());
    text.remove_prefix(std::min(text.size(), end + 2));
  }
  return std::nullopt;
}

// "<…>" without the brackets; the address may hold ", " when it is quoted.
std::string_view Inside(std::string_view text) {
  if (!text.starts_with('<')) return {};
  size_t end = text.find(">, ");
  if (end == std::string_view::npos) end = text.rfind('>');
  return end == std::string_view::npos ? std::string_view() : text.substr(1, end - 1);
}

}  // namespace

PostfixHistory::Open* PostfixHistory::Find(const std::string& queue_id) {
  const auto alias = first_.find(queue_id);
  const auto found = open_.find(alias == first_.end() ? queue_id : alias->second);
  return found == open_.end() ? nullptr : &found->second;
}

void PostfixHistory::Begin(const std::string& queue_id, Time time) {
  if (first_.contains(queue_id)) return;  // comes back from a filter
  Close(queue_id);                        // its end was not logged, and the id is given again
  if (open_.size() >= options_.max_open) Close(std::string(order_.front()));
  Open open;
  open.record.queue_id = queue_id;
  open.record.received = time;
  open.place = order_.insert(order_.end(), queue_id);
  open_.emplace(queue_id, std::move(open));
}

void PostfixHistory::Close(const std::string& queue_id) {
  const auto found = open_.find(queue_id);
  if (found == open_.end()) return;
  Open& open = found->second;
  for (const auto& also : open.also) first_.erase(also);
  order_.erase(open.place);
  mail::Event accepted;
  accepted.time = open.record.received;
  accepted.kind = mail::EventKind::kAccepted;
  open.record.events.insert(open.record.events.begin(), std::move(accepted));
  // Without a recipient it was given up before it was queued.
  if (!open.record.recipients.empty()) done_.push_back(std::move(open.record));
  open_.erase(found);
}

void PostfixHistory::Finish() {
  while (!order_.empty()) Close(std::string(order_.front()));
}

bool PostfixHistory::ReadArrival(std::string_view daemon, const std::string& queue_id,
                                 std::string_view rest, Time time) {
  if (daemon == "smtpd" && rest.starts_with("client=")) {
    Begin(queue_id, time);
    Open* open = Find(queue_id);
    if (open == nullptr || open->record.queue_id != queue_id) return open != nullptr;
    // "name[address]:port, sasl_username=…"
    const std::string_view client = Value(rest, "client=").value_or("");
    const size_t bracket = client.find('[');
    const size_t end = client.find(']', std::min(bracket, client.size()));
    if (bracket != std::string_view::npos && end != std::string_view::npos) {
      std::string_view address = client.substr(bracket + 1, end - bracket - 1);
      if (address.starts_with("IPv6:")) address.remove_prefix(5);
      auto canonical = observable::CanonicalAddress(address);
      if (canonical) open->record.connection.client_address = *std::move(canonical);
      if (const auto name = client.substr(0, bracket); name != "unknown")
        open->record.connection.client_name = Text(name);
    }
    if (const auto user = Value(rest, "sasl_username="))
      open->record.connection.authenticated_user = Text(*user);
    return true;
  }
  if (daemon == "pickup" && rest.starts_with("uid=")) {
    Begin(queue_id, time);
    return true;
  }
  Open* open = Find(queue_id);
  // What a filter gives back repeats, or changes, what is known.
  if (open == nullptr || open->record.queue_id != queue_id) return false;
  if (daemon == "cleanup" && rest.starts_with("message-id=")) {
    const std::string_view id = rest.substr(11);
    open->record.inspection.message_id_raw = Text(id);
    if (auto canonical = observable::CanonicalMessageId(id))
      open->record.inspection.message_id = *std::move(canonical);
    return true;
  }
  if (daemon == "qmgr" && rest.starts_with("from=<")) {
    const std::string_view from = Inside(rest.substr(5));
    open->record.envelope_from_raw = Text(from);
    open->record.envelope_from = from.empty() ? std::string() : Address(from);
    if (const auto size = Value(rest, "size=")) {
      uint64_t bytes = 0;
      const auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), bytes);
      if (error == std::errc()) open->record.inspection.size = bytes;
    }
    return true;
  }
  return false;
}

std::optional<uint32_t> PostfixHistory::Rid(Open& open, const std::string& address) {
  const auto known = open.rids.find(AsciiLower(address));
  if (known != open.rids.end()) return known->second;
  auto& recipients = open.record.recipients;
  if (recipients.size() >= options_.max_recipients) return std::nullopt;
  const auto rid = static_cast<uint32_t>(recipients.size());
  recipients.push_back({rid, Address(address), address});
  open.rids.emplace(AsciiLower(address), rid);
  return rid;
}

void PostfixHistory::Append(Open& open, const Entry& entry, uint32_t rid, Time time) {
  const auto kind = delivery::EventOf(entry.kind);
  auto& events = open.record.events;
  if (!kind || events.size() >= options_.max_events) return;
  mail::Event event;
  event.time = std::max(time, open.record.received);
  event.kind = *kind;
  event.rid = rid;
  event.detail = entry.detail;
  event.dsn = entry.dsn;
  event.relay = entry.relay;
  event.delay_ms = entry.delay_ms;
  if (!entry.new_queue_id.empty()) {
    event.queue_id = entry.new_queue_id;
  } else if (entry.queue_id != open.record.queue_id) {
    event.queue_id = entry.queue_id;
  }
  events.push_back(std::move(event));
}

void PostfixHistory::ReadDelivery(const Entry& entry, Time time) {
  Open* open = Find(entry.queue_id);
  if (open == nullptr) return;
  ++counts_.used;
  if (entry.kind == EntryKind::kRemoved) {
    if (--open->waiting == 0) Close(std::string(open->record.queue_id));
    return;
  }
  if (entry.kind == EntryKind::kExpired) {
    std::vector<bool> ended(open->record.recipients.size());
    for (const auto& event : open->record.events) {
      if (event.rid) ended[*event.rid] = event.kind != mail::EventKind::kDeferred;
    }
    for (uint32_t rid = 0; rid < ended.size(); ++rid) {
      if (!ended[rid]) Append(*open, entry, rid, time);
    }
    return;
  }
  if (!delivery::EventOf(entry.kind)) return;  // a notice is mail of its own
  const std::string& address =
      entry.original_recipient.empty() ? entry.recipient : entry.original_recipient;
  if (const auto rid = Rid(*open, address)) Append(*open, entry, *rid, time);
  if (entry.kind != EntryKind::kReinjected || first_.contains(entry.new_queue_id) ||
      entry.new_queue_id == open->record.queue_id) {
    return;
  }
  // smtpd has begun it as a message of its own, before it was known whose it is.
  const std::string first = open->record.queue_id;
  if (const auto again = open_.find(entry.new_queue_id); again != open_.end()) {
    order_.erase(again->second.place);
    for (const auto& also : again->second.also) first_.erase(also);
    open_.erase(again);
  }
  first_.emplace(entry.new_queue_id, first);
  open = Find(first);
  if (open == nullptr) return;
  open->also.push_back(entry.new_queue_id);
  ++open->waiting;
}

void PostfixHistory::Add(std::string_view line, Time now) {
  ++counts_.lines;
  const auto split = delivery::SplitLine(line, options_.time, now);
  if (!split || !split->time || !split->tag.starts_with(options_.tag_prefix)) return;
  if (const auto entry = delivery::ReadEntry(split->tag, split->message, options_.tag_prefix)) {
    return ReadDelivery(*entry, *split->time);
  }
  const size_t slash = split->tag.rfind('/');
  const size_t colon = split->message.find(": ");
  if (slash == std::string_view::npos || colon == std::string_view::npos) return;
  const std::string_view queue_id = split->message.substr(0, colon);
  if (!delivery::IsQueueId(queue_id)) return;
  if (ReadArrival(split->tag.substr(slash + 1), std::string(queue_id),
                  split->message.substr(colon + 2), *split->time)) {
    ++counts_.used;
  }
}

}  // namespace mailreeve::gateway::history
