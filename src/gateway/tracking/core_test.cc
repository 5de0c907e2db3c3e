#include "gateway/tracking/core.h"

#include "gateway/tracking/fingerprints.h"
#include "gateway/tracking/observables_of.h"
#include "gateway/tracking/test_records.h"
#include "io/sim_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace mailreeve::gateway::tracking {
namespace {

using mail::EventKind;
using observable::Type;
using testing::ElementsAre;
using Field = TextCondition::Field;

class CoreTest : public testing::Test {
 protected:
  void Open(CoreOptions options = {}) {
    core_.reset();
    options.dir = dir_.path();
    options_ = options;
    auto opened = Core::Open(options, io::PosixFiles(), logger_, clock_);
    ASSERT_TRUE(opened) << opened.error().ToString();
    core_ = *std::move(opened);
    while (core_->LoadFilters()) {
    }
  }
  void Append(mail::MessageRecord record) {
    std::vector<Appended> batch(1);
    batch[0].record = std::move(record);
    core_->Commit(batch);
    ASSERT_TRUE(batch[0].result) << batch[0].result.error().ToString();
    watched_.insert(watched_.end(), batch[0].watched.begin(), batch[0].watched.end());
  }
  void AppendUpTo(mail::Mid first, mail::Mid last) {
    for (mail::Mid mid = first; mid <= last; ++mid) Append(RecordOf(mid));
  }
  Result<void> AppendEvent(mail::Mid mid, EventKind kind, std::string key) {
    std::vector<Appended> batch(1);
    batch[0].mid = mid;
    batch[0].events = {EventAt(RecordOf(mid).received + Duration(10), kind, std::move(key))};
    core_->Commit(batch);
    return batch[0].result;
  }
  void MaintainAll() {
    while (true) {
      const auto more = core_->Maintain();
      ASSERT_TRUE(more) << more.error().ToString();
      if (!*more) return;
    }
  }
  std::vector<mail::Mid> Mids(const Query& query, Coverage* coverage = nullptr) {
    const auto page = core_->Search(query);
    EXPECT_TRUE(page) << page.error().ToString();
    std::vector<mail::Mid> out;
    if (page) {
      for (const auto& record : page->records) out.push_back(record.mid);
      if (coverage != nullptr) *coverage = page->coverage;
    }
    return out;
  }
  std::vector<mail::Mid> Texts(Field field, TextMatch match, std::string value) {
    Query query;
    query.text = {{field, match, std::move(value)}};
    return Mids(query);
  }
  std::vector<std::string> FilesOf(const std::string& ending) {
    std::vector<std::string> out;
    const auto names = *io::PosixFiles().List(dir_.path());
    for (const auto& name : names) {
      if (name.ends_with(ending)) out.push_back(name);
    }
    return out;
  }
  void Flip(const std::string& name, uint64_t offset) {
    auto file = *io::PosixFiles().Open(dir_.path() + "/" + name, io::OpenMode::kCreate);
    const std::string byte = *file->ReadAt(offset, 1);
    ASSERT_TRUE(file->WriteAt(offset, std::string(1, static_cast<char>(byte[0] ^ 0x10))));
  }

