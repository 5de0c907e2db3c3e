#include "gateway/counters/counters.h"

#include "gateway/counters/metrics.h"
#include "gateway/counters/table_impl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace mailreeve::gateway::counters {
namespace {

using mail::Direction;
using mail::EventKind;
using mail::MessageRecord;
using std::chrono::hours;
using std::chrono::minutes;

const Time kStart = TimeOfHour(480'000);
constexpr auto kIn = Direction::kIncoming;

std::unique_ptr<Reader> Open(const std::string& bytes) {
  auto reader = Reader::Open(
      [&bytes](uint64_t offset, size_t size) -> Result<std::string> {
        if (offset > bytes.size() || size > bytes.size() - offset)
          return Fail(Code::kCorrupt, "past the end");
        return bytes.substr(offset, size);
      },
      bytes.size());
  EXPECT_TRUE(reader) << reader.error().ToString();
  return reader ? std::move(*reader) : nullptr;
}

uint64_t At(const Values& values, Metric metric) {
  for (const auto& [m, value] : values) {
    if (m == metric) return value;
  }
  return 0;
}
uint64_t At(const Values& values, Count count, Direction direction = kIn) {
  return At(values, MetricOf(count, direction));
}

MessageRecord Simple(Time received, std::string from, std::vector<std::string> to) {
  MessageRecord record;
  record.received = received;
  record.envelope_from = std::move(from);
  for (std::string& address : to)
    record.recipients.push_back({static_cast<uint32_t>(record.recipients.size()), address, ""});
  record.connection.client_address = "192.0.2.1";
  record.inspection.size = 1000;
  return record;
}

Answer Ask(const Table& table, Question question) {
  Merger merger(std::move(question));
  merger.Add(table);
  return merger.Finish();
}
Question Over(Dimension dimension, Time from, Time until) {
  Question question;
  question.dimension = dimension;
  question.from = from;
  question.until = until;
  return question;
}

TEST(Counters, CountAMessageUnderEachOfItsKeys) {
  MessageRecord record = Simple(kStart + minutes(5), "ann@sender.example",
                                {"bob@corp.example", "cid@corp.example", "dan@other.example"});
  record.connection.icid = 7;
  record.connection.tls_protocol = "TLSv1.3";
  record.connection.tls_cipher = "AES";
  record.inspection.subject = "Invoice";
  record.inspection.urls = {{"http://bad.example/a", "", mail::UrlSource::kText},
                            {"http://bad.example/a", "", mail::UrlSource::kHtmlText},
                            {"http://bad.example/b", "", mail::UrlSource::kText}};
  record.inspection.attachments.emplace_back();
  record.inspection.attachments[0].names = {"x.pdf"};
  record.inspection.attachments[0].sha256 = "abc";
  record.inspection.attachments[0].sniffed_type = "application/pdf";
  record.inspection.authentication = {{"mx", "spf", "pass", ""},
                                      {"mx", "spf", "fail", ""},
                                      {"mx", "dkim", "fail", ""},
                                      {"mx", "dmarc", "fail", ""}};
  record.verdicts = {{"url", 1, ""}, {"url", 2, "phishing"}, {"policy", 2, "later"}};
  Table table;
  table.Count(record);
  const auto row = [&](Dimension dimension, std::string key) {
    Question question = Over(dimension, kStart, kStart + hours(1));
    question.key_is = key;
    const Answer answer = Ask(table, question);
    EXPECT_EQ(answer.rows.size(), 1U) << key;
    return answer.rows.empty() ? Values() : answer.rows[0].values;
  };
  const Values all = Ask(table, Over(Dimension::kAll, kStart, kStart + hours(1))).totals;
  EXPECT_EQ(At(all, Count::kMessages), 1U);
  EXPECT_EQ(At(all, Count::kRecipients), 3U);
  EXPECT_EQ(At(all, Count::kBytes), 1000U);
  EXPECT_EQ(At(all, Count::kConnections), 1U);
  EXPECT_EQ(At(all, Count::kTlsConnections), 1U);
  EXPECT_EQ(At(all, Count::kThreat), 3U);
  EXPECT_EQ(At(all, Count::kMaliciousUrl), 3U) << "the first positive verdict decides";
  EXPECT_EQ(At(all, Count::kContentFilter), 0U);
  EXPECT_EQ(At(all, Count::kClean), 0U);
  EXPECT_EQ(At(all, Count::kSpfPass), 1U) << "the topmost result counts";
  EXPECT_EQ(At(all, Count::kSpfFail), 0U);
  EXPECT_EQ(At(all, Count::kDkimFail), 1U);
  EXPECT_EQ(At(all, Count::kDmarcFailNone), 1U);
  EXPECT_EQ(At(row(Dimension::kSenderDomain, "sender.example"), Count::kRecipients), 3U);
  EXPECT_EQ(At(row(Dimension::kSenderIp, "192.0.2.1"), Count::kConnections), 1U);
  EXPECT_EQ(At(row(Dimension::kSender, "ann@sender.example"), Count::kMessages), 1U);
  EXPECT_EQ(At(row(Dimension::kRecipient, "bob@corp.example"), Count::kThreat), 1U);
  EXPECT_EQ(At(row(Dimension::kUser, "bob@corp.example"), Count::kMaliciousUrl), 1U);
  EXPECT_EQ(At(row(Dimension::kDestinationDomain, "corp.example"), Count::kRecipients), 2U);
  EXPECT_EQ(At(row(Dimension::kSubject, "Invoice"), Count::kMessages), 1U);
  EXPECT_EQ(At(row(Dimension::kUrl, "http://bad.example/a"), Count::kMessages), 1U)
      << "a message counts once for a URL that it shows twice";
  EXPECT_EQ(At(row(Dimension::kUrlDomain, "bad.example"), Count::kMessages), 1U);
  EXPECT_EQ(At(row(Dimension::kFile, "abc x.pdf"), Count::kMalicious), 1U);
  EXPECT_EQ(At(row(Dimension::kFileType, "application/pdf"), Count::kRecipients), 3U);
  EXPECT_EQ(At(row(Dimension::kTls, "TLSv1.3 AES"), Count::kTls), 1U);
  EXPECT_EQ(At(row(Dimension::kPolicy, "url: phishing"), Count::kMalicious), 3U);
  EXPECT_EQ(At(row(Dimension::kAuthentication, "sender.example"), Count::kNotAuthenticated), 1U);

  // The same connection again is no new one.
  table.Count(record);
  EXPECT_EQ(
      At(Ask(table, Over(Dimension::kAll, kStart, kStart + hours(1))).totals, Count::kConnections),
      1U);
}

TEST(Counters, CountInternalMailForItsSenderAndItsRecipients) {
  MessageRecord record = Simple(kStart, "ann@corp.example", {"bob@corp.example"});
  record.direction = Direction::kInternal;
  Table table;
  table.Count(record);
  const Answer users = Ask(table, Over(Dimension::kUser, kStart, kStart + hours(1)));
  ASSERT_EQ(users.rows.size(), 2U);
  EXPECT_EQ(users.rows[0].key, "ann@corp.example");
  EXPECT_EQ(At(users.rows[0].values, Count::kRecipients, Direction::kOutgoing), 1U);
  EXPECT_EQ(At(users.rows[1].values, Count::kRecipients, Direction::kIncoming), 1U);
}

TEST(Counters, CountLaterEventsInTheirOwnHour) {
  MessageRecord record = Simple(kStart, "a@b.example", {"bob@corp.example", "cid@far.example"});
  record.inspection.authentication = {{"mx", "dmarc", "fail", ""}};
  Table table;
  mail::Event delivered, bounced, removed, quarantined;
  delivered.kind = EventKind::kDelivered;
  delivered.time = kStart + hours(2);
  delivered.rid = 0;
  bounced.kind = EventKind::kBounced;
  bounced.time = kStart + hours(2);
  bounced.rid = 1;
  removed.kind = EventKind::kRemoved;
  removed.time = kStart + hours(3);
  removed.rid = 0;
  quarantined.kind = EventKind::kQuarantined;
  quarantined.time = kStart + hours(3);
  table.Count(record, {delivered, bounced, removed, quarantined});
  const Values second =
      Ask(table, Over(Dimension::kAll, kStart + hours(2), kStart + hours(3))).totals;
  EXPECT_EQ(At(second, Count::kDelivered), 1U);
  EXPECT_EQ(At(second, Count::kBounced), 1U);
  EXPECT_EQ(At(second, Count::kRemoved), 0U);
  const Values third =
      Ask(table, Over(Dimension::kAll, kStart + hours(3), kStart + hours(4))).totals;
  EXPECT_EQ(At(third, Count::kRemoved), 1U);
  EXPECT_EQ(At(third, Count::kQuarantined), 2U) << "both recipients";
  EXPECT_EQ(At(third, Count::kDmarcFailQuarantined), 1U);
  const Answer domains = Ask(table, Over(Dimension::kDestinationDomain, kStart, kStart + hours(9)));
  ASSERT_EQ(domains.rows.size(), 2U);
  EXPECT_EQ(At(domains.rows[0].values, Count::kDelivered), 1U);
  EXPECT_EQ(At(domains.rows[1].values, Count::kBounced), 1U);
  const Answer outcomes = Ask(table, Over(Dimension::kRemediation, kStart, kStart + hours(9)));
  ASSERT_EQ(outcomes.rows.size(), 1U);
  EXPECT_EQ(outcomes.rows[0].key, "removed");
}

TEST(Counters, CapTheKeysThatOneMessageBrings) {
  MessageRecord record = Simple(kStart, "a@b.example", {"bob@corp.example"});
  for (int i = 0; i < 5000; ++i) {
    record.inspection.urls.push_back(
        {"http://h" + std::to_string(i) + ".example/", "", mail::UrlSource::kText});
  }
  Table table;
  table.Count(record);
  const Answer urls = Ask(table, Over(Dimension::kUrl, kStart, kStart + hours(1)));
  EXPECT_EQ(urls.keys, kMaxNewKeysPerMessage);
  EXPECT_EQ(At(urls.totals, Count::kMessages), 5000U);
  EXPECT_FALSE(urls.exact);
  EXPECT_GE(urls.missed, 1U);
  EXPECT_EQ(At(urls.others, Count::kMessages), 5000U - urls.rows.size());
}

TEST(Counters, CountAllRecipientsOfALargeMessage) {
  MessageRecord record = Simple(kStart, "a@b.example", {});
  for (uint32_t i = 0; i < 50000; ++i)
    record.recipients.push_back({i, "u" + std::to_string(i) + "@corp.example", ""});
  Table table;
  table.Count(record);
  const Answer domains = Ask(table, Over(Dimension::kDestinationDomain, kStart, kStart + hours(1)));
  ASSERT_EQ(domains.rows.size(), 1U);
  EXPECT_EQ(At(domains.rows[0].values, Count::kRecipients), 50000U);
  EXPECT_TRUE(domains.exact);
  EXPECT_EQ(At(Ask(table, Over(Dimension::kRecipient, kStart, kStart + hours(1))).totals,
               Count::kRecipients),
            50000U);
}

TEST(Counters, CutLongKeysWithinACharacter) {
  std::string subject;
  for (int i = 0; i < 400; ++i) subject += "邮";
  MessageRecord record = Simple(kStart, "a@b.example", {"c@d.example"});
  record.inspection.subject = subject;
  Table table;
  table.Count(record);
  const Answer answer = Ask(table, Over(Dimension::kSubject, kStart, kStart + hours(1)));
  ASSERT_EQ(answer.rows.size(), 1U);
  EXPECT_LE(answer.rows[0].key.size(), kMaxKeyBytes);
  EXPECT_TRUE(answer.rows[0].key.ends_with("邮…"));
}

TEST(Counters, TakeAnyTime) {
  Table table;
  for (const Time time : {Time::min(), Time(), kStart, Time::max()})
    table.Count(Simple(time, "a@b.example", {"c@d.example"}));
  const std::string bytes = table.Encode(10);
  const auto reader = Open(bytes);
  ASSERT_TRUE(reader);
  Merger merger(Over(Dimension::kSender, reader->from(), reader->until()));
  ASSERT_TRUE(merger.Add(*reader));
  EXPECT_EQ(At(merger.Finish().totals, Count::kMessages), 4U);
  Merger all(Over(Dimension::kSender, Time::min(), Time::max()));
  ASSERT_TRUE(all.Add(*reader));
  EXPECT_EQ(At(all.Finish().totals, Count::kMessages), 4U);
}

TEST(Counters, AnEmptyTableCanBeWrittenAndRead) {
  const std::string bytes = Table().Encode(100);
  const auto reader = Open(bytes);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->from(), reader->until());
  Merger merger(Over(Dimension::kSender, kStart, kStart + hours(100)));
  EXPECT_TRUE(merger.Add(*reader));
  EXPECT_TRUE(merger.Finish().rows.empty());
}

TEST(Counters, EveryDamagedByteIsSeen) {
  Table table;
  for (int i = 0; i < 40; ++i)
    table.Count(Simple(kStart + hours(i % 3), "s" + std::to_string(i % 9) + "@x.example",
                       {"r@corp.example"}));
  const std::string bytes = table.Encode(5);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    const auto read = [&bad](uint64_t offset, size_t size) -> Result<std::string> {
      if (offset > bad.size() || size > bad.size() - offset) return Fail(Code::kCorrupt, "end");
      return bad.substr(offset, size);
    };
    const auto reader = Reader::Open(read, bad.size());
    if (!reader) continue;
    // Opened: then the damage is in a block, and whoever reads all blocks finds it.
    EXPECT_FALSE(MergeTables({reader->get()}, 5)) << "byte " << at;
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_FALSE(Reader::Open(
        [&cut](uint64_t offset, size_t count) -> Result<std::string> {
          if (offset > cut.size() || count > cut.size() - offset)
            return Fail(Code::kCorrupt, "end");
          return cut.substr(offset, count);
        },
        cut.size()))
        << size;
  }
}

