#include "gateway/tracking/engine.h"
#include "gateway/tracking/fold.h"
#include "gateway/tracking/observables_of.h"
#include "gateway/tracking/test_records.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

namespace mailreeve::gateway::tracking {
namespace {

using mail::EventKind;
using observable::Observable;
using observable::Type;

// Each test runs with everything in the head, and with a head and segments so small that most of it
// is sealed and compacted meanwhile.
class StoreTest : public testing::TestWithParam<bool> {
 protected:
  void Open(EngineOptions options = {}) {
    store_.reset();
    options.core.dir = dir_.path();
    if (GetParam()) {
      options.core.seal_records = 3;
      options.core.compact_records = 16;
    }
    auto opened = OpenStore(options, io::PosixFiles(), io_.get_executor(), logger_, clock_);
    ASSERT_TRUE(opened) << opened.error().ToString();
    store_ = *std::move(opened);
  }

  template <class T>
  T Run(io::Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr thrown, T value) {
      ASSERT_FALSE(thrown);
      result = std::move(value);
    });
    io_.restart();
    io_.run();
    return std::move(*result);
  }

  // As many appends at once as there are, so that they share transactions.
  void AppendUpTo(mail::Mid last) {
    std::vector<Result<void>> results;
    mail::Mid mid;
    do {
      mid = store_->NextMid();
      asio::co_spawn(io_, store_->Append(RecordOf(mid)),
                     [&](std::exception_ptr thrown, Result<void> result) {
                       ASSERT_FALSE(thrown);
                       results.push_back(std::move(result));
                     });
    } while (mid < last);
    io_.restart();
    io_.run();
    for (const auto& result : results) ASSERT_TRUE(result) << result.error().ToString();
  }

  std::vector<mail::Mid> Mids(Query query) {
    auto page = Run(store_->Search(std::move(query)));
    EXPECT_TRUE(page) << page.error().ToString();
    std::vector<mail::Mid> out;
    if (page) {
      for (const auto& record : page->records) out.push_back(record.mid);
    }
    return out;
  }

  TempDir dir_;
  asio::io_context io_{1};
  log::NullLogger logger_;
  FakeClock clock_{Time(Duration(kStart))};
  std::unique_ptr<Store> store_;
};

TEST_P(StoreTest, AppendsUnderWayEndWellWhenTheStoreIsClosed) {
  Open();
  size_t hits = 0, done = 0;
  store_->Watch({observable::Fingerprint(Type::kUrl, "http://login.bad.example.co.uk/1")},
                [&hits](const WatchHit&) { ++hits; });
  for (mail::Mid mid = 1; mid <= 9; ++mid) {
    asio::co_spawn(io_, store_->Append(RecordOf(mid)),
                   [&done](std::exception_ptr, Result<void> result) { done += result ? 1 : 0; });
  }
  io_.restart();
  io_.poll_one();  // at least one is on its way
  while (io_.poll_one() != 0) {
  }
  store_.reset();
  io_.restart();
  io_.run();
  EXPECT_EQ(done, 9u);
  EXPECT_EQ(hits, 3u);
}

TEST_P(StoreTest, KeepsWhatItAcknowledged) {
  Open();
  AppendUpTo(3);
  Open();
  auto record = Run(store_->Get(2));
  ASSERT_TRUE(record) << record.error().ToString();
  EXPECT_EQ(*record, RecordOf(2));
  EXPECT_EQ(Run(store_->Get(99)).error().code, Code::kNotFound);
}

TEST_P(StoreTest, RefusesTheSameMidTwiceAndKeepsTheRestOfTheBatch) {
  Open();
  AppendUpTo(1);
  std::vector<Result<void>> results(3);
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(io_, store_->Append(RecordOf(i == 1 ? 1 : static_cast<mail::Mid>(10 + i))),
                   [&results, i](std::exception_ptr, Result<void> result) {
                     results[static_cast<size_t>(i)] = result;
                   });
  }
  io_.restart();
  io_.run();
  EXPECT_TRUE(results[0]);
  ASSERT_FALSE(results[1]);
  EXPECT_EQ(results[1].error().code, Code::kConflict);
  EXPECT_TRUE(results[2]);
  EXPECT_EQ(Mids({}), (std::vector<mail::Mid>{12, 10, 1}));
  EXPECT_EQ(Run(store_->Held())->records_held, 3u);
}

