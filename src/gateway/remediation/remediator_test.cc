#include "gateway/remediation/remediator.h"

#include "base/random.h"
#include "gateway/remediation/letter.h"
#include "gateway/remediation/smtp_forwarder.h"
#include "mail/content_digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

namespace mailreeve::gateway::remediation {
namespace {

using testing::HasSubstr;

std::string Mail(const std::string& body) {
  return "From: spam@bad.test\r\nTo: all@x.test\r\nSubject: offer\r\nMessage-ID: <m@x>\r\n\r\n" +
         body + "\r\n";
}

// Mailboxes in memory. Faults are errors answered in turn at the next calls.
class FakeMailboxes final : public mailbox::MailboxStore {
 public:
  struct Copy {
    std::string folder;
    uint32_t uid;
    std::string bytes, flags;
  };
  std::map<std::string, std::vector<Copy>> boxes;
  std::map<std::string, std::deque<Error>> open_faults, remove_faults;
  std::map<std::string, bool> unreadable;
  std::string moves_when_removed;  // this recipient's user moves the message just then
  size_t opened = 0, removed = 0;

  class Box final : public mailbox::Mailbox {
   public:
    Box(FakeMailboxes& all, std::string user) : all_(all), user_(std::move(user)) {}
    io::Task<Result<mailbox::FindResult>> Find(mailbox::MessageIdentity identity) override {
      mailbox::FindResult out;
      out.folders = {"INBOX", "Other"};
      out.folders_searched = 2;
      out.server = "fake";
      if (all_.unreadable[user_]) out.folders_unreadable.push_back("Locked");
      for (const Copy& copy : all_.boxes[user_]) {
        const mailbox::Location location{
            .folder = copy.folder, .uid_validity = 1, .uid = copy.uid, .flags = copy.flags};
        if (mail::ContentDigest(copy.bytes) == identity.content_digest) {
          out.confirmed.push_back(location);
        } else {
          out.others.push_back({location, "digest_differs: other content"});
        }
      }
      co_return out;
    }
    io::Task<Result<std::string>> Fetch(mailbox::Location location) override {
      for (const Copy& copy : all_.boxes[user_]) {
        if (copy.uid == location.uid) co_return copy.bytes;
      }
      co_return Fail(Code::kNotFound, "gone");
    }
    io::Task<Result<void>> Remove(mailbox::Location location) override {
      auto& faults = all_.remove_faults[user_];
      if (!faults.empty()) {
        Error error = faults.front();
        faults.pop_front();
        co_return Fail(std::move(error));
      }
      ++all_.removed;
      if (all_.moves_when_removed == user_) {
        all_.moves_when_removed.clear();
        for (Copy& copy : all_.boxes[user_]) {
          copy.folder = "Other";
          copy.uid += 100;
        }
        co_return Result<void>();
      }
      std::erase_if(all_.boxes[user_], [&](const Copy& copy) { return copy.uid == location.uid; });
      co_return Result<void>();
    }
    io::Task<void> Close() override { co_return; }

   private:
    FakeMailboxes& all_;
    std::string user_;
  };