TEST(Counters, DropTheLeastWhenATableIsFull) {
  Table table;
  auto& impl = const_cast<Table::Impl&>(table.impl());
  impl.max_rows = impl.prune_at = 30000;
  std::mt19937 random(5);
  std::map<std::string, uint64_t> truth;
  for (int i = 0; i < 60000; ++i) {
    const std::string from = i % 5 == 0 ? "often" + std::to_string(random() % 20) + "@x.example"
                                        : "once" + std::to_string(i) + "@y.example";
    ++truth[from];
    table.Count(Simple(kStart, from, {"r@corp.example"}));
  }
  EXPECT_LT(impl.rows, 46000U);
  Question question = Over(Dimension::kSender, kStart, kStart + hours(1));
  question.top = 20;
  const Answer answer = Ask(table, question);
  EXPECT_FALSE(answer.exact);
  EXPECT_EQ(At(answer.totals, Count::kMessages), 60000U);
  ASSERT_EQ(answer.rows.size(), 20U);
  for (const Row& row : answer.rows) {
    EXPECT_TRUE(row.key.starts_with("often"));
    EXPECT_LE(At(row.values, Count::kMessages), truth[row.key]);
    EXPECT_GE(At(row.values, Count::kMessages) + row.missed, truth[row.key]);
  }
}

}  // namespace
}  // namespace mailreeve::gateway::counters
