#include "gateway/history/rspamd_log.h"

#include "observable/observable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::gateway::history {
namespace {

using testing::ElementsAre;

const Time kNow = *ParseTime("2026-11-24T18:00:00Z");
constexpr delivery::TimeOptions kUtc{.utc = true};

// rspamd 3.4 of Debian 12, in a file of its own.
constexpr std::string_view kGood =
    R"(2026-11-24 13:00:18 #18164(normal) <a555bd>; task; rspamd_task_write_log: id: <One@sender.example>, qid: <4A5B6C7D8E>, ip: 192.0.2.1, from: <ann@sender.example>, (default: F (no action): [-0.10/15.00] [MIME_GOOD(-0.10){text/plain;},ARC_NA(0.00){},TO_DN_NONE(0.00){},TO_MATCH_ENVRCPT_ALL(0.00){}]), len: 180, time: 781.417ms, dns req: 13, digest: <07be6a40d9776c8ffdaca276bbeddc6a>, rcpts: <u@corp.example>, mime_rcpts: <u@corp.example>)";
constexpr std::string_view kBad =
    R"(2026-11-24 13:00:18 #18164(normal) <082fc4>; task; rspamd_task_write_log: id: <Two@bad.example>, qid: <4A5B6C7D8F>, ip: 192.0.2.9, user: bob, from: <spam@bad.example>, (default: S (reject): [15.00/15.00] [GTUBE(0.00){}]), len: 165, time: 0.663ms, dns req: 0, digest: <277d773fc706318f4aba4bca56bc1757>, rcpts: <u@corp.example,v@corp.example>, mime_rcpts: <u@corp.example>, forced: reject "Gtube pattern"; score=15.00 (set by GTUBE))";
// Debian 12's controller without Redis, and the row that the history_redis plugin documents.
constexpr std::string_view kRow =
    R"({"time":"2026-11-24 13:00:18","unix_time":1795525218,"id":"Two@bad.example","ip":"192.0.2.9","action":"reject","score":15.0,"required_score":15.0,"symbols":{"GTUBE":{"score":0.0}},"size":165,"scan_time":0.000663,"user":"bob","from":"192.0.2.9"})";
constexpr std::string_view kRedisRow =
    R"({"message-id":"One@sender.example","action":"add header","score":7.5,"required_score":15.0,"symbols":{"A":{"score":7.5},"B":{"score":0}},"sender_smtp":"Ann@sender.example","sender_mime":"ann@sender.example","rcpt_smtp":["u@corp.example","v@corp.example"],"rcpt_mime":["list@corp.example"],"user":"unknown","unix_time":1795525218,"subject":"发票 and more","size":180,"ip":"192.0.2.1"})";

TEST(RspamdLog, ReadsALineOfItsOwnFile) {
  const auto scan = ReadScanLine(kGood, kUtc, kNow);
  ASSERT_TRUE(scan);
  EXPECT_EQ(FormatTime(scan->time), "2026-11-24T13:00:18.000Z");
  EXPECT_EQ(scan->queue_id, "4A5B6C7D8E");
  EXPECT_EQ(scan->message_id, *observable::CanonicalMessageId("<One@sender.example>"));
  EXPECT_EQ(scan->client_address, "192.0.2.1");
  EXPECT_EQ(scan->sender, "ann@sender.example");
  EXPECT_THAT(scan->recipients, ElementsAre("u@corp.example"));
  EXPECT_THAT(scan->to, ElementsAre("u@corp.example"));
  EXPECT_EQ(scan->action, "no action");
  EXPECT_DOUBLE_EQ(scan->score, -0.1);
  EXPECT_DOUBLE_EQ(scan->required, 15);
  EXPECT_EQ(scan->size, 180u);
  ASSERT_GE(scan->symbols.size(), 2u);
  EXPECT_EQ(scan->symbols[0], "MIME_GOOD");

  const auto bad = ReadScanLine(kBad, kUtc, kNow);
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->user, "bob");
  EXPECT_EQ(bad->action, "reject");
  EXPECT_THAT(bad->recipients, ElementsAre("u@corp.example", "v@corp.example"));
  EXPECT_THAT(bad->symbols, ElementsAre("GTUBE"));
}

TEST(RspamdLog, ReadsSyslogToo) {
  const std::string body(kGood.substr(kGood.find("<a555bd>")));
  for (const std::string head : {"Nov 24 13:00:18 mx rspamd[18164]: ",
                                 "2026-11-24T13:00:18.000000+00:00 mx rspamd[18164]: "}) {
    const auto scan = ReadScanLine(head + body, kUtc, kNow);
    ASSERT_TRUE(scan) << head;
    EXPECT_EQ(FormatTime(scan->time), "2026-11-24T13:00:18.000Z");
    EXPECT_EQ(scan->queue_id, "4A5B6C7D8E");
  }
  // Another program repeats what a sender wrote.
  EXPECT_FALSE(ReadScanLine("Nov 24 13:00:18 mx postfix/cleanup[1]: " + body, kUtc, kNow));
}

TEST(RspamdLog, ReadsRowsOfBothHistories) {
  const auto row = ReadScanRow(kRow);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->message_id, *observable::CanonicalMessageId("<Two@bad.example>"));
  EXPECT_EQ(row->sender, "") << "'from' of such a row is the client's address";
  EXPECT_EQ(row->client_address, "192.0.2.9");
  const auto redis = ReadScanRow(kRedisRow);
  ASSERT_TRUE(redis);
  EXPECT_EQ(redis->subject, "发票 and more");
  EXPECT_EQ(redis->user, "");
  EXPECT_THAT(redis->recipients, ElementsAre("u@corp.example", "v@corp.example"));
  for (const char* bad :
       {"{}", "{", R"({"action":"reject"})", R"({"action":7,"unix_time":1})",
        R"({"action":"reject","unix_time":1e300})", R"({"action":"reject","unix_time":-5})"}) {
    EXPECT_FALSE(ReadScanRow(bad)) << bad;
  }
}

TEST(RspamdLog, MakesARecordWhenThereIsNoOther) {
  const auto record = RecordOf(*ReadScanLine(kBad, kUtc, kNow), 100);
  EXPECT_EQ(record.queue_id, "4A5B6C7D8F");
  EXPECT_EQ(record.envelope_from, "spam@bad.example");
  ASSERT_EQ(record.recipients.size(), 2u);
  ASSERT_EQ(record.events.size(), 1u);
  EXPECT_EQ(record.events[0].kind, mail::EventKind::kRejected);
  ASSERT_EQ(record.verdicts.size(), 1u);
  EXPECT_EQ(record.verdicts[0].engine, "rspamd");
  EXPECT_EQ(record.verdicts[0].disposition, 2);
  EXPECT_EQ(record.verdicts[0].reason, "reject, score 15.00 of 15.00: GTUBE");
  EXPECT_EQ(RecordOf(*ReadScanLine(kBad, kUtc, kNow), 1).recipients.size(), 1u);
}

TEST(RspamdLog, CutOrForgedLinesGiveNothingOrKeepTheirShape) {
  for (size_t end = 0; end < kBad.size(); ++end) {
    const auto scan = ReadScanLine(kBad.substr(0, end), kUtc, kNow);
    if (scan) EXPECT_EQ(scan->action, "reject") << end;
  }
  std::string forged(kGood);
  forged.replace(forged.find("4A5B6C7D8E"), 10, "not an id!");
  EXPECT_EQ(ReadScanLine(forged, kUtc, kNow)->queue_id, "");
}

}  // namespace
}  // namespace mailreeve::gateway::history
