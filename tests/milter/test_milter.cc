// A milter and log follower for tests: says on standard output what it was told, one JSON object a
// line, and does what the message asks for by its X-Action fields ("reject", "add-header", …) or
// what the local part of an address asks for ("reject@…" at RCPT or MAIL).
#include "base/bytes.h"
#include "base/text.h"
#include "gateway/delivery/log_follower.h"
#include "gateway/milter/milter.h"
#include "io/event.h"
#include "json/json.h"

#include <boost/asio/signal_set.hpp>
#include <unistd.h>

#include <cstdio>

namespace mailreeve::gateway::milter {
namespace {

void Say(const json::value& line) {
  const std::string text = json::Serialize(line) + "\n";
  for (size_t done = 0; done < text.size();) {
    const ssize_t put = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (put <= 0) return;
    done += static_cast<size_t>(put);
  }
}

// Records in memory: enough for the log follower to find them by queue id. Says each event.
class MemoryStore final : public tracking::Store {
 public:
  mail::Mid NextMid() override { return ++last_; }
  mail::Icid NextIcid() override { return ++last_; }
  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    records_[record.mid] = std::move(record);
    co_return Result<void>();
  }
  io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) override {
    auto& record = records_.at(mid);
    for (const mail::Event& event : events) {
      Say(json::object{{"event", mail::EventName(event.kind)},
                       {"mid", mid},
                       {"recipient", event.rid ? record.recipients.at(*event.rid).address : ""},
                       {"queue_id", event.queue_id},
                       {"dsn", event.dsn},
                       {"relay", event.relay},
                       {"detail", event.detail},
                       {"delay_ms", event.delay_ms}});
      record.events.push_back(event);
    }
    co_return Result<void>();
  }
  io::Task<Result<tracking::Page>> Search(tracking::Query) override {
    co_return Fail(Code::kInternal, "not here");
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    const auto found = records_.find(mid);
    if (found == records_.end()) co_return Fail(Code::kNotFound, "no such message");
    co_return found->second;
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string queue_id, Time) override {
    for (const auto& [mid, record] : records_) {
      if (record.queue_id == queue_id) co_return record;
    }
    co_return Fail(Code::kNotFound, "no such queue id");
  }
  io::Task<Result<tracking::Coverage>> Held() override { co_return tracking::Coverage{}; }

 private:
  std::map<mail::Mid, mail::MessageRecord> records_;
  mail::Mid last_ = 0;
};

class TestHandler final : public MessageHandler {
 public:
  TestHandler(StageSet stages, tracking::Store& store) : stages_(stages), store_(store) {}

  StageSet stages() const override { return stages_; }

  io::Task<Decision> OnStage(Stage stage, Transaction so_far) override {
    std::string_view about;
    if (stage == Stage::kConnect) about = so_far.connection.host_name;
    if (stage == Stage::kHelo) about = so_far.connection.helo;
    if (stage == Stage::kMail) about = so_far.from.address();
    if (stage == Stage::kRcpt) about = so_far.recipients.back().address();
    if (stage == Stage::kUnknown) about = so_far.unknown_command;
    Say(json::object{{"event", StageName(stage)}, {"about", ToValidUtf8(about)}});
    co_return ActionOf(about.substr(0, about.find_first_of("@. ")));
  }

  io::Task<Decision> OnMessage(MilterMessage message) override {
    json::array recipients;
    for (const auto& recipient : message.recipients)
      recipients.emplace_back(ToValidUtf8(recipient.raw));
    const ConnectionInfo& from = message.connection;
    Say(json::object{{"event", "message"},
                     {"connection", from.serial},
                     {"index", message.index},
                     {"queue_id", ToValidUtf8(message.queue_id)},
                     {"from", ToValidUtf8(message.from.raw)},
                     {"recipients", recipients},
                     {"raw", Base64Encode(message.raw)},
                     {"address", from.address},
                     {"port", from.port},
                     {"host_name", ToValidUtf8(from.host_name)},
                     {"helo", ToValidUtf8(from.helo)},
                     {"client_name", ToValidUtf8(from.client_name)},
                     {"client_ptr", ToValidUtf8(from.client_ptr)},
                     {"daemon_name", ToValidUtf8(from.daemon_name)},
                     {"daemon_address", ToValidUtf8(from.daemon_address)},
                     {"daemon_port", ToValidUtf8(from.daemon_port)},
                     {"mta_host", ToValidUtf8(from.mta_host)},
                     {"mta_version", ToValidUtf8(from.mta_version)},
                     {"tls_version", ToValidUtf8(from.tls_version)},
                     {"cipher", ToValidUtf8(from.cipher)},
                     {"cert_subject", ToValidUtf8(from.cert_subject)},
                     {"auth_type", ToValidUtf8(from.auth_type)},
                     {"auth_authen", ToValidUtf8(from.auth_authen)}});
    mail::MessageRecord record;
    record.mid = store_.NextMid();
    record.queue_id = message.queue_id;
    record.received = SystemClock().Now();
    for (const auto& recipient : message.recipients) {
      record.recipients.push_back({static_cast<uint32_t>(record.recipients.size()),
                                   std::string(recipient.address()), recipient.raw});
    }
    (void)co_await store_.Append(std::move(record));
    Decision decision = Decision::Accept();
    const std::string header = message.raw.substr(0, message.header_bytes);
    for (std::string_view line : Split(header, '\n')) {
      if (!line.starts_with("X-Action:")) continue;
      const std::string action(TrimSpace(line.substr(9)));
      if (action == "throw") throw std::runtime_error("asked to");
      if (action.starts_with("sleep-"))
        co_await io::Sleep(std::chrono::milliseconds(std::stoi(action.substr(6))));
      Add(action, decision);
    }
    co_return decision;
  }

