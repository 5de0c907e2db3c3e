#include "gateway/history/postfix_history.h"

#include "base/text.h"

#include <gtest/gtest.h>

namespace mailreeve::gateway::history {
namespace {

const Time kNow = *ParseTime("2026-11-24T12:00:00Z");

PostfixOptions Utc() {
  PostfixOptions options;
  options.time.utc = true;
  return options;
}

std::vector<mail::MessageRecord> Read(std::string_view log, PostfixOptions options = Utc()) {
  PostfixHistory history(options);
  for (const auto line : Split(log, '\n')) history.Add(line, kNow);
  history.Finish();
  return history.Take();
}

constexpr std::string_view kOne =
    R"(Nov 24 04:21:39 mx postfix/smtpd[10]: 4A5B6C7D8E: client=mail.sender.example[192.0.2.1], sasl_method=PLAIN, sasl_username=ann
Nov 24 04:21:39 mx postfix/cleanup[11]: 4A5B6C7D8E: message-id=<One@sender.example>
Nov 24 04:21:40 mx postfix/qmgr[12]: 4A5B6C7D8E: from=<Ann@Sender.example>, size=1234, nrcpt=2 (queue active)
Nov 24 04:21:41 mx postfix/lmtp[13]: 4A5B6C7D8E: to=<u@corp.example>, orig_to=<alias@corp.example>, relay=127.0.0.1[127.0.0.1]:24, delay=1.5, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 saved)
Nov 24 04:21:42 mx postfix/smtp[14]: 4A5B6C7D8E: to=<v@other.example>, relay=none, delay=2, delays=0/0/2/0, dsn=4.4.1, status=deferred (connect to other.example: timed out)
Nov 24 04:31:42 mx postfix/smtp[14]: 4A5B6C7D8E: to=<v@other.example>, relay=none, delay=3, delays=0/0/2/0, dsn=5.4.1, status=bounced (gone)
Nov 24 04:31:42 mx postfix/qmgr[12]: 4A5B6C7D8E: removed)";

TEST(PostfixHistory, MakesARecordOfAMessagesLines) {
  const auto records = Read(kOne);
  ASSERT_EQ(records.size(), 1u);
  const auto& record = records[0];
  EXPECT_EQ(record.queue_id, "4A5B6C7D8E");
  EXPECT_EQ(FormatTime(record.received), "2026-11-24T04:21:39.000Z");
  EXPECT_EQ(record.connection.client_address, "192.0.2.1");
  EXPECT_EQ(record.connection.client_name, "mail.sender.example");
  EXPECT_EQ(record.connection.authenticated_user, "ann");
  EXPECT_EQ(record.envelope_from_raw, "Ann@Sender.example");
  EXPECT_EQ(record.inspection.size, 1234u);
  EXPECT_EQ(record.inspection.message_id_raw, "<One@sender.example>");
  ASSERT_EQ(record.recipients.size(), 2u);
  EXPECT_EQ(record.recipients[0].address, "alias@corp.example");
  EXPECT_EQ(record.recipients[1].address, "v@other.example");
  ASSERT_EQ(record.events.size(), 4u);
  EXPECT_EQ(record.events[0].kind, mail::EventKind::kAccepted);
  EXPECT_EQ(record.events[1].kind, mail::EventKind::kDelivered);
  EXPECT_EQ(record.events[1].delay_ms, 1500u);
  EXPECT_EQ(record.events[2].kind, mail::EventKind::kDeferred);
  EXPECT_EQ(record.events[3].kind, mail::EventKind::kBounced);
  EXPECT_EQ(record.events[3].rid, 1u);
}

