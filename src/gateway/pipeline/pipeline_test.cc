#include "gateway/pipeline/pipeline.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace mailreeve::gateway::pipeline {
namespace {

class FakeInspector final : public Inspector {
 public:
  io::Task<Result<mail::Inspection>> Inspect(std::string message) override {
    seen = std::move(message);
    if (fails) co_return Fail(Code::kTimeout, "overrun");
    mail::Inspection inspection;
    inspection.subject = "hello";
    co_return inspection;
  }
  std::string seen;
  bool fails = false;
};

class FakeStore final : public tracking::Store {
 public:
  mail::Mid NextMid() override { return ++mid; }
  mail::Icid NextIcid() override { return ++icid; }
  io::Task<Result<void>> Append(mail::MessageRecord record) override {
    if (fails) co_return Fail(Code::kUnavailable, "disk full");
    records.push_back(std::move(record));
    co_return Result<void>{};
  }
  io::Task<Result<void>> AppendEvents(mail::Mid of, std::vector<mail::Event> more) override {
    events.emplace_back(of, std::move(more));
    co_return Result<void>{};
  }
  io::Task<Result<tracking::Page>> Search(tracking::Query) override { co_return tracking::Page{}; }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid) override {
    co_return Fail(Code::kNotFound, "none");
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string, Time) override {
    co_return Fail(Code::kNotFound, "none");
  }
  io::Task<Result<tracking::Coverage>> Held() override { co_return tracking::Coverage{}; }

  mail::Mid mid = 0;
  mail::Icid icid = 0;
  bool fails = false;
  std::vector<mail::MessageRecord> records;
  std::vector<std::pair<mail::Mid, std::vector<mail::Event>>> events;
};

std::shared_ptr<const settings::Snapshot> With(json::object values) {
  auto snapshot =
      settings::Snapshot::FromJson(settings::Schema::Builtin(), "gateway",
                                   json::object{{"revision", 1}, {"values", std::move(values)}});
  EXPECT_TRUE(snapshot.has_value());
  return *snapshot;
}

class PipelineTest : public testing::Test {
 protected:
  milter::Decision Send(milter::MilterMessage message) {
    milter::Decision decision;
    asio::co_spawn(context_, pipeline_.OnMessage(std::move(message)),
                   [&](std::exception_ptr thrown, milter::Decision got) {
                     EXPECT_FALSE(thrown);
                     decision = std::move(got);
                   });
    context_.run();
    context_.restart();
    return decision;
  }

  static milter::MilterMessage Message() {
    milter::MilterMessage message;
    message.connection.serial = 9;
    message.connection.address = "192.0.2.7";
    message.connection.client_name = "mx.sender.example";
    message.connection.helo = "mx";
    message.queue_id = "4ABC";
    message.from.raw = "<Alice@Sender.Example>";
    message.recipients = {{"<bob@ours.example>", {}}, {"<carol@ours.example>", {}}};
    message.raw = "Subject: hello\r\n\r\nhi\r\n";
    return message;
  }

  asio::io_context context_;
  log::NullLogger logger_;
  FakeClock clock_{FromEpochMillis(1790000000000)};
  settings::Running settings_{With({{"mail.internal_domains", json::array{"ours.example"}}})};
  io::Scope scope_{context_.get_executor(), logger_};
  FakeInspector inspector_;
  FakeStore store_;
  Pipeline pipeline_{inspector_, store_, settings_, clock_, scope_, logger_};
};

