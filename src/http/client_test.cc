#include "http/client.h"

#include "http/test_world.h"
#include "http/wire.h"

#include <gmock/gmock.h>

namespace mailreeve::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A server that answers each connection with given bytes and closes.
class ClientTest : public World {
 protected:
  ClientTest() : acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

  static io::Task<void> AnswerOnce(tcp::acceptor& acceptor, std::string answer,
                                   std::string& asked) {
    auto [error, socket] = co_await acceptor.async_accept(io::kTuple);
    if (error) co_return;
    std::string request(65536, '\0');
    auto [failed, got] = co_await socket.async_read_some(asio::buffer(request), io::kTuple);
    asked = request.substr(0, got);
    (void)co_await asio::async_write(socket, asio::buffer(answer), io::kTuple);
    boost::system::error_code ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    (void)co_await asio::async_read(socket, asio::buffer(request), io::kTuple);
  }
  Result<Response> Ask(std::string answer, ClientOptions options = {}, std::string method = "GET") {
    scope_.Spawn("server", AnswerOnce(acceptor_, std::move(answer), asked_));
    return Get(Fetch(std::move(method), Url("/p?q=1"), {}, "", std::move(options)));
  }
  std::string Url(const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }
  tcp::acceptor acceptor_;
  std::string asked_;
};

TEST_F(ClientTest, Request) {
  const auto got = Ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(got.has_value()) << got.error().ToString();
  EXPECT_EQ(got->body, "hi");
  const std::string host = "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  EXPECT_EQ(asked_, "GET /p?q=1 HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
}

TEST_F(ClientTest, BodyForms) {
  EXPECT_EQ(
      Ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
          ->body,
      "abc");
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body, "until the end");
  EXPECT_EQ(Ask("HTTP/1.1 204 No Content\r\n\r\n")->status, 204);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {}, "HEAD")->body, "");
  EXPECT_EQ(Ask("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 201 "
                "Created\r\nContent-Length: 0\r\n\r\n")
                ->status,
            201);
}

TEST_F(ClientTest, RedirectsAreAnswers) {
  const auto got =
      Ask("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(got->status, 302);
  EXPECT_EQ(got->headers.Get("location"), "http://169.254.169.254/");
}

TEST_F(ClientTest, BadAnswers) {
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").error().code,
            Code::kUnavailable);
  EXPECT_EQ(Ask("").error().code, Code::kUnavailable);
  EXPECT_EQ(Ask("SSH-2.0-x\r\n\r\n").error().code, Code::kUnavailable);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").error().code,
            Code::kUnavailable);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901", {.max_body_bytes = 10})
                .error()
                .code,
            Code::kLimited);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n\r\n12345678901", {.max_body_bytes = 10}).error().code,
            Code::kLimited);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'x') + "\r\n\r\n").error().code,
            Code::kLimited);
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(Ask(interim).error().code, Code::kUnavailable);
}

TEST_F(ClientTest, Deadline) {
  // Connected by the kernel, never accepted.
  const auto got = Get(Fetch("GET", Url("/"), {}, "", {.timeout = 50ms}));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Code::kTimeout);
}

TEST_F(ClientTest, UrlsAreChecked) {
  for (const char* url :
       {"", "x", "ftp://h/", "gopher://h/", "file:///etc/passwd", "http://", "http://user@h/",
        "http://h:99999/", "http://h:0/", "http://h:x/", "http://h h/", "http://h/a b",
        "http://[::1/", "http://[x]/", "http://a\\@b/", "http://h\r\nX: y/", "http://h:80\\x",
        "http://[::1]x/"}) {
    const auto got = Get(Fetch("GET", url, {}, "", {}));
    ASSERT_FALSE(got.has_value()) << url;
    EXPECT_EQ(got.error().code, Code::kInvalid) << url;
  }
}

TEST_F(ClientTest, HeadersCannotSmuggle) {
  Headers headers;
  headers.Set("X", "a\r\nY: b");
  EXPECT_EQ(Get(Fetch("GET", Url("/"), headers, "", {})).error().code, Code::kInvalid);
  Headers name;
  name.Set("X: y\r\nZ", "a");
  EXPECT_EQ(Get(Fetch("GET", Url("/"), name, "", {})).error().code, Code::kInvalid);
  EXPECT_EQ(Get(Fetch("GET /x HTTP/1.1\r\n", Url("/"), {}, "", {})).error().code, Code::kInvalid);
}

TEST_F(ClientTest, PublicAddressesOnly) {
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n\r\n", {.addresses = std::make_shared<const AddressPolicy>()})
                .error()
                .code,
            Code::kDenied);
  EXPECT_EQ(asked_, "");
}

}  // namespace
}  // namespace mailreeve::http
