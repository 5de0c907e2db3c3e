#include "http/server.h"

#include "http/test_world.h"

#include <gmock/gmock.h>

namespace mailreeve::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

io::Task<Response> Describe(Request request) {
  json::object out{{"method", request.method},
                   {"target", request.target},
                   {"body_bytes", request.body.size()},
                   {"remote", request.remote_address},
                   {"peer_sha256", request.peer_certificate_sha256},
                   {"peer_cn", request.peer_certificate_subject_cn}};
  json::array segments;
  for (const auto& segment : request.segments) segments.emplace_back(segment);
  out["segments"] = segments;
  co_return Response::Json(200, out);
}

io::Task<Response> Throw(Request) {
  throw std::runtime_error("a bug");
  co_return Response();
}

io::Task<Response> Sleepy(Request) {
  co_await io::Sleep(1h);
  co_return Response();
}

class ServerTest : public World {
 protected:
  ServerTest() {
    router_.Add("GET", "/describe/{rest*}", Describe);
    router_.Add("POST", "/describe/{rest*}", Describe);
    router_.Add("GET", "/throw", Throw);
    router_.Add("GET", "/sleep", Sleepy);
    router_.Add("GET", "/big", [](Request) -> io::Task<Response> {
      co_return Response::Text(200, std::string(3 * 1024 * 1024, 'x'));
    });
    router_.Add("GET", "/empty",
                [](Request) -> io::Task<Response> { co_return Response::Empty(204); });
    router_.Add("GET", "/split", [](Request request) -> io::Task<Response> {
      auto out = Response::Text(200, "ok");
      out.headers.Add("Location", request.Query("to").value_or(""));
      out.headers.Add("Content-Length", "7");
      co_return out;
    });
  }
  std::string Url(const Server& server, const std::string& path,
                  const std::string& scheme = "http") {
    return scheme + "://127.0.0.1:" + std::to_string(server.port()) + path;
  }
  Result<Response> Fetch(std::string method, std::string url, std::string body = "",
                         ClientOptions options = {}) {
    return Get(
        http::Fetch(std::move(method), std::move(url), {}, std::move(body), std::move(options)));
  }
};

