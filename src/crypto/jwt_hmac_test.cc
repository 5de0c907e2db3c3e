#include "crypto/jwt_hmac.h"

#include "base/bytes.h"
#include "crypto/hash.h"

#include <gtest/gtest.h>

namespace mailreeve::crypto {
namespace {

const std::string kKey = "0123456789abcdef0123456789abcdef";

TEST(HmacToken, ReadsWhatItSigned) {
  const HmacTokenKey key{Secret(kKey)};
  const std::string token = key.Sign({{"userName", "ann"}, {"exp", 1700000000}});
  const auto claims = key.Verify(token);
  ASSERT_TRUE(claims.has_value());
  EXPECT_EQ(claims->at("userName").as_string(), "ann");
}

// RFC 7515 appendix A.1: its key, and a token made elsewhere.
TEST(HmacToken, AgreesWithTheRfc) {
  const std::string key = *Base64Decode(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const auto claims = HmacTokenKey(Secret(key))
                          .Verify(
                              "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                              "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog"
                              "Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-"
                              "mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  ASSERT_TRUE(claims.has_value());
  EXPECT_EQ(claims->at("iss").as_string(), "joe");
}

TEST(HmacToken, RefusesWhatWasChanged) {
  const HmacTokenKey key{Secret(kKey)};
  const std::string token = key.Sign({{"userName", "ann"}});
  for (size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    // The last character of base64 may carry bits that do not count; a change of its first bit
    // does.
    other[i] = other[i] == 'A' ? 'z' : 'A';
    EXPECT_FALSE(key.Verify(other).has_value()) << i;
  }
  EXPECT_FALSE(HmacTokenKey(Secret(kKey + "x")).Verify(token).has_value());
}

TEST(HmacToken, RefusesOtherAlgorithmsAndForms) {
  const HmacTokenKey key{Secret(kKey)};
  const auto signed_as = [](std::string_view header, std::string_view claims) {
    std::string out = Base64UrlEncode(header) + "." + Base64UrlEncode(claims);
    return out + "." + Base64UrlEncode(HmacSha256(kKey, out));
  };
  EXPECT_TRUE(key.Verify(signed_as(R"({"alg":"HS256"})", R"({"a":1})")).has_value());
  EXPECT_FALSE(key.Verify(signed_as(R"({"alg":"none"})", R"({"a":1})")).has_value());
  EXPECT_FALSE(key.Verify(signed_as(R"({"alg":"RS256"})", R"({"a":1})")).has_value());
  EXPECT_FALSE(key.Verify(signed_as(R"([])", R"({"a":1})")).has_value());
  EXPECT_FALSE(key.Verify(signed_as(R"({"alg":"HS256"})", R"([1])")).has_value());
  EXPECT_FALSE(
      key.Verify(Base64UrlEncode(R"({"alg":"none"})") + "." + Base64UrlEncode(R"({"a":1})") + ".")
          .has_value());
  EXPECT_FALSE(key.Verify("").has_value());
  EXPECT_FALSE(key.Verify("a.b").has_value());
  EXPECT_FALSE(key.Verify(std::string(20000, 'a')).has_value());
}

}  // namespace
}  // namespace mailreeve::crypto