  TempDir dir_;
  log::NullLogger logger_;
  FakeClock clock_{Time(Duration(kStart))};
  CoreOptions options_;
  std::unique_ptr<Core> core_;
  std::vector<WatchHit> watched_;
};

TEST_F(CoreTest, SealsAndCompactsWithoutChangingAnyAnswer) {
  Open({.seal_records = 10, .compact_records = 100});
  // Out of order, as after a clock that was set back.
  for (mail::Mid mid = 1; mid <= 250; ++mid) {
    auto record = RecordOf(mid);
    if (mid % 50 == 0) record.received -= std::chrono::hours(1);
    Append(record);
    if (mid > 30 && mid % 3 == 0) {
      ASSERT_TRUE(AppendEvent(mid - 30, EventKind::kDelivered, "d"));
      ASSERT_TRUE(AppendEvent(mid - 30, EventKind::kDelivered, "d")) << "twice";
    }
    if (mid % 40 == 0) MaintainAll();
  }
  MaintainAll();
  ASSERT_TRUE(core_->Seal());
  MaintainAll();
  EXPECT_LE(FilesOf(".seg").size(), 6u);
  EXPECT_EQ(FilesOf(".log").size(), 1u);
  for (int start = 0; start < 2; ++start) {
    Query all;
    all.limit = 1000;
    Coverage coverage;
    EXPECT_EQ(Mids(all, &coverage).size(), 250u);
    EXPECT_TRUE(coverage.complete) << coverage.why;
    for (mail::Mid mid = 1; mid <= 250; mid += mid < 40 ? 3 : 41) {
      const auto record = core_->Get(mid);
      ASSERT_TRUE(record) << mid << record.error().ToString();
      EXPECT_EQ(record->events.size(), mid + 30 <= 250 && (mid + 30) % 3 == 0 ? 2u : 1u) << mid;
      for (const auto& shown : ObservablesOf(*record)) {
        Query query;
        query.any_of = {shown};
        query.from = record->received;
        query.until = record->received + Duration(1);
        const auto mids = Mids(query);
        EXPECT_TRUE(std::find(mids.begin(), mids.end(), mid) != mids.end()) << shown.value;
      }
    }
    Query delivered;
    delivered.event = EventKind::kDelivered;
    delivered.limit = 1000;
    EXPECT_EQ(Mids(delivered).size(), 73u);
    EXPECT_EQ(core_->CountMatches(delivered)->count, 73u);
    EXPECT_EQ(core_->Count(RecordOf(1).received, RecordOf(101).received)->delivered, 33u);
    delivered.event = EventKind::kRemoved;
    EXPECT_TRUE(Mids(delivered).empty());
    Query recipient;
    recipient.recipient = "user7@corp.example.co.uk";
    EXPECT_THAT(Mids(recipient), ElementsAre(247, 207, 167, 127, 87, 47, 7));
    Open(options_);
  }
}

TEST_F(CoreTest, TextConditionsOfEveryField) {
  for (const bool sealed : {false, true}) {
    Open({.seal_records = 1000});
    if (!sealed) {
      AppendUpTo(1, 20);
      auto odd = RecordOf(21);
      odd.envelope_from = "Ann@Sub.Sender.example";
      odd.inspection.addresses.push_back(
          {mail::AddressRole::kReplyTo, "reply@there.example", "", ""});
      odd.inspection.attachments[0].names = {"ＲＥＰＯＲＴ.pdf"};
      odd.inspection.urls = {{"http://login.bad.example.co.uk/a/b?c", "", mail::UrlSource::kText}};
      Append(odd);
    } else {
      ASSERT_TRUE(core_->Seal());
    }
    EXPECT_THAT(Texts(Field::kEnvelopeSender, TextMatch::kContains, "SENDER6@"),
                ElementsAre(20, 13, 6));
    EXPECT_THAT(Texts(Field::kEnvelopeSender, TextMatch::kBeginsWith, "ann@"), ElementsAre(21));
    EXPECT_THAT(Texts(Field::kSender, TextMatch::kIs, "ann@sub.sender.example"), ElementsAre(21));
    EXPECT_THAT(Texts(Field::kSender, TextMatch::kContains, "boss@").size(), 21u);
    EXPECT_THAT(Texts(Field::kRecipient, TextMatch::kContains, "ser17@corp"), ElementsAre(17));
    EXPECT_THAT(Texts(Field::kReplyTo, TextMatch::kContains, "there"), ElementsAre(21));
    EXPECT_EQ(Texts(Field::kReplyTo, TextMatch::kIsEmpty, "").size(), 20u);
    EXPECT_THAT(Texts(Field::kFileName, TextMatch::kBeginsWith, "report"), ElementsAre(21));
    EXPECT_THAT(Texts(Field::kSenderDomain, TextMatch::kIs, "sub.sender.example"), ElementsAre(21));
    EXPECT_EQ(Texts(Field::kSenderDomain, TextMatch::kIs, ".sender.example").size(), 21u);
    EXPECT_THAT(Texts(Field::kMessageId, TextMatch::kContains, "<17@"), ElementsAre(17));
    EXPECT_THAT(Texts(Field::kUrl, TextMatch::kBeginsWith, "http://login.bad.example.co.uk/a/"),
                ElementsAre(21));
    EXPECT_EQ(Texts(Field::kUrl, TextMatch::kContains, "bad.example").size(), 21u);
    EXPECT_THAT(Texts(Field::kSubject, TextMatch::kContains, "no such text"), ElementsAre());
  }
}

TEST_F(CoreTest, AlternativesAreLookedUp) {
  Open({.seal_records = 20, .compact_records = 1000000, .compact_segments = 100});
  for (mail::Mid mid = 1; mid <= 200; ++mid) {
    auto record = RecordOf(mid);
    // Each in one segment only.
    if (mid == 50) record.envelope_from = "rare@one.example";
    if (mid == 150) record.recipients[0].address = "rare@two.example";
    if (mid == 90) record.direction = mail::Direction::kOutgoing;
    if (mid == 130) record.direction = mail::Direction::kInternal;
    Append(record);
    if (mid % 20 == 0) MaintainAll();
  }
  using enum TextMatch;
  const std::vector<TextCondition> senders = {{Field::kEnvelopeSender, kIs, "RARE@one.example"},
                                              {Field::kEnvelopeSender, kIs, "rare@two.example"}};
  Query query;
  query.any_text = {senders};
  Coverage coverage;
  EXPECT_THAT(Mids(query, &coverage), ElementsAre(50)) << "the other one is a recipient";
  EXPECT_LE(coverage.segments_read, 2u);
  EXPECT_GE(coverage.segments_skipped, 7u);
  query.any_text = {
      {{Field::kRecipient, kIs, "rare@two.example"},
       {Field::kRecipient, kIs, "nobody@two.example"}},
      {{Field::kSenderDomain, kIs, "sender.example"}, {Field::kSenderDomain, kIs, "one.example"}}};
  EXPECT_THAT(Mids(query, &coverage), ElementsAre(150));
  EXPECT_LE(coverage.segments_read, 2u);
  // One that the index cannot tell: all are read, none is left out.
  query.any_text = {
      {{Field::kEnvelopeSender, kIs, "rare@one.example"}, {Field::kRecipient, kContains, "@two."}}};
  EXPECT_THAT(Mids(query), ElementsAre(150, 50));
  query.any_text = {
      {{Field::kSenderDomain, kIs, ".example"}, {Field::kSenderDomain, kIs, "nowhere.test"}}};
  query.limit = 1000;
  EXPECT_EQ(Mids(query).size(), 200u);
  query = {};
  query.any_direction = {mail::Direction::kOutgoing, mail::Direction::kInternal};
  EXPECT_THAT(Mids(query, &coverage), ElementsAre(130, 90));
  EXPECT_LE(coverage.segments_read, 3u);
  EXPECT_EQ(core_->CountMatches(query)->count, 2u);
  EXPECT_TRUE(core_->CountMatches(query)->exact);
  query.any_text = {std::vector<TextCondition>(1001, senders[0])};
  EXPECT_EQ(core_->Search(query).error().code, Code::kInvalid);
}

TEST_F(CoreTest, ManyKindsOfConditions) {
  for (const bool sealed : {false, true}) {
    Open({});
    if (!sealed) {
      AppendUpTo(1, 40);
      auto bad = RecordOf(41);
      bad.verdicts = {{"policy", 2, "phish"}};
      bad.direction = mail::Direction::kOutgoing;
      bad.connection.client_address = "2001:db8:1::9";
      Append(bad);
      ASSERT_TRUE(AppendEvent(41, EventKind::kBounced, "b"));
    } else {
      ASSERT_TRUE(core_->Seal());
    }
    Query query;
    query.any_disposition = {2, 3};
    EXPECT_THAT(Mids(query), ElementsAre(41));
    query = {};
    query.direction = mail::Direction::kOutgoing;
    EXPECT_THAT(Mids(query), ElementsAre(41));
    EXPECT_EQ(core_->CountMatches(query)->count, 1u);
    EXPECT_TRUE(core_->CountMatches(query)->exact);
    query = {};
    query.client_network = "198.51.100.16/29";
    EXPECT_THAT(Mids(query), ElementsAre(22, 21, 20, 19, 18, 17, 16, 15));
    query.client_network = "198.51.96.0/20";
    query.limit = 1000;
    EXPECT_EQ(Mids(query).size(), 40u);
    query.client_network = "2001:db8::/32";
    EXPECT_THAT(Mids(query), ElementsAre(41));
    query.client_network = "2001:db8::/48";
    EXPECT_THAT(Mids(query), ElementsAre());
    query.client_network = "198.51.100/8";
    EXPECT_EQ(core_->Search(query).error().code, Code::kInvalid);
    query = {};
    query.any_status = {"Hard Bounced"};
    EXPECT_THAT(Mids(query), ElementsAre(41));
    query = {};
    query.any_event = {EventKind::kBounced, EventKind::kRemoved};
    EXPECT_THAT(Mids(query), ElementsAre(41));
    query = {};
    query.all_of = {{Type::kEmail, "sender1@sender.example"}, {Type::kFileName, "invoice-2.pdf"}};
    EXPECT_THAT(Mids(query), ElementsAre(22));
    query.any_of = {{Type::kCiscoMid, "22"}, {Type::kCiscoMid, "23"}};
    EXPECT_THAT(Mids(query), ElementsAre(22));
    query = {};
    query.any_of = {{Type::kDomain, "sender.example"}};
    query.from = RecordOf(5).received;
    query.until = RecordOf(15).received;
    EXPECT_EQ(core_->CountMatches(query)->count, 10u);
    query = {};
    query.from = RecordOf(5).received;
    EXPECT_EQ(core_->CountMatches(query)->count, 37u);
  }
}

TEST_F(CoreTest, HuntsFindAllAndResume) {
  Open({.seal_records = 10, .compact_records = 40});
  std::vector<uint64_t> wanted;
  for (mail::Mid mid = 1; mid <= 95; ++mid) {
    Append(RecordOf(mid));
    if (mid % 10 == 0) MaintainAll();
    wanted.push_back(observable::Fingerprint(Type::kEmailMessageid,
                                             "<" + std::to_string(mid * 2) + "@sender.example>"));
  }
  std::sort(wanted.begin(), wanted.end());
  std::set<mail::Mid> found;
  std::string resume;
  size_t steps = 0;
  do {
    const auto step = core_->Hunt(wanted, resume);
    ASSERT_TRUE(step) << step.error().ToString();
    for (const auto& hit : step->hits) {
      found.insert(hit.mid);
      EXPECT_EQ(hit.received, RecordOf(hit.mid).received);
      EXPECT_EQ(hit.fingerprint, observable::Fingerprint(Type::kEmailMessageid,
                                                         RecordOf(hit.mid).inspection.message_id));
    }
    EXPECT_LE(step->messages_done, step->messages_total);
    resume = step->resume;
    if (++steps == 2) Open(options_);
  } while (!resume.empty());
  EXPECT_GT(steps, 2u);
  EXPECT_EQ(found.size(), 47u);
  EXPECT_EQ(*found.rbegin(), 94u);
  EXPECT_EQ(core_->Hunt(wanted, "x").error().code, Code::kInvalid);
}

TEST_F(CoreTest, WatchSeesEveryNewMessage) {
  Open();
  const uint64_t url = observable::Fingerprint(Type::kUrl, "http://login.bad.example.co.uk/1");
  core_->Watch({url, 12345});
  AppendUpTo(1, 9);
  std::vector<mail::Mid> mids;
  for (const auto& hit : watched_) {
    EXPECT_EQ(hit.fingerprint, url);
    mids.push_back(hit.mid);
  }
  EXPECT_THAT(mids, ElementsAre(1, 4, 7));
  core_->Watch({});
  AppendUpTo(10, 12);
  EXPECT_EQ(watched_.size(), 3u);
}

TEST_F(CoreTest, ADamagedBlockIsToldAndTheRestAnswered) {
  Open({.seal_records = 5, .compact_records = 1000000, .compact_segments = 100});
  AppendUpTo(1, 20);
  MaintainAll();
  const auto segments = FilesOf(".seg");
  ASSERT_EQ(segments.size(), 4u);
  core_.reset();
  Flip(segments[1], 40);  // in the first block
  Open(options_);
  Coverage coverage;
  EXPECT_EQ(Mids({}, &coverage).size(), 15u);
  EXPECT_FALSE(coverage.complete);
  EXPECT_NE(coverage.why.find(segments[1]), std::string::npos) << coverage.why;
  EXPECT_EQ(core_->Held().records_unreadable, 5u);
  EXPECT_EQ(core_->Get(7).error().code, Code::kCorrupt);
  EXPECT_TRUE(core_->Get(12));
  const auto report = CheckStore(io::PosixFiles(), dir_.path());
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damaged.size(), 1u);
  EXPECT_EQ(report->damaged[0].file, segments[1]);
  // Events of a message that cannot be read are not lost.
  EXPECT_TRUE(AppendEvent(7, EventKind::kDelivered, "x"));
}