TEST_P(StoreTest, FindsByEveryObservable) {
  Open();
  AppendUpTo(20);
  for (const auto& shown : ObservablesOf(RecordOf(7))) {
    Query query;
    query.any_of = {shown};
    const auto mids = Mids(query);
    EXPECT_NE(std::find(mids.begin(), mids.end(), 7u), mids.end())
        << TypeName(shown.type) << " " << shown.value;
  }
  const auto count = [this](Type type, std::string value) {
    Query query;
    query.any_of = {{type, std::move(value)}};
    return Mids(query).size();
  };
  EXPECT_EQ(count(Type::kDomain, "bad.example.co.uk"), 20u) << "a parent domain of the URL's host";
  EXPECT_EQ(count(Type::kDomain, "example.co.uk"), 20u);
  EXPECT_EQ(count(Type::kDomain, "co.uk"), 0u);
  EXPECT_EQ(count(Type::kEmail, "user7@corp.example.co.uk"), 1u) << "a recipient";
  EXPECT_EQ(count(Type::kEmail, "sender1@sender.example"), 3u) << "a sender";
  EXPECT_EQ(count(Type::kCiscoMid, "7"), 1u);
  EXPECT_EQ(count(Type::kSha256, std::string(63, 'a') + "3"), 2u);
  EXPECT_EQ(count(Type::kSha256, std::string(64, 'b')), 0u);
}

TEST_P(StoreTest, ConditionsJoin) {
  Open();
  AppendUpTo(40);
  Query query;
  query.sender = "sender1@sender.example";
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{36, 29, 22, 15, 8, 1}));
  query.recipient = "user8@corp.example.co.uk";
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{8}));
  query.recipient = "sender1@sender.example";
  EXPECT_TRUE(Mids(query).empty()) << "a sender is not a recipient";
  query = {};
  query.sender = "boss@other.example";
  query.file_name = "invoice-4.pdf";
  EXPECT_EQ(Mids(query).size(), 8u);
  query.client_address = "198.51.100.5";
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{4}));
  query.direction = mail::Direction::kOutgoing;
  EXPECT_TRUE(Mids(query).empty());
  query = {};
  query.queue_id = "Q9";
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{9}));
  query.icid = 1;
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{9}));
  query = {};
  query.icid = 2;
  EXPECT_EQ(Mids(query).size(), 10u);
  query.mid = 15;
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{15}));
  query = {};
  query.message_id = RecordOf(5).inspection.message_id;
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{5}));
  query = {};
  query.from = RecordOf(5).received;
  query.until = RecordOf(8).received;
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{7, 6, 5}));
}

TEST_P(StoreTest, SubjectSearchFoldsCaseAndWidth) {
  Open();
  AppendUpTo(12);
  Query query;
  query.subject = "invoice NUMBER 1";
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{12, 11, 10, 1}));
  query.subject = "FÜR dich";
  EXPECT_EQ(Mids(query).size(), 12u);
  query.subject_match = Query::TextMatch::kBeginsWith;
  EXPECT_TRUE(Mids(query).empty());
  query.subject = "ｉｎｖｏｉｃｅ";
  EXPECT_EQ(Mids(query).size(), 12u);
  query.subject_match = Query::TextMatch::kIs;
  EXPECT_TRUE(Mids(query).empty());
  query.subject = "invoice  number 3\tfür dich";
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{3}));
  query = {};
  query.subject_match = Query::TextMatch::kIsEmpty;
  EXPECT_TRUE(Mids(query).empty());
  auto silent = RecordOf(50);
  silent.inspection.subject.clear();
  ASSERT_TRUE(Run(store_->Append(silent)));
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{50}));
}

TEST_P(StoreTest, PagesStayPutWhileMessagesComeIn) {
  Open();
  AppendUpTo(25);
  Query query;
  query.limit = 10;
  query.any_of = {{Type::kDomain, "example.co.uk"}, {Type::kDomain, "sender.example"}};
  std::vector<mail::Mid> seen;
  int pages = 0;
  do {
    auto page = Run(store_->Search(query));
    ASSERT_TRUE(page) << page.error().ToString();
    for (const auto& record : page->records) seen.push_back(record.mid);
    query.cursor = page->next_cursor;
    ++pages;
    if (pages == 1) AppendUpTo(30);
  } while (!query.cursor.empty());
  EXPECT_EQ(pages, 3);
  ASSERT_EQ(seen.size(), 25u);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], 25 - i);
  query.cursor = "AAAA";
  EXPECT_EQ(Run(store_->Search(query)).error().code, Code::kInvalid);
  query.cursor = "!";
  EXPECT_EQ(Run(store_->Search(query)).error().code, Code::kInvalid);
}

