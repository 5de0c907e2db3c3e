// Runs remediation against a real mail store and mail server, with tracking replaced by files, so
// that a test can kill it at any instant and start it again.
//
//   remediation_driver CONFIG plan ACTION MID[,MID…]
//   remediation_driver CONFIG run PLAN_ID PLAN_HASH KEY FORWARD_TO
//
// Prints the plan or the ended batch as JSON.
#include "base/text.h"
#include "gateway/remediation/remediator.h"
#include "gateway/remediation/smtp_forwarder.h"
#include "io/file.h"
#include "mail/content_digest.h"
#include "mailbox/imap/imap_store.h"

#include <cstdio>
#include <fstream>
#include <iostream>

namespace mailreeve {
namespace {

std::string Text(const json::object& from, std::string_view key, std::string otherwise = "") {
  return json::OptionalString(from, key, std::move(otherwise)).value_or("");
}
int64_t Number(const json::object& from, std::string_view key, int64_t otherwise) {
  return json::OptionalInteger(from, key, otherwise).value_or(otherwise);
}

// Messages from the configuration; events as JSON lines; what passed the milter as lines of
// Message-IDs.
class FileStore final : public gateway::tracking::Store {
 public:
  explicit FileStore(const json::object& config)
      : events_(Text(config, "events")), accepted_(Text(config, "accepted")) {
    for (const json::value& one : config.at("messages").as_array()) {
      const json::object& message = one.as_object();
      mail::MessageRecord record;
      record.mid = static_cast<mail::Mid>(Number(message, "mid", 0));
      record.received = *ParseTime(Text(message, "received"));
      record.envelope_from = Text(message, "envelope_from");
      record.inspection.message_id = Text(message, "message_id");
      record.inspection.subject = Text(message, "subject");
      record.inspection.content_digest =
          mail::ContentDigest(*io::ReadFile(Text(message, "file"), 1 << 26));
      const std::vector<std::string> recipients = *json::OptionalStrings(message, "recipients");
      for (const std::string& address : recipients) {
        const auto rid = static_cast<uint32_t>(record.recipients.size());
        record.recipients.push_back({.rid = rid, .address = address, .raw = address});
        if (!address.starts_with("undelivered")) {
          record.events.push_back({.kind = mail::EventKind::kDelivered, .rid = rid});
        }
      }
      records_[record.mid] = std::move(record);
    }
  }
  mail::Mid NextMid() override { return 0; }
  mail::Icid NextIcid() override { return 0; }
  io::Task<Result<void>> Append(mail::MessageRecord) override { co_return Result<void>(); }
  io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) override {
    std::set<std::string> known;
    std::ifstream in(events_);
    for (std::string line; std::getline(in, line);) known.insert(line.substr(0, line.find('\t')));
    std::ofstream out(events_, std::ios::app);
    for (const mail::Event& event : events) {
      const std::string key = std::to_string(mid) + "|" + event.dedup_key;
      if (known.contains(key)) continue;
      out << key << "\t" << mail::EventName(event.kind) << std::endl;
    }
    co_return Result<void>();
  }
  io::Task<Result<gateway::tracking::Page>> Search(gateway::tracking::Query query) override {
    gateway::tracking::Page page;
    std::ifstream in(accepted_);
    for (std::string line; std::getline(in, line);) {
      if (line != query.message_id) continue;
      mail::MessageRecord record;
      record.mid = 1000;
      record.queue_id = "TRACKED";
      page.records.push_back(std::move(record));
    }
    co_return page;
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    const auto found = records_.find(mid);
    if (found == records_.end()) co_return Fail(Code::kNotFound, "no such message");
    co_return found->second;
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string, Time) override {
    co_return Fail(Code::kNotFound, "none");
  }
  io::Task<Result<gateway::tracking::Coverage>> Held() override {
    co_return gateway::tracking::Coverage();
  }