  io::Task<Result<std::unique_ptr<mailbox::Mailbox>>> Open(std::string recipient) override {
    ++opened;
    auto& faults = open_faults[recipient];
    if (!faults.empty()) {
      Error error = faults.front();
      if (faults.size() > 1) faults.pop_front();  // the last one stays
      co_return Fail(std::move(error));
    }
    co_return std::make_unique<Box>(*this, recipient);
  }
};

class FakeForwarder final : public Forwarder {
 public:
  struct Answer {
    std::optional<Error> error;
    bool unknown = false;
  };
  std::deque<Answer> answers;
  std::vector<ForwardLetter> sent;
  io::Task<Result<ForwardReceipt>> Send(std::shared_ptr<const ForwardLetter> letter,
                                        std::shared_ptr<bool> outcome_unknown) override {
    Answer answer;
    if (!answers.empty()) {
      answer = answers.front();
      answers.pop_front();
    }
    *outcome_unknown = answer.unknown;
    if (answer.error) co_return Fail(*answer.error);
    sent.push_back(*letter);
    co_return ForwardReceipt{.queue_id = "Q1", .reply = "250 queued as Q1", .server = "mx.test"};
  }
};

class FakeStore final : public tracking::Store {
 public:
  std::map<mail::Mid, mail::MessageRecord> records;
  std::string passed;  // Message-ID that tracking has seen
  mail::Mid NextMid() override { return 0; }
  mail::Icid NextIcid() override { return 0; }
  io::Task<Result<void>> Append(mail::MessageRecord) override { co_return Result<void>(); }
  io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) override {
    auto& have = records[mid].events;
    for (mail::Event& event : events) {
      if (std::none_of(have.begin(), have.end(),
                       [&](const auto& e) { return e.dedup_key == event.dedup_key; })) {
        have.push_back(std::move(event));
      }
    }
    co_return Result<void>();
  }
  io::Task<Result<tracking::Page>> Search(tracking::Query query) override {
    tracking::Page page;
    if (!passed.empty() && query.message_id == "<" + passed + ">") {
      page.records.push_back({.mid = 77, .queue_id = "QT", .received = {}});
    }
    co_return page;
  }
  io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) override {
    if (!records.contains(mid)) co_return Fail(Code::kNotFound, "no such message");
    co_return records[mid];
  }
  io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string, Time) override {
    co_return Fail(Code::kNotFound, "no");
  }
  io::Task<Result<tracking::Coverage>> Held() override { co_return tracking::Coverage(); }
  size_t Events(mail::Mid mid, mail::EventKind kind) {
    const auto& events = records[mid].events;
    return static_cast<size_t>(std::count_if(
        events.begin(), events.end(), [&](const auto& event) { return event.kind == kind; }));
  }
};

class RemediatorTest : public testing::Test {
 protected:
  RemediatorTest() : scope_(context_.get_executor(), logger_) {
    options_.journal_path = testing::TempDir() + "remediation-" + RandomUuid() + ".db";
    options_.gateway_name = "gw.test";
    options_.retry_delay = std::chrono::milliseconds(1);
    options_.forward_settle = std::chrono::milliseconds(1);
    mail::MessageRecord record;
    record.mid = 1;
    record.received = clock_.Now();
    record.envelope_from = "spam@bad.test";
    record.inspection.message_id = "<m@x>";
    record.inspection.subject = "offer";
    record.inspection.content_digest = mail::ContentDigest(Mail("pay"));
    for (uint32_t rid = 0; rid < 5; ++rid) {
      const std::string user = std::string(1, static_cast<char>('a' + rid)) + "@x.test";
      record.recipients.push_back({.rid = rid, .address = user, .raw = user});
      if (rid < 4) record.events.push_back({.kind = mail::EventKind::kDelivered, .rid = rid});
      boxes_.boxes[user] = {{"INBOX", 10, Mail("pay"), ""}};
    }
    store_.records[1] = record;
    boxes_.boxes["b@x.test"] = {{"Other", 11, Mail("pay"), "\\Seen \\Answered"}};
    boxes_.boxes["c@x.test"] = {};
    Open();
  }
  ~RemediatorTest() override {
    Shut();
    for (const char* end : {"", "-wal", "-shm"}) std::remove((options_.journal_path + end).c_str());
  }
  void Open() {
    auto opened =
        Remediator::Open(options_, store_, boxes_, forwarder_, audit_, clock_, scope_, logger_);
    ASSERT_TRUE(opened) << opened.error().ToString();
    remediator_ = std::move(*opened);
  }
  void Shut() {
    scope_.Cancel();
    context_.restart();
    context_.run();
    remediator_.reset();
  }

  template <class T>
  T Run(io::Task<T> task) {
    std::optional<T> out;
    scope_.Spawn("test", Into<T>(std::move(task), &out));
    context_.restart();
    while (!out && context_.run_one() > 0) {
    }
    return std::move(*out);
  }
  template <class T>
  static io::Task<void> Into(io::Task<T> task, std::optional<T>* out) {
    *out = co_await std::move(task);
  }
  Batch Do(Action action, std::string key = "k1") {
    auto plan = Run(remediator_->MakePlan(action, {1}, {}));
    EXPECT_TRUE(plan) << plan.error().ToString();
    auto id = Run(remediator_->Execute(plan->id, plan->hash, key,
                                       Forwards(action) ? "soc@y.test" : "", "phish", {}));
    EXPECT_TRUE(id) << id.error().ToString();
    auto batch = Run(remediator_->WaitBatch(*id, std::chrono::seconds(60)));
    EXPECT_TRUE(batch) << batch.error().ToString();
    EXPECT_TRUE(batch->finished());
    return *batch;
  }

