#include "gateway/rest/filter.h"

#include "gateway/rest/match.h"
#include "gateway/rest/search.h"
#include "gateway/rest/test_store.h"

#include <gtest/gtest.h>

namespace mailreeve::gateway::rest {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Result<Filter> Read(Pairs more) {
  Pairs pairs = {{"searchOption", "messages"},
                 {"startDate", "2026-03-01T00:00:00.000Z"},
                 {"endDate", "2026-03-02T00:00:00.000Z"}};
  pairs.insert(pairs.end(), more.begin(), more.end());
  return ReadFilter(Parameters(pairs), {"gateway-1", "AB-1"});
}

bool Fits(const mail::MessageRecord& record, Pairs more) {
  const auto filter = Read(std::move(more));
  EXPECT_TRUE(filter.has_value());
  return filter && filter->Fits(record);
}

TEST(Filter, ComparesTextsWithoutCase) {
  const auto record = TestMessage(52);
  for (const auto& [operation, value, fits] :
       std::vector<std::tuple<const char*, const char*, bool>>{
           {"is", "ALICE@sender.test", true},
           {"is", "alice@sender.tes", false},
           {"contains", "SENDER", true},
           {"begins_with", "alice@", true},
           {"begins_with", "sender", false},
           {"is", "x@y.test, alice@sender.test", true}}) {
    EXPECT_EQ(Fits(record, {{"envelopeSenderfilterOperator", operation},
                            {"envelopeSenderfilterValue", value}}),
              fits)
        << operation << " " << value;
  }
  EXPECT_TRUE(
      Fits(record, {{"subjectfilterOperator", "contains"}, {"subjectfilterValue", "ＩNVOI"}}));
  EXPECT_FALSE(Fits(record, {{"subjectfilterOperator", "is_empty"}}));
  EXPECT_TRUE(Fits(TestMessage(1, "a@b.test", ""), {{"subjectfilterOperator", "is_empty"}}));
  EXPECT_TRUE(Fits(record, {{"domainNameOperator", "is"}, {"domainNameValue", "Sender.Test"}}));
  EXPECT_FALSE(Fits(record, {{"replyToOperator", "contains"}, {"replyToValue", "alice"}}));
  EXPECT_TRUE(Fits(TestMessage(1, "a+b@c.test"), {{"envelopeSenderfilterOperator", "is"},
                                                  {"envelopeSenderfilterValue", "a b@c.test"}}));
}

TEST(Filter, FindsByIdentity) {
  auto record = TestMessage(52);
  record.inspection.attachments.resize(1);
  record.inspection.attachments[0].sha256 = std::string(64, 'a');
  record.inspection.attachments[0].names = {"in#voice.pdf"};
  EXPECT_TRUE(Fits(record, {{"ciscoMid", "52"}}));
  EXPECT_FALSE(Fits(record, {{"ciscoMid", "53"}}));
  EXPECT_FALSE(Fits(record, {{"ciscoMid", "18446744073709551615"}}));
  EXPECT_TRUE(Fits(record, {{"messageIdHeader", "52@sender.test"}}));
  EXPECT_TRUE(Fits(record, {{"messageIdHeader", "<52@sender.test>"}}));
  EXPECT_FALSE(Fits(record, {{"messageIdHeader", "53@sender.test"}}));
  EXPECT_TRUE(Fits(record, {{"fileSha256", std::string(64, 'A')}}));
  EXPECT_TRUE(
      Fits(record, {{"attachmentNameOperator", "is"}, {"attachmentNameValue", "in#voice.pdf"}}));
  EXPECT_TRUE(Fits(record, {{"senderIp", "192.0.2.10"}}));
  EXPECT_TRUE(Fits(record, {{"senderIp", "192.0.2.0/28"}}));
  EXPECT_FALSE(Fits(record, {{"senderIp", "192.0.2.16/28"}}));
  EXPECT_FALSE(Fits(record, {{"senderIp", "2001:db8::/32"}}));
}

TEST(Filter, EventsAreAlternatives) {
  auto record = TestMessage(52);
  EXPECT_TRUE(Fits(record, {{"message_delivered", "True"}}));
  EXPECT_FALSE(Fits(record, {{"hardBounced", "true"}}));
  EXPECT_TRUE(Fits(record, {{"hardBounced", "true"}, {"message_delivered", "true"}}));
  EXPECT_TRUE(Fits(record, {{"hardBounced", "false"}}));
  record.verdicts = {{"antispam", 2, ""}};
  EXPECT_TRUE(Fits(record, {{"spamPositive", "true"}}));
  EXPECT_FALSE(Fits(record, {{"suspectSpam", "true"}}));
  EXPECT_FALSE(Fits(record, {{"spamPositive", "true"}, {"ciscoMid", "1"}}));
  record.inspection.authentication = {{"mx", "dmarc", "fail", "header.from=sender.test"}};
  EXPECT_TRUE(Fits(record, {{"dmarcAction", "failed"}, {"dmarcFrom", "Sender.test"}}));
  EXPECT_FALSE(Fits(record, {{"dmarcAction", "passed"}}));
  EXPECT_EQ(Read({{"hardBounced", "true"}, {"message_delivered", "true"}})->query.any_event.size(),
            3u);
}

// What selects an event that nothing here records finds nothing, and says which it was.
TEST(Filter, WhatIsNotRecordedFindsNothing) {
  const auto record = TestMessage(52);
  for (const char* name :
       {"threatName", "messageFilters", "appForwarding", "dlpViolationsNames", "dlpAction",
        "etfSources", "geoLocation", "ipReputation", "smime", "sdrCategories", "urlCategories",
        "urlReputation", "webInteractionTrackingUrls", "macroFileTypesDetected",
        "forgedEmailDetection", "outbreakFiltersVofThreatCategory"}) {
    const auto filter = Read({{name, "x"}});
    ASSERT_TRUE(filter.has_value()) << name;
    EXPECT_FALSE(filter->Fits(record)) << name;
    EXPECT_EQ(filter->unanswered, std::vector<std::string>{name});
  }
  for (const char* name :
       {"daneFailure", "safeprintExt", "inOutbreakQuarantine", "quarantinedAsSpam"})
    EXPECT_FALSE(Fits(record, {{name, "true"}})) << name;
  // Beside an alternative that is recorded, that one still finds.
  EXPECT_TRUE(Fits(record, {{"daneFailure", "true"}, {"message_delivered", "true"}}));
  EXPECT_FALSE(Fits(record, {{"mailPolicyName", "VIP"}}));
  EXPECT_TRUE(Fits(record, {{"mailPolicyName", "vip,default"}}));
  EXPECT_FALSE(Fits(record, {{"ciscoHost", "other"}}));
  EXPECT_TRUE(Fits(record, {{"ciscoHost", "All_Hosts"}}));
  EXPECT_TRUE(Fits(record, {{"ciscoHost", "GATEWAY-1"}}));
}

TEST(Filter, Directions) {
  auto record = TestMessage(52);
  EXPECT_TRUE(Fits(record, {{"messageDirection", "incoming"}}));
  EXPECT_FALSE(Fits(record, {{"messageDirection", "outgoing"}}));
  record.direction = mail::Direction::kInternal;
  EXPECT_TRUE(Fits(record, {{"messageDirection", "outgoing"}}));
  EXPECT_TRUE(Fits(record, {{"deliveryStatus", "DELIVERED,BOUNCED"}}));
  EXPECT_FALSE(Fits(record, {{"deliveryStatus", "BOUNCED"}}));
}

TEST(Filter, RefusesWrongValues) {
  for (const Pairs& wrong :
       std::vector<Pairs>{{{"searchOption", "all"}},
                          {{"ciscoMid", "x"}},
                          {{"senderIp", "hello"}},
                          {{"senderIp", "192.0.2.0/99"}},
                          {{"fileSha256", "abc"}},
                          {{"messageDirection", "sideways"}},
                          {{"deliveryStatus", "LOST"}},
                          {{"message_delivered", "maybe"}},
                          {{"subjectfilterOperator", "regex"}, {"subjectfilterValue", "x"}},
                          {{"contentFiltersName", "x"}},
                          {{"advancedMalwareProtection", "amp_bad"}},
                          {{"startDate", "yesterday"}},
                          {{"endDate", "2026-03-01T00:00:00.000Z"}}}) {
    const auto filter = Read(wrong);
    ASSERT_FALSE(filter.has_value()) << wrong.front().first;
    EXPECT_EQ(filter.error().code, Code::kInvalid);
    EXPECT_FALSE(filter.error().message.empty());
  }
  EXPECT_EQ(Read({{"startDate", "2026-03-01T00:00:01.000Z"}}).error().code, Code::kNotFound);
}

TEST(Parameters, ReadsDatesAsClientsSendThem) {
  const Time want = ParseTime("2024-05-01T10:00:00.000Z").value();
  for (const char* text :
       {"2024-05-01T10:00:00.000Z", "2024-05-01T10:00:00Z", "2024-05-01T10:00Z",
        "2024-05-01T10:00+00:00", "2024-05-01T10:00 00:00", "2024-05-01T12:00:00.000+02:00",
        "2024-05-01T12:00:00 02:00", "2024-05-01T10:00:00", "2024-05-01T10Z",
        "2024-05-01T10:00:00.000+0000", " 2024-05-01t10:00:00z "}) {
    const auto time = ReadDate("startDate", text);
    ASSERT_TRUE(time.has_value()) << text;
    EXPECT_EQ(*time, want) << text;
  }
  for (const char* text :
       {"", "T", "2024-05-01", "2024-13-01T10:00:00Z", "2024-05-01T25:00Z", "Z+-T"})
    EXPECT_FALSE(ReadDate("startDate", text).has_value()) << text;
}

TEST(Parameters, Paging) {
  const auto page = [](Pairs pairs) { return ReadPaging(Parameters(pairs), 20, 100); };
  EXPECT_EQ(page({})->limit, 20u);
  EXPECT_EQ(page({{"limit", "500"}})->limit, 100u);
  EXPECT_EQ(page({{"limit", "7"}, {"offset", "14"}})->offset, 14u);
  EXPECT_FALSE(page({{"limit", "-1"}}).has_value());
  EXPECT_FALSE(page({{"offset", "1e3"}}).has_value());
}

TEST(Search, PagesWithoutReadingTwice) {
  TestStore store;
  for (mail::Mid mid = 1; mid <= 1000; ++mid) store.records.push_back(TestMessage(mid));
  const FakeClock clock(ParseTime("2026-03-01T12:00:00.000Z").value());
  Search search(store, clock, {});
  std::vector<mail::Mid> seen;
  Pairs odd = {{"searchOption", "messages"},
               {"startDate", "2026-03-01T00:00:00.000Z"},
               {"endDate", "2026-03-02T00:00:00.000Z"}};
  Filter filter = ReadFilter(Parameters(odd), {}).value();
  filter.all.push_back([](const mail::MessageRecord& record) { return record.mid % 3 == 0; });
  while (true) {
    auto found = RunTask(search.Run("q", filter, {seen.size(), 10}));
    ASSERT_TRUE(found.has_value());
    EXPECT_TRUE(found->complete);
    if (found->records.empty()) break;
    for (const auto& record : found->records) seen.push_back(record.mid);
    // New mail does not move the pages.
    for (int i = 0; i < 3; ++i) store.records.push_back(TestMessage(store.records.size() + 1));
  }
  ASSERT_EQ(seen.size(), 333u);
  EXPECT_EQ(seen.front(), 999u);
  EXPECT_EQ(seen.back(), 3u);
  for (size_t i = 1; i < seen.size(); ++i) ASSERT_LT(seen[i], seen[i - 1]);
  EXPECT_LT(store.read, 4000u);
  // An offset out of order is found again.
  auto found = RunTask(search.Run("q", filter, {100, 3}));
  EXPECT_EQ(found->records[0].mid, seen[100]);
  EXPECT_EQ(found->records[2].mid, seen[102]);
}

// However far the page and however long, the store is asked for what one answer may hold.
TEST(Search, AsksTheStoreForNoMoreThanAPage) {
  TestStore store;
  for (mail::Mid mid = 1; mid <= 3000; ++mid) store.records.push_back(TestMessage(mid));
  const FakeClock clock(ParseTime("2026-03-01T12:00:00.000Z").value());
  Search search(store, clock, {});
  for (const auto& [offset, limit, first, found] :
       {std::tuple<uint64_t, size_t, mail::Mid, size_t>{2500, 100, 500, 100},
        {2990, 1000, 10, 10},
        {1, 2000, 2999, 2000},
        {0, 1, 3000, 1}}) {
    const auto page = RunTask(search.Run("q", {}, {offset, limit}));
    ASSERT_TRUE(page.has_value());
    ASSERT_EQ(page->records.size(), found) << offset;
    EXPECT_EQ(page->records.front().mid, first) << offset;
    EXPECT_TRUE(page->complete);
  }
  EXPECT_GE(store.largest_limit, 100u);
  EXPECT_LE(store.largest_limit, 500u);
  EXPECT_TRUE(RunTask(search.Run("q", {}, {UINT64_MAX - 5, 10}))->records.empty());
}

TEST(Filter, DirectionAndAddressesAreForTheIndex) {
  using enum mail::Direction;
  EXPECT_EQ(Read({{"messageDirection", "outgoing"}})->query.any_direction,
            (std::vector{kOutgoing, kInternal}));
  EXPECT_EQ(Read({{"messageDirection", "incoming"}})->query.any_direction, std::vector{kIncoming});
  EXPECT_TRUE(Read({{"messageDirection", "incoming,outgoing"}})->query.any_direction.empty());
  const auto several = [](std::string value) {
    return Read({{"envelopeSenderfilterOperator", "is"}, {"envelopeSenderfilterValue", value}});
  };
  EXPECT_EQ(several("a@x.test")->query.text.size(), 1u);
  ASSERT_EQ(several("a@x.test,b@x.test")->query.any_text.size(), 1u);
  EXPECT_EQ(several("a@x.test,b@x.test")->query.any_text[0].size(), 2u);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "u" + std::to_string(i) + "@x.test,";
  const auto filter = several(many);
  EXPECT_TRUE(filter->query.any_text.empty()) << "tried on the records";
  EXPECT_TRUE(filter->Fits(TestMessage(1, "u299@x.test")));
  EXPECT_FALSE(filter->Fits(TestMessage(1, "u300@x.test")));
}

TEST(Search, SaysWhenItLooksNoFurther) {
  TestStore store;
  for (mail::Mid mid = 1; mid <= 1000; ++mid) store.records.push_back(TestMessage(mid));
  const FakeClock clock(ParseTime("2026-03-01T12:00:00.000Z").value());
  Search search(store, clock, {.max_examined = 300});
  Filter filter;
  filter.all.push_back([](const mail::MessageRecord& record) { return record.mid == 1; });
  auto found = RunTask(search.Run("q", filter, {0, 10}));
  EXPECT_FALSE(found->complete);
  EXPECT_TRUE(found->records.empty());
  EXPECT_NE(found->why.find("narrow"), std::string::npos);
}

TEST(Match, Networks) {
  EXPECT_TRUE(InNetwork("2001:db8::1", "2001:db8::/32"));
  EXPECT_FALSE(InNetwork("2001:db9::1", "2001:db8::/32"));
  EXPECT_FALSE(InNetwork("", "192.0.2.0/24"));
  EXPECT_FALSE(InNetwork("192.0.2.1", "hello"));
}

}  // namespace
}  // namespace mailreeve::gateway::rest