TEST_F(ServerTest, AnswersAndAddsItsHeaders) {
  const auto server = Listen();
  Headers defaults;
  defaults.Set("Strict-Transport-Security", "max-age=1");
  defaults.Set("Content-Type", "not/used");
  server->set_default_headers(defaults);
  const auto got = Fetch("POST", Url(*server, "/describe/a%2Fb/?x=1"), "body");
  ASSERT_TRUE(got.has_value()) << got.error().ToString();
  EXPECT_EQ(got->status, 200);
  EXPECT_THAT(got->body, HasSubstr(R"("segments":["describe","a/b"])"));
  EXPECT_THAT(got->body, HasSubstr(R"("body_bytes":4)"));
  EXPECT_THAT(got->body, HasSubstr(R"("remote":"127.0.0.1")"));
  EXPECT_EQ(got->headers.Get("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(got->headers.Get("X-Request-Id").size(), 36u);
  EXPECT_EQ(got->headers.Get("Strict-Transport-Security"), "max-age=1");
  EXPECT_EQ(got->headers.Get("Content-Type"), "application/json");
  EXPECT_THAT(std::string(got->headers.Get("Date")), HasSubstr(" GMT"));
}

TEST_F(ServerTest, PipelinedRequestsInOrder) {
  const auto server = Listen();
  const std::string answers =
      Raw(server->port(),
          "GET /describe/1 HTTP/1.1\r\nHost: h\r\n\r\n"
          "POST /describe/2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
          "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
          "HEAD /describe/3 HTTP/1.1\r\nHost: h\r\n\r\n"
          "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n"
          "GET /describe/5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Count(answers, "HTTP/1.1 200 OK\r\n"), 4u);
  EXPECT_EQ(Count(answers, "HTTP/1.1 204 No Content\r\n"), 1u);
  EXPECT_EQ(Count(answers, "Connection: close"), 1u);
  EXPECT_LT(answers.find("/describe/1"), answers.find("/describe/2"));
  EXPECT_THAT(answers, HasSubstr("\"body_bytes\":3"));
  EXPECT_THAT(answers, Not(HasSubstr("/describe/3")));
  EXPECT_LT(answers.find("204 No Content"), answers.find("/describe/5"));
}

TEST_F(ServerTest, Http10ClosesByDefault) {
  const auto server = Listen();
  EXPECT_THAT(Raw(server->port(), "GET /empty HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close"));
}

TEST_F(ServerTest, RefusesWhatTwoServersReadDifferently) {
  const auto server = Listen();
  const std::pair<std::string, std::string> cases[] = {
      {"GET /empty HTTP/1.1\r\n\r\n", "400"},
      {"GET /empty HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"POST /describe HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"POST /describe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
       "3\r\n\r\n0\r\n\r\n",
       "400"},
      {"POST /describe HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
       "400"},
      {"POST /describe HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400"},
      {"POST /describe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       "501"},
      {"POST /describe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "501"},
      {"POST /describe HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"GET /empty HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
      {"GET /a/../b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "400"},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "400"},
      {"GET /empty HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "417"},
      {"GET /empty HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"\x16\x03\x01\x02\r\n\r\n", "400"},
  };
  for (const auto& [request, status] : cases) {
    EXPECT_THAT(Raw(server->port(), request), StartsWith("HTTP/1.1 " + status)) << request;
  }
}

TEST_F(ServerTest, BodyTooLong) {
  const auto server = Listen(nullptr, {.max_body_bytes = 1000});
  const std::string head = "POST /describe HTTP/1.1\r\nHost: a\r\n";
  const std::string declared =
      Raw(server->port(), head + "Content-Length: 1001\r\n\r\n" + std::string(1001, 'x'));
  EXPECT_THAT(declared, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(declared, HasSubstr(R"({"error":"limited")"));
  EXPECT_THAT(Raw(server->port(),
                  head + "Transfer-Encoding: chunked\r\n\r\n1000\r\n" + std::string(4096, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Raw(server->port(), head + "Connection: close\r\nContent-Length: 1000\r\n\r\n" +
                                      std::string(1000, 'x')),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, HeaderTooLong) {
  const auto server = Listen(nullptr, {.max_header_bytes = 2000});
  EXPECT_THAT(Raw(server->port(),
                  "GET /empty HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Raw(server->port(), "GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " +
                                      std::string(1800, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(Raw(server->port(), "GET /" + std::string(100000, 'x')), StartsWith("HTTP/1.1 431"));
}

TEST_F(ServerTest, SlowClientsAreCut) {
  const auto server =
      Listen(nullptr, {.header_timeout = 500ms, .body_timeout = 500ms, .idle_timeout = 500ms});
  EXPECT_THAT(Raw(server->port(), "GET /empty HT"), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(
      Raw(server->port(), "POST /describe HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"),
      StartsWith("HTTP/1.1 408"));
  EXPECT_EQ(Raw(server->port(), ""), "");
  EXPECT_THAT(Raw(server->port(), "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"), HasSubstr("204"));
}

TEST_F(ServerTest, SlowAndFailingHandlers) {
  const auto server = Listen(nullptr, {.handler_timeout = 50ms});
  const auto slow = Fetch("GET", Url(*server, "/sleep"));
  ASSERT_TRUE(slow.has_value());
  EXPECT_EQ(slow->status, 503);
  EXPECT_THAT(slow->body, HasSubstr("\"error\":\"timeout\""));
  const auto thrown = Fetch("GET", Url(*server, "/throw"));
  EXPECT_EQ(thrown->status, 500);
  EXPECT_THAT(thrown->body, Not(HasSubstr("a bug")));
  // The connection goes on after either.
  EXPECT_THAT(Raw(server->port(),
                  "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\nGET /throw HTTP/1.1\r\nHost: a\r\n\r\n"
                  "GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              HasSubstr("204 No Content"));
}

TEST_F(ServerTest, ExpectContinue) {
  const auto server = Listen(nullptr, {.body_timeout = 50ms});
  const std::string answer =
      Raw(server->port(),
          "POST /describe HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n"
          "Content-Length: 9\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
}

TEST_F(ServerTest, HandlersCannotSplitTheAnswer) {
  const auto server = Listen();
  const auto got = Fetch("GET", Url(*server, "/split?to=a%0D%0ASet-Cookie:%20x=1"));
  ASSERT_TRUE(got.has_value()) << got.error().ToString();
  EXPECT_FALSE(got->headers.Has("Set-Cookie"));
  EXPECT_FALSE(got->headers.Has("Location"));
  EXPECT_EQ(got->body, "ok");
}

TEST_F(ServerTest, LongAnswers) {
  const auto server = Listen();
  EXPECT_EQ(Fetch("GET", Url(*server, "/big"))->body.size(), 3u * 1024 * 1024);
  EXPECT_EQ(Fetch("HEAD", Url(*server, "/big"))->headers.Get("Content-Length"), "3145728");
}

TEST_F(ServerTest, TooManyConnections) {
  const auto server = Listen(nullptr, {.max_connections = 1});
  tcp::socket first(context_);
  first.connect(tcp::endpoint(asio::ip::address_v4::loopback(), server->port()));
  EXPECT_EQ(Raw(server->port(), "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  EXPECT_EQ(server->counts().refused, 1u);
  EXPECT_EQ(server->counts().open, 1u);
}

TEST_F(ServerTest, Tls) {
  const auto server = Listen(ServerTls("127.0.0.1", false));
  const auto got = Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = ClientTls()});
  ASSERT_TRUE(got.has_value()) << got.error().ToString();
  EXPECT_THAT(got->body, HasSubstr(R"("peer_sha256":"")"));
  // Plain text at a TLS port.
  EXPECT_THAT(Raw(server->port(), "GET / HTTP/1.1\r\n\r\n"), Not(HasSubstr("HTTP/1.1")));
}

TEST_F(ServerTest, TlsWithAnotherNameIsRefused) {
  const auto server = Listen(ServerTls("other.example", false));
  const auto got = Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = ClientTls()});
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Code::kUnavailable);
  EXPECT_EQ(server->counts().requests, 0u);
}

TEST_F(ServerTest, TlsOfAnUnknownAuthorityIsRefused) {
  const auto server = Listen(ServerTls("127.0.0.1", false));
  const auto stranger = *crypto::CertificateAuthority::Create("Test CA", Now(), 1);
  const auto trust =
      *io::MakeTlsClient({.ca_file = Save("stranger.pem", stranger.certificate_pem())});
  EXPECT_EQ(Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = trust}).error().code,
            Code::kUnavailable);
  EXPECT_EQ(Fetch("GET", Url(*server, "/describe", "https")).error().code, Code::kUnavailable);
}

TEST_F(ServerTest, ExpiredTlsIsRefused) {
  const auto server = Listen(ServerTls("127.0.0.1", false, Now() - std::chrono::hours(48)));
  const auto got = Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = ClientTls()});
  ASSERT_FALSE(got.has_value());
  EXPECT_THAT(got.error().message, HasSubstr("expired"));
}

TEST_F(ServerTest, MutualTls) {
  const auto server = Listen(ServerTls("127.0.0.1", true));
  const auto tls = ClientTlsWithCertificate(ca_);
  // Twice: a resumed session must not lose who the peer is.
  for (int i = 0; i < 2; ++i) {
    const auto got = Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = tls});
    ASSERT_TRUE(got.has_value()) << got.error().ToString();
    EXPECT_THAT(got->body, HasSubstr(R"("peer_cn":"device-7")"));
    EXPECT_THAT(got->body, HasSubstr(crypto::ReadCertificate(client_certificate_)->sha256));
  }
}

TEST_F(ServerTest, MutualTlsRefusesStrangers) {
  const auto server = Listen(ServerTls("127.0.0.1", true));
  EXPECT_EQ(Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = ClientTls()}).error().code,
            Code::kUnavailable);
  const auto stranger = *crypto::CertificateAuthority::Create("Test CA", Now(), 1);
  const auto tls = ClientTlsWithCertificate(stranger);
  EXPECT_EQ(Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = tls}).error().code,
            Code::kUnavailable);
  // A server's certificate of the right authority is no client's.
  const auto server_certificate = *ca_.IssueServer({"x"}, Now(), std::chrono::hours(1));
  const auto wrong_use =
      *io::MakeTlsClient({.ca_file = folder_ + "/ca.pem",
                          .certificate_file = Save("w.pem", server_certificate.certificate_pem),
                          .key_file = Save("w.key", server_certificate.key_pem)});
  EXPECT_EQ(Fetch("GET", Url(*server, "/describe", "https"), "", {.tls = wrong_use}).error().code,
            Code::kUnavailable);
  EXPECT_EQ(server->counts().requests, 0u);
  EXPECT_EQ(server->counts().failed_handshakes, 3u);
}

TEST_F(ServerTest, UnixSocket) {
  const std::string path = folder_ + "/admin.sock";
  auto listen = [&] {
    return Server::Listen({.unix_path = path}, nullptr, router_, {}, scope_, logger_);
  };
  auto server = listen();
  ASSERT_TRUE(server.has_value());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto got = Get(FetchUnix(path, "GET", "/describe/a?b=c", {}, "", {}));
  ASSERT_TRUE(got.has_value()) << got.error().ToString();
  EXPECT_THAT(got->body, HasSubstr(R"("remote":"unix")"));
  EXPECT_EQ(listen().error().code, Code::kUnavailable);
  Run((*server)->Stop(1s));
  EXPECT_NE(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(Get(FetchUnix(path, "GET", "/", {}, "", {})).error().code, Code::kUnavailable);
  // A file that a dead program left is replaced, one that is no socket is not.
  {
    asio::local::stream_protocol::acceptor left(context_,
                                                asio::local::stream_protocol::endpoint(path));
  }
  EXPECT_TRUE(listen().has_value());
  EXPECT_EQ(Server::Listen({.unix_path = Save("file", "x")}, nullptr, router_, {}, scope_, logger_)
                .error()
                .code,
            Code::kUnavailable);
}

TEST_F(ServerTest, ListenSaysWhatIsWrong) {
  const auto server = Listen();
  const auto again = Server::Listen({.host = "127.0.0.1", .port = server->port()}, nullptr, router_,
                                    {}, scope_, logger_);
  EXPECT_EQ(again.error().code, Code::kUnavailable);
  EXPECT_THAT(again.error().message, HasSubstr("127.0.0.1"));
  EXPECT_EQ(
      Server::Listen({.host = "localhost"}, nullptr, router_, {}, scope_, logger_).error().code,
      Code::kInvalid);
}

TEST_F(ServerTest, StopLetsRunningRequestsEnd) {
  bool started = false;
  io::Event go(context_.get_executor());
  router_.Add("GET", "/wait", [&](Request) -> io::Task<Response> {
    started = true;
    co_await go.Wait();
    co_return Response::Text(200, "done");
  });
  const auto server = Listen();
  std::optional<std::string> answer;
  scope_.Spawn("client",
               Keep(RawTask(server->port(), "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"), answer));
  std::optional<std::string> idle;
  scope_.Spawn("idle", Keep(RawTask(server->port(), ""), idle));
  while (!started || server->counts().open < 2) context_.run_one();
  asio::post(context_, [&] { go.Notify(); });
  Run(server->Stop(10s));
  while (!answer || !idle) context_.run_one();
  EXPECT_THAT(*answer, HasSubstr("done"));
  EXPECT_THAT(*answer, HasSubstr("Connection: close"));
  EXPECT_EQ(*idle, "");
  EXPECT_EQ(server->counts().open, 0u);
}

TEST_F(ServerTest, StopCutsWhatTakesLonger) {
  const auto server = Listen();
  std::optional<std::string> answer;
  scope_.Spawn("client",
               Keep(RawTask(server->port(), "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"), answer));
  while (server->counts().requests == 0) context_.run_one();
  Run(server->Stop(20ms));
  while (!answer) context_.run_one();
  EXPECT_EQ(*answer, "");
  EXPECT_EQ(server->counts().open, 0u);
}

TEST_F(ServerTest, ScopeCancelEndsHandlers) {
  const auto server = Listen();
  std::optional<std::string> answer;
  asio::co_spawn(context_,
                 Keep(RawTask(server->port(), "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"), answer),
                 [](std::exception_ptr) {});
  while (server->counts().requests == 0) context_.run_one();
  scope_.Cancel();
  Run(scope_.Join());
  EXPECT_EQ(server->counts().open, 0u);
}

TEST_F(ServerTest, DestroyedServerEndsItsConnections) {
  auto server = Listen();
  std::optional<std::string> answer;
  asio::co_spawn(context_,
                 Keep(RawTask(server->port(), "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"), answer),
                 [](std::exception_ptr) {});
  while (server->counts().requests == 0) context_.run_one();
  server.reset();
  Run(scope_.Join());
  while (!answer) context_.run_one();
  EXPECT_EQ(*answer, "");
}

io::Task<void> WritePieces(BodyWriter& writer, int to) {
  for (int i = 1; i <= to; ++i) {
    if (auto written = co_await writer.Write("piece " + std::to_string(i) + "\n"); !written) break;
  }
}

TEST_F(ServerTest, StreamsAnswers) {
  router_.Add("GET", "/stream", [](Request) -> io::Task<Response> {
    Response response;
    response.headers.Set("Content-Type", "text/event-stream");
    response.stream = [](BodyWriter& writer) { return WritePieces(writer, 3); };
    co_return response;
  });
  for (const bool with_tls : {false, true}) {
    auto server = Listen(with_tls ? ServerTls("127.0.0.1", false) : nullptr);
    const std::string url = std::string(with_tls ? "https" : "http") +
                            "://127.0.0.1:" + std::to_string(server->port()) + "/stream";
    const auto got = World::Get(http::Fetch("GET", url, {}, "", {.tls = ClientTls()}));
    ASSERT_TRUE(got) << got.error().ToString();
    EXPECT_EQ(got->body, "piece 1\npiece 2\npiece 3\n");
    EXPECT_EQ(got->headers.Get("Transfer-Encoding"), "chunked");
    EXPECT_EQ(got->headers.Get("Content-Type"), "text/event-stream");
    EXPECT_EQ(got->headers.Get("Content-Length"), "");
    EXPECT_EQ(World::Get(http::Fetch("HEAD", url, {}, "", {.tls = ClientTls()}))->body, "");
  }
}

// Says in `ended` that it was told to stop.
io::Task<void> Endless(BodyWriter& writer, std::shared_ptr<bool> ended) {
  struct Note {
    std::shared_ptr<bool> ended;
    ~Note() { *ended = true; }
  } note{std::move(ended)};
  (void)co_await writer.Write("first\n");
  co_await io::Sleep(std::chrono::hours(1));
}

TEST_F(ServerTest, ClientsThatLeaveEndTheStream) {
  const auto ended = std::make_shared<bool>(false);
  router_.Add("GET", "/stream", [ended](Request) -> io::Task<Response> {
    Response response;
    response.stream = [ended](BodyWriter& writer) { return Endless(writer, ended); };
    co_return response;
  });
  auto server = Listen();
  Run([](uint16_t port) -> io::Task<void> {
    tcp::socket socket(co_await asio::this_coro::executor);
    (void)co_await socket.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), port),
                                        io::kTuple);
    const std::string request = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
    (void)co_await asio::async_write(socket, asio::buffer(request), io::kTuple);
    std::string got(1024, '\0');
    size_t size = 0;
    while (got.find("first") == std::string::npos) {
      auto [error, more] = co_await socket.async_read_some(
          asio::buffer(got.data() + size, got.size() - size), io::kTuple);
      if (error) break;
      size += more;
    }
    EXPECT_NE(got.find("first"), std::string::npos);
  }(server->port()));
  // The socket is gone; the server notices, whatever the stream waits for.
  while (!*ended && context_.run_one() > 0) {
  }
  EXPECT_TRUE(*ended);
}

TEST_F(ServerTest, StreamsThatFailAreNotWhole) {
  router_.Add("GET", "/stream", [](Request) -> io::Task<Response> {
    Response response;
    response.stream = [](BodyWriter& writer) -> io::Task<void> {
      (void)co_await writer.Write("half");
      throw std::runtime_error("a bug");
    };
    co_return response;
  });
  auto server = Listen();
  const auto got = World::Get(http::Fetch(
      "GET", "http://127.0.0.1:" + std::to_string(server->port()) + "/stream", {}, "", {}));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace mailreeve::http
