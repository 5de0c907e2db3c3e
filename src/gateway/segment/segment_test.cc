#include "gateway/segment/segment.h"

#include "base/random.h"
#include "gateway/segment/checksum.h"
#include "gateway/segment/journal.h"
#include "gateway/segment/trigram_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

namespace mailreeve::gateway::segment {
namespace {

class TempDir {
 public:
  TempDir() : path_(std::filesystem::temp_directory_path() / ("mailreeve-seg-" + RandomUuid())) {
    std::filesystem::create_directories(path_);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

using Rng = std::mt19937_64;

std::string Word(Rng& rng, size_t most) {
  static const std::vector<std::string> kParts = {
      "invoice", "pay", "报告",     "für",      "ＡＢ",
      "x",       "-",   ".example", "\xff\xfe", std::string(1, '\0')};
  std::string out;
  for (size_t i = rng() % (most + 1); i > 0; --i) out += kParts[rng() % kParts.size()];
  return out;
}

std::string Hash(Rng& rng, size_t digits) {
  std::string out;
  while (out.size() < digits) out += "0123456789abcdef"[rng() % 16];
  return out;
}

// Every field has a value that follows from the generator.
mail::MessageRecord RandomRecord(Rng& rng, uint64_t mid) {
  const auto word = [&] { return Word(rng, 4); };
  mail::MessageRecord r;
  r.mid = mid;
  r.queue_id = "Q" + std::to_string(rng() % 1000);
  r.received = FromEpochMicros(1'700'000'000'000'000 + static_cast<int64_t>(mid) * 1'000'000 +
                               static_cast<int64_t>(rng() % 999'999));
  r.direction = static_cast<mail::Direction>(rng() % 3);
  r.connection = {
      rng() % 100, "192.0.2." + std::to_string(rng() % 256), word(), word(), word(), word(), word(),
      word()};
  r.envelope_from = word();
  r.envelope_from_raw = rng() % 2 == 0 ? r.envelope_from : word();
  for (uint32_t i = 0; i < rng() % 4; ++i) r.recipients.push_back({i, word(), word()});
  auto& in = r.inspection;
  for (size_t i = rng() % 4; i > 0; --i) {
    in.addresses.push_back({static_cast<mail::AddressRole>(rng() % (mail::kMaxAddressRole + 1)),
                            word(), word(), word()});
  }
  in.subject = word();
  in.subject_raw = word();
  for (size_t i = rng() % 3; i > 0; --i) in.other_subjects.push_back(word());
  in.message_id = word();
  in.message_id_raw = word();
  for (size_t i = rng() % 3; i > 0; --i) in.other_message_ids.push_back(word());
  if (rng() % 4 != 0) {
    in.date = rng() % 2 == 0
                  ? FromEpochMicros(static_cast<int64_t>(rng() % 2'000'000'000) * 1'000'000)
                  : FromEpochMicros(-static_cast<int64_t>(rng() % 1'000'000'007));
  }
  in.date_raw = word();
  for (size_t i = rng() % 3; i > 0; --i) in.received_hosts.push_back(word());
  for (size_t i = rng() % 4; i > 0; --i) {
    in.urls.push_back(
        {word(), word(), static_cast<mail::UrlSource>(rng() % (mail::kMaxUrlSource + 1))});
  }
  for (size_t i = rng() % 3; i > 0; --i) in.domains.push_back({word(), word()});
  for (size_t i = rng() % 3; i > 0; --i) {
    in.attachments.push_back({{word(), word()},
                              word(),
                              word(),
                              rng() % 100000,
                              Hash(rng, 64),
                              rng() % 2 == 0 ? Hash(rng, 40) : "",
                              rng() % 2 == 0 ? Hash(rng, 32) : word(),
                              static_cast<uint32_t>(rng() % 5),
                              rng() % 2 == 0});
  }
  for (size_t i = rng() % 3; i > 0; --i)
    in.authentication.push_back({word(), word(), word(), word()});
  for (size_t i = rng() % 2; i > 0; --i) in.languages.push_back(word());
  in.mailer = word();
  in.in_reply_to = word();
  for (size_t i = rng() % 3; i > 0; --i) in.references.push_back(word());
  in.size = rng();
  in.header_size = rng() % 5000;
  in.parts = rng() % 9;
  in.content_digest = Hash(rng, 64);
  in.raw_sha256 = Hash(rng, 64);
  for (size_t i = rng() % 2; i > 0; --i) in.limits_hit.push_back(word());
  for (size_t i = rng() % 2; i > 0; --i) in.oddities.push_back(word());
  for (size_t i = rng() % 2; i > 0; --i) {
    r.verdicts.push_back({word(), static_cast<int>(rng() % 11) - 5, word()});
  }
  for (size_t i = rng() % 4; i > 0; --i) {
    mail::Event e;
    e.time = r.received + Duration(static_cast<int64_t>(rng() % 100'000'000) - 1000);
    e.kind = static_cast<mail::EventKind>(rng() % (mail::kMaxEventKind + 1));
    if (rng() % 2 == 0) e.rid = static_cast<uint32_t>(rng() % 3);
    e.detail = word();
    e.dsn = word();
    e.relay = word();
    e.delay_ms = rng() % 100000;
    e.queue_id = word();
    e.dedup_key = word();
    r.events.push_back(e);
  }
  return r;
}

TEST(Bits, GiveBackWhatWasWritten) {
  Rng rng(1);
  BitWriter writer;
  std::vector<std::array<uint64_t, 3>> written;
  for (int i = 0; i < 20000; ++i) {
    const unsigned k = static_cast<unsigned>(rng() % 57);
    const uint64_t value = rng() >> (rng() % 64);
    const uint64_t how = rng() % 3;
    if (how == 0) writer.Wide(value, 64);
    if (how == 1) writer.Rice(value, k);
    if (how == 2) writer.Gamma(value >> 1);
    written.push_back({how, value, k});
  }
  const std::string bytes = writer.Take();
  BitReader reader(bytes);
  for (const auto& [how, value, k] : written) {
    if (how == 0) ASSERT_EQ(reader.Wide(64), value);
    if (how == 1) ASSERT_EQ(reader.Rice(static_cast<unsigned>(k)), value);
    if (how == 2) ASSERT_EQ(reader.Gamma(), value >> 1);
  }
  EXPECT_TRUE(reader.ok());
  (void)reader.Wide(64);
  EXPECT_FALSE(reader.ok());
}

TEST(FuseFilter, HoldsItsKeysAndFewOthers) {
  Rng rng(2);
  for (const size_t count : {0, 1, 2, 3, 10, 100, 1000, 100000}) {
    std::set<uint64_t> keys;
    while (keys.size() < count) keys.insert(rng() >> 12);
    const auto built = FuseFilter::Build({keys.begin(), keys.end()});
    auto filter = FuseFilter::Decode(built.Encode());
    ASSERT_TRUE(filter) << filter.error().ToString();
    for (const uint64_t key : keys) ASSERT_TRUE(filter->MayHold(key));
    size_t wrong = 0;
    for (int i = 0; i < 20000; ++i) {
      const uint64_t key = rng() >> 12;
      if (!keys.contains(key) && filter->MayHold(key)) ++wrong;
    }
    EXPECT_LT(wrong, 20000 / 128) << count;
    if (count >= 100000) EXPECT_LT(built.Encode().size(), count * 10 / 8);
    for (int i = 0; i < 50 && count > 0; ++i) {
      std::string bytes = built.Encode();
      bytes.resize(rng() % bytes.size());
      EXPECT_FALSE(FuseFilter::Decode(bytes));
    }
  }
}

struct BuiltIndex {
  std::string bytes, directory;
};
Result<FingerprintIndex> OpenIndex(const BuiltIndex& built, uint32_t rows) {
  return FingerprintIndex::Open(built.directory, rows, built.bytes.size(),
                                [&built](uint64_t offset, size_t size) -> Result<std::string> {
                                  if (offset + size > built.bytes.size()) {
                                    return Fail(Code::kCorrupt, "end");
                                  }
                                  return built.bytes.substr(offset, size);
                                });
}

TEST(FingerprintIndex, FindsWhatWasAddedAsAMapDoes) {
  Rng rng(3);
  constexpr uint32_t kRows = 50000;
  for (const unsigned bits : {52U, 64U}) {
    std::map<uint64_t, std::set<uint32_t>> model;
    for (int i = 0; i < 5000; ++i) {
      auto& rows = model[KeyOf(rng(), bits)];
      const size_t count = rng() % 50 == 0   ? rng() % 20000 + 1
                           : rng() % 10 == 0 ? rng() % 90 + 1
                                             : 1;
      while (rows.size() < count) rows.insert(static_cast<uint32_t>(rng() % kRows));
    }
    BuiltIndex built;
    FingerprintIndexBuilder builder(bits, kRows, [&](std::string_view bytes) -> Result<void> {
      built.bytes += bytes;
      return {};
    });
    for (const auto& [key, rows] : model) {
      const std::vector<uint32_t> list(rows.begin(), rows.end());
      ASSERT_TRUE(builder.Add(key, list));
    }
    built.directory = *builder.Finish();
    const auto index = OpenIndex(built, kRows);
    ASSERT_TRUE(index) << index.error().ToString();
    for (const auto& [key, rows] : model) {
      const auto found = index->Find(key);
      ASSERT_TRUE(found && *found) << key;
      ASSERT_EQ((*found)->count, rows.size());
      EXPECT_THAT(*index->AllRows(**found), testing::ElementsAreArray(rows));
      const auto below = static_cast<uint32_t>(rng() % kRows);
      std::vector<uint32_t> expected;
      for (auto at = std::make_reverse_iterator(rows.lower_bound(below));
           at != rows.rend() && expected.size() < 100; ++at) {
        expected.push_back(*at);
      }
      EXPECT_EQ(*index->RowsBelow(**found, below, 100), expected);
      const auto other = index->Find(key + 1);
      ASSERT_TRUE(other);
      EXPECT_EQ(other->has_value(), model.contains(key + 1));
    }
    size_t seen = 0;
    for (size_t page = 0; page < index->pages(); ++page) seen += index->Page(page)->size();
    EXPECT_EQ(seen, model.size());

    // A flipped bit is an error or changes nothing; never a wrong row.
    for (int i = 0; i < 200; ++i) {
      BuiltIndex damaged = built;
      damaged.bytes[rng() % damaged.bytes.size()] ^= static_cast<char>(1 << rng() % 8);
      const auto opened = OpenIndex(damaged, kRows);
      ASSERT_TRUE(opened);
      auto at = model.begin();
      std::advance(at, static_cast<ptrdiff_t>(rng() % model.size()));
      const auto found = opened->Find(at->first);
      if (!found) continue;
      const auto rows = opened->AllRows(**found);
      if (rows) EXPECT_THAT(*rows, testing::ElementsAreArray(at->second));
    }
    for (int i = 0; i < 200; ++i) {
      BuiltIndex damaged = built;
      damaged.directory[rng() % damaged.directory.size()] ^= static_cast<char>(1 << rng() % 8);
      if (const auto opened = OpenIndex(damaged, kRows)) (void)opened->Find(rng() >> 12);
    }
  }
}

TEST(TrigramFilter, KeepsEveryGroupThatHoldsTheText) {
  TrigramBuilder builder(12, 20);
  for (uint32_t group = 0; group < 20; ++group) {
    builder.Add(group, "invoice " + std::to_string(group * 7919));
  }
  const size_t line = LineBytes(20);
  const auto groups = [&](std::string_view text) {
    std::set<uint32_t> out;
    for (uint32_t group = 0; group < 20; ++group) {
      bool all = true;
      for (const uint32_t slot : TrigramSlots(text, 12, 12)) {
        all &= (static_cast<uint8_t>(builder.bytes()[slot * line + group / 8]) >> (group % 8) &
                1) != 0;
      }
      if (all) out.insert(group);
    }
    return out;
  };
  EXPECT_EQ(groups("invoice").size(), 20);
  for (uint32_t group = 0; group < 20; ++group) {
    EXPECT_TRUE(groups("ce " + std::to_string(group * 7919)).contains(group));
  }
  EXPECT_LT(groups("zzzzqqq").size(), 3);
}

TEST(RecordBlock, GivesBackEveryField) {
  Rng rng(4);
  std::vector<mail::MessageRecord> records;
  for (uint64_t i = 0; i < 300; ++i)
    records.push_back(RandomRecord(rng, 1000 + i * (rng() % 3 + 1)));
  const Frames columns = Transpose(records);
  const std::vector<Frames> samples(20, columns);
  const Dictionaries dictionaries(Train(samples, 8192), 3);
  EXPECT_FALSE(dictionaries.texts()[0].empty());
  const Frames packed = Compress(columns, dictionaries, 3);
  Frames unpacked;
  for (size_t i = 0; i < kFrames; ++i) {
    auto plain = Decompress(static_cast<Frame>(i), packed[i], dictionaries, 1 << 26);
    ASSERT_TRUE(plain) << plain.error().ToString();
    unpacked[i] = *plain;
  }
  const auto all = ReadRows(unpacked, 300, [](uint32_t) { return true; });
  ASSERT_TRUE(all) << all.error().ToString();
  ASSERT_EQ(all->size(), 300);
  for (size_t i = 0; i < 300; ++i) ASSERT_EQ((*all)[i], records[i]) << i;
  const auto some = ReadRows(unpacked, 300, [](uint32_t row) { return row % 7 == 3; });
  ASSERT_TRUE(some);
  for (size_t i = 0; i < some->size(); ++i) ASSERT_EQ((*some)[i], records[i * 7 + 3]);
  const auto places = ReadPlaces(unpacked[0], 300);
  ASSERT_TRUE(places);
  EXPECT_EQ((*places)[299].mid, records[299].mid);
  EXPECT_EQ((*places)[299].received, records[299].received);

  for (int i = 0; i < 3000; ++i) {
    Frames damaged = unpacked;
    auto& frame = damaged[rng() % kFrames];
    if (frame.empty()) continue;
    frame[rng() % frame.size()] ^= static_cast<char>(1 << rng() % 8);
    (void)ReadRows(damaged, 300, [](uint32_t row) { return row % 50 == 0; });
  }
}

class JournalTest : public testing::Test {
 protected:
  // Replays the file; the payloads in order.
  Result<std::vector<std::string>> Payloads(JournalReplay* replay = nullptr) {
    TRY(const auto file, io::PosixFiles().Open(path_, io::OpenMode::kRead));
    std::vector<std::string> out;
    TRY(const auto done,
        ReplayJournal(*file, 7, [&](FrameType, std::string_view payload) -> Result<void> {
          out.emplace_back(payload);
          return {};
        }));
    if (replay != nullptr) *replay = done;
    return out;
  }
  void Write(std::vector<std::vector<std::string>> batches) {
    auto writer = *JournalWriter::Create(io::PosixFiles(), dir_.path(), 7);
    for (const auto& batch : batches) {
      for (const auto& payload : batch) writer->Add(FrameType::kEvents, {payload});
      ASSERT_TRUE(writer->Commit());
      ends_.push_back(writer->size());
    }
    bytes_ = *io::ReadWhole(io::PosixFiles(), path_, 1 << 20);
    ASSERT_EQ(bytes_.size(), writer->size());
  }
  void Put(const std::string& bytes) {
    auto file = *io::PosixFiles().Open(path_, io::OpenMode::kTruncate);
    ASSERT_TRUE(file->WriteAt(0, bytes));
  }

  TempDir dir_;
  std::string path_ = dir_.path() + "/" + JournalName(7);
  std::string bytes_;
  std::vector<uint64_t> ends_;
};

TEST_F(JournalTest, CutsATornTailAnywhereAndKeepsWhatWasDurable) {
  Write({{"one", "two"}, {"three"}, {std::string(200, 'x'), "MRjf", ""}});
  for (size_t size = 0; size <= bytes_.size(); ++size) {
    Put(bytes_.substr(0, size));
    JournalReplay replay;
    const auto payloads = Payloads(&replay);
    ASSERT_TRUE(payloads) << size << payloads.error().ToString();
    const size_t least = size >= ends_[2] ? 6 : size >= ends_[1] ? 3 : size >= ends_[0] ? 2 : 0;
    EXPECT_GE(payloads->size(), least) << size;
    EXPECT_TRUE(replay.damaged.empty()) << size;
    EXPECT_EQ(replay.torn_bytes == 0, size == 0 || replay.bytes == size || size == 28) << size;
  }
}

TEST_F(JournalTest, TellsDamageFromATornTail) {
  Write({{"one", "two"}, {"three"}, {"four", "five"}, {"six", "seven"}});
  Rng rng(5);
  for (size_t at = 0; at < bytes_.size(); ++at) {
    std::string damaged = bytes_;
    damaged[at] ^= static_cast<char>(1 << rng() % 8);
    Put(damaged);
    JournalReplay replay;
    const auto payloads = Payloads(&replay);
    ASSERT_TRUE(payloads) << at << payloads.error().ToString();
    EXPECT_GE(payloads->size(), at < 28 ? 7 : 6) << at;
    // Every batch but the last was acknowledged for sure.
    EXPECT_EQ(replay.damaged.empty(), at >= ends_[2]) << at;
    EXPECT_EQ(replay.torn_bytes > 0, at >= ends_[2]) << at;
  }
}

TEST_F(JournalTest, RefusesAnotherFileAndANewerVersion) {
  Write({{"one"}});
  ASSERT_TRUE(io::PosixFiles().Rename(path_, dir_.path() + "/" + JournalName(8)));
  path_ = dir_.path() + "/" + JournalName(8);
  const auto file = *io::PosixFiles().Open(path_, io::OpenMode::kRead);
  const auto other =
      ReplayJournal(*file, 8, [](FrameType, std::string_view) { return Result<void>(); });
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kCorrupt);
  std::string newer = bytes_;
  newer[8] = 9;
  const uint64_t sum = Checksum(newer.substr(0, 20));
  std::memcpy(newer.data() + 20, &sum, 8);
  Put(newer);
  const auto read = Payloads();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kConflict);
}

class SegmentTest : public testing::Test {
 protected:
  std::shared_ptr<Segment> Write(uint32_t rows, SegmentOptions options) {
    Rng rng(6);
    for (uint32_t i = 0; i < rows; ++i) records_.push_back(RandomRecord(rng, i + 1));
    SegmentInfo info;
    info.id = 3;
    info.first_journal = 4;
    info.last_journal = 6;
    auto writer = *SegmentWriter::Create(io::PosixFiles(), dir_.path(), info, options, rows,
                                         [](std::string_view text) { return std::string(text); });
    for (uint32_t i = 0; i + 50 < rows && options.dictionary_bytes > 0; i += 50) {
      writer->Learn(std::span(records_).subspan(i, 50));
    }
    for (const auto& record : records_) EXPECT_TRUE(writer->AddRow(record));
    while (keys_.size() < 3000) {
      const uint64_t fingerprint = rng() >> 12 << 12;
      const size_t most = rng() % 10 == 0 ? 200 : 2;
      for (size_t i = rng() % most + 1; i > 0; --i) {
        keys_[fingerprint].insert(static_cast<uint32_t>(rng() % rows));
      }
    }
    for (const auto& [fingerprint, of_key] : keys_) {
      EXPECT_TRUE(writer->AddKey(fingerprint, std::vector<uint32_t>(of_key.begin(), of_key.end())));
    }
    std::vector<LaterEvents> later;
    for (uint64_t mid = 100; mid < 1500; mid += 3) {
      mail::Event event;
      event.kind = mail::EventKind::kRemoved;
      event.detail = std::to_string(mid);
      later.push_back({mid, {event, event}});
    }
    const auto finished = writer->Finish("the counters", later);
    EXPECT_TRUE(finished) << finished.error().ToString();
    auto opened = Segment::Open(io::PosixFiles(), dir_.path(), 3);
    EXPECT_TRUE(opened) << opened.error().ToString();
    EXPECT_EQ((*opened)->info(), *finished);
    return *opened;
  }

  TempDir dir_;
  std::vector<mail::MessageRecord> records_;
  std::map<uint64_t, std::set<uint32_t>> keys_;
};

TEST_F(SegmentTest, AnswersFromWhatWasWritten) {
  const auto segment =
      Write(1500, {.compression_level = 3, .dictionary_bytes = 4096, .block_rows = 100});
  EXPECT_EQ(segment->info().oldest, records_.front().received);
  EXPECT_EQ(segment->info().newest, records_.back().received);
  ASSERT_TRUE(segment->LoadFilters());
  for (const auto& [fingerprint, rows] : keys_) {
    ASSERT_TRUE(segment->MayHold(fingerprint));
    const auto found = segment->Find(fingerprint);
    ASSERT_TRUE(found && *found);
    EXPECT_THAT(*segment->index().AllRows(**found), testing::ElementsAreArray(rows));
  }
  for (uint32_t row = 0; row < 1500; ++row) {
    const size_t block = segment->BlockOf(row);
    const std::array<uint32_t, 1> wanted = {row};
    const auto read = segment->Read(block, wanted);
    ASSERT_TRUE(read && read->size() == 1) << row;
    ASSERT_EQ(read->front(), records_[row]);
    if (!records_[row].inspection.subject.empty()) {
      const auto groups =
          segment->TextGroups(TextIndex::kSubjects, records_[row].inspection.subject);
      ASSERT_TRUE(groups);
      EXPECT_TRUE((*groups)[row / kTextGroupRows]);
    }
    EXPECT_EQ(segment->Places(block)->at(row - segment->block(block).first_row).mid, row + 1);
  }
  EXPECT_FALSE((*segment->TextGroups(TextIndex::kSubjects, "qqzzwwyy"))[0]);
  EXPECT_TRUE(segment->HasLaterEvents(103));
  EXPECT_FALSE(segment->HasLaterEvents(104));
  EXPECT_EQ(segment->LaterEventsOf(1366)->size(), 2);
  EXPECT_EQ(segment->LaterEventsOf(1366)->back().detail, "1366");
  EXPECT_EQ(segment->LaterEventsOf(101)->size(), 0);
  EXPECT_EQ(*segment->ReadCounters(4, 8), "counters");
  EXPECT_TRUE(segment->Check()->empty());
}

TEST_F(SegmentTest, ReadsAnyRowsOfABlock) {
  const auto segment = Write(1000, {.block_rows = 100, .group_rows = 7});
  Rng rng(8);
  for (int i = 0; i < 200; ++i) {
    const size_t block = rng() % segment->blocks();
    const auto at = segment->block(block);
    std::vector<uint32_t> rows;
    const uint64_t one_in = 1 + rng() % 30;
    for (uint32_t row = at.first_row; row < at.first_row + at.rows; ++row) {
      if (rng() % one_in == 0) rows.push_back(row);
    }
    const auto read = segment->Read(block, rows);
    ASSERT_TRUE(read) << read.error().ToString();
    ASSERT_EQ(read->size(), rows.size());
    for (size_t j = 0; j < rows.size(); ++j) ASSERT_EQ((*read)[j], records_[rows[j]]);
  }
  for (size_t block = 0; block < segment->blocks(); ++block) {
    std::set<std::string> wanted;
    const auto at = segment->block(block);
    for (uint32_t row = at.first_row; row < at.first_row + at.rows; ++row) {
      if (const auto& subject = records_[row].inspection.subject; !subject.empty()) {
        wanted.insert(subject);
      }
    }
    std::string keep;
    const auto texts = segment->Texts(block, Frame::kSubjects, keep);
    ASSERT_TRUE(texts);
    const std::set<std::string> found(texts->begin(), texts->end());
    EXPECT_TRUE(std::includes(found.begin(), found.end(), wanted.begin(), wanted.end()));
  }
}

TEST_F(SegmentTest, ReadsWhatVersion1Wrote) {
  std::filesystem::copy_file(MAILREEVE_SOURCE_DIR "/src/gateway/segment/testdata/version1.seg",
                             dir_.path() + "/" + SegmentName(3));
  const auto opened = Segment::Open(io::PosixFiles(), dir_.path(), 3);
  ASSERT_TRUE(opened) << opened.error().ToString();
  const Segment& segment = **opened;
  ASSERT_EQ(segment.info().rows, 60);
  Rng rng(6);
  for (uint32_t row = 0; row < 60; ++row) {
    const auto record = RandomRecord(rng, row + 1);
    const size_t block = segment.BlockOf(row);
    const auto read = segment.Read(block, std::array{row});
    ASSERT_TRUE(read) << read.error().ToString();
    ASSERT_EQ(read->front(), record);
    EXPECT_EQ(segment.Places(block)->at(row - segment.block(block).first_row).mid, row + 1);
    std::string keep;
    const auto texts = segment.Texts(block, Frame::kSubjects, keep);
    ASSERT_TRUE(texts);
    if (!record.inspection.subject.empty()) {
      EXPECT_THAT(*texts, testing::Contains(record.inspection.subject));
    }
  }
  EXPECT_EQ(segment.LaterEventsOf(103)->size(), 2);
  EXPECT_TRUE(segment.Check()->empty());
}

TEST_F(SegmentTest, NoFlippedByteGoesUnnoticedOrCrashes) {
  (void)Write(300, {.block_rows = 64});
  const std::string path = dir_.path() + "/" + SegmentName(3);
  const std::string bytes = *io::ReadWhole(io::PosixFiles(), path, 1 << 28);
  Rng rng(7);
  for (int i = 0; i < 400; ++i) {
    const size_t at = rng() % bytes.size();
    {
      auto file = *io::PosixFiles().Open(path, io::OpenMode::kCreate);
      ASSERT_TRUE(file->WriteAt(at, std::string(1, static_cast<char>(bytes[at] ^ 1 << rng() % 8))));
    }
    const auto opened = Segment::Open(io::PosixFiles(), dir_.path(), 3);
    if (opened) {
      const auto wrong = (*opened)->Check();
      ASSERT_TRUE(wrong);
      // Between head and blocks nothing is free.
      EXPECT_FALSE(wrong->empty()) << at;
    } else {
      EXPECT_EQ(opened.error().code, Code::kCorrupt) << opened.error().ToString();
    }
    auto file = *io::PosixFiles().Open(path, io::OpenMode::kCreate);
    ASSERT_TRUE(file->WriteAt(at, bytes.substr(at, 1)));
  }
  for (int i = 0; i < 100; ++i) {
    auto file = *io::PosixFiles().Open(path, io::OpenMode::kTruncate);
    ASSERT_TRUE(file->WriteAt(0, bytes.substr(0, rng() % bytes.size())));
    EXPECT_FALSE(Segment::Open(io::PosixFiles(), dir_.path(), 3));
  }
}

}  // namespace
}  // namespace mailreeve::gateway::segment
