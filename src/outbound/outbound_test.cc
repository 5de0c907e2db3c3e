#include "outbound/outbound.h"

#include "http/coding.h"
#include "http/test_world.h"

#include <boost/asio/ssl/stream.hpp>
#include <gmock/gmock.h>
#include <zlib.h>

namespace mailreeve::outbound {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class FakeResolver final : public http::Resolver {
 public:
  io::Task<Result<std::vector<asio::ip::address>>> Resolve(std::string host) override {
    asked.push_back(host);
    if (answers.empty()) co_return Fail(Code::kUnavailable, "no such host");
    // Each question gets the next answer, as a name server that rebinds gives it.
    std::vector<asio::ip::address> out = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    co_return out;
  }
  std::vector<std::vector<asio::ip::address>> answers;
  std::vector<std::string> asked;
};

asio::ip::address Address(const char* text) { return asio::ip::make_address(text); }

// A server that writes what it is told, however bad.
class OutboundTest : public http::World {
 protected:
  OutboundTest() : acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    Allow({"127.0.0.1", "server.test"});
    options_.decode_body = true;
    options_.max_body_bytes = 1024 * 1024;
    options_.max_wire_bytes = 512 * 1024;
    options_.timeout = 20s;
    options_.resolver = resolver_;
    resolver_->answers = {{Address("127.0.0.1")}};
  }
  void Allow(const std::vector<std::string>& list) {
    options_.addresses =
        std::make_shared<const http::AddressPolicy>(http::AddressPolicy::Parse(list).value());
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string Url(const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port()) + "/p";
  }

  // Writes `head`, then `piece` again and again with `pause` between, `times` times.
  static io::Task<void> Serve(tcp::acceptor& acceptor, std::string head, std::string piece,
                              size_t times, std::chrono::milliseconds pause, std::string& asked) {
    auto [error, socket] = co_await acceptor.async_accept(io::kTuple);
    if (error) co_return;
    std::string request(65536, '\0');
    auto [failed, got] = co_await socket.async_read_some(asio::buffer(request), io::kTuple);
    asked = request.substr(0, got);
    (void)co_await asio::async_write(socket, asio::buffer(head), io::kTuple);
    for (size_t i = 0; i < times; ++i) {
      if (pause.count() > 0) co_await io::Sleep(pause);
      auto [gone, put] = co_await asio::async_write(socket, asio::buffer(piece), io::kTuple);
      if (gone) co_return;
    }
    boost::system::error_code ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    (void)co_await asio::async_read(socket, asio::buffer(request), io::kTuple);
  }
  Result<http::Response> Ask(std::string head, std::string piece = "", size_t times = 0,
                             std::chrono::milliseconds pause = 0ms, Request request = {}) {
    asked_.clear();
    scope_.Spawn("server",
                 Serve(acceptor_, std::move(head), std::move(piece), times, pause, asked_));
    if (request.url.empty()) request.url = Url();
    Guard guard(options_);
    return Get(guard.Fetch(std::move(request)));
  }
  Result<http::Response> Fetch(Request request) {
    Guard guard(options_);
    return Get(guard.Fetch(std::move(request)));
  }

  tcp::acceptor acceptor_;
  std::shared_ptr<FakeResolver> resolver_ = std::make_shared<FakeResolver>();
  http::ClientOptions options_;
  std::string asked_;
};

TEST_F(OutboundTest, Answers) {
  const auto got = Ask("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{}",
                       "", 0, 0ms, {.content_types = {"application/json"}});
  ASSERT_TRUE(got) << got.error().ToString();
  EXPECT_EQ(got->body, "{}");
  EXPECT_THAT(asked_, HasSubstr("\r\nAccept-Encoding: gzip\r\n"));
  // An error of the server is an answer.
  EXPECT_EQ(Ask("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")->status, 503);
  EXPECT_EQ(Ask("HTTP/1.1 304 Same\r\n\r\n")->status, 304);
}

TEST_F(OutboundTest, HtmlAndUntypedAnswersAreNoJson) {
  const Request json{.content_types = {"application/json"}};
  for (const char* type : {"Content-Type: text/html\r\n", "Content-Type: application/json-seq\r\n",
                           "Content-Type:\r\n", ""}) {
    const auto got =
        Ask("HTTP/1.1 200 OK\r\n" + std::string(type) + "\r\n<html>", "", 0, 0ms, json);
    ASSERT_FALSE(got) << type;
    EXPECT_EQ(got.error().code, Code::kInvalid) << type;
  }
}

