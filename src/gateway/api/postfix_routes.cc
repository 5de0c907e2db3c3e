// AdminApi: history out of a Postfix log (docs/history-import.md).
#include "gateway/api/admin_api.h"
#include "gateway/api/answers.h"
#include "gateway/delivery/log_follower.h"
#include "gateway/pipeline/pipeline.h"
#include "io/event.h"

namespace mailreeve::gateway::api {
namespace {

// Syslog has whole seconds and the store the time the body was there, so one message has two times.
constexpr std::chrono::minutes kSameMessage{10};
constexpr size_t kTasks = 32;  // as for lines of history

struct Messages {
  explicit Messages(const io::Executor& executor) : changed(executor) {}
  std::vector<mail::MessageRecord> records;
  size_t next = 0, open = 0;
  uint64_t added = 0, present = 0;
  std::optional<Error> error;  // the first
  io::Event changed;
};

// True: added; false: is there.
io::Task<Result<bool>> Take(tracking::Store& store, mail::MessageRecord record) {
  const auto held = co_await store.FindByQueueId(record.queue_id, record.received + kSameMessage);
  if (held && record.received - held->received <= kSameMessage) co_return false;
  if (!held && held.error().code != Code::kNotFound) co_return Fail(held.error());
  record.mid = store.NextMid();
  record.connection.icid = store.NextIcid();
  CO_TRY_VOID(co_await store.Append(std::move(record)));
  co_return true;
}

io::Task<void> TakeMessages(std::shared_ptr<Messages> messages, tracking::Store& store) {
  struct Leave {
    Messages& messages;
    ~Leave() {
      --messages.open;
      messages.changed.Notify();
    }
  } leave{*messages};
  while (!messages->error && messages->next < messages->records.size()) {
    const auto taken = co_await Take(store, std::move(messages->records[messages->next++]));
    if (!taken) {
      messages->error = taken.error();
    } else {
      ++(*taken ? messages->added : messages->present);
    }
  }
}

}  // namespace

io::Task<http::Response> AdminApi::ImportPostfixLog(http::Request request) {
  const std::string session = request.Query("session").value_or("");
  const bool last = request.Query("last") == "true";
  const auto settings = settings_.Get();
  if (session.empty()) {
    if (postfix_busy_)
      co_return Failed(Error(Code::kConflict, "another import is under way; try again later"));
    const delivery::Options log = delivery::Options::FromSettings(*settings);
    history::PostfixOptions options;
    options.tag_prefix = log.tag_prefix;
    options.time = log.time;
    postfix_ = std::make_shared<history::PostfixHistory>(options);
    ++postfix_session_;
  } else if (!postfix_ || postfix_busy_ || session != std::to_string(postfix_session_)) {
    co_return Failed(Error(Code::kConflict,
                           "this import was broken off or another one has begun; run it again"));
  }
  struct Leave {
    bool& busy;
    ~Leave() { busy = false; }
  } leave{postfix_busy_};
  postfix_busy_ = true;
  const auto history = postfix_;

  const auto messages = std::make_shared<Messages>(scope_.executor());
  auto read = co_await history_pool_.Run(
      [history, last, body = std::move(request.body),
       now = clock_.Now()]() -> Result<std::vector<mail::MessageRecord>> {
        for (std::string_view left = body; !left.empty();) {
          const size_t end = std::min(left.size(), left.find('\n'));
          history->Add(left.substr(0, end), now);
          left.remove_prefix(std::min(left.size(), end + 1));
        }
        if (last) history->Finish();
        return history->Take();
      });
  if (!read) {
    postfix_.reset();
    co_return Failed(read.error());
  }
  messages->records = *std::move(read);
  for (auto& record : messages->records) {
    record.direction = pipeline::DirectionOf(record, settings->TextList("mail.internal_domains"));
  }
  for (size_t i = 0; i < std::min(kTasks, messages->records.size()); ++i) {
    ++messages->open;
    scope_.Spawn("log import", TakeMessages(messages, store_));
  }
  while (messages->open > 0) co_await messages->changed.Wait();
  const auto counts = history->counts();
  if (messages->error || last) postfix_.reset();
  if (messages->error) co_return Failed(*messages->error);
  co_return http::Response::Json(200, json::object{{"session", std::to_string(postfix_session_)},
                                                   {"lines", counts.lines},
                                                   {"used", counts.used},
                                                   {"added", messages->added},
                                                   {"present", messages->present}});
}

}  // namespace mailreeve::gateway::api