TEST(PostfixHistory, MailThatComesBackFromAFilterIsOneMessage) {
  const auto records = Read(
      R"(Nov 24 04:00:00 mx postfix/smtpd[1]: AAAAA00001: client=unknown[2001:db8::1]
Nov 24 04:00:00 mx postfix/qmgr[1]: AAAAA00001: from=<>, size=5, nrcpt=1 (queue active)
Nov 24 04:00:01 mx postfix/smtpd[1]: AAAAA00002: client=localhost[127.0.0.1]
Nov 24 04:00:01 mx postfix/qmgr[1]: AAAAA00002: from=<>, size=9, nrcpt=1 (queue active)
Nov 24 04:00:01 mx postfix/smtp[1]: AAAAA00001: to=<u@corp.example>, relay=127.0.0.1[127.0.0.1]:10025, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as AAAAA00002)
Nov 24 04:00:01 mx postfix/qmgr[1]: AAAAA00001: removed
Nov 24 04:00:02 mx postfix/local[1]: AAAAA00002: to=<u@corp.example>, relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
Nov 24 04:00:02 mx postfix/qmgr[1]: AAAAA00002: removed)");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].connection.client_address, "2001:db8::1");
  EXPECT_EQ(records[0].connection.client_name, "");
  EXPECT_EQ(records[0].inspection.size, 5u);
  ASSERT_EQ(records[0].events.size(), 3u);
  EXPECT_EQ(records[0].events[1].kind, mail::EventKind::kReinjected);
  EXPECT_EQ(records[0].events[2].kind, mail::EventKind::kDelivered);
  EXPECT_EQ(records[0].events[2].queue_id, "AAAAA00002");
}

TEST(PostfixHistory, ExpiryIsOfThoseWhoWait) {
  std::string log(kOne);
  log.resize(log.find("Nov 24 04:31:42"));
  log +=
      "Nov 29 04:31:42 mx postfix/qmgr[12]: 4A5B6C7D8E: from=<a@b.example>, status=expired, "
      "returned to sender\n";
  PostfixHistory history(Utc());
  for (const auto line : Split(log, '\n')) history.Add(line, kNow + std::chrono::days(9));
  history.Finish();
  const auto records = history.Take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].events.back().kind, mail::EventKind::kExpired);
  EXPECT_EQ(records[0].events.back().rid, 1u);
  EXPECT_EQ(records[0].events.size(), 4u);
}

TEST(PostfixHistory, AQueueIdGivenAgainIsAnotherMessage) {
  std::string log(kOne);
  const std::string second = log;
  EXPECT_EQ(Read(log + "\n" + second).size(), 2u);
  log.resize(log.rfind('\n'));  // without "removed"
  EXPECT_EQ(Read(log + "\n" + second).size(), 2u);
}

TEST(PostfixHistory, TakesNoMoreThanItsLimits) {
  PostfixOptions options = Utc();
  options.max_open = 2;
  options.max_recipients = 1;
  PostfixHistory history(options);
  for (int i = 10000; i < 10005; ++i) {
    const std::string id = std::to_string(i);
    history.Add("Nov 24 04:00:00 mx postfix/smtpd[1]: " + id + ": client=x[192.0.2.1]", kNow);
    for (const char* to : {"a", "b"}) {
      history.Add("Nov 24 04:00:00 mx postfix/smtp[1]: " + id + ": to=<" + to +
                      "@x.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.0.0, "
                      "status=deferred (x)",
                  kNow);
    }
  }
  const auto early = history.Take();
  EXPECT_EQ(early.size(), 3u);
  EXPECT_EQ(early[0].recipients.size(), 1u);
  history.Finish();
  EXPECT_EQ(history.Take().size(), 2u);
}

TEST(PostfixHistory, WhatBeganBeforeTheLogIsNotTold) {
  EXPECT_TRUE(Read(kOne.substr(kOne.find('\n') + 1)).empty());
  EXPECT_TRUE(Read("junk\n\nNov 24 04:00:00 mx sshd[1]: AAAAA00001: client=x[192.0.2.1]").empty());
}

}  // namespace
}  // namespace mailreeve::gateway::history