// The disk fails at every read of an append in turn: the event is refused for now or taken once.
TEST_F(CoreTest, AReadErrorDoublesNoEvent) {
  io::SimFiles files(1);
  CoreOptions options{.seal_records = 5, .compact_records = 1000000, .compact_segments = 100};
  options.dir = "/store";
  core_ = *Core::Open(options, files, logger_, clock_);
  AppendUpTo(1, 4);
  ASSERT_TRUE(AppendEvent(2, EventKind::kDelivered, "with the record"));
  Append(RecordOf(5));
  MaintainAll();
  AppendUpTo(6, 9);
  ASSERT_TRUE(AppendEvent(2, EventKind::kBounced, "later"));
  Append(RecordOf(10));
  MaintainAll();
  ASSERT_EQ(files.Paths().size() > 3, true);
  AppendUpTo(11, 12);
  const size_t events = core_->Get(2)->events.size();
  size_t refused = 0;
  for (const char* key : {"with the record", "later"}) {
    for (uint64_t at = 0;; ++at) {
      files.FailAt(files.operations() + at, io::SimFiles::Fault::kReadError);
      const auto done = AppendEvent(2, EventKind::kDelivered, key);
      const bool hit = files.faults_met() > 0;
      files.ClearFaults();
      if (!done) {
        EXPECT_EQ(done.error().code, Code::kUnavailable) << done.error().ToString();
        ++refused;
      }
      const auto record = core_->Get(2);
      ASSERT_TRUE(record) << record.error().ToString();
      ASSERT_EQ(record->events.size(), events) << key << ", read " << at;
      if (!hit) break;
    }
  }
  EXPECT_GE(refused, 2u) << "no read failed: nothing was tested";
  core_.reset();
}

