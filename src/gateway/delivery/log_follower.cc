#include "gateway/delivery/log_follower.h"

#include "base/text.h"
#include "io/event.h"
#include "io/file.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace mailreeve::gateway::delivery {
namespace {

constexpr size_t kMaxPositionBytes = 4 << 20;

uint64_t Fnv(std::string_view bytes, uint64_t hash = 0xcbf29ce484222325ULL) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// Addresses are compared without regard to letter case: that two recipients of one message differ
// in it alone is not mail as it is.
std::string AddressKey(std::string_view address) {
  address = TrimSpace(address);
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>') {
    address = address.substr(1, address.size() - 2);
  }
  return AsciiLower(address);
}

// The recipient is still waiting, as far as the record knows.
bool IsWaiting(const mail::MessageRecord& record, uint32_t rid) {
  bool waiting = true;
  for (const mail::Event& event : record.events) {
    if (event.rid && *event.rid != rid) continue;
    switch (event.kind) {
      case mail::EventKind::kDelivered:
      case mail::EventKind::kBounced:
      case mail::EventKind::kExpired:
      case mail::EventKind::kDiscarded:
      case mail::EventKind::kReinjected:
        waiting = false;
        break;
      case mail::EventKind::kDeferred:
        waiting = true;
        break;
      default:
        break;
    }
  }
  return waiting;
}

}  // namespace

struct LogFollower::Known {
  mail::Mid mid = 0;
  std::string queue_id;
  Time received;
  size_t recipients = 0;
  std::unordered_map<std::string, std::vector<uint32_t>> rids;  // by AddressKey

  static std::shared_ptr<const Known> Of(const mail::MessageRecord& record) {
    auto known = std::make_shared<Known>();
    known->mid = record.mid;
    known->queue_id = record.queue_id;
    known->received = record.received;
    known->recipients = record.recipients.size();
    for (const mail::Recipient& recipient : record.recipients) {
      const std::string raw = AddressKey(recipient.raw), canonical = AddressKey(recipient.address);
      known->rids[raw].push_back(recipient.rid);
      if (canonical != raw) known->rids[canonical].push_back(recipient.rid);
    }
    return known;
  }
  const std::vector<uint32_t>* Find(std::string_view address) const {
    const auto found = address.empty() ? rids.end() : rids.find(AddressKey(address));
    return found == rids.end() ? nullptr : &found->second;
  }
};

struct LogFollower::Pending {
  Entry entry;
  Time time;
  std::string line_hash;
};

Options Options::FromSettings(const settings::Snapshot& settings) {
  Options options;
  options.tag_prefix = settings.Text("delivery.tag_prefix");
  const std::string format = settings.Text("delivery.time_format");
  options.time.format = format == "syslog" ? TimeFormat::kSyslog
                        : format == "iso"  ? TimeFormat::kIso
                                           : TimeFormat::kAuto;
  options.time.utc = settings.Bool("delivery.log_is_utc");
  return options;
}

LogFollower::LogFollower(Options options, tracking::Store& store, io::Pool& pool,
                         const Clock& clock, log::Logger& logger)
    : options_(std::move(options)), store_(store), pool_(pool), clock_(clock), logger_(logger) {}

LogFollower::~LogFollower() = default;

io::Task<void> LogFollower::Run() {
  source_ = options_.file.path.empty()
                ? MakeJournalSource(options_.journal, co_await asio::this_coro::executor, logger_)
                : MakeFileSource(options_.file, pool_);
  source_->Begin(co_await Load());
  auto saved = std::chrono::steady_clock::now();
  bool failing = false;
  while (true) {
    Result<Batch> batch = co_await source_->Read(options_.save_interval);
    if (!batch) {
      ++counters_.read_errors;
      if (!std::exchange(failing, true))
        logger_.Warn("mail_log_unreadable", {{"error", batch.error().ToString()}});
      co_await io::Sleep(options_.retry_delay);
      continue;
    }
    if (std::exchange(failing, false)) logger_.Info("mail_log_readable");
    counters_.lines_too_long += batch->lines_too_long;
    json::object position = std::move(batch->position);
    if (!batch->lines.empty()) {
      co_await Take(*std::move(batch));
      changed_ = true;
    }
    if (!position.empty()) position_ = std::move(position);
    if (changed_ && std::chrono::steady_clock::now() - saved >= options_.save_interval) {
      co_await Save();
      saved = std::chrono::steady_clock::now();
    }
  }
}

