#include "crypto/password.h"

#include <gtest/gtest.h>

namespace mailreeve::crypto {
namespace {

constexpr PasswordCost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};

TEST(Password, VerifiesOnlyItsOwn) {
  const auto hash = HashPassword("correct horse", kCheap);
  ASSERT_TRUE(hash.has_value());
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
  EXPECT_TRUE(VerifyPassword("correct horse", *hash));
  EXPECT_FALSE(VerifyPassword("correct horsf", *hash));
  EXPECT_FALSE(VerifyPassword("", *hash));
}

TEST(Password, SaltDiffers) { EXPECT_NE(*HashPassword("x", kCheap), *HashPassword("x", kCheap)); }

TEST(Password, NulIsPartOfIt) {
  const std::string with_nul("a\0b", 3);
  const auto hash = HashPassword(with_nul, kCheap);
  EXPECT_TRUE(VerifyPassword(with_nul, *hash));
  EXPECT_FALSE(VerifyPassword("a", *hash));
}

TEST(Password, OtherTextIsNoHash) {
  for (const char* text :
       {"", "plain", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1$", "$argon2id$v=19$m=64,t=1,p=1$x$y",
        "$argon2id$v=19$m=4294967295,t=4294967295,p=1$AAAAAAAAAAA$AAAAAAAAAAA"}) {
    EXPECT_FALSE(VerifyPassword("plain", text)) << text;
  }
}

TEST(Password, RefusesAbsurdLength) {
  EXPECT_EQ(HashPassword(std::string(5000, 'x'), kCheap).error().code, Code::kInvalid);
  EXPECT_EQ(HashPassword("x", {.memory_kib = 1, .passes = 0, .lanes = 0}).error().code,
            Code::kInvalid);
}

}  // namespace
}  // namespace mailreeve::crypto
