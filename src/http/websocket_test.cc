#include "http/websocket.h"

#include "http/test_world.h"

#include <boost/asio/read_until.hpp>
#include <gmock/gmock.h>

namespace mailreeve::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

io::Task<void> EchoAll(Request, std::unique_ptr<WebSocket> socket) {
  while (true) {
    auto message = co_await socket->Read();
    if (!message || !co_await socket->Write(*std::move(message))) co_return;
  }
}

class WebSocketTest : public World {
 protected:
  std::unique_ptr<Server> Echo(io::TlsContext tls = nullptr, WebSocketLimits limits = {}) {
    auto server = Listen(std::move(tls));
    server->OnWebSocket("/echo", limits, EchoAll);
    return server;
  }
  WebSocketTarget To(const Server& server, io::TlsContext tls = nullptr) {
    WebSocketTarget target;
    target.host = "127.0.0.1";
    target.port = server.port();
    target.path = "/echo";
    target.tls = std::move(tls);
    return target;
  }
  Result<std::unique_ptr<WebSocket>> Connect(WebSocketTarget target, WebSocketLimits limits = {}) {
    return Get(ConnectWebSocket(std::move(target), limits));
  }
  // A TCP peer that upgrades by hand and then does what the test says.
  static constexpr std::string_view kUpgrade =
      "GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  tcp::socket RawUpgrade(const Server& server) {
    tcp::socket socket(context_);
    socket.connect(tcp::endpoint(asio::ip::address_v4::loopback(), server.port()));
    asio::write(socket, asio::buffer(kUpgrade));
    // A client that sends frames before the answer is refused.
    handshake_ = Get(ReadHandshake(socket));
    return socket;
  }
  std::string ReadUntilClosed(tcp::socket& socket) { return Get(ReadAll(socket)); }
  static io::Task<std::string> ReadHandshake(tcp::socket& socket) {
    std::string out;
    (void)co_await asio::async_read_until(socket, asio::dynamic_buffer(out), "\r\n\r\n",
                                          io::kTuple);
    co_return out;
  }
  static io::Task<std::string> ReadAll(tcp::socket& socket) {
    std::string out;
    (void)co_await asio::async_read(socket, asio::dynamic_buffer(out), io::kTuple);
    co_return out;
  }
  std::string handshake_;
};

TEST_F(WebSocketTest, EchoOverPlainAndTls) {
  for (const bool tls : {false, true}) {
    const auto server = Echo(tls ? ServerTls("127.0.0.1", true) : nullptr);
    auto socket = Connect(To(*server, tls ? ClientTlsWithCertificate(ca_) : nullptr));
    ASSERT_TRUE(socket.has_value()) << socket.error().ToString();
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{125}, size_t{126}, size_t{65536}, size_t{5000000}}) {
      std::string message(size, 'x');
      if (size > 2) message[1] = '\0';
      ASSERT_TRUE(Get((*socket)->Write(message)).has_value());
      const auto back = Get((*socket)->Read());
      ASSERT_TRUE(back.has_value()) << back.error().ToString();
      EXPECT_TRUE(*back == message) << size;
    }
    Run((*socket)->Close(1000, "done"));
    Run((*socket)->Close(1000, "twice"));
    EXPECT_EQ(Get((*socket)->Read()).error().code, Code::kUnavailable);
    Run(server->Stop(1s));
  }
}

TEST_F(WebSocketTest, BoundIsInclusive) {
  constexpr size_t kBound = 16 * 1024 * 1024;
  const auto server = Echo();
  auto socket = *Connect(To(*server));
  ASSERT_TRUE(Get(socket->Write(std::string(kBound, 'x'))).has_value());
  EXPECT_EQ(Get(socket->Read())->size(), kBound);
  (void)Get(socket->Write(std::string(kBound + 1, 'x')));
  const auto lost = Get(socket->Read());
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
}

