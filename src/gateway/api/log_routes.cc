// AdminApi: history out of the logs of other programs (docs/history-import.md).
#include "gateway/api/admin_api.h"
#include "gateway/api/answers.h"
#include "gateway/delivery/log_follower.h"
#include "gateway/pipeline/pipeline.h"
#include "io/event.h"

namespace mailreeve::gateway::api {
namespace {

// A message of a log stays in the queue for at most so long before its last delivery.
constexpr std::chrono::hours kLongestQueue{24 * 7};

struct Part {
  explicit Part(const io::Executor& executor) : changed(executor) {}
  std::vector<mail::MessageRecord> records;
  std::vector<history::Saved> saved;
  std::chrono::milliseconds same_message{};
  size_t next = 0, open = 0;
  uint64_t added = 0, present = 0, events = 0, unmatched = 0;
  std::optional<Error> error;  // the first
  io::Event changed;
};

tracking::Query ByMessageId(const std::string& message_id, Time from, Time until) {
  tracking::Query query;
  query.message_id = message_id;
  query.from = from;
  query.until = until;
  query.limit = 20;
  return query;
}

// Syslog has whole seconds and the store the time the body was there, so one message has two times.
io::Task<Result<bool>> IsHeld(tracking::Store& store, const mail::MessageRecord& record,
                              std::chrono::milliseconds same) {
  if (!record.queue_id.empty()) {
    const auto held = co_await store.FindByQueueId(record.queue_id, record.received + same);
    if (held) co_return record.received - held->received <= same;
    if (held.error().code != Code::kNotFound) co_return Fail(held.error());
    co_return false;
  }
  CO_TRY(const auto page,
         co_await store.Search(ByMessageId(record.inspection.message_id, record.received - same,
                                           record.received + same)));
  co_return !page.records.empty();
}

io::Task<Result<void>> TakeRecord(Part& part, tracking::Store& store, mail::MessageRecord record) {
  CO_TRY(const bool held, co_await IsHeld(store, record, part.same_message));
  if (held) {
    ++part.present;
    co_return Result<void>();
  }
  record.mid = store.NextMid();
  record.connection.icid = store.NextIcid();
  CO_TRY_VOID(co_await store.Append(std::move(record)));
  ++part.added;
  co_return Result<void>();
}

// The delivery belongs to the newest message of that id that its recipient could have got by then.
io::Task<Result<void>> TakeSaved(Part& part, tracking::Store& store, history::Saved saved) {
  CO_TRY(const auto page,
         co_await store.Search(ByMessageId(saved.message_id, saved.time - kLongestQueue,
                                           saved.time + part.same_message)));
  for (const auto& record : page.records) {
    const auto rid = history::RecipientOf(record, saved.user);
    if (!rid) continue;
    // The mail server has told of it: a second delivery would count twice.
    for (const auto& event : record.events) {
      if (event.rid == rid && event.kind == saved.kind) {
        ++part.present;
        co_return Result<void>();
      }
    }
    std::vector<mail::Event> events;
    events.push_back(history::EventOf(saved, *rid, record.received));
    CO_TRY_VOID(co_await store.AppendEvents(record.mid, std::move(events)));
    ++part.events;
    co_return Result<void>();
  }
  ++part.unmatched;
  co_return Result<void>();
}

io::Task<void> TakePart(std::shared_ptr<Part> part, tracking::Store& store) {
  struct Leave {
    Part& part;
    ~Leave() {
      --part.open;
      part.changed.Notify();
    }
  } leave{*part};
  const auto take = [&part](Result<void> done) {
    if (!done && !part->error) part->error = done.error();
  };
  while (!part->error && part->next < part->records.size() + part->saved.size()) {
    const size_t at = part->next++;
    if (at < part->records.size()) {
      take(co_await TakeRecord(*part, store, std::move(part->records[at])));
    } else {
      take(co_await TakeSaved(*part, store, std::move(part->saved[at - part->records.size()])));
    }
  }
}

history::HistoryOptions OptionsOf(const settings::Snapshot& settings, history::Format format) {
  const delivery::Options log = delivery::Options::FromSettings(settings);
  history::HistoryOptions out;
  out.format = format;
  out.postfix.tag_prefix = log.tag_prefix;
  out.postfix.time = log.time;
  out.postfix.max_open = static_cast<size_t>(settings.Integer("history.max_open"));
  out.max_waiting = static_cast<size_t>(settings.Integer("history.max_waiting"));
  out.same_message = std::chrono::milliseconds(settings.Integer("history.same_message"));
  return out;
}

// Records first: a delivery may be of one of them.
struct Completed {
  std::vector<mail::MessageRecord> records;
  std::vector<history::Saved> saved;
  size_t left = 0;
  history::PostfixCounts counts;
};

Completed Read(history::MailHistory& history, std::string_view body, bool last, size_t most,
               Time now) {
  while (!body.empty()) {
    const size_t end = std::min(body.size(), body.find('\n'));
    history.Add(body.substr(0, end), now);
    body.remove_prefix(std::min(body.size(), end + 1));
  }
  if (last) history.Finish();
  Completed out;
  out.records = history.TakeRecords(most);
  if (out.records.empty()) out.saved = history.TakeSaved(most);
  out.left = history.waiting();
  out.counts = history.counts();
  return out;
}

}  // namespace

io::Task<http::Response> AdminApi::ImportLog(http::Request request) {
  const std::string session = request.Query("session").value_or("");
  const bool last = request.Query("last") == "true";
  const auto settings = settings_.Get();
  if (session.empty()) {
    const auto format = history::FormatFromName(request.Query("format").value_or("log"));
    if (!format) {
      co_return Failed(
          Error(Code::kInvalid, "format: must be one of log, postfix, rspamd and dovecot"));
    }
    if (log_busy_)
      co_return Failed(Error(Code::kConflict, "another import is under way; try again later"));
    log_ = std::make_shared<history::MailHistory>(OptionsOf(*settings, *format));
    ++log_session_;
  } else if (!log_ || log_busy_ || session != std::to_string(log_session_)) {
    co_return Failed(Error(Code::kConflict,
                           "this import was broken off or another one has begun; run it again"));
  }
  struct Leave {
    bool& busy;
    ~Leave() { busy = false; }
  } leave{log_busy_};
  log_busy_ = true;

  const auto most = static_cast<size_t>(settings->Integer("history.max_lines"));
  auto read =
      co_await history_pool_.Run([history = log_, last, most, body = std::move(request.body),
                                  now = clock_.Now()]() -> Result<Completed> {
        return Read(*history, body, last, most, now);
      });
  if (!read) {
    log_.reset();
    co_return Failed(read.error());
  }
  const auto part = std::make_shared<Part>(scope_.executor());
  part->same_message = std::chrono::milliseconds(settings->Integer("history.same_message"));
  part->records = std::move(read->records);
  part->saved = std::move(read->saved);
  for (auto& record : part->records) {
    record.direction = pipeline::DirectionOf(record, settings->TextList("mail.internal_domains"));
  }
  const auto tasks = static_cast<size_t>(settings->Integer("history.tasks"));
  for (size_t i = 0; i < std::min(tasks, part->records.size() + part->saved.size()); ++i) {
    ++part->open;
    scope_.Spawn("log import", TakePart(part, store_));
  }
  while (part->open > 0) co_await part->changed.Wait();
  if (part->error || (last && read->left == 0)) log_.reset();
  if (part->error) co_return Failed(*part->error);
  co_return http::Response::Json(200, json::object{{"session", std::to_string(log_session_)},
                                                   {"lines", read->counts.lines},
                                                   {"used", read->counts.used},
                                                   {"added", part->added},
                                                   {"present", part->present},
                                                   {"events", part->events},
                                                   {"unmatched", part->unmatched},
                                                   {"left", read->left}});
}

}  // namespace mailreeve::gateway::api
