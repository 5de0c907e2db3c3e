#include "mail/message_record.h"

#include <gtest/gtest.h>

namespace mailreeve::mail {
namespace {

Event At(int second, EventKind kind, std::optional<uint32_t> rid = std::nullopt) {
  Event event;
  event.time = Time(std::chrono::seconds(second));
  event.kind = kind;
  event.rid = rid;
  return event;
}

MessageRecord Sample() {
  MessageRecord record;
  record.mid = 52;
  record.queue_id = "4XyZ1";
  record.received = Time(Duration(1'700'000'000'123'456));
  record.direction = Direction::kOutgoing;
  record.connection = {46,        "198.51.100.7", "mx.sender.test", "helo.test",
                       "TLSv1.3", "AES",          "user",           "smtpd 25"};
  record.envelope_from = "alice@sender.test";
  record.envelope_from_raw = "<Alice@Sender.Test>\xff";
  record.recipients = {{0, "bob@example.test", "<bob@example.test>"},
                       {1, "carol@example.test", "carol\x80"}};
  record.inspection.subject = "Rechnung für März";
  record.inspection.message_id = "1@sender.test";
  record.inspection.urls = {{"http://bad.example/x", "hxxp://bad", UrlSource::kHtmlText}};
  record.verdicts = {{"url", 2, "listed"}};
  record.events = {At(1, EventKind::kReceived), At(2, EventKind::kDelivered, 1)};
  record.events[1].detail = "250 2.0.0 Ok";
  record.events[1].dsn = "2.0.0";
  record.events[1].relay = "mx[192.0.2.1]:25";
  record.events[1].delay_ms = 1234;
  record.events[1].queue_id = "other";
  record.events[1].dedup_key = "log:7";
  return record;
}

TEST(MessageRecord, RoundTrip) {
  const MessageRecord record = Sample();
  auto read = DecodeMessageRecord(Encode(record));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(*read, record);
  auto empty = DecodeMessageRecord(Encode(MessageRecord{}));
  ASSERT_TRUE(empty) << empty.error().ToString();
  EXPECT_EQ(*empty, MessageRecord{});
  auto event = DecodeEvent(Encode(record.events[1]));
  ASSERT_TRUE(event);
  EXPECT_EQ(*event, record.events[1]);
}

TEST(MessageRecord, TimesBeforeTheEpochSurvive) {
  MessageRecord record;
  record.received = Time(Duration(-5));
  EXPECT_EQ(DecodeMessageRecord(Encode(record))->received, record.received);
}

TEST(MessageRecord, TextThatIsNotUtf8IsMendedNotLost) {
  MessageRecord record = Sample();
  record.connection.helo = "h\xff\xfe";
  record.verdicts[0].disposition = 77;
  auto read = DecodeMessageRecord(Encode(record));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->connection.helo, "h\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(read->verdicts[0].disposition, 5);
  EXPECT_EQ(read->envelope_from_raw, record.envelope_from_raw);
}

TEST(MessageRecord, EveryTruncationIsRefused) {
  const std::string bytes = Encode(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto read = DecodeMessageRecord(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, Code::kCorrupt);
  }
  EXPECT_FALSE(DecodeMessageRecord(bytes + "x"));
}

TEST(MessageRecord, EveryFlippedByteIsReadOrRefused) {
  const std::string bytes = Encode(Sample());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bad = bytes;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      if (auto read = DecodeMessageRecord(bad)) EXPECT_TRUE(DecodeMessageRecord(Encode(*read)));
    }
  }
}

TEST(MessageRecord, UnknownVersionIsNamed) {
  std::string bytes = Encode(Sample());
  bytes[0] = 9;
  auto read = DecodeMessageRecord(bytes);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("version 9"), std::string::npos);
}

TEST(MessageRecord, EventNamesAreUniqueAndReadBack) {
  for (uint8_t i = 0; i <= kMaxEventKind; ++i) {
    const auto kind = static_cast<EventKind>(i);
    EXPECT_EQ(EventFromName(EventName(kind)), kind);
  }
  EXPECT_EQ(EventName(EventKind::kMovedFollowed), "moved_followed");
  EXPECT_EQ(EventName(EventKind::kRemediationUnreachable), "remediation_unreachable");
  EXPECT_FALSE(EventFromName("lost"));
}

TEST(Status, FollowsTheEventsOfEachRecipient) {
  MessageRecord record = Sample();
  record.events = {};
  EXPECT_EQ(StatusOf(record), "Processing");
  record.events = {At(1, EventKind::kReceived), At(2, EventKind::kAccepted)};
  EXPECT_EQ(StatusOf(record), "Queued for Delivery");
  record.events.push_back(At(3, EventKind::kDelivered, 0));
  record.events.push_back(At(3, EventKind::kDeferred, 1));
  EXPECT_EQ(StatusOf(record, 0), "Delivered");
  EXPECT_EQ(StatusOf(record, 1), "Soft Bounced");
  EXPECT_EQ(StatusOf(record), "Soft Bounced");
  record.events.push_back(At(4, EventKind::kDelivered, 1));
  EXPECT_EQ(StatusOf(record), "Delivered");
}

TEST(Status, OfRemediation) {
  MessageRecord record = Sample();
  record.events = {At(1, EventKind::kDelivered, 0), At(1, EventKind::kDelivered, 1)};
  record.events.push_back(At(2, EventKind::kRemediationStarted, 0));
  EXPECT_EQ(StatusOf(record, 0), "Remediation Initiated");
  record.events.push_back(At(3, EventKind::kForwarded, 0));
  EXPECT_EQ(StatusOf(record, 0), "Delivered") << "a copy was forwarded; the mailbox still holds it";
  record.events.push_back(At(4, EventKind::kRemoved, 0));
  EXPECT_EQ(StatusOf(record, 0), "Remediated");
  EXPECT_EQ(StatusOf(record), "Partially Remediated");
  record.events.push_back(At(5, EventKind::kRemediationUnreachable, 1));
  EXPECT_EQ(StatusOf(record, 1), "Remediation Failed");
  EXPECT_EQ(StatusOf(record), "Partially Remediated");
  record.events.push_back(At(6, EventKind::kAlreadyGone, 1));
  EXPECT_EQ(StatusOf(record, 1), "Already Gone");
  EXPECT_EQ(StatusOf(record), "Remediated");
  record.events.push_back(At(7, EventKind::kRemediationStarted, 0));
  EXPECT_EQ(StatusOf(record, 0), "Remediated") << "a second try does not undo the first";
  record.events.push_back(At(8, EventKind::kRestored, 0));
  EXPECT_EQ(StatusOf(record, 0), "Delivered");
}

TEST(Status, WorstFirst) {
  MessageRecord record = Sample();
  record.events = {At(1, EventKind::kDelivered, 0), At(1, EventKind::kBounced, 1)};
  EXPECT_EQ(StatusOf(record), "Hard Bounced");
  record.events.push_back(At(2, EventKind::kRemoved, 0));
  EXPECT_EQ(StatusOf(record), "Hard Bounced");
  record.events = {At(1, EventKind::kRejected)};
  EXPECT_EQ(StatusOf(record), "Rejected");
  record.recipients.clear();
  EXPECT_EQ(StatusOf(record), "Rejected");
}

}  // namespace
}  // namespace mailreeve::mail
