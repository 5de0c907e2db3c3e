#include "gateway/delivery/postfix_log.h"

#include <gtest/gtest.h>

namespace mailreeve::gateway::delivery {
namespace {

const Time kNow = *ParseTime("2026-11-24T12:00:00Z");

std::optional<Entry> Read(std::string_view line) {
  const auto split = SplitLine(line, {.utc = true}, kNow);
  if (!split) return std::nullopt;
  return ReadEntry(split->tag, split->message, "postfix");
}

TEST(PostfixLogTest, Deliveries) {
  struct Row {
    std::string line;
    EntryKind kind;
    std::string queue_id, recipient, original, relay, dsn, detail, new_id;
    uint64_t delay_ms;
  };
  const std::string head = "Nov 24 04:21:41 mta postfix/";
  const std::vector<Row> table = {
      {head + "lmtp[1]: 4jYV4j0mJBz1bYdr: to=<b@corp.test>, relay=127.0.0.1[127.0.0.1]:2400, "
              "delay=0.31, "
              "delays=0.18/0.13/0/0, dsn=2.0.0, status=sent (250 2.0.0 <b@corp.test> abc Saved)",
       EntryKind::kDelivered, "4jYV4j0mJBz1bYdr", "b@corp.test", "", "127.0.0.1[127.0.0.1]:2400",
       "2.0.0", "250 2.0.0 <b@corp.test> abc Saved", "", 310},
      {head + "local[7]: 0A1B2C3D4E: to=<u@mta>, orig_to=<root>, relay=local, delay=12, "
              "delays=1/1/1/1, dsn=2.0.0, "
              "status=sent (delivered to mailbox)",
       EntryKind::kDelivered, "0A1B2C3D4E", "u@mta", "root", "local", "2.0.0",
       "delivered to mailbox", "", 12000},
      {head + "smtp[7]: 0A1B2C3D4E: to=<u@x>, relay=none, conn_use=2, delay=3.05, delays=1/1/1/1, "
              "dsn=4.4.1, "
              "status=deferred (connect to x[192.0.2.1]:25: Connection refused)",
       EntryKind::kDeferred, "0A1B2C3D4E", "u@x", "", "", "4.4.1",
       "connect to x[192.0.2.1]:25: Connection refused", "", 3050},
      {head +
           "smtp[7]: 0A1B2C3D4E: to=<u@x>, relay=x[192.0.2.1]:25, delay=3.005, delays=1/1/1/1, "
           "dsn=5.1.1, "
           "status=bounced (host x said: 550 5.1.1 no (such) user (in reply to RCPT TO command))",
       EntryKind::kBounced, "0A1B2C3D4E", "u@x", "", "x[192.0.2.1]:25", "5.1.1",
       "host x said: 550 5.1.1 no (such) user (in reply to RCPT TO command)", "", 3005},
      {head + "discard[7]: 0A1B2C3D4E: to=<u@x>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, "
              "status=sent (x)",
       EntryKind::kDiscarded, "0A1B2C3D4E", "u@x", "", "", "2.0.0", "x", "", 0},
      {head + "smtp[7]: 0A1B2C3D4E: to=<u@x>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, "
              "delays=0/0/0/1, dsn=2.0.0, "
              "status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as "
              "4jYV6w52Myz1bYhH)",
       EntryKind::kReinjected, "0A1B2C3D4E", "u@x", "", "127.0.0.1[127.0.0.1]:10024", "2.0.0",
       "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4jYV6w52Myz1bYhH",
       "4jYV6w52Myz1bYhH", 1000},
      // Another server's queue id is nothing to us.
      {head + "smtp[7]: 0A1B2C3D4E: to=<u@x>, relay=mx.x[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
              "dsn=2.0.0, "
              "status=sent (250 2.0.0 Ok: queued as ABCDEF012)",
       EntryKind::kDelivered, "0A1B2C3D4E", "u@x", "", "mx.x[192.0.2.1]:25", "2.0.0",
       "250 2.0.0 Ok: queued as ABCDEF012", "", 1000},
      {head + "local[7]: 0A1B2C3D4E: to=<u@x>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, "
              "status=sent "
              "(forwarded as 1F2E3D4C5B)",
       EntryKind::kReinjected, "0A1B2C3D4E", "u@x", "", "local", "2.0.0", "forwarded as 1F2E3D4C5B",
       "1F2E3D4C5B", 1000},
      {"2026-11-24T04:21:41.123456+01:00 mta postfix-in/relay/smtp[7]: 0A1B2C3D4E: to=<u@x>, "
       "relay=none, delay=1, "
       "delays=0/0/0/1, dsn=4.0.0, status=deferred (x)",
       EntryKind::kDeferred, "0A1B2C3D4E", "u@x", "", "", "4.0.0", "x", "", 1000},
      {head + "bounce[9]: 0A1B2C3D4E: sender non-delivery notification: 1F2E3D4C5B",
       EntryKind::kBounceNotice, "0A1B2C3D4E", "", "", "", "", "sender non-delivery notification",
       "1F2E3D4C5B", 0},
      {head + "bounce[9]: 0A1B2C3D4E: sender delay notification: 1F2E3D4C5B",
       EntryKind::kDelayNotice, "0A1B2C3D4E", "", "", "", "", "sender delay notification",
       "1F2E3D4C5B", 0},
      {head + "qmgr[2]: 0A1B2C3D4E: from=<a@b>, status=expired, returned to sender",
       EntryKind::kExpired, "0A1B2C3D4E", "", "", "", "", "status=expired, returned to sender", "",
       0},
      {head + "qmgr[2]: 0A1B2C3D4E: removed", EntryKind::kRemoved, "0A1B2C3D4E", "", "", "", "", "",
       "", 0},
  };
  for (const Row& row : table) {
    const auto entry = Read(row.line);
    ASSERT_TRUE(entry.has_value()) << row.line;
    EXPECT_EQ(entry->kind, row.kind) << row.line;
    EXPECT_EQ(entry->queue_id, row.queue_id) << row.line;
    EXPECT_EQ(entry->recipient, row.recipient) << row.line;
    EXPECT_EQ(entry->original_recipient, row.original) << row.line;
    EXPECT_EQ(entry->relay, row.relay) << row.line;
    EXPECT_EQ(entry->dsn, row.dsn) << row.line;
    EXPECT_EQ(entry->detail, row.detail) << row.line;
    EXPECT_EQ(entry->new_queue_id, row.new_id) << row.line;
    EXPECT_EQ(entry->delay_ms, row.delay_ms) << row.line;
  }
}

TEST(PostfixLogTest, AddressesCannotForgeALine) {
  // A quoted local part that looks like the rest of the line.
  const auto forged = Read(
      R"(Nov 24 04:21:41 mta postfix/smtp[7]: 0A1B2C3D4E: to=<"x>, relay=evil, delay=0, delays=0/0/0/0, dsn=2.0.0, )"
      R"(status=sent (ok) \" "@corp.test>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no))");
  ASSERT_TRUE(forged.has_value());
  EXPECT_EQ(forged->kind, EntryKind::kBounced);
  EXPECT_EQ(forged->relay, "");
  EXPECT_EQ(forged->dsn, "5.1.1");
  EXPECT_TRUE(forged->recipient.ends_with("@corp.test"));
  // Words of the other side are detail, never structure.
  const auto words = Read(
      "Nov 24 04:21:41 mta postfix/smtp[7]: 0A1B2C3D4E: to=<u@x>, relay=x[192.0.2.1]:25, delay=1, "
      "delays=0/0/0/1, dsn=4.0.0, "
      "status=deferred (host x said: 450 to=<v@x>, relay=none, status=sent (yes))");
  ASSERT_TRUE(words.has_value());
  EXPECT_EQ(words->kind, EntryKind::kDeferred);
  EXPECT_EQ(words->recipient, "u@x");
}

