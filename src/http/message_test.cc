#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::string> Segments(std::string target) {
  Request request;
  request.target = std::move(target);
  const auto parsed = ParseTarget(request);
  if (!parsed) return {"error: " + std::string(CodeName(parsed.error().code))};
  return request.segments;
}

TEST(ParseTarget, DecodesAfterSplitting) {
  EXPECT_THAT(Segments("/ctia/actor/http%3A%2F%2Fhost%2Fctia%2Factor%2Factor-1"),
              ElementsAre("ctia", "actor", "http://host/ctia/actor/actor-1"));
  EXPECT_THAT(Segments("/ctia/url/http%3A%2F%2Fa.b%2Fc%3Fd%3De/verdict"),
              ElementsAre("ctia", "url", "http://a.b/c?d=e", "verdict"));
  EXPECT_THAT(Segments("/a+b"), ElementsAre("a+b"));
  EXPECT_THAT(Segments("/%252F"), ElementsAre("%2F"));
}

TEST(ParseTarget, Slashes) {
  EXPECT_THAT(Segments("/"), IsEmpty());
  EXPECT_THAT(Segments("/a/"), ElementsAre("a"));
  EXPECT_THAT(Segments("/a//b"), ElementsAre("a", "", "b"));
  EXPECT_THAT(Segments("//evil.example/a"), ElementsAre("", "evil.example", "a"));
  EXPECT_THAT(Segments("//"), ElementsAre(""));
}

TEST(ParseTarget, AbsoluteForm) {
  EXPECT_THAT(Segments("http://h:80/a/b?x=1"), ElementsAre("a", "b"));
  EXPECT_THAT(Segments("https://h"), IsEmpty());
  EXPECT_THAT(Segments("https://h?x"), IsEmpty());
}

TEST(ParseTarget, Refuses) {
  for (const char* target : {"http", "https", "HTTPS",    "https:",    "https:/",     "",
                             "*",    "a",     "h:443",    "ftp://h/a", "/%",          "/%1",
                             "/%zz", "/%00",  "/a?x=%00", "/a/../b",   "/a/%2e%2E/b", "/.",
                             "/a b", "/a\tb", "/a#b",     "/%ff",      "/a?x=%c3%28", "/a\x7f"}) {
    EXPECT_THAT(Segments(target), ElementsAre("error: invalid")) << target;
  }
  std::string many = "/?";
  for (int i = 0; i < 2001; ++i) many += "a&";
  EXPECT_THAT(Segments(many), ElementsAre("error: limited"));
}

TEST(ParseTarget, Query) {
  Request request;
  request.target = "/x?fields=id&fields=a%26b&q=a+b%2B&flag&=v&&e=";
  ASSERT_TRUE(ParseTarget(request).has_value());
  EXPECT_THAT(request.query,
              ElementsAre(Pair("fields", "id"), Pair("fields", "a&b"), Pair("q", "a b+"),
                          Pair("flag", ""), Pair("", "v"), Pair("e", "")));
  EXPECT_EQ(request.Query("q"), "a b+");
  EXPECT_EQ(request.Query("none"), std::nullopt);
  EXPECT_THAT(request.QueryAll("fields"), ElementsAre("id", "a&b"));
}

TEST(PercentEncode, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(*PercentDecode(PercentEncode(all), true), all);
  EXPECT_EQ(PercentEncode("a/b ~é"), "a%2Fb%20~%C3%A9");
}

TEST(ParseForm, Fields) {
  EXPECT_THAT(*ParseForm("grant_type=client_credentials&scope=a+b"),
              ElementsAre(Pair("grant_type", "client_credentials"), Pair("scope", "a b")));
  EXPECT_THAT(*ParseForm(""), IsEmpty());
  EXPECT_EQ(ParseForm("a=%x").error().code, Code::kInvalid);
}

TEST(HeadersTest, NamesCompareWithoutCase) {
  Headers headers;
  headers.Add("Set-Cookie", "a");
  headers.Add("set-cookie", "b");
  headers.Add("X", "1");
  EXPECT_EQ(headers.Get("SET-COOKIE"), "a");
  headers.Set("sEt-cookie", "c");
  EXPECT_THAT(headers.fields(), ElementsAre(Pair("Set-Cookie", "c"), Pair("X", "1")));
  EXPECT_TRUE(headers.Has("x"));
  EXPECT_FALSE(headers.Has("Y"));
  EXPECT_EQ(headers.Get("Y"), "");
}

TEST(ResponseTest, Json) {
  const auto response = Response::Json(201, {{"a", 1}});
  EXPECT_EQ(response.body, R"({"a":1})");
  EXPECT_EQ(response.headers.Get("content-type"), "application/json");
}

}  // namespace
}  // namespace mailreeve::http
