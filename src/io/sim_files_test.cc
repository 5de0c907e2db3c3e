#include "io/sim_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mailreeve::io {
namespace {

using Cut = SimFiles::Cut;
using Fault = SimFiles::Fault;

std::string Holds(SimFiles& files, const std::string& path) {
  auto bytes = ReadWhole(files, path, 1 << 20);
  return bytes ? *bytes : std::string(CodeName(bytes.error().code));
}

// All that a file may hold after the power cut, over many seeds.
std::set<std::string> Outcomes(const std::function<void(SimFiles&)>& work, Cut cut = Cut::kPower) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SimFiles files(seed);
    EXPECT_TRUE(files.MakeFolders("/d"));
    work(files);
    files.Crash(cut);
    outcomes.insert(Holds(files, "/d/a"));
  }
  return outcomes;
}

void Durable(SimFiles& files, std::string_view bytes) {
  auto file = files.Open("/d/a", OpenMode::kCreate);
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->WriteAt(0, bytes));
  EXPECT_TRUE((*file)->Sync());
  EXPECT_TRUE(files.SyncFolder("/d"));
}

TEST(SimFiles, SyncedBytesAndNamesSurvive) {
  EXPECT_EQ(Outcomes([](SimFiles& files) { Durable(files, "held"); }),
            std::set<std::string>{"held"});
}

TEST(SimFiles, NamesNeedTheFolderSynced) {
  EXPECT_EQ(Outcomes([](SimFiles& files) {
              auto file = files.Open("/d/a", OpenMode::kCreate);
              EXPECT_TRUE((*file)->WriteAt(0, "x"));
              EXPECT_TRUE((*file)->Sync());
            }),
            (std::set<std::string>{"not_found", "x"}));
  EXPECT_EQ(Outcomes([](SimFiles& files) {
              Durable(files, "old");
              auto file = files.Open("/d/b", OpenMode::kCreate);
              EXPECT_TRUE((*file)->WriteAt(0, "new"));
              EXPECT_TRUE((*file)->Sync());
              EXPECT_TRUE(files.Rename("/d/b", "/d/a"));
            }),
            (std::set<std::string>{"old", "new"}));
  EXPECT_EQ(Outcomes([](SimFiles& files) {
              Durable(files, "x");
              EXPECT_TRUE(files.Remove("/d/a"));
            }),
            (std::set<std::string>{"not_found", "x"}));
}

TEST(SimFiles, UnsyncedWritesAreKeptDroppedTornAndReordered) {
  const auto outcomes = Outcomes([](SimFiles& files) {
    Durable(files, "....");
    auto file = files.Open("/d/a", OpenMode::kCreate);
    EXPECT_TRUE((*file)->WriteAt(4, "1111"));
    EXPECT_TRUE((*file)->WriteAt(8, "2222"));
  });
  EXPECT_TRUE(outcomes.contains("...."));
  EXPECT_TRUE(outcomes.contains("....11112222"));
  EXPECT_TRUE(outcomes.contains("....1111"));
  EXPECT_TRUE(outcomes.contains("....111")) << "torn at a byte";
  EXPECT_TRUE(outcomes.contains(std::string("....\0\0\0\0", 8))) << "length without bytes";
  EXPECT_TRUE(outcomes.contains(std::string("....\0\0\0\0", 8) + "2222")) << "the later one alone";
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome.substr(0, 4), "....");

  const auto sectors = Outcomes([](SimFiles& files) {
    Durable(files, std::string(1024, '.'));
    auto file = files.Open("/d/a", OpenMode::kCreate);
    EXPECT_TRUE((*file)->WriteAt(0, std::string(1024, 'x')));
  });
  EXPECT_TRUE(sectors.contains(std::string(512, '.') + std::string(512, 'x')));
  EXPECT_TRUE(sectors.contains(std::string(512, 'x') + std::string(512, '.')));
}

TEST(SimFiles, UnsyncedTruncationMayComeBack) {
  EXPECT_EQ(Outcomes([](SimFiles& files) {
              Durable(files, "long");
              EXPECT_TRUE((*files.Open("/d/a", OpenMode::kCreate))->Truncate(1));
            }),
            (std::set<std::string>{"l", "long"}));
  EXPECT_EQ(Outcomes([](SimFiles& files) {
              Durable(files, "long");
              EXPECT_TRUE(files.Open("/d/a", OpenMode::kTruncate));
            }),
            (std::set<std::string>{"", "long"}));
}

