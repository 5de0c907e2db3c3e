#include "gateway/history/mail_history.h"

#include "base/text.h"

#include <gtest/gtest.h>

namespace mailreeve::gateway::history {
namespace {

const Time kNow = *ParseTime("2026-11-24T18:00:00Z");

HistoryOptions Options() {
  HistoryOptions options;
  options.postfix.time.utc = true;
  return options;
}

constexpr std::string_view kPostfix =
    R"(Nov 24 13:00:17 mx postfix/smtpd[10]: 4A5B6C7D8E: client=mail.sender.example[192.0.2.1]
Nov 24 13:00:17 mx postfix/cleanup[11]: 4A5B6C7D8E: message-id=<One@sender.example>
Nov 24 13:00:18 mx postfix/qmgr[12]: 4A5B6C7D8E: from=<ann@sender.example>, size=180, nrcpt=2 (queue active)
)";
constexpr std::string_view kScan =
    R"(Nov 24 13:00:18 mx rspamd[18164]: <a555bd>; proxy; rspamd_task_write_log: id: <One@sender.example>, qid: <4A5B6C7D8E>, ip: 192.0.2.1, from: <ann@sender.example>, (default: T (add header): [7.10/15.00] [BAD(7.10){x;}]), len: 180, time: 781.417ms, dns req: 13, digest: <07be6a40d9776c8ffdaca276bbeddc6a>, rcpts: <u@corp.example>, mime_rcpts: <u@corp.example>
)";
constexpr std::string_view kRow =
    R"({"message-id":"One@sender.example","action":"no action","score":1,"required_score":15.0,"symbols":{},"sender_smtp":"ann@sender.example","sender_mime":"ann@sender.example","rcpt_smtp":["u@corp.example"],"rcpt_mime":["u@corp.example"],"user":"unknown","unix_time":1795525218,"subject":"the subject","size":180,"ip":"192.0.2.1"}
)";
constexpr std::string_view kSaved =
    R"(Nov 24 13:00:19 mx dovecot: lmtp(u@corp.example)<1><2>: sieve: msgid=<One@sender.example>: stored mail into mailbox 'Junk'
)";
constexpr std::string_view kSent =
    R"(Nov 24 13:00:19 mx postfix/lmtp[13]: 4A5B6C7D8E: to=<u@corp.example>, relay=127.0.0.1[127.0.0.1]:24, delay=1.5, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 saved)
Nov 24 13:00:19 mx postfix/qmgr[12]: 4A5B6C7D8E: removed
)";

struct All {
  std::vector<mail::MessageRecord> records;
  std::vector<Saved> saved;
  PostfixCounts counts;
};
All Read(const std::string& log, HistoryOptions options = Options()) {
  MailHistory history(options);
  for (std::string_view left = log; !left.empty();) {
    const size_t end = std::min(left.size(), left.find('\n'));
    history.Add(left.substr(0, end), kNow);
    left.remove_prefix(std::min(left.size(), end + 1));
  }
  history.Finish();
  All out;
  out.counts = history.counts();
  out.records = history.TakeRecords(1000);
  out.saved = history.TakeSaved(1000);
  EXPECT_EQ(history.waiting(), 0u);
  return out;
}
std::string Joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const auto part : parts) out += part;
  return out;
}

TEST(MailHistory, LinesOfOneMessageComeTogether) {
  const auto all = Read(Joined({kPostfix, kScan, kSaved, kSent}));
  ASSERT_EQ(all.records.size(), 1u);
  EXPECT_TRUE(all.saved.empty());
  const auto& record = all.records[0];
  EXPECT_EQ(record.connection.client_name, "mail.sender.example");
  ASSERT_EQ(record.verdicts.size(), 1u);
  EXPECT_EQ(record.verdicts[0].disposition, 3);
  EXPECT_EQ(record.verdicts[0].reason, "add header, score 7.10 of 15.00: BAD");
  ASSERT_EQ(record.events.size(), 2u) << "one delivery, told by two programs, is one";
  EXPECT_EQ(record.events[1].kind, mail::EventKind::kDelivered);
  EXPECT_EQ(record.events[1].detail, "250 2.0.0 saved; dovecot: stored mail into mailbox 'Junk'");
  EXPECT_EQ(all.counts.lines, 7u);
  EXPECT_EQ(all.counts.used, 7u);
}

TEST(MailHistory, AHistoryGivenFirstIsFoundByMessageId) {
  const auto all = Read(Joined({kRow, kPostfix, kSent}));
  ASSERT_EQ(all.records.size(), 1u);
  EXPECT_EQ(all.records[0].queue_id, "4A5B6C7D8E");
  EXPECT_EQ(all.records[0].inspection.subject, "the subject");
  ASSERT_EQ(all.records[0].inspection.addresses.size(), 2u);
  EXPECT_EQ(all.records[0].inspection.addresses[0].address, "ann@sender.example");
  // Hours apart it is another delivery of the same letter.
  std::string early(kRow);
  early.replace(early.find("1795525218"), 10, "1795500000");
  EXPECT_EQ(Read(Joined({early, kPostfix, kSent})).records.size(), 2u);
}

TEST(MailHistory, WhatTheMailServerDidNotQueueIsAMessageOfItsOwn) {
  std::string rejected(kScan);
  rejected.replace(rejected.find("add header"), 10, "reject");
  const auto all = Read(Joined({kPostfix, rejected}));
  ASSERT_EQ(all.records.size(), 1u);
  EXPECT_EQ(all.records[0].queue_id, "4A5B6C7D8E");
  EXPECT_EQ(all.records[0].recipients.size(), 1u);
  EXPECT_EQ(all.records[0].events[0].kind, mail::EventKind::kRejected);
}

TEST(MailHistory, DeliveriesOfUnknownMessagesAreGivenApart) {
  const auto all = Read(std::string(kSaved));
  EXPECT_TRUE(all.records.empty());
  ASSERT_EQ(all.saved.size(), 1u);
  EXPECT_EQ(all.saved[0].user, "u@corp.example");
}

TEST(MailHistory, AFormatLeavesOtherLinesAlone) {
  const std::string log = Joined({kPostfix, kScan, kSaved, kSent});
  for (const auto& [name, records, saved] :
       {std::tuple("postfix", 1u, 0u), std::tuple("rspamd", 1u, 0u),
        std::tuple("dovecot", 0u, 1u)}) {
    auto options = Options();
    options.format = *FormatFromName(name);
    const auto all = Read(log, options);
    EXPECT_EQ(all.records.size(), records) << name;
    EXPECT_EQ(all.saved.size(), saved) << name;
    EXPECT_EQ(all.counts.lines, 7u) << name;
  }
  EXPECT_FALSE(FormatFromName("sendmail"));
}

TEST(MailHistory, KeepsNoMoreThanItsLimit) {
  auto options = Options();
  options.max_waiting = 2;
  MailHistory history(options);
  for (int i = 0; i < 10; ++i) {
    std::string row(kRow.substr(0, kRow.size() - 1));
    row.replace(row.find("One@"), 3, "N" + std::to_string(i));
    history.Add(row, kNow);
  }
  EXPECT_EQ(history.waiting(), 8u);
  history.Finish();
  EXPECT_EQ(history.TakeRecords(3).size(), 3u);
  EXPECT_EQ(history.TakeRecords(100).size(), 7u);
}

}  // namespace
}  // namespace mailreeve::gateway::history
