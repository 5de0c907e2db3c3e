#include "http/router.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::http {
namespace {

using testing::ElementsAre;
using testing::Pair;

io::Task<Response> Echo(Request request) {
  std::string text;
  for (const auto& [name, value] : request.params) text += name + "=" + value + ";";
  co_return Response::Text(200, text);
}

Request Make(std::string method, std::string target) {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  EXPECT_TRUE(ParseTarget(request).has_value());
  return request;
}

std::string PatternOf(const Router& router, std::string method, std::string target) {
  Request request = Make(std::move(method), std::move(target));
  const auto match = router.Find(request);
  return match.route == nullptr ? "" : match.route->pattern;
}

Response Answer(const Router& router, Request request) {
  asio::io_context context;
  auto answer = asio::co_spawn(context, router.Dispatch(std::move(request)), asio::use_future);
  context.run();
  return answer.get();
}

TEST(RouterTest, LiteralsWin) {
  Router router;
  router.Add("GET", "/device/{id}", Echo);
  router.Add("GET", "/device/mine", Echo);
  router.Add("GET", "/device/{id}/log", Echo);
  router.Add("GET", "/{path*}", Echo);
  router.Add("PUT", "/device/search", Echo);
  EXPECT_EQ(PatternOf(router, "GET", "/device/mine"), "/device/mine");
  EXPECT_EQ(PatternOf(router, "GET", "/device/x"), "/device/{id}");
  EXPECT_EQ(PatternOf(router, "GET", "/device/mine/log"), "/device/{id}/log");
  EXPECT_EQ(PatternOf(router, "GET", "/device/search"), "/device/{id}");
  EXPECT_EQ(PatternOf(router, "GET", "/device/x/y/z"), "/{path*}");
  EXPECT_EQ(PatternOf(router, "GET", "/"), "/{path*}");
  EXPECT_EQ(PatternOf(router, "GET", "/device/"), "/{path*}");
}

TEST(RouterTest, ParametersAreDecodedSegments) {
  Router router;
  router.Add("GET", "/ctia/{kind}/{id}", Echo);
  router.Add("GET", "/files/{path*}", Echo);
  Request request = Make("GET", "/ctia/url/a%2Fb/");
  router.Find(request);
  EXPECT_THAT(request.params, ElementsAre(Pair("kind", "url"), Pair("id", "a/b")));
  request = Make("GET", "/files/a/b");
  router.Find(request);
  EXPECT_EQ(request.Param("path"), "a/b");
  EXPECT_EQ(request.Param("other"), "");
}

// Two patterns of one shape may name their segments differently.
TEST(RouterTest, NamesBelongToTheRoute) {
  Router router;
  router.Add("GET", "/x/{a}", Echo);
  router.Add("PUT", "/x/{b}", Echo);
  Request request = Make("PUT", "/x/1");
  router.Find(request);
  EXPECT_THAT(request.params, ElementsAre(Pair("b", "1")));
}

TEST(RouterTest, EmptySegmentIsNoParameter) {
  Router router;
  router.Add("GET", "/a/{id}/b", Echo);
  EXPECT_EQ(PatternOf(router, "GET", "/a//b"), "");
}

TEST(RouterTest, Dispatch) {
  Router router;
  router.Add("GET", "/a/{id}", Echo);
  router.Add("DELETE", "/a/{id}", Echo);
  EXPECT_EQ(Answer(router, Make("GET", "/a/1")).body, "id=1;");
  EXPECT_EQ(Answer(router, Make("HEAD", "/a/1")).status, 200);
  const auto refused = Answer(router, Make("POST", "/a/1"));
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.Get("Allow"), "DELETE, GET, HEAD");
  EXPECT_EQ(Answer(router, Make("GET", "/b")).status, 404);
  router.set_fallback([](Request) -> io::Task<Response> { co_return Response::Empty(410); });
  EXPECT_EQ(Answer(router, Make("GET", "/b")).status, 410);
  EXPECT_EQ(Answer(router, Make("POST", "/a/1")).status, 405);
}

TEST(RouterDeathTest, RefusesTwins) {
  Router router;
  router.Add("GET", "/a/{x}", Echo);
  EXPECT_DEATH(router.Add("GET", "/a/{y}", Echo), "CHECK failed");
  EXPECT_DEATH(router.Add("GET", "/{all*}/b", Echo), "CHECK failed");
}

}  // namespace
}  // namespace mailreeve::http