TEST(PostfixLogTest, OtherLines) {
  for (const std::string_view line : {
           "",
           "Nov",
           "Nov 24 04:21:41",
           "Nov 24 04:21:41 mta",
           "Nov 32 04:21:41 mta postfix/qmgr[2]: 0A1B2C3D4E: removed",
           "Abc 24 04:21:41 mta postfix/qmgr[2]: 0A1B2C3D4E: removed",
           "Nov 24 04:21:41 mta sendmail/qmgr[2]: 0A1B2C3D4E: removed",
           "Nov 24 04:21:41 mta postfix[2]: 0A1B2C3D4E: removed",
           "Nov 24 04:21:41 mta postfix/smtpd[2]: NOQUEUE: reject: RCPT from x: 554",
           "Nov 24 04:21:41 mta postfix/smtp[2]: warning: to=<a@b>, relay=none, delay=1, "
           "dsn=2.0.0, status=sent (x)",
           "Nov 24 04:21:41 mta postfix/smtpd[2]: 0A1B2C3D4E: to=<u@x>, relay=none, delay=1, "
           "dsn=2.0.0, status=sent (x)",
           "Nov 24 04:21:41 mta postfix/smtp[2]: 0A1B2C3D4E: to=<u@x>, relay=none, delay=1, "
           "dsn=2.0.0, status=deliverable (x)",
           "Nov 24 04:21:41 mta postfix/smtp[2]: 0A1B2C3D4E: to=<u@x",
           "Nov 24 04:21:41 mta postfix/smtp[2]: 0A1B2C3D4E: to=<u@x>, relay=none",
           "2026-13-24T04:21:41Z mta postfix/qmgr[2]: 0A1B2C3D4E: removed",
           "<1000000>Nov 24 04:21:41 mta postfix/qmgr[2]: 0A1B2C3D4E: removed",
       }) {
    EXPECT_FALSE(Read(line).has_value()) << line;
  }
  EXPECT_TRUE(Read("<22>Nov 24 04:21:41 mta postfix/qmgr[2]: 0A1B2C3D4E: removed\r").has_value() ||
              Read("<22>Nov 24 04:21:41 mta postfix/qmgr[2]: 0A1B2C3D4E: removed").has_value());
}

