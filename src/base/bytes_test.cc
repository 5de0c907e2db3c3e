#include "base/bytes.h"

#include <gtest/gtest.h>

namespace mailreeve {
namespace {

TEST(Hex, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(*HexDecode(HexEncode(all)), all);
  EXPECT_EQ(HexEncode("\xff\x0a"), "ff0a");
  EXPECT_EQ(*HexDecode("FF0a"), "\xff\x0a");
  EXPECT_EQ(*HexDecode(""), "");
}

TEST(Hex, Refuses) {
  for (const char* text : {"f", "0g", "0x", " 0", "é"}) {
    EXPECT_EQ(HexDecode(text).error().code, Code::kInvalid) << text;
  }
}

TEST(Base64, Rfc4648Vectors) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) {
    EXPECT_EQ(Base64Encode(plain), encoded);
    EXPECT_EQ(*Base64Decode(encoded), plain);
    EXPECT_EQ(*Base64Decode(Base64UrlEncode(plain)), plain);
    EXPECT_EQ(Base64UrlEncode(plain).find('='), std::string::npos);
  }
}

TEST(Base64, BothAlphabets) {
  EXPECT_EQ(Base64Encode("\xfb\xff"), "+/8=");
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8");
  EXPECT_EQ(*Base64Decode("-_8"), "\xfb\xff");
  EXPECT_EQ(*Base64Decode("+/8="), "\xfb\xff");
}

TEST(Base64, Refuses) {
  for (const char* text : {"Z", "Zm9v\n", "Zm 9v", "Zg==Zg==", "Zg===", "Zm9vY", "Zm=v"}) {
    EXPECT_EQ(Base64Decode(text).error().code, Code::kInvalid) << text;
  }
}

TEST(ConstantTimeEqualTest, Compares) {
  EXPECT_TRUE(ConstantTimeEqual("", ""));
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "ab"));
  EXPECT_FALSE(ConstantTimeEqual("", "a"));
  EXPECT_FALSE(ConstantTimeEqual(std::string("a\0b", 3), "a"));
}

}  // namespace
}  // namespace mailreeve