TEST(SimFiles, KilledProcessLosesNothingOfTheCache) {
  EXPECT_EQ(Outcomes(
                [](SimFiles& files) {
                  auto file = files.Open("/d/a", OpenMode::kCreate);
                  EXPECT_TRUE((*file)->WriteAt(0, "cached"));
                },
                Cut::kProcess),
            std::set<std::string>{"cached"});
  // And loses it when the power goes later.
  EXPECT_THAT(Outcomes([](SimFiles& files) {
                auto file = files.Open("/d/a", OpenMode::kCreate);
                EXPECT_TRUE((*file)->WriteAt(0, "cached"));
                files.Crash(Cut::kProcess);
              }),
              testing::IsSupersetOf({"not_found", "", "cached"}));
}

TEST(SimFiles, KillStopsAllCallsUntilTheCrash) {
  bool done = false, not_done = false;
  for (uint64_t seed = 1; seed < 20; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(files.MakeFolders("/d"));
    Durable(files, "a");
    auto lock = files.Lock("/d/lock");
    auto file = files.Open("/d/a", OpenMode::kCreate);
    files.KillAt(files.operations() + 1);
    EXPECT_TRUE((*file)->WriteAt(0, "b"));
    EXPECT_FALSE(files.killed());
    EXPECT_EQ((*file)->Sync().error().code, Code::kUnavailable);
    EXPECT_TRUE(files.killed());
    EXPECT_FALSE((*file)->WriteAt(0, "c"));
    EXPECT_FALSE((*file)->ReadAt(0, 1));
    EXPECT_FALSE(files.List("/d"));
    EXPECT_FALSE(files.Open("/d/new", OpenMode::kCreate));
    files.Crash(Cut::kPower);
    EXPECT_FALSE((*file)->WriteAt(0, "d")) << "opened before the crash";
    (Holds(files, "/d/a") == "b" ? done : not_done) = true;
    EXPECT_NE(Holds(files, "/d/a"), "c");
    auto again = files.Lock("/d/lock");
    EXPECT_TRUE(again) << "crashes free locks";
    lock->reset();
    EXPECT_FALSE(files.Lock("/d/lock")) << "a lock of before does not free that of now";
  }
  EXPECT_TRUE(done && not_done);
}

TEST(SimFiles, FaultsHitWhatTheyCanAndEnd) {
  SimFiles files(3);
  ASSERT_TRUE(files.MakeFolders("/d"));
  Durable(files, "0123456789");
  auto file = files.Open("/d/a", OpenMode::kCreate);
  files.FailAt(0, Fault::kNoSpace, 2);
  EXPECT_EQ(Holds(files, "/d/a"), "0123456789") << "reads need no space";
  EXPECT_EQ((*file)->WriteAt(10, "x").error().code, Code::kLimited);
  EXPECT_EQ(files.Open("/d/new", OpenMode::kCreate).error().code, Code::kLimited);
  EXPECT_TRUE((*file)->WriteAt(10, "y"));
  EXPECT_EQ(files.faults_met(), 2u);
  files.FailAt(0, Fault::kReadError);
  EXPECT_EQ((*file)->ReadAt(0, 1).error().code, Code::kUnavailable);
  EXPECT_EQ(*(*file)->ReadAt(10, 1), "y");
  files.FailAt(files.operations() + 1, Fault::kWriteError);
  EXPECT_TRUE((*file)->WriteAt(10, "z")) << "not yet";
  EXPECT_FALSE((*file)->Truncate(0));
  EXPECT_TRUE((*file)->Truncate(0));
  files.FailAt(0, Fault::kWriteError, 1000);
  files.ClearFaults();
  EXPECT_TRUE((*file)->WriteAt(0, "z"));
}