  asio::io_context context_{1};
  log::NullLogger logger_;
  io::Scope scope_;
  FakeClock clock_{*ParseTime("2026-11-24T04:00:00Z")};
  audit::MemoryLog audit_;
  FakeStore store_;
  FakeMailboxes boxes_;
  FakeForwarder forwarder_;
  Options options_;
  std::unique_ptr<Remediator> remediator_;
};

TEST_F(RemediatorTest, PlanTellsWhatIsThereAndTouchesNothing) {
  boxes_.open_faults["d@x.test"] = {Error(Code::kUnavailable, "refused")};
  const auto plan =
      Run(remediator_->MakePlan(Action::kForwardAndDelete, {1, 1}, {.user_name = "ann"}));
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_EQ(plan->items.size(), 5u);
  EXPECT_EQ(plan->items[0].state, MailState::kPresent);
  EXPECT_TRUE(plan->items[0].unread);
  EXPECT_EQ(plan->items[1].state, MailState::kMoved);
  EXPECT_TRUE(plan->items[1].answered);
  EXPECT_FALSE(plan->items[1].unread);
  EXPECT_EQ(plan->items[2].state, MailState::kGone);
  EXPECT_EQ(plan->items[3].state, MailState::kUnreachable);
  EXPECT_EQ(plan->items[4].state, MailState::kRefused);
  EXPECT_EQ(plan->items[4].reason, "not_delivered");
  EXPECT_EQ(plan->mailboxes, 3u);
  EXPECT_EQ(plan->messages, 1u);
  EXPECT_EQ(plan->missing, std::vector<std::string>{"forward_address"});
  EXPECT_EQ(plan->hash, PlanHash(*plan));
  EXPECT_EQ(boxes_.removed, 0u);
  const json::object shown = ToJson(*plan);
  EXPECT_EQ(shown.at("counts").at("present").to_number<int>(), 1);
  EXPECT_EQ(Run(remediator_->MakePlan(Action::kDelete, {9}, {})).error().code, Code::kNotFound);
  EXPECT_EQ(Run(remediator_->MakePlan(Action::kDelete, {}, {})).error().code, Code::kInvalid);
}

TEST_F(RemediatorTest, ForwardAndDeleteWithReceipts) {
  boxes_.open_faults["d@x.test"] = {Error(Code::kUnavailable, "refused")};
  const Batch batch = Do(Action::kForwardAndDelete);
  EXPECT_EQ(batch.state, BatchState::kCompletedWithErrors);
  ASSERT_EQ(batch.receipts.size(), 5u);
  EXPECT_EQ(batch.receipts[0].outcome, Outcome::kRemoved);
  EXPECT_EQ(batch.receipts[1].outcome, Outcome::kMovedFollowed);
  EXPECT_EQ(batch.receipts[2].outcome, Outcome::kAlreadyGone);
  EXPECT_EQ(batch.receipts[3].outcome, Outcome::kUnreachable);
  EXPECT_EQ(batch.receipts[3].attempts, 3u);
  EXPECT_EQ(batch.receipts[4].outcome, Outcome::kRefused);
  EXPECT_EQ(batch.receipts[4].why, "not_delivered");
  ASSERT_EQ(forwarder_.sent.size(), 1u);
  EXPECT_EQ(forwarder_.sent[0].original, Mail("pay"));
  EXPECT_TRUE(batch.receipts[0].forwarded);
  EXPECT_EQ(batch.forwards.at(0).state, "accepted");
  const json::object& evidence = batch.receipts[0].evidence;
  EXPECT_EQ(evidence.at("before").at("found").as_array().size(), 1u);
  EXPECT_EQ(evidence.at("after").at("found").as_array().size(), 0u);
  EXPECT_EQ(evidence.at("removed").as_array().size(), 1u);
  // The undelivered copy was not looked at.
  EXPECT_EQ(boxes_.boxes["e@x.test"].size(), 1u);
  EXPECT_EQ(store_.Events(1, mail::EventKind::kRemediationStarted), 5u);
  EXPECT_EQ(store_.Events(1, mail::EventKind::kRemoved), 1u);
  EXPECT_EQ(store_.Events(1, mail::EventKind::kMovedFollowed), 1u);
  EXPECT_EQ(store_.Events(1, mail::EventKind::kAlreadyGone), 1u);
  EXPECT_EQ(store_.Events(1, mail::EventKind::kRemediationUnreachable), 1u);
  EXPECT_EQ(store_.Events(1, mail::EventKind::kForwarded), 5u);
  ASSERT_EQ(audit_.entries.size(), 2u);
  EXPECT_EQ(audit_.entries[0].action, "mail.remediate");
  EXPECT_EQ(audit_.entries[1].result, "failure");
  EXPECT_EQ(Run(remediator_->ListBatches(10))->size(), 1u);
  EXPECT_EQ(Run(remediator_->BatchesOf(1))->size(), 1u);
  EXPECT_TRUE(Run(remediator_->BatchesOf(2))->empty());
}