TEST_F(OutboundTest, RedirectsAreRefused) {
  for (const int status : {300, 301, 302, 303, 307, 308}) {
    const auto got = Ask("HTTP/1.1 " + std::to_string(status) +
                         " Go\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n\r\n");
    ASSERT_FALSE(got) << status;
    EXPECT_EQ(got.error().code, Code::kDenied) << status;
  }
}

TEST_F(OutboundTest, LongAnswersAreCutOff) {
  const std::string piece(100 * 1024, 'x');
  // 100 MB, told and not told beforehand.
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", piece, 1024).error().code,
            Code::kLimited);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n\r\n", piece, 1024).error().code, Code::kLimited);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n", "X: " + std::string(1000, 'y') + "\r\n", 1000).error().code,
            Code::kLimited);
  Request small{.max_bytes = 10};
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n\r\n12345678901", "", 0, 0ms, small).error().code,
            Code::kLimited);
}

TEST_F(OutboundTest, BombsAreCutOff) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string zeros(32 * 1024 * 1024, '\0'), bomb(deflateBound(&stream, zeros.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
  stream.avail_in = static_cast<uInt>(zeros.size());
  stream.next_out = reinterpret_cast<Bytef*>(bomb.data());
  stream.avail_out = static_cast<uInt>(bomb.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  bomb.resize(bomb.size() - stream.avail_out);
  deflateEnd(&stream);
  ASSERT_LT(bomb.size(), options_.max_wire_bytes);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb).error().code,
            Code::kLimited);
}

TEST_F(OutboundTest, CutBodiesAreErrors) {
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":").error().code,
            Code::kUnavailable);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{").error().code,
            Code::kUnavailable);
}

