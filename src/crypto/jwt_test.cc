#include "crypto/jwt.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace mailreeve::crypto {
namespace {

class Jwt : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    key_ = new SigningKey(*SigningKey::GenerateRsa(2048));
    other_ = new SigningKey(*SigningKey::GenerateRsa(2048));
  }
  static void TearDownTestSuite() {
    delete key_;
    delete other_;
  }
  // A token with our key id and signature over whatever header.
  static std::string WithHeader(const json::object& header) {
    const auto token = *key_->SignJwt({{"sub", "u"}});
    const auto parts = Split(token, '.');
    return Base64UrlEncode(json::Serialize(header)) + "." + std::string(parts[1]) + "." +
           std::string(parts[2]);
  }
  static std::string Refusal(std::string_view token) {
    const auto verified = key_->VerifyJwt(token);
    if (verified) return "accepted";
    EXPECT_EQ(verified.error().code, Code::kUnauthenticated);
    return verified.error().message;
  }
  static SigningKey* key_;
  static SigningKey* other_;
};
SigningKey* Jwt::key_ = nullptr;
SigningKey* Jwt::other_ = nullptr;

TEST_F(Jwt, RoundTrip) {
  const json::object claims{{"sub", "u-1"}, {"exp", 1700000000}, {"scopes", json::array{"a", "b"}}};
  const auto token = key_->SignJwt(claims);
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(*key_->VerifyJwt(*token), claims);
}

TEST_F(Jwt, PemRoundTripKeepsTheKeyId) {
  const auto copy = SigningKey::FromPem(key_->ToPem());
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(copy->kid(), key_->kid());
  EXPECT_TRUE(copy->VerifyJwt(*key_->SignJwt({{"a", 1}})).has_value());
}

TEST_F(Jwt, OtherKeyIsNotFound) {
  EXPECT_EQ(Refusal(*other_->SignJwt({{"sub", "u"}})), "jwt_public_key_not_found");
  EXPECT_EQ(Refusal(WithHeader({{"alg", "RS256"}})), "jwt_public_key_not_found");
  EXPECT_EQ(Refusal(WithHeader({{"alg", "RS256"}, {"kid", "../../etc/passwd"}})),
            "jwt_public_key_not_found");
}

TEST_F(Jwt, AlgorithmIsNotTheTokensChoice) {
  for (const char* alg : {"none", "None", "HS256", "RS512", "PS256", "ES256", "rs256", ""}) {
    EXPECT_EQ(Refusal(WithHeader({{"alg", alg}, {"kid", key_->kid()}})),
              "jwt_decode_failed_exception")
        << alg;
  }
  EXPECT_EQ(Refusal(WithHeader({{"kid", key_->kid()}})), "jwt_decode_failed_exception");
  EXPECT_EQ(Refusal(WithHeader({{"alg", 1}, {"kid", key_->kid()}})), "jwt_decode_failed_exception");
  EXPECT_EQ(
      Refusal(WithHeader({{"alg", "RS256"}, {"kid", key_->kid()}, {"crit", json::array{"x"}}})),
      "jwt_decode_failed_exception");
}

// HS256 with the public key as its secret: the classic confusion.
TEST_F(Jwt, HmacWithThePublicKeyIsRefused) {
  const std::string text =
      Base64UrlEncode(json::Serialize(json::object{{"alg", "HS256"}, {"kid", key_->kid()}})) + "." +
      Base64UrlEncode(R"({"sub":"root"})");
  const std::string n(key_->PublicJwk().at("n").as_string());
  EXPECT_EQ(Refusal(text + "." + Base64UrlEncode(HmacSha256(n, text))),
            "jwt_decode_failed_exception");
}

TEST_F(Jwt, ChangedTokensAreRefused) {
  const auto token = *key_->SignJwt({{"sub", "u"}});
  const auto parts = Split(token, '.');
  const std::string header(parts[0]), signature(parts[2]);
  EXPECT_EQ(Refusal(header + "." + Base64UrlEncode(R"({"sub":"v"})") + "." + signature),
            "jwt_invalid_signature");
  EXPECT_EQ(Refusal(header + "." + std::string(parts[1]) + "." + Base64UrlEncode("short")),
            "jwt_invalid_signature");
  // A header that is signed differently though it means the same.
  EXPECT_EQ(Refusal(WithHeader({{"kid", key_->kid()}, {"alg", "RS256"}})), "jwt_invalid_signature");
}

TEST_F(Jwt, FormIsStrict) {
  const auto token = *key_->SignJwt({{"sub", "u"}});
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), token + ".",
        token + "=", token + " ", " " + token, token.substr(0, token.rfind('.')),
        token.substr(0, token.rfind('.') + 1), std::string(20000, 'a'),
        Base64UrlEncode("[]") + "." + Base64UrlEncode("{}") + "." + Base64UrlEncode("x")}) {
    EXPECT_EQ(Refusal(bad), "jwt_decode_failed_exception") << bad.substr(0, 80);
  }
}

// 256 bytes end in a digit of which two bits are unused: a second text for the same signature.
TEST_F(Jwt, OneTextForEachToken) {
  std::string token = *key_->SignJwt({{"sub", "u"}});
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  token.back() = kDigits[kDigits.find(token.back()) + 1];
  EXPECT_EQ(Refusal(token), "jwt_decode_failed_exception");
}

TEST_F(Jwt, RefusesWeakAndOtherKeys) {
  EXPECT_EQ(SigningKey::GenerateRsa(1024).error().code, Code::kInvalid);
  EXPECT_EQ(SigningKey::FromPem("").error().code, Code::kInvalid);
  EXPECT_EQ(SigningKey::FromPem(MakeKeyAndRequest("x")->key_pem).error().code, Code::kInvalid);
}

TEST_F(Jwt, JwkHasWhatRelyingPartiesRead) {
  const json::object jwk = key_->PublicJwk();
  for (const char* name : {"kty", "kid", "use", "alg", "n", "e"}) EXPECT_TRUE(jwk.contains(name));
  EXPECT_EQ(jwk.at("e").as_string(), "AQAB");
  EXPECT_FALSE(jwk.contains("d"));
}

// Our signature by other eyes: the openssl program.
TEST_F(Jwt, OpensslProgramAgrees) {
  char folder[] = "/tmp/mailreeve-jwt-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string at(folder);
  const auto token = *key_->SignJwt({{"sub", "u"}});
  const size_t dot = token.rfind('.');
  std::ofstream(at + "/key") << key_->ToPem();
  std::ofstream(at + "/text") << token.substr(0, dot);
  std::ofstream(at + "/sig") << *Base64Decode(std::string_view(token).substr(dot + 1));
  const std::string command =
      "cd " + at +
      " && openssl pkey -in key -pubout -out pub 2>/dev/null"
      " && openssl dgst -sha256 -verify pub -signature sig text >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(std::system(("rm -r " + at).c_str()), 0);
}

}  // namespace
}  // namespace mailreeve::crypto
