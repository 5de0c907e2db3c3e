#include "gateway/details/details.h"

#include <gtest/gtest.h>

namespace mailreeve::gateway::details {
namespace {

mail::MessageRecord Example() {
  mail::MessageRecord record;
  record.mid = 52;
  record.received = ParseTime("2023-08-29T10:00:48.000Z").value();
  record.connection = {46,    "192.0.2.10", "mx.sender.test", "mx.sender.test", "TLSv1.2",
                       "AES", "",           "smtpd"};
  record.envelope_from = "alice@sender.test";
  record.recipients = {{0, "bob@example.test", ""}, {1, "carol@example.test", ""}};
  record.inspection.subject = "Invoice";
  record.inspection.message_id = "<1@sender.test>";
  record.inspection.size = 1024;
  mail::Event event;
  event.time = record.received;
  event.kind = mail::EventKind::kAccepted;
  record.events.push_back(event);
  event.time += std::chrono::seconds(2);
  event.kind = mail::EventKind::kDelivered;
  event.rid = 0;
  event.dsn = "2.0.0";
  event.detail = "250 2.0.0 Ok: queued as ABC";
  record.events.push_back(event);
  return record;
}

bool Has(const std::vector<Line>& lines, std::string_view text) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const Line& line) { return line.text == text; });
}

TEST(Details, TellsTheWayOfAMessage) {
  const auto lines = Summary(Example(), {});
  EXPECT_TRUE(Has(lines,
                  "Incoming connection (ICID 46) has sender_group: UNKNOWNLIST, sender_ip: "
                  "192.0.2.10 and sbrs: None"));
  EXPECT_TRUE(Has(lines,
                  "Protocol SMTP interface smtpd on incoming connection (ICID 46) from sender IP "
                  "192.0.2.10. Reverse DNS host mx.sender.test verified yes."));
  EXPECT_TRUE(Has(lines, "(ICID 46) TLS success protocol TLSv1.2 cipher AES."));
  EXPECT_TRUE(Has(lines, "Start message 52 on incoming connection (ICID 46)."));
  EXPECT_TRUE(Has(lines,
                  "Message 52 on incoming connection (ICID 46) added recipient "
                  "(carol@example.test)."));
  EXPECT_EQ(lines.back().text,
            "Message 52 to bob@example.test received remote SMTP response '250 2.0.0 Ok: queued as "
            "ABC'.");
}

TEST(Details, WritesTimesAndSizes) {
  EXPECT_EQ(TrackingTime(ParseTime("2023-08-29T10:00:48.999Z").value()),
            "29 Aug 2023 10:00:48 (GMT +00:00)");
  EXPECT_EQ(TrackingTime(ParseTime("1999-12-31T23:59:59.000Z").value()),
            "31 Dec 1999 23:59:59 (GMT +00:00)");
  EXPECT_EQ(SizeWord(71823), "70.14 (KB)");
  EXPECT_EQ(SizeWord(1023), "1023 (Bytes)");
  EXPECT_EQ(SizeWord(5 << 20), "5.00 (MB)");
}

TEST(Details, HostileTextStaysOneLine) {
  auto record = Example();
  record.inspection.subject = "a\r\nMessage 52 to x delivered\x1b]0;owned\x07";
  record.connection.client_name = std::string("a\0b", 3);
  record.events.back().detail = std::string(100000, 'x') + "\n";
  for (const auto& line : Summary(record, {})) {
    EXPECT_LT(line.text.size(), 3000u);
    for (const unsigned char c : line.text) EXPECT_GE(c, 0x20);
  }
}

TEST(Details, CountsWhatItDoesNotShow) {
  auto record = Example();
  record.recipients.clear();
  for (uint32_t i = 0; i < 50000; ++i) record.recipients.push_back({i, "u@x.test", ""});
  const auto lines = Summary(record, {.max_lines = 100});
  ASSERT_EQ(lines.size(), 101u);
  EXPECT_NE(lines.back().text.find("more lines are not shown."), std::string::npos);
}

TEST(Details, EveryEventHasALine) {
  for (uint8_t kind = 1; kind <= mail::kMaxEventKind; ++kind) {
    auto record = Example();
    record.events = {record.events.back()};
    record.events.back().kind = static_cast<mail::EventKind>(kind);
    const auto all = Summary(record, {});
    record.events.clear();
    EXPECT_EQ(all.size(), Summary(record, {}).size() + 1)
        << mail::EventName(static_cast<mail::EventKind>(kind));
  }
}

TEST(Details, RemediationAlone) {
  auto record = Example();
  EXPECT_TRUE(RemediationLines(record, {}).empty());
  mail::Event removed;
  removed.time = record.received + std::chrono::hours(1);
  removed.kind = mail::EventKind::kRemoved;
  removed.rid = 1;
  removed.detail = "batch 7: 1 copy";
  record.events.push_back(removed);
  const auto lines = RemediationLines(record, {});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].text,
            "Message 52 to carol@example.test: removed from the mailbox. Reason: batch 7: 1 copy");
}

TEST(Details, ChartsVerdicts) {
  auto record = Example();
  EXPECT_EQ(VerdictChart(record), "00000000");
  record.verdicts = {
      {"antispam", 1, ""}, {"antivirus", 2, ""}, {"antivirus", 1, ""}, {"url", 3, ""}};
  EXPECT_EQ(VerdictChart(record), "01500060");
}

}  // namespace
}  // namespace mailreeve::gateway::details