TEST_F(RemediatorTest, NothingIsDeletedWhenTheForwardIsRefused) {
  forwarder_.answers = {{.error = Error(Code::kDenied, "550 no")}};
  const Batch batch = Do(Action::kForwardAndDelete);
  EXPECT_EQ(batch.receipts[0].outcome, Outcome::kRefused);
  EXPECT_EQ(batch.receipts[0].why, "forward_not_accepted");
  EXPECT_FALSE(batch.receipts[0].forwarded);
  EXPECT_EQ(batch.receipts[2].outcome, Outcome::kAlreadyGone);
  EXPECT_EQ(boxes_.removed, 0u);
}

TEST_F(RemediatorTest, ForwardIsTriedAgainWhenTheServerIsAway) {
  forwarder_.answers = {{.error = Error(Code::kUnavailable, "refused")},
                        {.error = Error(Code::kLimited, "451")}};
  const Batch batch = Do(Action::kForward);
  EXPECT_EQ(forwarder_.sent.size(), 1u);
  EXPECT_EQ(batch.forwards.at(0).attempts, 3u);
  EXPECT_EQ(batch.receipts[0].outcome, Outcome::kForwarded);
  EXPECT_EQ(batch.receipts[2].outcome, Outcome::kAlreadyGone);
  EXPECT_EQ(boxes_.removed, 0u);
}

TEST_F(RemediatorTest, AForwardOfUnknownOutcomeIsLookedUp) {
  // Not in tracking: it was not taken, so it goes again.
  forwarder_.answers = {{.error = Error(Code::kUnavailable, "reset"), .unknown = true}};
  const Batch again = Do(Action::kForward);
  EXPECT_EQ(forwarder_.sent.size(), 1u);
  EXPECT_EQ(again.forwards.at(0).evidence, "reply");
}

TEST_F(RemediatorTest, AForwardSeenInTrackingIsNotSentAgain) {
  forwarder_.answers = {{.error = Error(Code::kUnavailable, "reset"), .unknown = true}};
  auto plan = Run(remediator_->MakePlan(Action::kForwardAndDelete, {1}, {}));
  auto id = Run(remediator_->Execute(plan->id, plan->hash, "k", "soc@y.test", "", {}));
  ASSERT_TRUE(id);
  store_.passed = Run(remediator_->GetBatch(*id))->forwards.at(0).message_id;
  const auto batch = Run(remediator_->WaitBatch(*id, std::chrono::seconds(60)));
  ASSERT_TRUE(batch->finished());
  EXPECT_EQ(forwarder_.sent.size(), 0u);
  EXPECT_EQ(batch->forwards.at(0).state, "accepted");
  EXPECT_EQ(batch->forwards.at(0).evidence, "tracking");
  EXPECT_EQ(batch->receipts[0].outcome, Outcome::kRemoved);
}

TEST_F(RemediatorTest, AnotherContentIsRefused) {
  boxes_.boxes["a@x.test"] = {{"INBOX", 10, Mail("a good mail"), ""}};
  const Batch batch = Do(Action::kDelete);
  EXPECT_EQ(batch.receipts[0].outcome, Outcome::kRefused);
  EXPECT_EQ(batch.receipts[0].why, "digest_differs");
  EXPECT_EQ(boxes_.boxes["a@x.test"].size(), 1u);
}

