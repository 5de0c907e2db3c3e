#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve {
namespace {

using testing::ElementsAre;

constexpr const char* kReplacement = "\xEF\xBF\xBD";

TEST(Text, AsciiOnly) {
  EXPECT_EQ(AsciiLower("AbC-Ä"), "abc-Ä");
  EXPECT_TRUE(AsciiEqualFold("Content-Type", "CONTENT-type"));
  EXPECT_FALSE(AsciiEqualFold("a", "ab"));
  EXPECT_FALSE(AsciiEqualFold("[", "{"));  // differ by the same bit as letters
}

TEST(Text, TrimAndSplit) {
  EXPECT_EQ(TrimSpace(" \t a b\r\n"), "a b");
  EXPECT_EQ(TrimSpace(" \t"), "");
  EXPECT_THAT(Split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(Split("", ','), ElementsAre(""));
}

TEST(Utf8, Validity) {
  for (const char* good :
       {"", "a", "é", "漢", "😀", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe6\xbc", "\xf0\x9f\x98", "a\xc3"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
}

// Unicode 3.9, table 3-11: maximal subparts.
TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(ToValidUtf8("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"),
            std::string("a") + kReplacement + kReplacement + kReplacement + "b" + kReplacement +
                "c" + kReplacement + kReplacement + "d");
  EXPECT_EQ(ToValidUtf8(std::string("a\0b", 3)), std::string("a") + kReplacement + "b");
  EXPECT_EQ(ToValidUtf8("\xed\xa0\x80"), std::string(kReplacement) + kReplacement + kReplacement);
  EXPECT_EQ(ToValidUtf8("漢字"), "漢字");
}

TEST(Utf8, CutsBetweenCodePoints) {
  EXPECT_EQ(CutUtf8("漢字", 6), "漢字");
  EXPECT_EQ(CutUtf8("漢字", 5), "漢");
  EXPECT_EQ(CutUtf8("漢字", 3), "漢");
  EXPECT_EQ(CutUtf8("漢字", 2), "");
  EXPECT_EQ(CutUtf8("a😀", 4), "a");
  EXPECT_EQ(CutUtf8("", 0), "");
  EXPECT_LE(CutUtf8("\x80\x80\x80\x80\x80\x80", 4).size(), 4u);
}

TEST(Utf8, CodePointsRoundTrip) {
  for (const char32_t c : {U'\0', U'a', U'\x7f', U'\x80', U'\x7ff', U'\x800', U'\xd7ff', U'\xe000',
                           U'\xffff', U'\x10000', U'\x10ffff'}) {
    std::string text;
    AppendUtf8(text, c);
    size_t pos = 0;
    EXPECT_EQ(NextCodePoint(text, pos), c);
    EXPECT_EQ(pos, text.size());
  }
  std::string text;
  AppendUtf8(text, static_cast<char32_t>(0xd800));
  AppendUtf8(text, static_cast<char32_t>(0x110000));
  EXPECT_EQ(text, std::string(kReplacement) + kReplacement);
  size_t pos = 0;
  EXPECT_EQ(NextCodePoint("\xff"
                          "a",
                          pos),
            U'\xfffd');
  EXPECT_EQ(pos, 1u);
}

}  // namespace
}  // namespace mailreeve