TEST_P(StoreTest, AFullLastPagePromisesNoNext) {
  Open();
  AppendUpTo(10);
  Query query;
  query.limit = 10;
  auto page = Run(store_->Search(query));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->records.size(), 10u);
  EXPECT_EQ(page->next_cursor, "");
  EXPECT_TRUE(page->coverage.complete);
}

TEST_P(StoreTest, SaysWhenItStoppedEarlyAndGoesOn) {
  EngineOptions options;
  options.core.max_examined = 10;
  Open(options);
  AppendUpTo(35);
  Query query;
  // A status is known from the record alone.
  ASSERT_TRUE(Run(store_->AppendEvents(
      3, {EventAt(RecordOf(3).received + Duration(5), EventKind::kDelivered, "d")})));
  query.any_status = {"Delivered"};
  auto page = Run(store_->Search(query));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->records.empty());
  EXPECT_FALSE(page->coverage.complete);
  EXPECT_NE(page->coverage.why.find(" messages; go on"), std::string::npos) << page->coverage.why;
  std::vector<mail::Mid> seen;
  int pages = 0;
  while (!page->next_cursor.empty() && ++pages < 20) {
    query.cursor = page->next_cursor;
    page = Run(store_->Search(query));
    ASSERT_TRUE(page);
    for (const auto& record : page->records) seen.push_back(record.mid);
  }
  EXPECT_EQ(seen, (std::vector<mail::Mid>{3}));
}

TEST_P(StoreTest, EventsFoldInByTimeAndOnce) {
  Open();
  AppendUpTo(2);
  const Time base = RecordOf(1).received;
  const auto delivered = EventAt(base + Duration(5), EventKind::kDelivered, "log:5");
  ASSERT_TRUE(Run(
      store_->AppendEvents(1, {delivered, EventAt(base + Duration(2), EventKind::kAccepted, "")})));
  ASSERT_TRUE(Run(store_->AppendEvents(1, {delivered})));
  ASSERT_TRUE(Run(store_->AppendEvents(2, {delivered}))) << "the key is of one message";
  auto record = Run(store_->Get(1));
  ASSERT_TRUE(record);
  ASSERT_EQ(record->events.size(), 3u);
  EXPECT_EQ(record->events[0].kind, EventKind::kReceived);
  EXPECT_EQ(record->events[1].kind, EventKind::kAccepted);
  EXPECT_EQ(record->events[2], delivered);
  EXPECT_EQ(mail::StatusOf(*record), "Delivered");
  EXPECT_EQ(Run(store_->AppendEvents(77, {delivered})).error().code, Code::kNotFound);
  Query query;
  query.event = EventKind::kAccepted;
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{1}));
  query.event = EventKind::kDelivered;
  EXPECT_EQ(Mids(query), (std::vector<mail::Mid>{2, 1}));
}

TEST_P(StoreTest, AKeyInTheRecordCountsToo) {
  Open();
  auto record = RecordOf(1);
  record.events.push_back(EventAt(record.received + Duration(1), EventKind::kDelivered, "k"));
  ASSERT_TRUE(Run(store_->Append(record)));
  ASSERT_TRUE(Run(store_->AppendEvents(1, {record.events[1]})));
  EXPECT_EQ(*Run(store_->Get(1)), record);
}

TEST_P(StoreTest, FindsByQueueId) {
  Open();
  for (mail::Mid mid : {1, 2, 3}) {
    auto record = RecordOf(mid);
    record.queue_id = "SAME";
    ASSERT_TRUE(Run(store_->Append(record)));
  }
  EXPECT_EQ(Run(store_->FindByQueueId("SAME", RecordOf(2).received))->mid, 2u);
  EXPECT_EQ(Run(store_->FindByQueueId("SAME", RecordOf(9).received))->mid, 3u);
  EXPECT_EQ(Run(store_->FindByQueueId("SAME", RecordOf(0).received)).error().code, Code::kNotFound);
  EXPECT_EQ(Run(store_->FindByQueueId("", RecordOf(9).received)).error().code, Code::kNotFound);
}

TEST_P(StoreTest, CountsAndCovers) {
  Open();
  AppendUpTo(10);
  for (mail::Mid mid : {1, 2, 3}) {
    ASSERT_TRUE(Run(store_->AppendEvents(mid, {EventAt(Time(), EventKind::kDelivered, "d")})));
  }
  ASSERT_TRUE(Run(store_->AppendEvents(3, {EventAt(Time(), EventKind::kRemoved, "r")})));
  auto totals = Run(store_->Count(RecordOf(2).received, RecordOf(6).received));
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->messages, 4u);
  EXPECT_EQ(totals->delivered, 2u);
  EXPECT_EQ(totals->remediated, 1u);
  auto held = Run(store_->Held());
  EXPECT_EQ(held->records_held, 10u);
  EXPECT_EQ(held->oldest, RecordOf(1).received);
  EXPECT_EQ(held->newest, RecordOf(10).received);
  EXPECT_TRUE(held->complete);
}