TEST_F(CoreTest, ACheckStopsWhenItIsToldTo) {
  Open({.seal_records = 5, .compact_records = 1000000, .compact_segments = 100});
  AppendUpTo(1, 20);
  MaintainAll();
  const uint64_t records = CheckStore(io::PosixFiles(), dir_.path())->records;
  EXPECT_EQ(records, 20u);
  int asked = 0;
  const auto all = CheckStore(io::PosixFiles(), dir_.path(), [&asked] { return ++asked < 0; });
  ASSERT_TRUE(all);
  EXPECT_EQ(all->records, records);
  EXPECT_GE(asked, 5) << "asked too seldom to stop soon";
  for (int at = 1; at <= asked; ++at) {
    int now = 0;
    const auto stopped =
        CheckStore(io::PosixFiles(), dir_.path(), [&now, at] { return ++now == at; });
    ASSERT_FALSE(stopped) << at;
    EXPECT_EQ(stopped.error().code, Code::kCancelled);
  }
}

TEST_F(CoreTest, ASegmentRemovedByHandIsMissed) {
  Open({.seal_records = 5, .compact_records = 1000000, .compact_segments = 100});
  AppendUpTo(1, 20);
  MaintainAll();
  const auto segments = FilesOf(".seg");
  core_.reset();
  std::filesystem::remove(dir_.path() + "/" + segments[2]);
  Open(options_);
  Coverage coverage;
  EXPECT_EQ(Mids({}, &coverage).size(), 15u);
  EXPECT_FALSE(coverage.complete);
  EXPECT_EQ(coverage.segments_missing, 1u);
  EXPECT_EQ(coverage.records_unreadable, 5u);
  EXPECT_NE(coverage.why.find(segments[2]), std::string::npos) << coverage.why;
  EXPECT_THAT(CheckStore(io::PosixFiles(), dir_.path())->missing, ElementsAre(segments[2]));
  EXPECT_EQ(core_->NextMid(), 21u);
}

