#include "simulator/reference_core.h"

#include <gtest/gtest.h>

// The simulator proves itself: it must pass a store that is right and catch each one that is wrong.
namespace mailreeve::simulator {
namespace {

// The first of the seeds that fails, and what it says.
struct Caught {
  int seeds = 0;
  std::string first;
};
Caught RunSeeds(Mistake mistake, uint64_t seeds) {
  Caught caught;
  const Subject subject = Reference(mistake);
  for (uint64_t seed = 1; seed <= seeds && caught.seeds < 1; ++seed) {
    const auto outcome = Simulate(seed, subject);
    if (outcome.failures.empty()) continue;
    if (caught.seeds++ == 0)
      caught.first = "seed " + std::to_string(seed) + ": " + outcome.failures.front();
  }
  return caught;
}

TEST(Simulator, PassesAStoreThatIsRight) {
  const auto caught = RunSeeds(Mistake::kNone, 150);
  EXPECT_EQ(caught.seeds, 0) << caught.first;
}

class Catches : public testing::TestWithParam<std::pair<Mistake, const char*>> {};

TEST_P(Catches, AStoreThatIsWrong) {
  const auto caught = RunSeeds(GetParam().first, 3000);
  EXPECT_EQ(caught.seeds, 1);
  std::printf("%s: %s\n", GetParam().second, caught.first.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, Catches,
    testing::Values(std::pair{Mistake::kSkipsSync, "SkipsSync"},
                    std::pair{Mistake::kIgnoresFailedSync, "IgnoresFailedSync"},
                    std::pair{Mistake::kTrustsFailedFile, "TrustsFailedFile"},
                    std::pair{Mistake::kKeepsTornTail, "KeepsTornTail"},
                    std::pair{Mistake::kSkipsFolderSync, "SkipsFolderSync"},
                    std::pair{Mistake::kTrustsCacheAtStart, "TrustsCacheAtStart"},
                    std::pair{Mistake::kForgetsIds, "ForgetsIds"},
                    std::pair{Mistake::kTakesEventTwice, "TakesEventTwice"}),
    [](const auto& info) { return info.param.second; });

TEST(Simulator, ASeedRepeatsARun) {
  const Subject subject = Reference(Mistake::kNone);
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const auto one = Simulate(seed, subject), two = Simulate(seed, subject);
    EXPECT_EQ(one.operations, two.operations);
    EXPECT_EQ(one.acknowledged, two.acknowledged);
    EXPECT_EQ(one.faults, two.faults);
  }
}

}  // namespace
}  // namespace mailreeve::simulator
