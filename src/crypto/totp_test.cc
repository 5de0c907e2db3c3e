#include "crypto/totp.h"

#include "base/random.h"

#include <gtest/gtest.h>

namespace mailreeve::crypto {
namespace {

Time At(int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

// RFC 6238 appendix B, the last six digits.
TEST(TotpTest, IsThatOfTheStandard) {
  const Secret secret("12345678901234567890");
  for (const auto& [seconds, code] : {std::pair<int64_t, const char*>{59, "287082"},
                                      {1111111109, "081804"},
                                      {1111111111, "050471"},
                                      {1234567890, "005924"},
                                      {2000000000, "279037"},
                                      {20000000000, "353130"}}) {
    EXPECT_EQ(HotpCode(secret, static_cast<uint64_t>(seconds / 30)), code);
    EXPECT_EQ(MatchTotp(secret, code, At(seconds), -1), seconds / 30);
  }
}

TEST(TotpTest, ACodeServesOnceAndNearItsTime) {
  const Secret secret = NewTotpSecret();
  EXPECT_EQ(secret.Reveal().size(), 20u);
  const std::string code = HotpCode(secret, 1000);
  EXPECT_EQ(MatchTotp(secret, code, At(30000), -1), 1000);
  EXPECT_EQ(MatchTotp(secret, code, At(29970), 999), 1000);
  EXPECT_EQ(MatchTotp(secret, code, At(30059), 999), 1000);
  EXPECT_FALSE(MatchTotp(secret, code, At(30000), 1000));
  EXPECT_FALSE(MatchTotp(secret, code, At(30000 + 600), -1));
  EXPECT_FALSE(MatchTotp(secret, "", At(30000), -1));
  EXPECT_FALSE(MatchTotp(secret, code + "0", At(30000), -1));
}

// RFC 4648 section 10.
TEST(TotpTest, Base32) {
  const std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                          {"f", "MY"},
                                                          {"fo", "MZXQ"},
                                                          {"foo", "MZXW6"},
                                                          {"foob", "MZXW6YQ"},
                                                          {"fooba", "MZXW6YTB"},
                                                          {"foobar", "MZXW6YTBOI"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(Base32Encode(bytes), text);
    EXPECT_EQ(*Base32Decode(text), bytes);
  }
  EXPECT_EQ(*Base32Decode("mzxw 6ytb-oi"), "foobar");
  EXPECT_FALSE(Base32Decode("MZ1"));
  for (size_t size = 0; size < 40; ++size) {
    const std::string bytes = RandomBytes(size);
    EXPECT_EQ(*Base32Decode(Base32Encode(bytes)), bytes);
  }
}

TEST(TotpTest, UriIsEscaped) {
  EXPECT_EQ(
      OtpauthUri("Mail reeve", "a&b@example.org", Secret("12345678901234567890")),
      "otpauth://totp/Mail%20reeve:a%26b%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
      "&issuer=Mail%20reeve&algorithm=SHA1&digits=6&period=30");
}

}  // namespace
}  // namespace mailreeve::crypto
