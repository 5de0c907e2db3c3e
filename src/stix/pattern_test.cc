#include "stix/pattern.h"

#include <gtest/gtest.h>

namespace mailreeve::stix {
namespace {

std::string Read(std::string_view text, const PatternLimits& limits = {}) {
  const auto pattern = ReadPattern(text, limits);
  if (!pattern) return std::string(CodeName(pattern.error().code));
  std::string out;
  for (const auto& term : pattern->terms) out += term.path + "=" + term.value + " ";
  return out + (pattern->whole ? "whole" : "part");
}

TEST(Pattern, SingleValues) {
  EXPECT_EQ(Read("[ipv4-addr:value = '192.0.2.1']"), "ipv4-addr:value=192.0.2.1 whole");
  EXPECT_EQ(Read(" [ url:value='a' OR url:value == 'b\\'\\\\' ] "),
            "url:value=a url:value=b'\\ whole");
  EXPECT_EQ(Read("[domain-name:value IN ('a.example', 'b.example')]"),
            "domain-name:value=a.example domain-name:value=b.example whole");
  EXPECT_EQ(Read("[file:hashes.'SHA-256' = 'ab'] OR ([file:hashes.MD5 = 'cd'])"),
            "file:hashes.SHA-256=ab file:hashes.MD5=cd whole");
  EXPECT_EQ(Read("[network-traffic:dst_ref.value = 'x' /* c */] // d"),
            "network-traffic:dst_ref.value=x whole");
  EXPECT_EQ(Read("[a:b[*].c[1] = 5 OR a:d = true OR a:e = t'2026-01-01T00:00:00Z']"),
            "a:b.c=5 a:d=true a:e=2026-01-01T00:00:00Z whole");
}

TEST(Pattern, WhatNoSingleValueSays) {
  EXPECT_EQ(Read("[a:b = '1' AND c:d = '2']"), "part");
  EXPECT_EQ(Read("[a:b = '1'] AND [c:d = '2']"), "part");
  EXPECT_EQ(Read("[a:b = '1'] FOLLOWEDBY [c:d = '2']"), "part");
  EXPECT_EQ(Read("[a:b != '1' OR a:b LIKE '%x' OR NOT a:b = '2' OR a:b NOT IN ('3')]"), "part");
  EXPECT_EQ(Read("[a:b > 5 OR a:b ISSUBSET '10.0.0.0/8' OR EXISTS a:b OR NOT (a:b = '1')]"),
            "part");
  EXPECT_EQ(Read("[a:b = '1' OR a:b MATCHES 'x+']"), "a:b=1 part") << "one side still says";
  EXPECT_EQ(Read("[a:b = '1'] WITHIN 5 SECONDS"), "a:b=1 part");
  EXPECT_EQ(Read("([a:b = '1'] REPEATS 5 TIMES) START t'2026-01-01T00:00:00Z' STOP "
                 "t'2026-01-02T00:00:00Z'"),
            "a:b=1 part");
}

TEST(Pattern, AHashNamesItsFile) {
  EXPECT_EQ(Read("[file:hashes.MD5 = 'm' AND file:hashes.'SHA-1' = 's']"),
            "file:hashes.MD5=m file:hashes.SHA-1=s part");
  EXPECT_EQ(Read("[file:name = 'n' AND file:hashes.MD5 = 'm' AND file:size = 5]"),
            "file:hashes.MD5=m part");
  EXPECT_EQ(Read("[file:hashes.MD5 = 'm'] AND [url:value = 'u']"), "part");
}

TEST(Pattern, OtherTextIsRefusedWithItsPlace) {
  for (const char* bad : {"",
                          "[",
                          "[]",
                          "[a]",
                          "[a:b]",
                          "[a:b =]",
                          "[a:b = 'x]",
                          "[a:b = 'x'",
                          "[a:b = 'x']]",
                          "[a:b = x]",
                          "a:b = 'x'",
                          "[a:b IN ()]",
                          "[a:b IN ('x' 'y')]",
                          "[a:b = 'x'] WITHIN",
                          "[a:b = 'x'] WITHIN 5 TIMES",
                          "[a:b[ = 'x']",
                          "[a:b. = 'x']",
                          "[a:b = 'x'] OR",
                          "[a:b ~ 'x']",
                          "\x01",
                          "[a:b = 'x'] junk",
                          "(",
                          "[a:b = 'x' AND]"}) {
    EXPECT_EQ(Read(bad), "invalid") << bad;
  }
  EXPECT_EQ(ReadPattern("[a:b ~ 'x']").error().message,
            "pattern, byte 5: a part of a pattern is wanted, not '~'");
}

TEST(Pattern, BombsAreRefused) {
  EXPECT_EQ(Read(std::string(100'000, '(')), "limited");
  EXPECT_EQ(Read(std::string(60'000, '(')), "limited");
  EXPECT_EQ(Read("[" + std::string(60'000, '(')), "limited");
  std::string many = "[a:b = '1'";
  for (int i = 0; i < 100; ++i) many += " OR a:b = '1'";
  many += "]";
  EXPECT_EQ(Read(many, {.max_terms = 100}), "limited");
  EXPECT_EQ(Read(many, {.max_terms = 101}).substr(0, 5), "a:b=1");
  std::string set = "[a:b IN ('1'";
  for (int i = 0; i < 20'000; ++i) set += ",''";
  EXPECT_EQ(Read(set + ")]", {.max_bytes = 1'000'000}), "limited");
}

TEST(Pattern, QuotedTextReadsBack) {
  for (const char* value : {"", "x", "'", "\\", "it's \\ 'so'", "ä\n"}) {
    const auto pattern = ReadPattern("[a:b = " + QuotePatternText(value) + "]");
    ASSERT_TRUE(pattern) << value;
    EXPECT_EQ(pattern->terms.at(0).value, value);
  }
}

}  // namespace
}  // namespace mailreeve::stix