  void OnAbort(const Abort& abort) override {
    Say(json::object{{"event", "abort"},
                     {"stage", StageName(abort.stage)},
                     {"queue_id", ToValidUtf8(abort.queue_id)},
                     {"disconnected", abort.disconnected},
                     {"answer_lost", abort.answer_lost}});
  }

 private:
  static Decision ActionOf(std::string_view name) {
    if (name == "accept") return Decision::Accept();
    if (name == "reject") return Decision::Reject();
    if (name == "tempfail") return Decision::TempFail();
    if (name == "discard") return Decision::Discard();
    if (name == "reply") return Decision::Reply(554, "5.7.9", "100% refused\r\nQUIT");
    if (name == "reply-421") return Decision::Reply(421, "4.7.9", "go away");
    return Decision::Continue();
  }

  static void Add(const std::string& action, Decision& decision) {
    const Decision plain = ActionOf(action);
    if (plain.kind != Decision::Kind::kContinue) decision = plain;
    auto& changes = decision.changes;
    if (action == "quarantine") decision.quarantine = "asked to";
    if (action == "add-header") changes.emplace_back(AddHeader{"X-Added", "at the end"});
    if (action == "insert-header")
      changes.emplace_back(InsertHeader{0, "X-Inserted", "first\n\tfolded"});
    if (action == "change-header") changes.emplace_back(ChangeHeader{1, "Subject", "changed"});
    if (action == "delete-header") changes.emplace_back(DeleteHeader{1, "X-Delete"});
    if (action == "replace-body") changes.emplace_back(ReplaceBody{"a new body\r\n"});
    if (action == "change-sender") changes.emplace_back(ChangeSender{"changed@example.org", ""});
    if (action == "add-recipient") changes.emplace_back(AddRecipient{"added@corp.test", ""});
    if (action == "add-recipient-dsn")
      changes.emplace_back(AddRecipient{"added@corp.test", "NOTIFY=NEVER"});
    if (action == "delete-recipient") changes.emplace_back(DeleteRecipient{"<b@corp.test>"});
    if (action == "bad-header") changes.emplace_back(AddHeader{"not a name", "x"});
  }

  const StageSet stages_;
  tracking::Store& store_;
};

StageSet StagesOf(std::string_view text) {
  if (text == "all") {
    return {Stage::kConnect, Stage::kHelo, Stage::kMail,
            Stage::kRcpt,    Stage::kData, Stage::kUnknown};
  }
  if (text == "envelope") return {Stage::kMail, Stage::kRcpt};
  return {};
}

int Main(int argc, char** argv) {
  Options options;
  StageSet stages;
  delivery::Options following;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--listen") options.listen.push_back(value);
    if (name == "--log") following.file.path = value;
    if (name == "--position") following.position_file = value;
    if (name == "--stages") stages = StagesOf(value);
    if (name == "--max-message") options.max_message_bytes = std::stoull(value);
    if (name == "--answer-timeout-ms")
      options.answer_timeout = std::chrono::milliseconds(std::stoi(value));
    if (name == "--progress-ms")
      options.progress_interval = std::chrono::milliseconds(std::stoi(value));
    if (name == "--on-failure") {
      options.on_failure = value == "accept"   ? FailureMode::kAccept
                           : value == "reject" ? FailureMode::kReject
                                               : FailureMode::kTempFail;
    }
  }
  asio::io_context context(1);
  const auto logger = log::MakeLogger("", log::Level::kWarn);
  io::Scope scope(context.get_executor(), *logger);
  MemoryStore store;
  TestHandler handler(stages, store);
  io::Pool pool("files", 1, 64);
  const SystemClock clock;
  delivery::LogFollower follower(following, store, pool, clock, *logger);
  if (!following.file.path.empty()) scope.Spawn("mail log", follower.Run());
  auto server = Server::Listen(options, handler, scope, *logger);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().ToString().c_str());
    return 1;
  }
  json::array addresses;
  for (const std::string& address : (*server)->addresses()) addresses.emplace_back(address);
  Say(json::object{{"event", "listening"}, {"addresses", addresses}});
  asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    (*server)->StopAccepting();
    scope.Cancel();
  });
  context.run();
  const Counters& counters = (*server)->counters();
  Say(json::object{{"event", "counters"},
                   {"messages", counters.messages},
                   {"failures", counters.failures},
                   {"limits_hit", counters.limits_hit},
                   {"protocol_errors", counters.protocol_errors},
                   {"log_lines", follower.counters().lines},
                   {"log_unknown", follower.counters().unknown},
                   {"log_notices", follower.counters().notices}});
  return 0;
}

}  // namespace
}  // namespace mailreeve::gateway::milter

int main(int argc, char** argv) { return mailreeve::gateway::milter::Main(argc, argv); }
