#include "crypto/aead.h"

#include "base/random.h"

#include <gtest/gtest.h>

namespace mailreeve::crypto {
namespace {

TEST(AeadTest, SealsForOneKeyAndPlace) {
  const Secret key(RandomBytes(32)), other(RandomBytes(32));
  for (const std::string& text :
       {std::string(), std::string("secret"), std::string(5000, '\xff')}) {
    const std::string sealed = Seal(key, "totp a", text).value();
    EXPECT_EQ(Unseal(key, "totp a", sealed)->Reveal(), text);
    EXPECT_NE(Seal(key, "totp a", text).value(), sealed);
    EXPECT_EQ(Unseal(key, "totp b", sealed).error().code, Code::kCorrupt);
    EXPECT_EQ(Unseal(other, "totp a", sealed).error().code, Code::kCorrupt);
  }
  EXPECT_EQ(Seal(Secret("short"), "p", "x").error().code, Code::kInvalid);
}

TEST(AeadTest, RefusesChangedText) {
  const Secret key(RandomBytes(32));
  const std::string sealed = Seal(key, "p", "secret").value();
  for (size_t at = 0; at < sealed.size(); ++at) {
    std::string changed = sealed;
    changed[at] = changed[at] == 'A' ? 'Q' : 'A';
    EXPECT_FALSE(Unseal(key, "p", changed)) << at;
    EXPECT_FALSE(Unseal(key, "p", sealed.substr(0, at))) << at;
  }
}

}  // namespace
}  // namespace mailreeve::crypto