TEST_F(OutboundTest, SlowAnswersAreGivenUp) {
  options_.first_byte_timeout = 200ms;
  EXPECT_EQ(Ask("", "HTTP/1.1 200 OK\r\n\r\n", 1, 5000ms).error().code, Code::kTimeout);
  // Byte by byte: never silent for long, and far too slow.
  options_.first_byte_timeout = 0ms;
  options_.min_bytes_per_second = 10000;
  options_.slow_after = 300ms;
  const auto got = Ask("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "x", 100000, 20ms);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Code::kTimeout);
  EXPECT_THAT(got.error().message, HasSubstr("too slowly"));
  options_.min_bytes_per_second = 0;
  options_.timeout = 300ms;
  EXPECT_EQ(
      Ask("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "x", 100000, 20ms).error().code,
      Code::kTimeout);
}

TEST_F(OutboundTest, PrivateAddressesAreRefused) {
  Allow({});
  for (const char* host : {"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]",
                           "[fe80::1]", "169.254.169.254", "10.0.0.1", "[64:ff9b::7f00:1]",
                           "[fc00::1]", "[ff02::1]", "0.0.0.0", "[::]", "224.0.0.1"}) {
    const auto got = Fetch({.url = Url(host)});
    ASSERT_FALSE(got) << host;
    EXPECT_EQ(got.error().code, Code::kDenied) << host << got.error().ToString();
  }
  // Odd spellings of an address are names to us, and what they resolve to is what counts.
  for (const char* host : {"2130706433", "0x7f.1", "017700000001", "127.1"}) {
    const auto got = Fetch({.url = Url(host)});
    ASSERT_FALSE(got) << host;
    EXPECT_EQ(got.error().code, Code::kDenied) << host << got.error().ToString();
  }
  for (const char* url : {"gopher://127.0.0.1/", "file:///etc/passwd", "ftp://h/", "dict://h/"}) {
    EXPECT_EQ(Fetch({.url = url}).error().code, Code::kInvalid) << url;
  }
}

TEST_F(OutboundTest, ChangedNamesDoNotReachInside) {
  // The first answer is public (and nobody is there to answer), the second one inside.
  Allow({});
  resolver_->answers = {{Address("127.0.0.1"), Address("::1")}};
  EXPECT_EQ(Fetch({.url = Url("rebind.test")}).error().code, Code::kDenied);
  EXPECT_EQ(resolver_->asked.size(), 1u);
  // One resolution a request: what was checked is what is connected to.
  Allow({"server.test"});
  resolver_->asked.clear();
  resolver_->answers = {{Address("127.0.0.1")}, {Address("169.254.169.254")}};
  const auto got = Ask("HTTP/1.1 200 OK\r\n\r\nok", "", 0, 0ms, {.url = Url("server.test")});
  ASSERT_TRUE(got) << got.error().ToString();
  EXPECT_EQ(resolver_->asked, std::vector<std::string>{"server.test"});
  EXPECT_THAT(asked_, HasSubstr("\r\nHost: server.test:"));
  EXPECT_EQ(Fetch({.url = Url("server.test")}).error().code, Code::kDenied);
  // A mixed answer: the allowed address only.
  resolver_->answers = {{Address("169.254.169.254"), Address("127.0.0.1")}};
  EXPECT_TRUE(Ask("HTTP/1.1 200 OK\r\n\r\nok", "", 0, 0ms, {.url = Url("server.test")}));
}

TEST_F(OutboundTest, CertificatesAreChecked) {
  http::Router router;
  router.Add("GET", "/p", [](http::Request) -> io::Task<http::Response> {
    co_return http::Response::Text(200, "secret");
  });
  auto server = http::Server::Listen({.host = "127.0.0.1"}, ServerTls("server.test", false), router,
                                     {}, scope_, logger_);
  ASSERT_TRUE(server);
  const std::string port = std::to_string((*server)->port());
  options_.tls = ClientTls();
  const auto good = Fetch({.url = "https://server.test:" + port + "/p"});
  ASSERT_TRUE(good) << good.error().ToString();
  EXPECT_EQ(good->body, "secret");
  Allow({"other.test"});
  EXPECT_EQ(Fetch({.url = "https://other.test:" + port + "/p"}).error().code, Code::kUnavailable);
  Allow({"server.test"});
  options_.tls = nullptr;  // the system does not know our authority
  EXPECT_EQ(Fetch({.url = "https://server.test:" + port + "/p"}).error().code, Code::kUnavailable);
}

// A proxy that answers what it is told and then joins the two sides.
class Proxied : public OutboundTest {
 protected:
  io::Task<void> Tunnel(tcp::acceptor& proxy, uint16_t to, std::string answer) {
    auto [error, near] = co_await proxy.async_accept(io::kTuple);
    if (error) co_return;
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      char byte = 0;
      auto [gone, got] = co_await near.async_read_some(asio::buffer(&byte, 1), io::kTuple);
      if (gone) co_return;
      head += byte;
    }
    asked_ = head;
    (void)co_await asio::async_write(near, asio::buffer(answer), io::kTuple);
    if (to == 0) co_return;
    tcp::socket far(context_);
    (void)co_await far.async_connect({asio::ip::address_v4::loopback(), to}, io::kTuple);
    using namespace asio::experimental::awaitable_operators;
    co_await (Pump(near, far) && Pump(far, near));
  }
  static io::Task<void> Pump(tcp::socket& from, tcp::socket& to) {
    std::string bytes(16384, '\0');
    while (true) {
      auto [gone, got] = co_await from.async_read_some(asio::buffer(bytes), io::kTuple);
      if (gone) break;
      (void)co_await asio::async_write(to, asio::buffer(bytes.data(), got), io::kTuple);
    }
    boost::system::error_code ignored;
    to.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void UseProxy() {
    options_.proxy = {.host = "127.0.0.1", .port = port(), .authorization = "Basic dTpw"};
  }
};

TEST_F(Proxied, PlainRequestsGoInAbsoluteForm) {
  UseProxy();
  Allow({});
  resolver_->answers = {{Address("8.8.8.8")}};
  const auto got = Ask("HTTP/1.1 200 OK\r\n\r\nok", "", 0, 0ms, {.url = "http://feed.test/x?y=1"});
  ASSERT_TRUE(got) << got.error().ToString();
  EXPECT_THAT(asked_, HasSubstr("GET http://feed.test/x?y=1 HTTP/1.1\r\nHost: feed.test\r\n"));
  EXPECT_THAT(asked_, HasSubstr("\r\nProxy-Authorization: Basic dTpw\r\n"));
}

TEST_F(Proxied, TlsGoesThroughATunnel) {
  http::Router router;
  router.Add("GET", "/p", [](http::Request) -> io::Task<http::Response> {
    co_return http::Response::Text(200, "secret");
  });
  auto server = http::Server::Listen({.host = "127.0.0.1"}, ServerTls("feed.test", false), router,
                                     {}, scope_, logger_);
  ASSERT_TRUE(server);
  UseProxy();
  Allow({});
  options_.tls = ClientTls();
  resolver_->answers = {};  // only the proxy can resolve it
  scope_.Spawn("proxy", Tunnel(acceptor_, (*server)->port(), "HTTP/1.1 200 Connected\r\n\r\n"));
  const auto got = Fetch({.url = "https://feed.test/p"});
  ASSERT_TRUE(got) << got.error().ToString();
  EXPECT_EQ(got->body, "secret");
  EXPECT_THAT(asked_, HasSubstr("CONNECT feed.test:443 HTTP/1.1\r\nHost: feed.test:443\r\n"));
}

TEST_F(Proxied, ProxiesAreNoWayInside) {
  UseProxy();
  Allow({});
  EXPECT_EQ(Fetch({.url = "http://169.254.169.254/"}).error().code, Code::kDenied);
  resolver_->answers = {{Address("8.8.8.8"), Address("127.0.0.1")}};
  EXPECT_EQ(Fetch({.url = "http://mixed.test/"}).error().code, Code::kDenied);
  resolver_->answers = {{Address("8.8.8.8")}};
  for (const char* answer : {"HTTP/1.1 403 No\r\n\r\n", "SSH-2.0-x\r\n\r\n", "\r\n\r\n"}) {
    scope_.Spawn("proxy", Tunnel(acceptor_, 0, answer));
    EXPECT_EQ(Fetch({.url = "https://feed.test/p"}).error().code, Code::kUnavailable) << answer;
  }
}

TEST(CheckUrl, LooksAtLiterals) {
  const http::AddressPolicy none;
  EXPECT_TRUE(CheckUrl("https://relay.example/", none));
  EXPECT_TRUE(CheckUrl("https://8.8.8.8/", none));
  EXPECT_EQ(CheckUrl("http://127.0.0.1/", none).error().code, Code::kDenied);
  EXPECT_EQ(CheckUrl("http://[::ffff:10.0.0.1]/", none).error().code, Code::kDenied);
  EXPECT_EQ(CheckUrl("ftp://x/", none).error().code, Code::kInvalid);
  EXPECT_TRUE(CheckUrl("http://127.0.0.1/", *http::AddressPolicy::Parse({"127.0.0.0/8"})));
}

TEST(FromSettings, ReadsThem) {
  const auto& schema = settings::Schema::Builtin();
  auto options = FromSettings(*settings::Snapshot::Defaults(schema, "response"));
  ASSERT_TRUE(options) << options.error().ToString();
  EXPECT_TRUE(options->decode_body);
  EXPECT_FALSE(options->addresses->Allows("h", Address("127.0.0.1")));
  const auto with = [&](json::object values) {
    auto snapshot =
        settings::Snapshot::FromJson(schema, "response", json::object{{"values", values}});
    EXPECT_TRUE(snapshot) << snapshot.error().ToString();
    return FromSettings(**snapshot);
  };
  options =
      with({{"outbound.allowed_hosts", {"127.0.0.0/8"}}, {"outbound.proxy", "http://p:3128"}});
  ASSERT_TRUE(options) << options.error().ToString();
  EXPECT_TRUE(options->addresses->Allows("h", Address("127.0.0.1")));
  EXPECT_EQ(options->proxy.host, "p");
  EXPECT_EQ(options->proxy.port, 3128);
  EXPECT_EQ(with({{"outbound.allowed_hosts", {"nonsense/8"}}}).error().code, Code::kInvalid);
  EXPECT_EQ(with({{"outbound.proxy", "https://p:3128"}}).error().code, Code::kInvalid);
  EXPECT_FALSE(with({{"outbound.ca_file", "/nowhere/ca.pem"}}));
}

}  // namespace
}  // namespace mailreeve::outbound
