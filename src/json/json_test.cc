#include "json/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JsonParse, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "{]",
                           "tru",
                           "01",
                           "1.",
                           "\"\x01\"",
                           "\"\\x\"",
                           "{\"a\":1,}",
                           "[1,]",
                           "1 2",
                           "{}x",
                           "'a'",
                           "NaN",
                           "//x\n1",
                           "\"\xff\"",
                           "\"\xc3\x28\"",
                           "\"\\ud800\"",
                           "\"\\udc00x\"",
                           "\"a"}) {
    const auto parsed = Parse(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalid) << text;
  }
}

TEST(JsonParse, Takes) {
  EXPECT_EQ(*Parse(" 12 \n"), value(12));
  EXPECT_EQ(*Parse("\"\\ud83d\\ude00\""), value("😀"));
  EXPECT_EQ(*Parse("18446744073709551615"), value(18446744073709551615u));
  EXPECT_EQ(Parse(R"({"a":1,"a":2})")->at("a"), value(2));  // the last one
  EXPECT_EQ(Parse("\"a\\u0000b\"")->get_string().size(), 3u);
}

// What goes out must be JSON again; infinity would not be.
TEST(JsonParse, NumbersOutOfRange) {
  EXPECT_EQ(Parse("1e400").error().code, Code::kInvalid);
  EXPECT_EQ(Parse("[{\"a\":-1e999}]").error().code, Code::kInvalid);
  EXPECT_TRUE(Parse("1e308").has_value());
  EXPECT_TRUE(Parse("1e-400").has_value());
}

TEST(JsonParse, Limits) {
  EXPECT_EQ(Parse("[1,2,3]", {.max_bytes = 6}).error().code, Code::kLimited);
  EXPECT_TRUE(Parse("[1,2,3]", {.max_bytes = 7}).has_value());
  EXPECT_TRUE(Parse(std::string(64, '[') + std::string(64, ']')).has_value());
  EXPECT_EQ(Parse(std::string(65, '[') + std::string(65, ']')).error().code, Code::kLimited);
  EXPECT_EQ(Parse(std::string(100000, '[')).error().code, Code::kLimited);
}

TEST(JsonWrite, Pretty) {
  EXPECT_EQ(SerializePretty(*Parse(R"({"a":[1,{"b":[]}],"c":{}})")),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}");
  EXPECT_EQ(*Parse(SerializePretty(*Parse(R"({"k\"ey":"v\n"})"))), *Parse(R"({"k\"ey":"v\n"})"));
}

TEST(JsonFields, Strings) {
  const object from = Parse(R"({"s":"x","n":null,"i":1})")->get_object();
  EXPECT_EQ(*RequireString(from, "s"), "x");
  EXPECT_EQ(RequireString(from, "i", "a.b").error().message,
            "a.b.i: must be a string, is a number");
  EXPECT_EQ(RequireString(from, "n", "a").error().message, "a.n: is required");
  EXPECT_EQ(*OptionalString(from, "n", "other"), "other");
  EXPECT_EQ(*OptionalString(from, "none", "other"), "other");
  EXPECT_FALSE(OptionalString(from, "i", "other").has_value());
}

TEST(JsonParse, RefusesAKeyTwiceWhenAsked) {
  const Limits strict{.refuse_duplicate_keys = true};
  for (const char* text :
       {R"({"a":1,"a":2})", R"([{"b":{"a":1,"c":0,"a":1}}])", R"({"a":1,"\u0061":2})"}) {
    EXPECT_TRUE(Parse(text).has_value()) << text;
    EXPECT_THAT(Parse(text, strict).error().message, HasSubstr("twice")) << text;
  }
  for (const char* text : {R"({"a":":","b:":{"a":"\\\":,"}})", R"([{"a":1},{"a":2}])", R"("a:b")",
                           "{}", R"({"a":"\\","b":"x"})"}) {
    EXPECT_TRUE(Parse(text, strict).has_value()) << text;
  }
}

TEST(JsonFields, Integers) {
  const object from =
      Parse(R"({"i":-5,"whole":3.0,"half":3.5,"big":18446744073709551615,"s":"1"})")->get_object();
  EXPECT_EQ(*RequireInteger(from, "i"), -5);
  EXPECT_EQ(*RequireInteger(from, "whole"), 3);
  EXPECT_FALSE(RequireInteger(from, "half").has_value());
  EXPECT_FALSE(RequireInteger(from, "big").has_value());
  EXPECT_FALSE(RequireInteger(from, "s").has_value());
  EXPECT_EQ(*OptionalInteger(from, "none", 9), 9);
  EXPECT_FALSE(OptionalInteger(from, "s", 9).has_value());
}

TEST(JsonFields, ListsNameTheItem) {
  const object from = Parse(R"({"l":["a","b"],"bad":["a",1],"b":true})")->get_object();
  EXPECT_THAT(*OptionalStrings(from, "l"), ElementsAre("a", "b"));
  EXPECT_THAT(*OptionalStrings(from, "none"), ElementsAre());
  EXPECT_THAT(OptionalStrings(from, "bad").error().message, HasSubstr("bad[1]: must be a string"));
  EXPECT_FALSE(OptionalStrings(from, "b").has_value());
  EXPECT_TRUE(*OptionalBool(from, "b", false));
  EXPECT_FALSE(OptionalBool(from, "l", false).has_value());
}

TEST(JsonFields, UnknownKeys) {
  const object from = Parse(R"({"a":1,"c":2})")->get_object();
  EXPECT_TRUE(RefuseUnknownKeys(from, {"a", "b", "c"}).has_value());
  EXPECT_EQ(RefuseUnknownKeys(from, {"a"}, "p").error().message, "p.c: is not a known field");
}

}  // namespace
}  // namespace mailreeve::json