// All events of a batch are in the store before the position moves past it.
io::Task<void> LogFollower::Take(Batch batch) {
  waits_left_ = options_.unknown_attempts;
  Work work;
  std::unordered_map<mail::Mid, size_t> place;
  for (const RawLine& line : batch.lines) {
    ++counters_.lines;
    const auto pending = Understand(line);
    if (!pending) continue;
    const Entry& entry = pending->entry;
    if (entry.kind == EntryKind::kRemoved) {
      // A queue id may be given to other mail after this.
      if (const auto found = known_.find(entry.queue_id); found != known_.end()) {
        known_recipients_ -= found->second->recipients;
        known_.erase(found);
      }
      unknown_.erase(entry.queue_id);
      continue;
    }
    ++counters_.entries;
    if (entry.kind == EntryKind::kBounceNotice || entry.kind == EntryKind::kDelayNotice ||
        entry.kind == EntryKind::kSuccessNotice) {
      RememberLink(entry.new_queue_id, 0);
      ++counters_.notices;
      continue;
    }
    const auto known = co_await Resolve(*pending);
    if (!known) {
      if (entry.kind == EntryKind::kReinjected) RememberLink(entry.new_queue_id, 0);
      continue;
    }
    const auto at = place.try_emplace(known->mid, work.size()).first->second;
    if (at == work.size()) work.emplace_back(known->mid, std::vector<mail::Event>());
    if (entry.kind == EntryKind::kExpired) {
      // Whoever had it before has it still: only those waiting are concerned, so the record must be
      // up to date.
      co_await AppendAll(work);
      work.clear();
      place.clear();
      std::vector<mail::Event> events;
      co_await AddExpired(*pending, known->mid, events);
      co_await Append(known->mid, std::move(events));
      continue;
    }
    if (entry.kind == EntryKind::kReinjected) RememberLink(entry.new_queue_id, known->mid);
    AddEvents(*pending, *known, work[at].second);
  }
  co_await AppendAll(work);
}

void LogFollower::CountRefusal(std::string_view tag, std::string_view message) {
  const auto refusal = ReadRefusal(tag, message, options_.tag_prefix);
  if (!refusal) return;
  ++counters_.refused[static_cast<size_t>(refusal->at)];
  counters_.refused_for_now += refusal->temporary ? 1 : 0;
}

std::optional<LogFollower::Pending> LogFollower::Understand(const RawLine& line) {
  Pending out;
  out.time = clock_.Now();
  std::string_view tag = line.tag, message = line.text;
  if (line.time_us) {
    out.time = Time(std::chrono::microseconds(*line.time_us));
  } else if (line.tag.empty()) {
    const auto split = SplitLine(line.text, options_.time, out.time);
    if (!split) return std::nullopt;
    if (split->time) out.time = *split->time;
    tag = split->tag;
    message = split->message;
  }
  auto entry = ReadEntry(tag, message, options_.tag_prefix);
  if (!entry) {
    CountRefusal(tag, message);
    return std::nullopt;
  }
  out.entry = *std::move(entry);
  uint64_t hash = Fnv(line.text);
  if (line.time_us) hash = Fnv(std::to_string(*line.time_us), hash);
  out.line_hash = std::to_string(hash);
  return out;
}

io::Task<std::shared_ptr<const LogFollower::Known>> LogFollower::Resolve(const Pending& pending) {
  const std::string& queue_id = pending.entry.queue_id;
  const Time not_after = pending.time + options_.clock_slack;
  if (const auto found = known_.find(queue_id);
      found != known_.end() && found->second->received <= not_after) {
    co_return found->second;
  }
  if (unknown_.contains(queue_id)) {
    ++counters_.unknown;
    co_return nullptr;
  }
  std::shared_ptr<const Known> known = co_await Find(queue_id, not_after);
  if (!known) {
    if (const auto link = links_.find(queue_id); link != links_.end()) {
      const mail::Mid mid = link->second;
      if (mid == 0) {
        ++counters_.notices;
        co_return nullptr;
      }
      while (true) {
        const auto record = co_await store_.Get(mid);
        if (record) {
          known = Known::Of(*record);
          break;
        }
        if (record.error().code == Code::kNotFound) break;  // retention has taken it
        co_await StoreFailed(record.error());
      }
    }
  }
  // The record is written before the mail server is answered, so this is for clocks and threads out
  // of step only.
  while (!known && waits_left_ > 0 && clock_.Now() - pending.time < options_.unknown_age) {
    --waits_left_;
    co_await io::Sleep(options_.unknown_delay);
    known = co_await Find(queue_id, not_after);
  }
  if (!known) {
    ++counters_.unknown;
    RememberUnknown(queue_id);
    co_return nullptr;
  }
  Remember(queue_id, known);
  co_return known;
}

