#include "crypto/jwk.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/jwt.h"
#include "crypto/jwt_hmac.h"

#include <gtest/gtest.h>

namespace mailreeve::crypto {
namespace {

JwkSet Of(json::array keys) {
  return JwkSet::Parse(json::object{{"keys", std::move(keys)}}).value();
}

std::string Why(const JwkSet& keys, std::string_view token) {
  const auto claims = keys.VerifyJwt(token);
  return claims ? "ok" : claims.error().message;
}

TEST(JwkSetTest, VerifiesRs256ByKeyId) {
  const SigningKey a = SigningKey::GenerateRsa(2048).value(),
                   b = SigningKey::GenerateRsa(2048).value();
  const JwkSet keys = Of({a.PublicJwk(), b.PublicJwk()});
  EXPECT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys.VerifyJwt(*b.SignJwt({{"sub", "u"}}))->at("sub"), "u");
  EXPECT_EQ(Why(Of({a.PublicJwk()}), *b.SignJwt({{"sub", "u"}})), "jwt_public_key_not_found");
  std::string changed = *a.SignJwt({{"sub", "u"}});
  char& last = changed[changed.size() - 10];
  last = last == 'A' ? 'B' : 'A';
  EXPECT_EQ(Why(keys, changed), "jwt_invalid_signature");
}

// RFC 7515 appendix A.3.
TEST(JwkSetTest, VerifiesEs256) {
  const json::object jwk{{"kty", "EC"},
                         {"crv", "P-256"},
                         {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                         {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
  const std::string token =
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"
      "NvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApm"
      "WQxfKTUJqPP3-Kg6NU1Q";
  EXPECT_EQ(Of({jwk}).VerifyJwt(token)->at("iss"), "joe");
  // Without a kid, two keys leave open which is meant.
  EXPECT_EQ(Why(Of({jwk, jwk}), token), "jwt_public_key_not_found");
  std::string changed = token;
  changed[changed.size() - 20] = changed[changed.size() - 20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Why(Of({jwk}), changed), "jwt_invalid_signature");
}

TEST(JwkSetTest, TheAlgorithmIsThatOfTheKey) {
  const SigningKey key = SigningKey::GenerateRsa(2048).value();
  const JwkSet keys = Of({key.PublicJwk()});
  const auto parts = [](const std::string& token) { return Split(token, '.'); };
  const std::string token = *key.SignJwt({{"sub", "u"}});
  const std::string none = Base64UrlEncode(R"({"alg":"none"})") + "." +
                           std::string(parts(token)[1]) + "." + std::string(parts(token)[2]);
  EXPECT_EQ(Why(keys, none), "jwt_public_key_not_found");
  // The public key as the secret of an HMAC.
  const std::string secret = json::Serialize(key.PublicJwk());
  EXPECT_EQ(Why(keys, HmacTokenKey(Secret(secret)).Sign({{"sub", "u"}})),
            "jwt_public_key_not_found");
}

TEST(JwkSetTest, PassesOverWhatItCannotUse) {
  EXPECT_EQ(JwkSet::Parse(json::array()).error().code, Code::kInvalid);
  EXPECT_EQ(JwkSet::Parse(json::object{{"keys", 1}}).error().code, Code::kInvalid);
  EXPECT_EQ(JwkSet::Parse(json::object{{"keys", json::array(101)}}).error().code, Code::kInvalid);
  json::object encryption = SigningKey::GenerateRsa(2048)->PublicJwk();
  encryption["use"] = "enc";
  EXPECT_EQ(Of({1, json::object(), json::object{{"kty", "oct"}, {"k", "AAAA"}},
                json::object{{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}},  // far too short
                json::object{{"kty", "RSA"}, {"n", "!"}, {"e", "AQAB"}},
                json::object{{"kty", "EC"}, {"crv", "P-256"}, {"x", "AA"}, {"y", "AA"}},
                json::object{{"kty", "EC"},
                             {"crv", "P-256"},  // no point of the curve
                             {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                             {"y", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}},
                encryption})
                .size(),
            0u);
}

}  // namespace
}  // namespace mailreeve::crypto