TEST(SimFiles, AWriteThatFailsMayBeThereInPart) {
  std::set<size_t> lengths;
  for (uint64_t seed = 1; seed < 100; ++seed) {
    SimFiles files(seed);
    auto file = files.Open("a", OpenMode::kCreate);
    files.FailAt(0, Fault::kNoSpace);
    EXPECT_FALSE((*file)->WriteAt(0, "1234"));
    lengths.insert(*(*file)->Size());
  }
  EXPECT_THAT(lengths, testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(SimFiles, WhatASyncLostALaterSyncDoesNotBringBack) {
  const auto outcomes = Outcomes([](SimFiles& files) {
    Durable(files, "old");
    auto file = files.Open("/d/a", OpenMode::kCreate);
    EXPECT_TRUE((*file)->WriteAt(0, "new"));
    files.FailAt(0, Fault::kSyncError);
    EXPECT_FALSE((*file)->Sync());
    EXPECT_TRUE((*file)->WriteAt(3, "er"));
    EXPECT_TRUE((*file)->Sync());
  });
  EXPECT_EQ(outcomes, (std::set<std::string>{"older", "newer"}));
  // A folder's names can be synced again.
  EXPECT_EQ(Outcomes([](SimFiles& files) {
              auto file = files.Open("/d/a", OpenMode::kCreate);
              files.FailAt(0, Fault::kSyncError);
              EXPECT_FALSE(files.SyncFolder("/d"));
              EXPECT_TRUE(files.SyncFolder("/d"));
            }),
            std::set<std::string>{""});
}

TEST(SimFiles, FlipsBitsAtRest) {
  SimFiles files(9);
  ASSERT_TRUE(files.MakeFolders("/d"));
  Durable(files, std::string(100, '\0'));
  const auto flipped = files.FlipBits("/d/a", 1);
  ASSERT_TRUE(flipped);
  std::string expected(100, '\0');
  const std::string now = Holds(files, "/d/a");
  EXPECT_EQ(std::popcount(static_cast<unsigned char>(now[flipped->at(0)])), 1);
  files.Crash(Cut::kPower);
  EXPECT_EQ(Holds(files, "/d/a"), now);
  EXPECT_EQ(files.FlipBits("/d/none", 1).error().code, Code::kNotFound);
  ASSERT_TRUE(files.Open("/d/empty", OpenMode::kCreate));
  EXPECT_EQ(files.FlipBits("/d/empty", 1).error().code, Code::kInvalid);
}

TEST(SimFiles, ASeedRepeatsARun) {
  const auto run = [](uint64_t seed) {
    SimFiles files(seed);
    EXPECT_TRUE(files.MakeFolders("/d"));
    Durable(files, "base");
    auto file = files.Open("/d/a", OpenMode::kCreate);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE((*file)->WriteAt(4 + i * 3, "abc"));
    files.Crash(Cut::kPower);
    return Holds(files, "/d/a");
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

TEST(SimFiles, ActsAsFilesDo) {
  SimFiles files(1);
  EXPECT_EQ(files.List("/d").error().code, Code::kNotFound);
  EXPECT_EQ(files.Open("/d/a", OpenMode::kCreate).error().code, Code::kNotFound);
  EXPECT_EQ(files.Open("a", OpenMode::kRead).error().code, Code::kNotFound);
  ASSERT_TRUE(files.MakeFolders("/d/e"));
  ASSERT_TRUE(ReplaceWhole(files, "/d/b", "1"));
  ASSERT_TRUE(ReplaceWhole(files, "/d/a", "2"));
  ASSERT_TRUE(ReplaceWhole(files, "/d/e/c", "3"));
  EXPECT_THAT(*files.List("/d"), testing::ElementsAre("a", "b"));
  EXPECT_THAT(files.Paths(), testing::ElementsAre("/d/a", "/d/b", "/d/e/c"));
  auto open = files.Open("/d/a", OpenMode::kRead);
  EXPECT_FALSE((*open)->WriteAt(0, "x"));
  ASSERT_TRUE(files.Remove("/d/a"));
  EXPECT_EQ(*(*open)->ReadAt(0, 9), "2") << "open files outlive their names";
  EXPECT_EQ(files.Remove("/d/a").error().code, Code::kNotFound);
  EXPECT_EQ(files.Rename("/d/b", "/d/e/b").error().code, Code::kInvalid);
  EXPECT_EQ(files.MakeFolders("/d/b").error().code, Code::kUnavailable);
  auto lock = files.Lock("/d/l");
  EXPECT_EQ(files.Lock("/d/l").error().code, Code::kConflict);
  lock->reset();
  EXPECT_TRUE(files.Lock("/d/l"));
  auto far = files.Open("/d/f", OpenMode::kCreate);
  EXPECT_EQ((*far)->WriteAt(~uint64_t{0}, "x").error().code, Code::kLimited);
  EXPECT_EQ(*(*far)->ReadAt(~uint64_t{0}, 1), "");
}

}  // namespace
}  // namespace mailreeve::io