TEST_F(CoreTest, ALostManifestIsMadeAnew) {
  Open({.seal_records = 5, .compact_records = 10});
  AppendUpTo(1, 33);
  MaintainAll();
  core_.reset();
  for (const bool gone : {true, false}) {
    if (gone) {
      std::filesystem::remove(dir_.path() + "/MANIFEST");
    } else {
      Flip("MANIFEST", 20);
    }
    Open(options_);
    EXPECT_EQ(Mids({}).size(), 33u);
    EXPECT_GT(core_->NextMid(), 33u);
    core_.reset();
  }
}

TEST_F(CoreTest, ASecondOpenerIsRefused) {
  Open();
  const auto second = Core::Open(options_, io::PosixFiles(), logger_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
}

TEST_F(CoreTest, DropsOldSegmentsButNotAfterAClockJump) {
  Open({.keep_days = 10, .seal_records = 5, .compact_records = 1000000, .compact_segments = 100});
  AppendUpTo(1, 20);
  clock_.Set(RecordOf(20).received);
  MaintainAll();
  ASSERT_EQ(FilesOf(".seg").size(), 4u);
  clock_.Advance(std::chrono::hours(24 * 365));
  MaintainAll();
  EXPECT_EQ(FilesOf(".seg").size(), 4u) << "a clock a year ahead is not believed at once";
  clock_.Advance(-std::chrono::hours(24 * 365));
  MaintainAll();
  clock_.Advance(-std::chrono::hours(24));
  MaintainAll();
  EXPECT_EQ(FilesOf(".seg").size(), 4u);
  // Time goes on, hour by hour, past what is kept.
  for (int hour = 0; hour < 24 * 13; ++hour) {
    clock_.Advance(std::chrono::hours(1));
    MaintainAll();
  }
  EXPECT_EQ(FilesOf(".seg").size(), 0u);
  EXPECT_TRUE(Mids({}).empty());
  EXPECT_TRUE(core_->Held().complete);
}

TEST_F(CoreTest, AnOldSegmentStaysWhileItsLaterEventsAreNeeded) {
  constexpr auto kDay = std::chrono::hours(24);
  Open({.keep_days = 10, .compact_segments = 100});
  clock_.Set(RecordOf(1).received);
  AppendUpTo(1, 3);
  ASSERT_TRUE(core_->Seal());
  // Old mail that is taken in later, and an event of new mail among it.
  for (mail::Mid mid = 4; mid <= 6; ++mid) {
    auto old = RecordOf(mid);
    old.received -= kDay * 8;
    Append(old);
  }
  ASSERT_TRUE(AppendEvent(1, EventKind::kDelivered, "d"));
  ASSERT_TRUE(core_->Seal());
  ASSERT_EQ(FilesOf(".seg").size(), 2u);
  for (int hour = 0; hour < 24 * 4; ++hour) {
    clock_.Advance(std::chrono::hours(1));
    MaintainAll();
  }
  EXPECT_EQ(FilesOf(".seg").size(), 2u);
  EXPECT_EQ(core_->Get(1)->events.size(), 2u);
  for (int hour = 0; hour < 24 * 8; ++hour) {
    clock_.Advance(std::chrono::hours(1));
    MaintainAll();
  }
  EXPECT_EQ(FilesOf(".seg").size(), 0u);
}

TEST_F(CoreTest, NoIdComesTwiceAfterDamageOfTheJournal) {
  Open({.id_block = 10});
  for (mail::Mid mid = 1; mid <= 5; ++mid) ASSERT_EQ(core_->NextMid(), mid);
  const std::string name = FilesOf(".log").front();
  const std::string path = dir_.path() + "/" + name;
  const std::string bytes = *io::ReadWhole(io::PosixFiles(), path, 1 << 20);  // as a kill leaves it
  for (size_t at = 28; at < bytes.size(); ++at) {
    core_.reset();
    for (const auto& each : FilesOf(".log")) std::filesystem::remove(dir_.path() + "/" + each);
    {
      auto file = *io::PosixFiles().Open(path, io::OpenMode::kTruncate);
      ASSERT_TRUE(file->WriteAt(0, bytes));
    }
    Flip(name, at);
    Open(options_);
    EXPECT_GT(core_->NextMid(), 5u) << at;
  }
}

TEST_F(CoreTest, TheOldestGoesWhenThereIsTooMuch) {
  Open({.seal_records = 5, .compact_records = 1000000, .compact_segments = 100});
  AppendUpTo(1, 20);
  MaintainAll();
  uint64_t bytes = 0;
  for (const auto& name : FilesOf(".seg"))
    bytes += std::filesystem::file_size(dir_.path() + "/" + name);
  auto options = options_;
  options.max_store_bytes = bytes - 1;
  Open(options);
  clock_.Set(RecordOf(20).received);
  MaintainAll();
  EXPECT_EQ(FilesOf(".seg").size(), 3u);
  EXPECT_EQ(core_->Get(1).error().code, Code::kNotFound);
  EXPECT_TRUE(core_->Get(6));
}

TEST_F(CoreTest, ManyRecipientsAndMoreObservablesThanAreIndexed) {
  Open({.max_indexed_per_class = 100, .max_indexed_recipients = 50000});
  auto record = RecordOf(1);
  record.recipients.clear();
  for (uint32_t i = 0; i < 50000; ++i) {
    record.recipients.push_back({i, "u" + std::to_string(i) + "@list.example", ""});
  }
  for (int i = 0; i < 250; ++i) {
    record.inspection.urls.push_back(
        {"http://h.example/" + std::to_string(i), "", mail::UrlSource::kText});
  }
  Append(record);
  for (const bool sealed : {false, true}) {
    if (sealed) ASSERT_TRUE(core_->Seal());
    Query query;
    query.recipient = "u49990@list.example";
    EXPECT_THAT(Mids(query), ElementsAre(1));
    query = {};
    query.any_of = {{Type::kUrl, "http://h.example/98"}};
    EXPECT_THAT(Mids(query), ElementsAre(1));
    query.any_of = {{Type::kUrl, "http://h.example/249"}};
    EXPECT_THAT(Mids(query), ElementsAre());
    EXPECT_THAT(core_->Get(1)->inspection.limits_hit, testing::Contains("index:url:151"));
    EXPECT_EQ(core_->Get(1)->recipients.size(), 50000u);
  }
}

TEST_F(CoreTest, PrivacyKeepsNoClearTextAndStillFinds) {
  CoreOptions options;
  options.privacy.subjects = Keep::kHash;
  options.privacy.recipients = Keep::kHash;
  options.privacy.file_names = Keep::kDrop;
  options.privacy.key = std::string(32, 'k');
  Open(options);
  AppendUpTo(1, 5);
  for (const bool sealed : {false, true}) {
    if (sealed) ASSERT_TRUE(core_->Seal());
    const auto record = core_->Get(3);
    ASSERT_TRUE(record);
    EXPECT_TRUE(record->inspection.subject.starts_with("hmac:"));
    EXPECT_TRUE(record->recipients[0].address.starts_with("hmac:"));
    EXPECT_EQ(record->inspection.attachments[0].names, std::vector<std::string>{""});
    Query query;
    query.recipient = "user3@corp.example.co.uk";
    EXPECT_THAT(Mids(query), ElementsAre(3));
    query = {};
    query.any_of = {{Type::kEmail, "user3@corp.example.co.uk"}};
    EXPECT_THAT(Mids(query), ElementsAre(3));
    query.any_of = {
        {Type::kEmailSubject, *observable::CanonicalSubject(RecordOf(3).inspection.subject)}};
    EXPECT_THAT(Mids(query), ElementsAre(3));
    query.any_of = {{Type::kFileName, "invoice-3.pdf"}};
    EXPECT_THAT(Mids(query), ElementsAre());
  }
  const auto names = *io::PosixFiles().List(dir_.path());
  for (const auto& name : names) {
    const auto bytes = *io::ReadWhole(io::PosixFiles(), dir_.path() + "/" + name, 1 << 28);
    EXPECT_EQ(bytes.find("user3@"), std::string::npos) << name;
    EXPECT_EQ(bytes.find("invoice-3"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace mailreeve::gateway::tracking