// B02
TEST_F(RemediatorTest, FollowsAMessageThatMovesMeanwhile) {
  boxes_.moves_when_removed = "a@x.test";
  const Batch batch = Do(Action::kDelete);
  EXPECT_EQ(batch.receipts[0].outcome, Outcome::kMovedFollowed);
  EXPECT_TRUE(boxes_.boxes["a@x.test"].empty());
}

TEST_F(RemediatorTest, ErrorsOfTheStore) {
  boxes_.open_faults["a@x.test"] = {Error(Code::kUnauthenticated, "no"),
                                    Error(Code::kUnauthenticated, "no")};
  boxes_.open_faults["b@x.test"] = {Error(Code::kNotFound, "no such mailbox")};
  boxes_.unreadable["c@x.test"] = true;
  boxes_.remove_faults["d@x.test"] = {Error(Code::kUnavailable, "dropped")};
  const Batch batch = Do(Action::kDelete);
  EXPECT_EQ(batch.receipts[0].why, "login_refused");
  EXPECT_EQ(batch.receipts[1].why, "no_such_mailbox");
  EXPECT_EQ(batch.receipts[2].outcome, Outcome::kRefused);
  EXPECT_EQ(batch.receipts[2].why, "folders_unreadable");
  EXPECT_EQ(batch.receipts[3].outcome, Outcome::kRemoved);
  EXPECT_EQ(batch.receipts[3].attempts, 2u);
}