TEST(PostfixLogTest, Times) {
  const auto time = [](std::string_view line, std::string_view now,
                       TimeFormat format = TimeFormat::kAuto) -> std::string {
    const auto split = SplitLine(line, {.format = format, .utc = true}, *ParseTime(now));
    return split ? FormatTime(*split->time) : "";
  };
  EXPECT_EQ(time("Nov 24 04:21:41 h t: m", "2026-11-24T12:00:00Z"), "2026-11-24T04:21:41.000Z");
  EXPECT_EQ(time("Nov  4 04:21:41 h t: m", "2026-11-24T12:00:00Z"), "2026-11-04T04:21:41.000Z");
  // Read in the new year; and a clock of the mail server that is a little ahead of the turn.
  EXPECT_EQ(time("Dec 31 23:59:59 h t: m", "2027-01-01T00:00:01Z"), "2026-12-31T23:59:59.000Z");
  EXPECT_EQ(time("Jan  1 00:00:01 h t: m", "2026-12-31T23:59:58Z"), "2027-01-01T00:00:01.000Z");
  EXPECT_EQ(time("Feb 29 10:00:00 h t: m", "2026-03-01T00:00:00Z"), "2024-02-29T10:00:00.000Z");
  EXPECT_EQ(time("2026-11-24T04:21:41.5+02:00 h t: m", "2026-11-24T12:00:00Z"),
            "2026-11-24T02:21:41.500Z");
  EXPECT_EQ(time("2026-11-24T04:21:41Z h t: m", "2026-11-24T12:00:00Z", TimeFormat::kSyslog), "");
  EXPECT_EQ(time("Nov 24 04:21:41 h t: m", "2026-11-24T12:00:00Z", TimeFormat::kIso), "");
}

TEST(PostfixLogTest, Refusals) {
  const auto read = [](std::string_view tag, std::string_view message) {
    const auto refusal = ReadRefusal(tag, message, "postfix");
    return !refusal ? -1 : static_cast<int>(refusal->at) * 10 + (refusal->temporary ? 1 : 0);
  };
  EXPECT_EQ(read("postfix/smtpd",
                 "NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 <x@y.example>: Relay "
                 "access denied; from=<a@b.example> to=<x@y.example> proto=ESMTP helo=<c>"),
            30);
  EXPECT_EQ(read("postfix/smtpd",
                 "4jYV4j0mJBz1bYdr: reject: RCPT from mx.example[2001:db8::1]: 450 4.1.1 "
                 "<x@y.example>: greylisted; from=<a@b.example> to=<x@y.example>"),
            31);
  EXPECT_EQ(read("postfix/postscreen",
                 "NOQUEUE: reject: RCPT from [192.0.2.1]:51234: 550 5.7.1 Service unavailable; "
                 "client [192.0.2.1] blocked using dnsbl.example"),
            30);
  EXPECT_EQ(
      read("postfix/smtpd",
           "NOQUEUE: reject: CONNECT from unknown[192.0.2.1]: 554 5.7.1 <unknown[192.0.2.1]>: "
           "Client host rejected: Access denied; proto=SMTP"),
      0);
  EXPECT_EQ(read("postfix/smtpd",
                 "NOQUEUE: milter-reject: HELO from x[192.0.2.1]: 451 4.7.1 Service unavailable"),
            11);
  for (const std::string_view other :
       {"NOQUEUE: milter-reject: END-OF-MESSAGE from x[192.0.2.1]: 550 5.7.1 no",
        "NOQUEUE: reject_warning: RCPT from x[192.0.2.1]: 554 5.7.1 x",
        "NOQUEUE: reject: RCPT from ", "NOQUEUE: reject: RCPT from x[192.0.2.1]: ",
        "NOQUEUE: reject: RCPT from x[192.0.2.1]: 250 x",
        "warning: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 x", ""}) {
    EXPECT_EQ(read("postfix/smtpd", other), -1) << other;
  }
  EXPECT_EQ(read("postfix/cleanup", "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 x"), -1);
}

TEST(PostfixLogTest, QueueIds) {
  for (const std::string_view good : {"0A1B2", "0A1B2C3D4E", "4jYV4j0mJBz1bYdr", "3Pt2mN2VXxznjll"})
    EXPECT_TRUE(IsQueueId(good)) << good;
  for (const std::string_view bad :
       {"", "0A1B", "warning", "NOQUEUE", "statistics", "4jYV4j0mJB1bYdr", "0a1b2c3d4e",
        "4jYV4j0mJBz1bYdr4jYV4j0mJBz"}) {
    EXPECT_FALSE(IsQueueId(bad)) << bad;
  }
}

}  // namespace
}  // namespace mailreeve::gateway::delivery
