#include "response/identity/password_rules.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "response/identity/test_identity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

namespace mailreeve::response::identity {
namespace {

TEST(PasswordRulesTest, LengthAndSense) {
  const PasswordRules rules;
  const auto good = [&](std::string_view text) {
    return CheckPassword(rules, text, "annabel", "annabel.lee@example.org").has_value();
  };
  EXPECT_TRUE(good("correct horse battery"));
  EXPECT_TRUE(
      good("\xe5\xaf\x86\xe7\xa0\x81\xe5\xae\x89\xe5\x85\xa8\xe5\xbe\x88\xe9\x87\x8d\xe8\xa6"
           "\x81\xe8\xaf\xb7\xe8\xae\xb0\xe4\xbd\x8f\xe5\xae\x83\xe5\x90\xa7"));
  EXPECT_FALSE(good("short"));
  EXPECT_FALSE(good("elevenchars"));
  EXPECT_FALSE(good("aaaaaaaaaaaaaaaa"));
  EXPECT_FALSE(good("abababababababab"));
  EXPECT_FALSE(good("Annabel123456"));
  EXPECT_FALSE(good("annabel.lee@example.org"));
  EXPECT_TRUE(good("annabel and a good deal more than that"));
  EXPECT_FALSE(good("not utf-8 \xff at all, no"));
  EXPECT_FALSE(good(std::string(2000, 'x') + "yzab"));
}

TEST(PasswordRulesTest, BreachedListIsSearched) {
  TemporaryFolder folder;
  PasswordRules rules;
  rules.breached_list_path = folder.path() + "/breached.txt";
  std::vector<std::string> hashes;
  const auto hash = [](const std::string& text) {
    std::string out = HexEncode(crypto::Hash(crypto::HashKind::kSha1, text));
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    return out;
  };
  for (int i = 0; i < 500; ++i) hashes.push_back(hash("known password " + std::to_string(i)));
  std::sort(hashes.begin(), hashes.end());
  {
    std::ofstream file(rules.breached_list_path);
    for (size_t i = 0; i < hashes.size(); ++i) file << hashes[i] << ":" << i * 37 << "\r\n";
  }
  for (int i = 0; i < 500; ++i) {
    EXPECT_FALSE(CheckPassword(rules, "known password " + std::to_string(i), "u", "u@x")) << i;
    EXPECT_TRUE(CheckPassword(rules, "other password " + std::to_string(i), "u", "u@x")) << i;
  }
  rules.breached_list_path = folder.path() + "/none";
  EXPECT_EQ(CheckPassword(rules, "correct horse battery", "u", "u@x").error().code,
            Code::kUnavailable);
}

}  // namespace
}  // namespace mailreeve::response::identity
