#include "gateway/tracking/observables_of.h"
#include "tracking/check.h"
#include "tracking/truth.h"

#include <gtest/gtest.h>

#include <map>

namespace mailreeve::bench {
namespace {

constexpr uint64_t kMessages = 3000;

class GeneratorTest : public testing::TestWithParam<Mix> {
 protected:
  Generator generator_{{.messages = kMessages, .mix = GetParam()}};
};

TEST_P(GeneratorTest, MakesWhatTheProductReads) {
  auto checked = CheckGenerator(generator_, 0, kMessages);
  ASSERT_TRUE(checked) << checked.error().ToString();
  EXPECT_EQ(checked->messages, kMessages);
}

TEST_P(GeneratorTest, LooksLikeMail) {
  const Generator generator({.messages = 100'000, .mix = GetParam()});
  const Census census = TakeCensus(generator, 100'000);
  EXPECT_NEAR(census.observables, 17, 1.5);
  EXPECT_NEAR(census.seen_once, 0.85, 0.04);
  EXPECT_GT(census.with_files, 0.2);
  EXPECT_LT(census.with_files, 0.3);
}

TEST_P(GeneratorTest, TheTruthAgreesWithEachRecord) {
  Truth truth(MakeQuestions(generator_, kMessages, 200),
              MakeFingerprints(generator_, kMessages, 1000, 500));
  std::vector<Made> all(kMessages);
  Truth::Findings found;
  for (uint64_t i = 0; i < kMessages; ++i) {
    generator_.Make(i, all[i]);
    truth.Look(all[i], found);
  }
  truth.Take(found);

  // Observables, by the product's own list of them.
  std::map<std::string, std::vector<mail::Mid>> shown;
  std::vector<gateway::tracking::HuntHit> hits;
  for (const Made& made : all) {
    for (const auto& each : gateway::tracking::ObservablesOf(made.record)) {
      shown[std::string(observable::TypeName(each.type)) + " " + each.value].push_back(
          made.record.mid);
      const uint64_t fingerprint = observable::Fingerprint(each.type, each.value);
      if (std::binary_search(truth.hunted().begin(), truth.hunted().end(), fingerprint))
        hits.push_back({fingerprint, made.record.mid, made.record.received});
    }
  }
  size_t answered = 0;
  for (const Question& question : truth.questions()) {
    if (question.kind != "observable") continue;
    const auto expected = shown.find(question.text);
    EXPECT_EQ(question.count, expected == shown.end() ? 0 : expected->second.size())
        << question.text;
    answered += question.count > 0 ? 1 : 0;
  }
  EXPECT_GT(answered, 100u);
  auto known = truth.hits();
  std::sort(known.begin(), known.end());
  std::sort(hits.begin(), hits.end());
  EXPECT_EQ(known, hits);
  EXPECT_GT(hits.size(), 100u);
}

TEST_P(GeneratorTest, AQuestionKeepsTheNewest) {
  Question question;
  question.kind = "time range";
  question.fits = [](const Made&) { return true; };
  Truth truth({question}, {});
  Truth::Findings found;
  for (uint64_t i = 0; i < kMessages; ++i) {
    Made made;
    generator_.Make(i, made);
    truth.Look(made, found);
  }
  truth.Take(found);
  const auto newest = truth.questions()[0].Newest();
  EXPECT_EQ(truth.questions()[0].count, kMessages);
  ASSERT_EQ(newest.size(), Question::kKeep);
  EXPECT_EQ(newest.front(), kMessages);
  EXPECT_EQ(newest.back(), kMessages - Question::kKeep + 1);
}

INSTANTIATE_TEST_SUITE_P(Mixes, GeneratorTest, testing::Values(Mix::kOffice, Mix::kLarge));

}  // namespace
}  // namespace mailreeve::bench