// E1, E4
TEST_F(RemediatorTest, BoundToHashAndKey) {
  auto plan = Run(remediator_->MakePlan(Action::kDelete, {1}, {}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(Run(remediator_->Execute(plan->id, "0", "k", "", "", {})).error().code,
            Code::kConflict);
  EXPECT_EQ(Run(remediator_->Execute("x", plan->hash, "k", "", "", {})).error().code,
            Code::kNotFound);
  EXPECT_EQ(Run(remediator_->Execute(plan->id, plan->hash, "", "", "", {})).error().code,
            Code::kInvalid);
  const auto first = Run(remediator_->Execute(plan->id, plan->hash, "k", "", "", {}));
  ASSERT_TRUE(first);
  EXPECT_EQ(*Run(remediator_->Execute(plan->id, plan->hash, "k", "", "", {})), *first);
  EXPECT_EQ(Run(remediator_->Execute(plan->id, plan->hash, "k2", "", "", {})).error().code,
            Code::kConflict);
  auto other = Run(remediator_->MakePlan(Action::kForward, {1}, {}));
  EXPECT_EQ(Run(remediator_->Execute(other->id, other->hash, "k", "", "", {})).error().code,
            Code::kConflict);
  EXPECT_EQ(Run(remediator_->Execute(other->id, other->hash, "f", "", "", {})).error().code,
            Code::kInvalid);
  // B07
  EXPECT_EQ(Run(remediator_->Execute(other->id, other->hash, "f", "A@x.test", "", {})).error().code,
            Code::kInvalid);
  EXPECT_EQ(
      Run(remediator_->Execute(other->id, other->hash, "f", "soc@y\r\nRCPT", "", {})).error().code,
      Code::kInvalid);
  (void)Run(remediator_->WaitBatch(*first, std::chrono::seconds(60)));
  clock_.Advance(std::chrono::hours(2));
  EXPECT_EQ(
      Run(remediator_->Execute(other->id, other->hash, "f", "soc@y.test", "", {})).error().code,
      Code::kConflict);
}

TEST_F(RemediatorTest, AForwardOfOursIsNotForwarded) {
  const std::string ours = "X-Mailreeve-Remediation: batch=1\r\n" + Mail("pay");
  for (auto& [user, copies] : boxes_.boxes) {
    for (auto& copy : copies) copy.bytes = ours;
  }
  const Batch batch = Do(Action::kForwardAndDelete);
  EXPECT_EQ(forwarder_.sent.size(), 0u);
  EXPECT_EQ(batch.forwards.at(0).state, "failed");
  EXPECT_THAT(batch.forwards.at(0).why, HasSubstr("forward_loop"));
  EXPECT_EQ(boxes_.removed, 0u);
}

// ---- Letters
// -----------------------------------------------------------------------------------------------------

// H10: nothing of the mail can end a field of ours or write another.
TEST(LetterTest, NoFieldCanBeBrokenOutOf) {
  ForwardLetter letter{
      .message_id = "f@gw",
      .from = "m@gw",
      .to = "soc@y.test",
      .batch_id = "b",
      .mid = 7,
      .subject = "hi\r\nBcc: evil@x.test\r\n\r\nbody \xe8\xae\xa1\xff =?UTF-8?Q?x?=",
      .original_sender = "a@b\r\nX: y",
      .date = "Tue, 24 Nov 2026 04:00:00 +0000",
      .original = Mail("pay")};
  letter.batch_name = "n\r\n.\r\nQUIT";
  const std::string out = RenderForward(letter, true);
  const std::string header = out.substr(0, out.find("\r\n\r\n"));
  EXPECT_FALSE(HasField(out, "Bcc"));
  EXPECT_FALSE(HasField(out, "X"));
  for (const char c : header) EXPECT_TRUE((c >= ' ' && c <= '~') || c == '\r' || c == '\n');
  EXPECT_THAT(out, HasSubstr("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit"));
  EXPECT_THAT(out, HasSubstr("\r\n\r\n" + Mail("pay")));
  EXPECT_TRUE(HasField(out, kLoopField));
}

TEST(LetterTest, TheOriginalGoesWhole) {
  ForwardLetter letter{
      .message_id = "f@gw", .from = "m@gw", .to = "soc@y.test", .original = Mail("p\xc3\xa4y")};
  EXPECT_THAT(RenderForward(letter, true),
              HasSubstr("message/rfc822\r\nContent-Transfer-Encoding: 8bit"));
  EXPECT_THAT(RenderForward(letter, false), HasSubstr("application/octet-stream"));
  letter.original = Mail(std::string(2000, 'x'));
  EXPECT_THAT(RenderForward(letter, true), HasSubstr("application/octet-stream"));
  letter.original = Mail(std::string("a\0b", 3));
  EXPECT_THAT(RenderForward(letter, true), HasSubstr("application/octet-stream"));
  EXPECT_EQ(FormOf("a\rb"), Form::kBinary);
  EXPECT_EQ(FormOf("a\nb"), Form::kSevenBit);
}

TEST(LetterTest, PlainAddresses) {
  EXPECT_TRUE(IsPlainAddress("soc+a.b@y.test"));
  for (const char* bad : {"", "a", "@x", "a@", "a@b@c", "a b@c", "a@b\r\nRCPT TO:<c>", "<a@b>",
                          "\"a\"@b", "a@\xc3\xa4", "a,b@c"}) {
    EXPECT_FALSE(IsPlainAddress(bad)) << bad;
  }
}

TEST(SmtpTest, ReadsReplies) {
  EXPECT_EQ(ParseReplyLine("250-SIZE 100")->text, "SIZE 100");
  EXPECT_TRUE(ParseReplyLine("250-SIZE 100")->more);
  EXPECT_FALSE(ParseReplyLine("250 ok")->more);
  EXPECT_EQ(ParseReplyLine("354")->code, 354);
  for (const char* bad : {"", "25", "25x ok", "650 ok", "150 ok", "250_ok", "* OK"}) {
    EXPECT_FALSE(ParseReplyLine(bad)) << bad;
  }
  EXPECT_EQ(QueueIdOf("250 2.0.0 Ok: queued as 4F0C2A"), "4F0C2A");
  EXPECT_EQ(QueueIdOf("250 ok"), "");
}

TEST(SmtpTest, NoLineOfALetterEndsTheData) {
  EXPECT_EQ(DotStuff("a\n.\nb"), "a\r\n..\r\nb\r\n.\r\n");
  EXPECT_EQ(DotStuff("a\r.\r\n.c\r\n"), "a\r\n..\r\n..c\r\n.\r\n");
  EXPECT_EQ(DotStuff("."), "..\r\n.\r\n");
}

}  // namespace
}  // namespace mailreeve::gateway::remediation
