#include "response/identity/keys.h"

#include "base/text.h"
#include "response/identity/test_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace mailreeve::response::identity {
namespace {

class KeyRingTest : public testing::Test {
 protected:
  KeyRingTest() { options.path = folder.path() + "/token-key.pem"; }
  std::unique_ptr<KeyRing> Open() { return KeyRing::Open(options, clock).value(); }
  static std::vector<std::string> Kids(const KeyRing& ring) {
    std::vector<std::string> out;
    const json::object jwks = ring.Jwks();
    for (const json::value& key : jwks.at("keys").as_array()) {
      EXPECT_FALSE(key.as_object().contains("d"));
      out.emplace_back(key.at("kid").as_string());
    }
    return out;
  }
  size_t Files() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path().extension() != ".pem") continue;
      struct stat info {};
      EXPECT_EQ(::stat(entry.path().c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 0777, 0600u) << entry.path();
      ++count;
    }
    return count;
  }

  TemporaryFolder folder;
  FakeClock clock{ParseTime("2026-03-01T10:00:00.000Z").value()};
  KeyOptions options;
};

TEST_F(KeyRingTest, ANewKeyIsPublishedThenSignsAndTheOldOneVerifiesUntilItsTokensHaveRunOut) {
  const auto ring = Open();
  const std::string first = ring->Signing()->kid();
  const std::string second = ring->Rotate(KeyRing::When::kSoon).value();
  EXPECT_THAT(Kids(*ring), testing::ElementsAre(first, second));
  EXPECT_EQ(ring->Signing()->kid(), first);
  clock.Advance(options.publish_ahead);
  EXPECT_EQ(ring->Signing()->kid(), second);
  EXPECT_NE(ring->Find(first), nullptr);
  EXPECT_TRUE(ring->Maintain());
  EXPECT_EQ(Files(), 2u);
  clock.Advance(options.keep);
  EXPECT_EQ(ring->Find(first), nullptr);
  EXPECT_THAT(Kids(*ring), testing::ElementsAre(second));
  EXPECT_TRUE(ring->Maintain());
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(Open()->Signing()->kid(), second);
}

TEST_F(KeyRingTest, AtOnceRefusesWhatTheOldKeysSigned) {
  const auto ring = Open();
  const std::string first = ring->Signing()->kid();
  const std::string second = ring->Rotate(KeyRing::When::kSoon).value();
  const std::string third = ring->Rotate(KeyRing::When::kAtOnce).value();
  EXPECT_EQ(ring->Signing()->kid(), third);
  EXPECT_EQ(ring->Find(first), nullptr);
  EXPECT_EQ(ring->Find(second), nullptr);
  clock.Advance(options.publish_ahead);
  EXPECT_EQ(ring->Signing()->kid(), third);
}

TEST_F(KeyRingTest, AgeTurnsKeysOver) {
  const auto ring = Open();
  const std::string first = ring->Signing()->kid();
  EXPECT_TRUE(ring->Maintain());
  EXPECT_EQ(Kids(*ring).size(), 1u);
  clock.Advance(options.life);
  EXPECT_TRUE(ring->Maintain());
  EXPECT_TRUE(ring->Maintain());
  EXPECT_EQ(Kids(*ring).size(), 2u);
  clock.Advance(options.publish_ahead);
  EXPECT_NE(ring->Signing()->kid(), first);
}

TEST_F(KeyRingTest, SeesWhatAnotherProcessDid) {
  const auto ring = Open();
  const auto other = Open();
  const std::string next = other->Rotate(KeyRing::When::kAtOnce).value();
  EXPECT_NE(ring->Signing()->kid(), next);
  EXPECT_TRUE(ring->Maintain());
  EXPECT_EQ(ring->Signing()->kid(), next);
}

TEST_F(KeyRingTest, RefusesAListThatIsNone) {
  Open();
  const std::string list = folder.path() + "/token-keys.json";
  ASSERT_TRUE(std::filesystem::exists(list));
  for (const char* text : {"", "[]", "{}", R"({"keys":[]})", R"({"keys":[{"file":"../x"}]})",
                           R"({"keys":[{"file":"none.pem","created":"2026-03-01T10:00:00Z",
                               "signs_from":"2026-03-01T10:00:00Z"}]})"}) {
    std::ofstream(list) << text;
    EXPECT_FALSE(KeyRing::Open(options, clock)) << text;
  }
}

TEST_F(KeyRingTest, TakesOverAKeyThatWasThereBefore) {
  const crypto::SigningKey key = crypto::SigningKey::GenerateRsa(2048).value();
  std::ofstream(options.path) << key.ToPem();
  ::chmod(options.path.c_str(), 0600);
  EXPECT_EQ(Open()->Signing()->kid(), key.kid());
}

}  // namespace
}  // namespace mailreeve::response::identity