TEST_F(WebSocketTest, TooLongForTheReader) {
  const auto server = Echo();
  auto socket = *Connect(To(*server), {.max_message_bytes = 1000});
  ASSERT_TRUE(Get(socket->Write(std::string(1001, 'x'))).has_value());
  EXPECT_EQ(Get(socket->Read()).error().code, Code::kLimited);
}

// Many small fragments of one message, each within the bound.
TEST_F(WebSocketTest, FragmentsCountTogether) {
  const auto server = Echo(nullptr, {.max_message_bytes = 1000});
  tcp::socket socket = RawUpgrade(*server);
  std::string frames;
  for (int i = 0; i < 20; ++i) {
    frames += std::string(i == 0 ? "\x02" : "\x00", 1) + "\xe4" + std::string(4, '\0') +
              std::string(100, 'x');
  }
  asio::write(socket, asio::buffer(frames));
  // The close frame: 1009.
  EXPECT_THAT(ReadUntilClosed(socket), HasSubstr("\x03\xf1"));
}

TEST_F(WebSocketTest, HandshakeOfRfc6455) {
  const auto server = Echo();
  tcp::socket socket = RawUpgrade(*server);
  const std::string close("\x88\x80\0\0\0\0", 6);
  asio::write(socket, asio::buffer(close));
  EXPECT_THAT(ReadUntilClosed(socket), testing::StartsWith("\x88"));  // a close frame
  const std::string& answer = handshake_;
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 101 "));
  EXPECT_THAT(answer, HasSubstr("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));  // section 1.3
  EXPECT_THAT(answer, HasSubstr("X-Request-Id: "));
}

TEST_F(WebSocketTest, UnmaskedFramesOfClientsAreRefused) {
  const auto server = Echo();
  tcp::socket socket = RawUpgrade(*server);
  asio::write(socket, asio::buffer(std::string("\x82\x01x")));
  EXPECT_THAT(ReadUntilClosed(socket), HasSubstr("\x03\xea"));  // 1002
}

TEST_F(WebSocketTest, FramesBeforeTheAnswerAreRefused) {
  const auto server = Echo();
  EXPECT_THAT(Raw(server->port(), std::string(kUpgrade) + "\x82\x80"),
              testing::StartsWith("HTTP/1.1 400"));
}

TEST_F(WebSocketTest, OtherPathsGoToTheRouter) {
  const auto server = Echo();
  auto target = To(*server);
  target.path = "/other";
  EXPECT_EQ(Connect(target).error().code, Code::kUnavailable);
  router_.Add("GET", "/denied",
              [](Request) -> io::Task<Response> { co_return Response::Empty(403); });
  target.path = "/denied";
  EXPECT_EQ(Connect(target).error().code, Code::kDenied);
  target.headers.Set("X", "a\r\nY: b");
  EXPECT_EQ(Connect(target).error().code, Code::kInvalid);
}

TEST_F(WebSocketTest, HandlerSeesTheRequest) {
  const auto server = Listen(ServerTls("127.0.0.1", true));
  std::string seen;
  server->OnWebSocket("/echo", {},
                      [&](Request request, std::unique_ptr<WebSocket>) -> io::Task<void> {
                        seen = request.peer_certificate_subject_cn + " " +
                               std::string(request.headers.Get("X-Version")) + " " +
                               request.Query("a").value_or("");
                        co_return;
                      });
  auto target = To(*server, ClientTlsWithCertificate(ca_));
  target.headers.Set("X-Version", "3");
  target.path = "/echo?a=b";
  auto socket = Connect(target);
  ASSERT_TRUE(socket.has_value()) << socket.error().ToString();
  EXPECT_EQ(Get((*socket)->Read()).error().code, Code::kUnavailable);
  EXPECT_EQ(seen, "device-7 3 b");
}

TEST_F(WebSocketTest, TlsNamesAreChecked) {
  const auto server = Echo(ServerTls("other.example", false));
  EXPECT_EQ(Connect(To(*server, ClientTls())).error().code, Code::kUnavailable);
}

TEST_F(WebSocketTest, ConnectGivesUpOnASilentServer) {
  tcp::acceptor silent(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  WebSocketTarget target;
  target.host = "127.0.0.1";
  target.port = silent.local_endpoint().port();
  const auto socket = Connect(target, {.handshake_timeout = 50ms});
  ASSERT_FALSE(socket.has_value());
  EXPECT_THAT(socket.error().code, testing::AnyOf(Code::kTimeout, Code::kUnavailable));
}

// A peer that answers nothing, not even pings.
TEST_F(WebSocketTest, SilentPeerIsNoticed) {
  const auto server = Listen();
  std::optional<Error> lost;
  server->OnWebSocket("/echo", {.idle_timeout = 50ms},
                      [&](Request, std::unique_ptr<WebSocket> socket) -> io::Task<void> {
                        auto read = co_await socket->Read();
                        lost = read.error();
                      });
  tcp::socket socket = RawUpgrade(*server);
  const std::string answer = ReadUntilClosed(socket);
  while (!lost) context_.run_one();
  EXPECT_EQ(lost->code, Code::kUnavailable);
  EXPECT_THAT(lost->message, HasSubstr("silent"));
  EXPECT_THAT(answer, HasSubstr(std::string("\x89\x00", 2)));  // the ping
}

// Silence of the application is no silence of the peer: pongs keep the connection.
TEST_F(WebSocketTest, AnsweredPingsKeepTheConnection) {
  const auto server = Echo(nullptr, {.idle_timeout = 1s});
  auto socket = *Connect(To(*server), {.idle_timeout = 1s});
  std::optional<Result<std::string>> read;
  scope_.Spawn("read", Keep(socket->Read(), read));
  Run(io::Sleep(3s));
  ASSERT_FALSE(read.has_value());
  ASSERT_TRUE(Get(socket->Write("still here")).has_value());
  while (!read) context_.run_one();
  EXPECT_EQ(**read, "still here");
}

TEST_F(WebSocketTest, AbortEndsPendingCalls) {
  const auto server = Echo();
  auto socket = *Connect(To(*server));
  std::optional<Result<std::string>> read;
  scope_.Spawn("read", Keep(socket->Read(), read));
  context_.poll();
  socket->Abort();
  while (!read) context_.run_one();
  EXPECT_EQ(read->error().code, Code::kUnavailable);
  EXPECT_EQ(Get(socket->Write("x")).error().code, Code::kUnavailable);
}

TEST_F(WebSocketTest, DestroyedWhileReading) {
  const auto server = Echo();
  auto socket = *Connect(To(*server));
  std::optional<Result<std::string>> read;
  scope_.Spawn("read", Keep(socket->Read(), read));
  context_.poll();
  socket.reset();
  while (!read) context_.run_one();
  EXPECT_EQ(read->error().code, Code::kUnavailable);
}

TEST_F(WebSocketTest, PeerThatDoesNotReadIsDropped) {
  const auto server = Listen();
  std::optional<Error> lost;
  server->OnWebSocket("/echo", {.write_timeout = 100ms},
                      [&](Request, std::unique_ptr<WebSocket> socket) -> io::Task<void> {
                        while (true) {
                          auto put = co_await socket->Write(std::string(4 * 1024 * 1024, 'x'));
                          if (!put) {
                            lost = put.error();
                            co_return;
                          }
                        }
                      });
  tcp::socket socket = RawUpgrade(*server);
  while (!lost) context_.run_one();
  EXPECT_EQ(lost->code, Code::kTimeout);
}

TEST_F(WebSocketTest, StopSaysGoodbye) {
  const auto server = Echo();
  auto socket = *Connect(To(*server));
  std::optional<Result<std::string>> read;
  scope_.Spawn("read", Keep(socket->Read(), read));
  while (server->counts().open == 0) context_.run_one();
  Run(server->Stop(5s));
  while (!read) context_.run_one();
  EXPECT_EQ(read->error().message, "WebSocket: closed by the peer");
  EXPECT_EQ(server->counts().open, 0u);
}

}  // namespace
}  // namespace mailreeve::http