io::Task<std::shared_ptr<const LogFollower::Known>> LogFollower::Find(std::string queue_id,
                                                                      Time not_after) {
  while (true) {
    const auto record = co_await store_.FindByQueueId(queue_id, not_after);
    if (record) co_return Known::Of(*record);
    if (record.error().code == Code::kNotFound) co_return nullptr;
    co_await StoreFailed(record.error());
  }
}

void LogFollower::AddEvents(const Pending& pending, const Known& known,
                            std::vector<mail::Event>& out) {
  const Entry& entry = pending.entry;
  const auto kind = EventOf(entry.kind);
  if (!kind) return;
  const std::vector<uint32_t>* rids = known.Find(entry.recipient);
  if (rids == nullptr) rids = known.Find(entry.original_recipient);
  if (rids == nullptr) {
    // Added by the mail server (always_bcc, a milter): an event without recipient would speak for
    // all of them.
    ++counters_.unmatched_recipients;
    return;
  }
  for (const uint32_t rid : *rids) {
    mail::Event event;
    event.kind = *kind;
    event.rid = rid;
    // Syslog has whole seconds: what was delivered in the second it was received was not delivered
    // before.
    event.time =
        pending.time < known.received && known.received - pending.time < std::chrono::seconds(1)
            ? known.received
            : pending.time;
    event.detail = entry.detail;
    event.dsn = entry.dsn;
    event.relay = entry.relay;
    event.delay_ms = entry.delay_ms;
    if (!entry.new_queue_id.empty()) {
      event.queue_id = entry.new_queue_id;
    } else if (entry.queue_id != known.queue_id) {
      event.queue_id = entry.queue_id;
    }
    event.dedup_key = entry.queue_id + ":" + std::string(mail::EventName(*kind)) + ":" +
                      std::to_string(rid) + ":" + pending.line_hash;
    out.push_back(std::move(event));
  }
}

io::Task<void> LogFollower::AddExpired(const Pending& pending, mail::Mid mid,
                                       std::vector<mail::Event>& out) {
  while (true) {
    const auto record = co_await store_.Get(mid);
    if (!record && record.error().code == Code::kNotFound) co_return;
    if (!record) {
      co_await StoreFailed(record.error());
      continue;
    }
    for (const mail::Recipient& recipient : record->recipients) {
      if (!IsWaiting(*record, recipient.rid)) continue;
      mail::Event event;
      event.kind = mail::EventKind::kExpired;
      event.rid = recipient.rid;
      event.time = pending.time;
      event.detail = pending.entry.detail;
      event.dedup_key = pending.entry.queue_id + ":expired:" + std::to_string(recipient.rid) + ":" +
                        pending.line_hash;
      out.push_back(std::move(event));
    }
    co_return;
  }
}

io::Task<void> LogFollower::AppendAll(Work& work) {
  // Together, so that the store's group commit has a group.
  for (size_t begin = 0; begin < work.size(); begin += options_.max_appends) {
    co_await AppendRange(work, begin, std::min(work.size(), begin + options_.max_appends));
  }
}

io::Task<void> LogFollower::AppendRange(Work& work, size_t begin, size_t end) {
  if (end - begin == 1) {
    co_await Append(work[begin].first, std::move(work[begin].second));
    co_return;
  }
  using namespace asio::experimental::awaitable_operators;
  const size_t middle = begin + (end - begin) / 2;
  co_await (AppendRange(work, begin, middle) && AppendRange(work, middle, end));
}

