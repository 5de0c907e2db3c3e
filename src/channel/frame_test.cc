#include "channel/frame.h"

#include "base/wire.h"

#include <gtest/gtest.h>

namespace mailreeve::channel {
namespace {

template <class T>
T RoundTrip(const T& frame) {
  std::string message;
  AppendFrame(message, frame);
  auto frames = DecodeMessage(message);
  EXPECT_TRUE(frames) << frames.error().ToString();
  if (!frames || frames->size() != 1 || !std::holds_alternative<T>(frames->front())) {
    ADD_FAILURE() << "not one frame of the same type";
    return {};
  }
  return std::get<T>(frames->front());
}

std::string Raw(WireWriter writer) {
  WireWriter length;
  length.Number(writer.bytes().size());
  return length.Take() + writer.Take();
}

TEST(Frame, KeepsEveryField) {
  Hello hello;
  hello.min_version = 1;
  hello.max_version = 3;
  hello.time_ms = -5;
  hello.instance = "i";
  hello.window_bytes = 1 << 20;
  hello.max_requests = 7;
  hello.max_body_bytes = 9;
  hello.info = {{"name", "gw1"}, {"version", "0.1"}};
  hello.capabilities = {"relay"};
  const Hello hello2 = RoundTrip(hello);
  EXPECT_EQ(hello2.max_version, 3u);
  EXPECT_EQ(hello2.time_ms, -5);
  EXPECT_EQ(hello2.instance, "i");
  EXPECT_EQ(hello2.window_bytes, 1u << 20);
  EXPECT_EQ(hello2.max_requests, 7u);
  EXPECT_EQ(hello2.max_body_bytes, 9u);
  EXPECT_EQ(hello2.info, hello.info);
  EXPECT_EQ(hello2.Info("version"), "0.1");
  EXPECT_EQ(hello2.Info("absent"), "");
  EXPECT_EQ(hello2.capabilities, hello.capabilities);

  Request request;
  request.id = 300;
  request.route = "/observe/observables";
  request.deadline_ms = 1234;
  request.caller = {"u", "n", "c", "o", "r"};
  request.body_size = 10;
  request.part = "[1,2";
  const Request request2 = RoundTrip(request);
  EXPECT_EQ(request2.id, 300u);
  EXPECT_EQ(request2.route, request.route);
  EXPECT_EQ(request2.deadline_ms, 1234u);
  EXPECT_EQ(request2.caller.user_id, "u");
  EXPECT_EQ(request2.caller.user_name, "n");
  EXPECT_EQ(request2.caller.client_id, "c");
  EXPECT_EQ(request2.caller.org_id, "o");
  EXPECT_EQ(request2.caller.request_id, "r");
  EXPECT_EQ(request2.body_size, 10u);
  EXPECT_EQ(request2.part, "[1,2");

  const Response response = RoundTrip(Response{5, 3, "no", 2, "{}"});
  EXPECT_EQ(response.id, 5u);
  EXPECT_EQ(response.error, 3u);
  EXPECT_EQ(response.message, "no");
  EXPECT_EQ(response.part, "{}");
  EXPECT_EQ(RoundTrip(RequestData{1, "x"}).part, "x");
  EXPECT_EQ(RoundTrip(ResponseData{2, "y"}).id, 2u);
  EXPECT_EQ(RoundTrip(Cancel{3}).id, 3u);
  EXPECT_EQ(RoundTrip(Window{4}).bytes, 4u);
  EXPECT_EQ(RoundTrip(Ping{5}).nonce, 5u);
  EXPECT_EQ(RoundTrip(Pong{6}).nonce, 6u);
  const Goodbye goodbye = RoundTrip(Goodbye{Reason::kRemoved, "bye"});
  EXPECT_EQ(goodbye.reason, Reason::kRemoved);
  EXPECT_EQ(goodbye.text, "bye");
}

TEST(Frame, ManyInOneMessageKeepTheirOrder) {
  std::string message;
  for (uint64_t i = 0; i < 100; ++i) AppendFrame(message, Ping{i});
  auto frames = DecodeMessage(message);
  ASSERT_TRUE(frames);
  ASSERT_EQ(frames->size(), 100u);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(std::get<Ping>((*frames)[i]).nonce, i);
}

TEST(Frame, EveryTruncationIsRefused) {
  std::string message;
  AppendFrame(message, Request{9, "/health", 5, {"u", "n", "c", "o", "r"}, 4, "null"});
  for (size_t length = 0; length < message.size(); ++length) {
    EXPECT_FALSE(DecodeMessage(message.substr(0, length))) << length;
  }
}

TEST(Frame, RefusesWhatIsOutOfRange) {
  WireWriter unknown;
  unknown.Number(99);
  EXPECT_FALSE(DecodeMessage(Raw(unknown)));

  WireWriter left_over;
  left_over.Number(8);
  left_over.Number(1);
  left_over.Number(1);
  EXPECT_FALSE(DecodeMessage(Raw(left_over)));

  std::string message;
  AppendFrame(message, Response{1, 0, "", 1, "ab"});  // more than announced
  EXPECT_FALSE(DecodeMessage(message));
  message.clear();
  AppendFrame(message, Response{1, 0, "", 5, ""});  // a body that does not begin
  EXPECT_FALSE(DecodeMessage(message));
  message.clear();
  AppendFrame(message, ResponseData{1, ""});
  EXPECT_FALSE(DecodeMessage(message));
  message.clear();
  AppendFrame(message, ResponseData{1, std::string(kMaxPart + 1, 'x')});
  EXPECT_FALSE(DecodeMessage(message));
  EXPECT_FALSE(DecodeMessage(std::string(kMaxWireMessage + 1, '\0')));
  EXPECT_FALSE(DecodeMessage("\xff\xff\xff\xff\xff\xff"));

  WireWriter bad_text;
  bad_text.Number(10);
  bad_text.Number(0);
  bad_text.String("\xff\xfe");
  EXPECT_FALSE(DecodeMessage(Raw(bad_text)));
}

TEST(Frame, HelloOfALaterVersionIsUnderstood) {
  WireWriter writer;
  writer.Number(1);
  writer.Number(4);
  writer.Number(9);
  writer.Signed(0);
  writer.String("instance");
  for (int i = 0; i < 3; ++i) writer.Number(1000000);
  writer.Number(0);
  writer.Number(0);
  writer.String("something new");
  auto frames = DecodeMessage(Raw(writer));
  ASSERT_TRUE(frames) << frames.error().ToString();
  const auto& hello = std::get<Hello>(frames->front());
  EXPECT_EQ(hello.max_version, 9u);
  const auto version = NegotiateVersion(Hello{}, hello);
  ASSERT_FALSE(version);
  EXPECT_NE(version.error().message.find("4 to 9"), std::string::npos);
}

TEST(Frame, VersionInForceIsTheLargestInCommon) {
  Hello ours, theirs;
  ours.min_version = 1;
  ours.max_version = 4;
  theirs.min_version = 2;
  theirs.max_version = 3;
  EXPECT_EQ(NegotiateVersion(ours, theirs).value(), 3u);
  theirs.min_version = 5;
  theirs.max_version = 4;
  EXPECT_FALSE(NegotiateVersion(ours, theirs));
}

TEST(Frame, TextsThatWeSendAreMended) {
  EXPECT_EQ(RoundTrip(Goodbye{Reason::kBusy, "a\xff"}).text, "a\xef\xbf\xbd");
  EXPECT_EQ(RoundTrip(Goodbye{Reason::kBusy, std::string(5000, 'x')}).text.size(), 1024u);
}

}  // namespace
}  // namespace mailreeve::channel