TEST_P(StoreTest, IdsGoOnAfterAQuietStop) {
  Open();
  EXPECT_EQ(store_->NextMid(), 1u);
  EXPECT_EQ(store_->NextMid(), 2u);
  EXPECT_EQ(store_->NextIcid(), 1u);
  Open();
  EXPECT_EQ(store_->NextMid(), 3u);
  EXPECT_EQ(store_->NextIcid(), 2u);
}

TEST_P(StoreTest, IdsAreReservedAheadWithoutEnd) {
  EngineOptions options;
  options.core.id_block = 8;
  Open(options);
  mail::Mid last = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (last < 200 && std::chrono::steady_clock::now() < end) {
    const auto mid = store_->NextMid();
    if (mid == 0) {  // the writer has not come round yet
      usleep(1000);
      continue;
    }
    EXPECT_EQ(mid, last + 1);
    last = mid;
  }
  EXPECT_EQ(last, 200u);
  EXPECT_EQ(Run(store_->Append(RecordOf(0))).error().code, Code::kUnavailable);
}

TEST_P(StoreTest, AFullQueueIsRefusedNotGrown) {
  EngineOptions options;
  options.max_pending_bytes = 10;
  Open(options);
  EXPECT_EQ(Run(store_->Append(RecordOf(1))).error().code, Code::kLimited);
}

TEST_P(StoreTest, ARecordTooLargeIsRefusedAlone) {
  EngineOptions options;
  options.core.max_record_bytes = 2000;
  Open(options);
  auto large = RecordOf(1);
  large.inspection.subject_raw = RandomBytes(3000);
  EXPECT_EQ(Run(store_->Append(large)).error().code, Code::kInvalid);
  EXPECT_TRUE(Run(store_->Append(RecordOf(2))));
  EXPECT_EQ(Mids({}), (std::vector<mail::Mid>{2}));
}

INSTANTIATE_TEST_SUITE_P(Engine, StoreTest, testing::Bool(),
                         [](const auto& param) { return param.param ? "Sealed" : "Head"; });

TEST(Fold, WhatItFolds) {
  EXPECT_EQ(FoldText("  ＡＢｃ　１２\t\r\n x "), "abc 12 x");
  EXPECT_EQ(FoldText("ÀÉ ΑΒΓ ДЖ"), "àé αβγ дж");
  EXPECT_EQ(FoldText(""), "");
  EXPECT_EQ(FoldText("\xff"), "\xef\xbf\xbd");
}

TEST(ObservablesOf, WhatAMessageShows) {
  auto record = RecordOf(7);
  record.inspection.urls.push_back({"https://user@192.0.2.9:8080/x", "", mail::UrlSource::kText});
  record.inspection.urls.push_back({"http://[2001:db8::1]/", "", mail::UrlSource::kText});
  record.envelope_from = "root@[192.0.2.77]";
  std::set<std::string> shown;
  for (const auto& each : ObservablesOf(record)) {
    EXPECT_TRUE(shown.insert(std::string(TypeName(each.type)) + ":" + each.value).second)
        << each.value;
  }
  for (const char* wanted :
       {"cisco_mid:7", "email:user7@corp.example.co.uk", "domain:corp.example.co.uk",
        "domain:example.co.uk", "email:boss@other.example", "domain:other.example",
        "domain:login.bad.example.co.uk", "domain:bad.example.co.uk", "ip:198.51.100.8",
        "ip:192.0.2.9", "ipv6:2001:db8::1", "ip:192.0.2.77", "file_name:invoice-2.pdf"}) {
    EXPECT_TRUE(shown.contains(wanted)) << wanted;
  }
  EXPECT_FALSE(shown.contains("domain:co.uk"));
  EXPECT_FALSE(shown.contains("domain:192.0.2.9"));
}

TEST(HostOfUrl, Cases) {
  EXPECT_EQ(HostOfUrl("http://a.example/x?y"), "a.example");
  EXPECT_EQ(HostOfUrl("http://u:p@a.example:80"), "a.example");
  EXPECT_EQ(HostOfUrl("ftp://[::1]:21/"), "::1");
  EXPECT_EQ(HostOfUrl("http://[::1"), "");
  EXPECT_EQ(HostOfUrl("mailto:x@y"), "");
  EXPECT_EQ(HostOfUrl(""), "");
}

}  // namespace
}  // namespace mailreeve::gateway::tracking
