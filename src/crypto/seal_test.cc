#include "crypto/seal.h"

#include <gtest/gtest.h>

namespace mailreeve::crypto {
namespace {

TEST(SealingKeys, SealAndOpen) {
  const SealingKeys keys = SealingKeys::Make();
  for (const std::string& plain :
       {std::string(), std::string("secret"), std::string(100000, 'x')}) {
    const auto sealed = keys.Seal(plain, "row 1");
    ASSERT_TRUE(sealed);
    EXPECT_TRUE(keys.IsCurrent(*sealed));
    EXPECT_EQ(keys.Open(*sealed, "row 1")->Reveal(), plain);
    EXPECT_NE(*sealed, *keys.Seal(plain, "row 1"));
    if (!plain.empty()) {
      EXPECT_EQ(sealed->find(plain), std::string::npos);
    }
  }
}

TEST(SealingKeys, RefusesWhatWasChanged) {
  const SealingKeys keys = SealingKeys::Make();
  const std::string sealed = *keys.Seal("secret", "row 1");
  EXPECT_EQ(keys.Open(sealed, "row 2").error().code, Code::kCorrupt);
  for (size_t at = 0; at < sealed.size(); ++at) {
    std::string changed = sealed;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    const auto opened = keys.Open(changed, "row 1");
    // The last character of base64 has bits that stand for nothing.
    if (opened) {
      EXPECT_EQ(opened->Reveal(), "secret");
      EXPECT_EQ(at, sealed.size() - 1);
    }
    EXPECT_FALSE(keys.Open(sealed.substr(0, at), "row 1")) << at;
  }
  EXPECT_FALSE(SealingKeys::Make().Open(sealed, "row 1"));
}

TEST(SealingKeys, Rotation) {
  SealingKeys keys = SealingKeys::Make();
  const std::string old = *keys.Seal("secret", "");
  keys.AddKey();
  EXPECT_FALSE(keys.IsCurrent(old));
  EXPECT_EQ(keys.Open(old, "")->Reveal(), "secret");
  auto read = SealingKeys::FromText(keys.ToText().Reveal());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->Open(old, "")->Reveal(), "secret");
  EXPECT_TRUE(read->IsCurrent(*keys.Seal("x", "")));
  read->ForgetOldKeys();
  EXPECT_EQ(read->size(), 1u);
  EXPECT_FALSE(read->Open(old, ""));
}

TEST(SealingKeys, BadFiles) {
  for (const char* bad :
       {"", "{}", "{\"keys\":[]}", "{\"keys\":[1]}", "{\"keys\":[{\"id\":\"a\",\"key\":\"AAAA\"}]}",
        "{\"keys\":[{\"id\":\"\",\"key\":\"AAAA\"}]}", "x"}) {
    EXPECT_EQ(SealingKeys::FromText(bad).error().code, Code::kCorrupt) << bad;
  }
}

}  // namespace
}  // namespace mailreeve::crypto