io::Task<void> LogFollower::Append(mail::Mid mid, std::vector<mail::Event> events) {
  if (events.empty()) co_return;
  while (true) {
    const auto done = co_await store_.AppendEvents(mid, events);
    if (done) {
      counters_.events += events.size();
      co_return;
    }
    const Code code = done.error().code;
    if (code == Code::kNotFound) {
      counters_.unknown += events.size();
      co_return;
    }
    if (code == Code::kInvalid ||
        code == Code::kCorrupt) {  // trying again would stop the log for ever
      ++counters_.store_refused;
      logger_.Error("delivery_events_refused", {{"mid", mid}, {"error", done.error().ToString()}});
      co_return;
    }
    co_await StoreFailed(done.error());
  }
}

io::Task<void> LogFollower::StoreFailed(const Error& error) {
  if (counters_.store_errors++ % 60 == 0)
    logger_.Warn("delivery_store_unavailable", {{"error", error.ToString()}});
  co_await io::Sleep(options_.retry_delay);
}

void LogFollower::Remember(const std::string& queue_id, std::shared_ptr<const Known> known) {
  known_recipients_ += known->recipients;
  if (const auto old = known_.find(queue_id); old != known_.end())
    known_recipients_ -= old->second->recipients;
  known_[queue_id] = std::move(known);
  known_order_.push_back(queue_id);
  while (!known_order_.empty() &&
         (known_.size() > options_.max_known || known_recipients_ > options_.max_known_recipients ||
          known_order_.size() > 2 * options_.max_known)) {
    if (const auto oldest = known_.find(known_order_.front());
        oldest != known_.end() && known_order_.size() > 1) {
      known_recipients_ -= oldest->second->recipients;
      known_.erase(oldest);
    } else if (known_order_.size() == 1) {
      break;
    }
    known_order_.pop_front();
  }
}

void LogFollower::RememberUnknown(const std::string& queue_id) {
  if (!unknown_.insert(queue_id).second) return;
  unknown_order_.push_back(queue_id);
  while (unknown_order_.size() > options_.max_unknown) {
    unknown_.erase(unknown_order_.front());
    unknown_order_.pop_front();
  }
}

void LogFollower::RememberLink(const std::string& queue_id, mail::Mid mid) {
  if (!links_.insert_or_assign(queue_id, mid).second) return;
  links_order_.push_back(queue_id);
  while (links_.size() > options_.max_links) {
    links_.erase(links_order_.front());
    links_order_.pop_front();
  }
}

io::Task<json::object> LogFollower::Load() {
  const std::string path = options_.position_file;
  if (path.empty()) co_return json::object();
  const auto text = co_await pool_.Run([path] { return io::ReadFile(path, kMaxPositionBytes); });
  if (!text) {
    if (text.error().code != Code::kNotFound) {
      ++counters_.position_errors;
      logger_.Warn("delivery_position_unreadable", {{"error", text.error().ToString()}});
    }
    co_return json::object();
  }
  const auto document = json::Parse(*text);
  const json::object* root = document && document->is_object() ? &document->get_object() : nullptr;
  const json::value* source = root != nullptr ? root->if_contains("source") : nullptr;
  if (source == nullptr || !source->is_object()) {
    ++counters_.position_errors;
    logger_.Warn("delivery_position_unreadable", {{"error", "not a position file: " + path}});
    co_return json::object();
  }
  if (const json::value* links = root->if_contains("links");
      links != nullptr && links->is_array()) {
    for (const json::value& link : links->get_array()) {
      if (!link.is_array() || link.get_array().size() != 2 || !link.get_array()[0].is_string())
        continue;
      boost::system::error_code error;
      const auto mid = link.get_array()[1].to_number<uint64_t>(error);
      if (!error) RememberLink(std::string(link.get_array()[0].get_string()), mid);
    }
  }
  position_ = source->get_object();
  co_return position_;
}

io::Task<void> LogFollower::Save() {
  if (options_.position_file.empty()) co_return;
  json::array links;
  for (const std::string& queue_id : links_order_)
    links.push_back(json::array{queue_id, links_.at(queue_id)});
  std::string text = json::Serialize(
      json::object{{"version", 1}, {"source", position_}, {"links", std::move(links)}});
  const std::string path = options_.position_file;
  const auto done = co_await pool_.Run(
      [path, text = std::move(text)] { return io::WriteFileAtomically(path, text, 0600); });
  if (done) {
    changed_ = false;
    co_return;
  }
  if (counters_.position_errors++ % 60 == 0)
    logger_.Warn("delivery_position_unwritable", {{"error", done.error().ToString()}});
}

}  // namespace mailreeve::gateway::delivery