TEST_F(PipelineTest, RecordsBeforeItAccepts) {
  const milter::Decision decision = Send(Message());
  EXPECT_EQ(decision.kind, milter::Decision::Kind::kAccept);
  EXPECT_EQ(decision.tag, 1u);
  ASSERT_EQ(store_.records.size(), 1u);
  const mail::MessageRecord& record = store_.records[0];
  EXPECT_EQ(record.mid, 1u);
  EXPECT_EQ(record.queue_id, "4ABC");
  EXPECT_EQ(record.connection.icid, 1u);
  EXPECT_EQ(record.connection.client_address, "192.0.2.7");
  EXPECT_EQ(record.connection.client_name, "mx.sender.example");
  EXPECT_EQ(record.envelope_from, "alice@sender.example");
  ASSERT_EQ(record.recipients.size(), 2u);
  EXPECT_EQ(record.recipients[1].rid, 1u);
  EXPECT_EQ(record.recipients[1].address, "carol@ours.example");
  EXPECT_EQ(record.direction, mail::Direction::kIncoming);
  EXPECT_EQ(record.inspection.subject, "hello");
  ASSERT_EQ(record.events.size(), 2u);
  EXPECT_EQ(record.events[1].kind, mail::EventKind::kAccepted);
  EXPECT_EQ(pipeline_.counters().tracked, 1u);
}

TEST_F(PipelineTest, OneIcidAConnection) {
  Send(Message());
  Send(Message());
  milter::MilterMessage other = Message();
  other.connection.serial = 10;
  Send(std::move(other));
  EXPECT_EQ(store_.records[0].connection.icid, store_.records[1].connection.icid);
  EXPECT_NE(store_.records[0].connection.icid, store_.records[2].connection.icid);
}

TEST_F(PipelineTest, FailureModesOfInspectionAndTracking) {
  for (const bool inspection : {true, false}) {
    inspector_.fails = inspection;
    store_.fails = !inspection;
    settings_.Swap(With({{"milter.on_failure", "tempfail"}}));
    milter::Decision decision = Send(Message());
    EXPECT_EQ(decision.kind, milter::Decision::Kind::kReply);
    EXPECT_EQ(decision.code, 451);
    settings_.Swap(With({{"milter.on_failure", "accept"}}));
    EXPECT_EQ(Send(Message()).kind, milter::Decision::Kind::kAccept);
    settings_.Swap(With({{"milter.on_failure", "reject"}}));
    decision = Send(Message());
    EXPECT_EQ(decision.code, 554);
  }
  EXPECT_TRUE(store_.records.empty());
  EXPECT_EQ(pipeline_.counters().untracked, 2u);
  EXPECT_EQ(pipeline_.counters().temporarily_refused, 2u);
  EXPECT_EQ(pipeline_.counters().rejected, 2u);
  EXPECT_EQ(pipeline_.counters().inspection_failed, 3u);
  EXPECT_EQ(pipeline_.counters().tracking_failed, 3u);
}

TEST_F(PipelineTest, LostAnswerIsRecorded) {
  milter::Abort abort;
  abort.connection = 9;
  abort.disconnected = true;
  abort.answer_lost = true;
  abort.tag = 7;
  pipeline_.OnAbort(abort);
  context_.run();
  ASSERT_EQ(store_.events.size(), 1u);
  EXPECT_EQ(store_.events[0].first, 7u);
  EXPECT_EQ(store_.events[0].second[0].kind, mail::EventKind::kTemporarilyRefused);
}

TEST(DirectionOf, BySenderAndRecipients) {
  mail::MessageRecord record;
  record.envelope_from = "a@ours.example";
  record.recipients = {{0, "b@ours.example", ""}};
  const std::vector<std::string> ours = {"ours.example"};
  EXPECT_EQ(DirectionOf(record, ours), mail::Direction::kInternal);
  record.recipients.push_back({1, "c@other.example", ""});
  EXPECT_EQ(DirectionOf(record, ours), mail::Direction::kOutgoing);
  record.envelope_from = "x@other.example";
  EXPECT_EQ(DirectionOf(record, ours), mail::Direction::kIncoming);
  record.connection.authenticated_user = "x";
  EXPECT_EQ(DirectionOf(record, ours), mail::Direction::kOutgoing);
}

}  // namespace
}  // namespace mailreeve::gateway::pipeline