 private:
  std::map<mail::Mid, mail::MessageRecord> records_;
  std::string events_, accepted_;
};

io::Task<Result<json::object>> Work(gateway::remediation::Remediator& remediator,
                                    std::vector<std::string> args) {
  using namespace gateway::remediation;
  const relay::Caller caller{
      .user_id = "u1", .user_name = "Ann", .org_id = "o1", .request_id = "r1"};
  if (args.at(0) == "plan") {
    CO_TRY(const Action action, ParseAction(args.at(1)));
    std::vector<mail::Mid> mids;
    for (const std::string_view mid : Split(args.at(2), ','))
      mids.push_back(std::stoull(std::string(mid)));
    CO_TRY(const Plan plan, co_await remediator.MakePlan(action, mids, caller));
    co_return ToJson(plan);
  }
  CO_TRY_VOID(co_await remediator.Resume());
  CO_TRY(const std::string id, co_await remediator.Execute(args.at(1), args.at(2), args.at(3),
                                                           args.at(4), "campaign", caller));
  CO_TRY(const Batch batch, co_await remediator.WaitBatch(id, std::chrono::minutes(5)));
  co_return ToJson(batch);
}

io::Task<void> Into(io::Task<Result<json::object>> task, std::optional<Result<json::object>>* out) {
  *out = co_await std::move(task);
}

int Main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto text = io::ReadFile(argv[1], 1 << 26);
  const auto parsed = json::Parse(*text);
  const json::object& config = parsed->as_object();
  const json::object& imap = config.at("imap").as_object();
  const json::object& smtp = config.at("smtp").as_object();

  asio::io_context context(1);
  const auto logger = log::MakeLogger(Text(config, "log"), log::Level::kDebug);
  io::Scope scope(context.get_executor(), *logger);
  const SystemClock clock;
  auto audit = audit::OpenFileLog(Text(config, "audit"), clock);
  FileStore store(config);
  auto mailboxes = mailbox::imap::ImapStore::Make(
      {.host = Text(imap, "host"),
       .port = static_cast<uint16_t>(Number(imap, "port", 993)),
       .security = Text(imap, "security") == "plain"      ? mailbox::imap::Security::kPlain
                   : Text(imap, "security") == "starttls" ? mailbox::imap::Security::kStartTls
                                                          : mailbox::imap::Security::kTls,
       .allow_plain = Text(imap, "security") == "plain",
       .ca_file = Text(imap, "ca_file"),
       .server_name = Text(imap, "server_name"),
       .master_user = Text(imap, "master_user"),
       .secret_file = Text(imap, "secret_file"),
       .login_style = Text(imap, "login_style") == "separator"
                          ? mailbox::imap::LoginStyle::kSeparator
                          : mailbox::imap::LoginStyle::kAuthorizationId,
       .connect_timeout = std::chrono::milliseconds(Number(imap, "timeout", 10000)),
       .io_timeout = std::chrono::milliseconds(Number(imap, "timeout", 10000))});
  if (!mailboxes) {
    std::cerr << mailboxes.error().ToString() << "\n";
    return 1;
  }
  auto forwarder = gateway::remediation::SmtpForwarder::Make(
      {.host = Text(smtp, "host"),
       .port = static_cast<uint16_t>(Number(smtp, "port", 25)),
       .helo = "gw.test"});
  gateway::remediation::Options options;
  options.journal_path = Text(config, "journal");
  options.gateway_name = "gw.test";
  options.attempts = static_cast<uint32_t>(Number(config, "attempts", 3));
  options.retry_delay = std::chrono::milliseconds(Number(config, "retry_delay", 50));
  options.forward_settle = std::chrono::milliseconds(Number(config, "forward_settle", 1000));
  options.forwards_are_tracked =
      json::OptionalBool(config, "forwards_are_tracked", true).value_or(true);
  auto remediator = gateway::remediation::Remediator::Open(options, store, **mailboxes, **forwarder,
                                                           **audit, clock, scope, *logger);
  if (!remediator) {
    std::cerr << remediator.error().ToString() << "\n";
    return 1;
  }
  std::optional<Result<json::object>> out;
  scope.Spawn("driver",
              Into(Work(**remediator, std::vector<std::string>(argv + 2, argv + argc)), &out));
  while (!out && context.run_one() > 0) {
  }
  scope.Cancel();
  context.restart();
  context.run();
  if (!out || !*out) {
    std::cout << json::Serialize(
                     json::object{{"error", out ? CodeName((*out).error().code) : "stopped"},
                                  {"message", out ? (*out).error().ToString() : ""}})
              << "\n";
    return 1;
  }
  std::cout << json::Serialize(**out) << "\n";
  return 0;
}

}  // namespace
}  // namespace mailreeve

int main(int argc, char** argv) { return mailreeve::Main(argc, argv); }
