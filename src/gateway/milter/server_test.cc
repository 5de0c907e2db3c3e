#include "base/random.h"
#include "gateway/milter/milter.h"
#include "gateway/milter/wire.h"
#include "io/event.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace mailreeve::gateway::milter {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

std::string Z(std::initializer_list<std::string_view> strings) {
  std::string out;
  for (const auto text : strings) out.append(text).push_back('\0');
  return out;
}

std::string Packets(std::initializer_list<std::pair<char, std::string>> list) {
  std::string out;
  for (const auto& [command, data] : list) AppendPacket(out, static_cast<Reply>(command), data);
  return out;
}

std::string Offer(uint32_t version = 6) {
  std::string out;
  AppendNumber(out, version);
  AppendNumber(out, 0x1ff);
  AppendNumber(out, 0x1fffff);
  return out;
}

const std::string kConnectData =
    Z({"mx.example.org"}) + std::string("4\0\x19", 3) + Z({"192.0.2.1"});

// A whole message, as a mail server sends it that does not wait.
std::string Message(const std::string& queue_id) {
  return Packets({{'M', Z({"<a@example.org>"})},
                  {'R', Z({"<b@example.net>"})},
                  {'L', Z({"Subject", " hello"})},
                  {'N', ""},
                  {'B', "text\r\n"},
                  {'D', "E" + Z({"i", queue_id})},
                  {'E', ""}});
}

const std::string kBegin = Packets({{'O', Offer()}, {'C', kConnectData}, {'H', Z({"helo"})}});

// Does what the test says at the one stage it names.
class ScriptedHandler final : public MessageHandler {
 public:
  StageSet stages() const override { return asked; }
  io::Task<Decision> OnStage(Stage stage, Transaction so_far) override {
    seen_stages.push_back(stage);
    if (stage == Stage::kRcpt) last_recipient = so_far.recipients.back().raw;
    if (stage == at) co_return co_await Act();
    co_return Decision::Continue();
  }
  io::Task<Decision> OnMessage(MilterMessage message) override {
    messages.push_back(std::move(message));
    if (at == Stage::kEndOfMessage) co_return co_await Act();
    co_return Decision::Accept();
  }
  void OnAbort(const Abort& abort) override { aborts.push_back(abort); }

  io::Task<Decision> Act() {
    if (sleep > 0ms) {
      try {
        co_await io::Sleep(sleep);
      } catch (const std::exception&) {
        cancelled = true;
        throw;
      }
    }
    if (throws) throw std::runtime_error("out of order");
    co_return decision;
  }

  StageSet asked;
  Stage at = Stage::kEndOfMessage;
  Decision decision = Decision::Accept();
  std::chrono::milliseconds sleep{0};
  bool throws = false, cancelled = false;
  std::vector<Stage> seen_stages;
  std::vector<MilterMessage> messages;
  std::vector<Abort> aborts;
  std::string last_recipient;
};

class Client {
 public:
  explicit Client(const io::Executor& executor) : socket_(executor) {}

  io::Task<void> Connect(const std::string& address) {
    if (address.starts_with("unix:")) {
      co_await socket_.async_connect(asio::local::stream_protocol::endpoint(address.substr(5)),
                                     asio::use_awaitable);
    } else {
      const auto colon = address.rfind(':');
      const auto port = static_cast<uint16_t>(std::stoi(address.substr(colon + 1)));
      co_await socket_.async_connect(
          asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), port), asio::use_awaitable);
    }
  }
  io::Task<void> Send(std::string bytes) {
    co_await asio::async_write(socket_, asio::buffer(bytes), io::kTuple);
  }
  // The next packet as letter and data; "" when the connection has ended.
  io::Task<std::string> Read() {
    char head[4];
    const auto [error, got] = co_await asio::async_read(socket_, asio::buffer(head), io::kTuple);
    if (error) co_return "";
    std::string_view view(head, 4);
    std::string packet(*TakeNumber(view), '\0');
    const auto [error2, got2] =
        co_await asio::async_read(socket_, asio::buffer(packet), io::kTuple);
    co_return error2 ? "" : packet;
  }
  // Letters of the packets up to the first that is not progress.
  io::Task<std::string> Answer() {
    std::string letters;
    do {
      const std::string packet = co_await Read();
      if (packet.empty()) co_return letters + "!";
      letters += packet[0];
    } while (letters.back() == 'p' ||
             std::string_view("+-2behimq").find(letters.back()) != std::string_view::npos);
    co_return letters;
  }
  void Close() { socket_.close(); }

 private:
  asio::generic::stream_protocol::socket socket_;
};

class ServerTest : public testing::Test {
 public:
  ServerTest()
      : folder_(std::filesystem::temp_directory_path() / ("milter-test-" + RandomToken(8))) {
    std::filesystem::create_directory(folder_);
    options_.listen = {"inet:127.0.0.1:0", "unix:" + (folder_ / "sock").string()};
  }
  ~ServerTest() override { std::filesystem::remove_all(folder_); }

  void Listen() {
    auto server = Server::Listen(options_, handler_, scope_, logger_);
    ASSERT_TRUE(server.has_value()) << server.error().ToString();
    server_ = *std::move(server);
  }

  // Runs `task` to its end against the server, then stops the server and runs everything dry.
  void Run(io::Task<void> task) {
    if (!server_) Listen();
    bool done = false;
    std::exception_ptr thrown;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr error) {
      thrown = error;
      done = true;
    });
    while (!done && context_.run_one_for(30s) > 0) {
    }
    EXPECT_TRUE(done) << "hangs";
    counters_ = server_->counters();
    server_->StopAccepting();
    scope_.Cancel();
    context_.restart();
    context_.run();
    EXPECT_EQ(scope_.size(), 0U);
    EXPECT_EQ(server_->counters().connections_now, 0U);
    EXPECT_EQ(server_->counters().buffered_bytes_now, 0U);
    if (thrown) std::rethrow_exception(thrown);
  }

  // One fresh connection: sends `bytes`, gives the answers to them but for the negotiation.
  io::Task<void> Ask(std::string bytes, std::string& answer, int address = 0) {
    Client client(context_.get_executor());
    co_await client.Connect(server_->addresses()[static_cast<size_t>(address)]);
    co_await client.Send(std::move(bytes));
    EXPECT_EQ((co_await client.Read()).substr(0, 1), "O");
    answer = co_await client.Answer();
  }

  std::filesystem::path folder_;
  asio::io_context context_{1};
  log::NullLogger logger_;
  io::Scope scope_{context_.get_executor(), logger_};
  ScriptedHandler handler_;
  Options options_;
  std::unique_ptr<Server> server_;
  Counters counters_;
};

TEST_F(ServerTest, TcpAndUnix) {
  std::string tcp, local;
  Listen();
  Run([](ServerTest& t, std::string& a, std::string& b) -> io::Task<void> {
    co_await t.Ask(kBegin + Message("4Q1"), a, 0);
    co_await t.Ask(kBegin + Message("4Q2"), b, 1);
  }(*this, tcp, local));
  EXPECT_EQ(tcp, "a");
  EXPECT_EQ(local, "a");
  ASSERT_EQ(handler_.messages.size(), 2U);
  EXPECT_EQ(handler_.messages[0].raw, "Subject: hello\r\n\r\ntext\r\n");
  EXPECT_EQ(handler_.messages[0].queue_id, "4Q1");
  EXPECT_EQ(handler_.messages[1].connection.serial, 2U);
  EXPECT_EQ(counters_.accepted, 2U);
  EXPECT_TRUE(handler_.aborts.empty());
}

TEST_F(ServerTest, ByteByByteAndManyMessages) {
  std::string letters;
  Run([](ServerTest& t, std::string& out) -> io::Task<void> {
    Client client(t.context_.get_executor());
    co_await client.Connect(t.server_->addresses()[1]);
    for (const char c : kBegin + Message("4Q1") + Packets({{'A', ""}}))
      co_await client.Send(std::string(1, c));
    co_await client.Read();
    out += co_await client.Answer();
    for (int i = 0; i < 20; ++i) {
      co_await client.Send(Message("4Q" + std::to_string(i)));
      out += co_await client.Answer();
    }
    co_await client.Send(Packets({{'Q', ""}}));
    out += co_await client.Answer();
  }(*this, letters));
  EXPECT_EQ(letters, std::string(21, 'a') + "!");
  EXPECT_EQ(handler_.messages.size(), 21U);
  EXPECT_EQ(handler_.messages.back().index, 21U);
  EXPECT_TRUE(handler_.aborts.empty());
}

// Each action at each stage where a handler can be asked, over the wire.
TEST_F(ServerTest, ActionsAtStages) {
  const std::vector<std::pair<Stage, std::string>> stages = {
      {Stage::kConnect, Packets({{'C', kConnectData}})},
      {Stage::kHelo, Packets({{'H', Z({"helo"})}})},
      {Stage::kMail, Packets({{'M', Z({"<a@a>"})}})},
      {Stage::kRcpt, Packets({{'R', Z({"<b@b>"})}})},
      {Stage::kData, Packets({{'T', ""}})},
      {Stage::kUnknown, Packets({{'U', Z({"XYZZY"})}})},
      {Stage::kEndOfMessage, Packets({{'L', Z({"A", " b"})}, {'N', ""}, {'B', "x"}, {'E', ""}})},
  };
  struct Action {
    Decision decision;
    std::string letter;
  };
  const std::vector<Action> actions = {
      {Decision::Continue(), "c"}, {Decision::Accept(), "a"},
      {Decision::Reject(), "r"},   {Decision::TempFail(), "t"},
      {Decision::Discard(), "d"},  {Decision::Reply(554, "5.7.1", "no"), "y"}};
  Listen();
  Run([](ServerTest& t, const auto& stages, const auto& actions) -> io::Task<void> {
    for (const auto& [stage, packets] : stages) {
      for (const Action& action : actions) {
        t.handler_.asked = {Stage::kConnect, Stage::kHelo, Stage::kMail,
                            Stage::kRcpt,    Stage::kData, Stage::kUnknown};
        t.handler_.at = stage;
        t.handler_.decision = action.decision;
        Client client(t.context_.get_executor());
        co_await client.Connect(t.server_->addresses()[0]);
        co_await client.Send(Packets({{'O', Offer()}}));
        co_await client.Read();
        std::string letters;
        for (const auto& [other, bytes] : stages) {
          co_await client.Send(bytes);
          letters = co_await client.Answer();
          if (other == stage) break;
          EXPECT_EQ(letters, "c");
        }
        const bool no_message =
            stage == Stage::kConnect || stage == Stage::kHelo || stage == Stage::kUnknown;
        const std::string want = action.letter == "d" && no_message ? "t" : action.letter;
        EXPECT_EQ(letters, want) << StageName(stage);
        // The connection stays usable for the next message whatever was decided.
        t.handler_.at = Stage::kHeader;
        if (stage == Stage::kConnect)
          co_await client.Send(Packets({{'K', ""}, {'C', kConnectData}}));
        if (stage == Stage::kConnect) EXPECT_EQ(co_await client.Answer(), "c");
        co_await client.Send(Packets({{'A', ""}, {'M', Z({"<a@a>"})}}));
        EXPECT_EQ(co_await client.Answer(), "c");
        co_await client.Send(Packets({{'R', Z({"<again@b>"})}}));
        EXPECT_EQ(co_await client.Answer(), "c");
        co_await client.Send(Packets({{'E', ""}}));
        EXPECT_EQ(co_await client.Answer(), "a") << StageName(stage) << action.letter;
        EXPECT_EQ(t.handler_.messages.back().recipients.size(), 1U);
        client.Close();
      }
    }
  }(*this, stages, actions));
  EXPECT_EQ(counters_.decisions_refused, 3U);
  EXPECT_EQ(handler_.last_recipient, "<again@b>");
}

TEST_F(ServerTest, ChangesGoBeforeTheAnswer) {
  handler_.decision =
      Decision::Quarantine("held").With(AddHeader{"X-A", "b"}).With(ReplaceBody{"new"});
  std::string letters;
  Run(Ask(kBegin + Message("4Q1"), letters));
  EXPECT_EQ(letters, "hbqa");
  EXPECT_EQ(counters_.quarantined, 1U);
}

TEST_F(ServerTest, FailureModes) {
  const std::vector<std::pair<FailureMode, std::string>> modes = {
      {FailureMode::kTempFail, "t"}, {FailureMode::kAccept, "a"}, {FailureMode::kReject, "r"}};
  options_.max_message_bytes = 100;
  options_.answer_timeout = 30ms;
  options_.stage_timeout = 30ms;
  Listen();
  Run([](ServerTest& t, const auto& modes) -> io::Task<void> {
    for (const auto& [mode, letter] : modes) {
      t.server_->SetFailureMode(mode);
      std::string answer;
      t.handler_.throws = true;
      co_await t.Ask(kBegin + Message("1"), answer);
      EXPECT_EQ(answer, letter) << "throws";
      t.handler_.throws = false;

      t.handler_.sleep = 1h;
      co_await t.Ask(kBegin + Message("2"), answer);
      EXPECT_EQ(answer, letter) << "takes too long";
      EXPECT_TRUE(std::exchange(t.handler_.cancelled, false));
      t.handler_.sleep = 0ms;

      t.handler_.decision = Decision::Accept().With(AddHeader{"not a name", ""});
      co_await t.Ask(kBegin + Message("3"), answer);
      EXPECT_EQ(answer, letter) << "a decision that cannot be carried out";
      t.handler_.decision = Decision::Accept();

      const size_t before = t.handler_.messages.size();
      co_await t.Ask(
          kBegin + Packets({{'M', Z({"<a@a>"})}, {'B', std::string(200, 'x')}, {'E', ""}}), answer);
      EXPECT_EQ(answer, letter) << "over a limit";
      EXPECT_EQ(t.handler_.messages.size(), before) << "nobody sees a part of a message";

      // At a stage, accepting would let the message go by unseen.
      t.handler_.asked = {Stage::kMail};
      t.handler_.at = Stage::kMail;
      t.handler_.throws = true;
      co_await t.Ask(kBegin + Packets({{'M', Z({"<a@a>"})}}), answer);
      EXPECT_EQ(answer, mode == FailureMode::kAccept ? "c" : letter);
      t.handler_.throws = false;
      t.handler_.sleep = 1h;
      co_await t.Ask(kBegin + Packets({{'M', Z({"<a@a>"})}}), answer);
      EXPECT_EQ(answer, mode == FailureMode::kAccept ? "c" : letter);
      t.handler_.asked = {};
      t.handler_.at = Stage::kEndOfMessage;
      t.handler_.sleep = 0ms;
    }
  }(*this, modes));
  EXPECT_EQ(counters_.handler_errors, 6U);
  EXPECT_EQ(counters_.handler_timeouts, 6U);
  EXPECT_EQ(counters_.decisions_refused, 3U);
  EXPECT_EQ(counters_.limits_hit, 3U);
  EXPECT_EQ(counters_.failures, 18U);
  EXPECT_EQ(counters_.failures_accepted, 4U);
}

TEST_F(ServerTest, ProgressWhileTheAnswerIsSlow) {
  options_.progress_interval = 5ms;
  handler_.sleep = 60ms;
  std::string letters;
  Run(Ask(kBegin + Message("4Q1"), letters));
  EXPECT_GT(letters.size(), 1U);
  EXPECT_EQ(letters, std::string(letters.size() - 1, 'p') + "a");
}

TEST_F(ServerTest, DisconnectInTheMiddleIsTold) {
  Run([](ServerTest& t) -> io::Task<void> {
    const std::string all = kBegin + Message("4Q1");
    for (size_t cut = 0; cut < all.size(); ++cut) {
      Client client(t.context_.get_executor());
      co_await client.Connect(t.server_->addresses()[1]);
      co_await client.Send(all.substr(0, cut));
      client.Close();
      const uint64_t wanted = cut + 1;
      while (t.server_->counters().connections < wanted ||
             t.server_->counters().connections_now > 0)
        co_await io::Sleep(1ms);
    }
  }(*this));
  EXPECT_TRUE(handler_.messages.empty());
  const size_t in_message = Message("4Q1").size() - Packets({{'M', Z({"<a@example.org>"})}}).size();
  EXPECT_EQ(handler_.aborts.size(), in_message);
  for (const Abort& abort : handler_.aborts) {
    EXPECT_TRUE(abort.disconnected);
    EXPECT_FALSE(abort.answer_lost);
  }
}

TEST_F(ServerTest, LostAnswerIsTold) {
  handler_.sleep = 50ms;
  handler_.decision.tag = 42;
  Run([](ServerTest& t) -> io::Task<void> {
    Client client(t.context_.get_executor());
    co_await client.Connect(t.server_->addresses()[0]);
    co_await client.Send(kBegin + Message("4Q1"));
    co_await client.Read();
    while (t.handler_.messages.empty()) co_await io::Sleep(1ms);
    client.Close();
    while (t.handler_.aborts.empty()) co_await io::Sleep(1ms);
  }(*this));
  ASSERT_EQ(handler_.aborts.size(), 1U);
  EXPECT_TRUE(handler_.aborts[0].answer_lost);
  EXPECT_EQ(handler_.aborts[0].tag, 42U);
  EXPECT_EQ(handler_.aborts[0].queue_id, "4Q1");
  EXPECT_EQ(counters_.answers_lost, 1U);
}

TEST_F(ServerTest, StoppingInTheMiddleIsTold) {
  handler_.sleep = 1h;
  Run([](ServerTest& t) -> io::Task<void> {
    Client client(t.context_.get_executor());
    co_await client.Connect(t.server_->addresses()[0]);
    co_await client.Send(kBegin + Message("4Q1"));
    while (t.handler_.messages.empty()) co_await io::Sleep(1ms);
  }(*this));
  EXPECT_TRUE(handler_.cancelled);
  ASSERT_EQ(handler_.aborts.size(), 1U);
  EXPECT_FALSE(handler_.aborts[0].answer_lost);
  EXPECT_EQ(counters_.failures, 0U);
}

TEST_F(ServerTest, LiesEndTheConnection) {
  const std::vector<std::string> lies = {
      std::string("\0\0\0\0", 4),
      std::string("\xff\xff\xff\xffO", 5),
      Packets({{'Z', "not a command"}}),
      Packets({{'O', "short"}}),
      Packets({{'M', Z({"<a@a>"})}}),
      kBegin + std::string("\0\0\0\0", 4),
      kBegin + Packets({{'R', Z({"<b@b>"})}}),
      kBegin + Message("x").substr(0, 60) + std::string(100, '\xff'),
  };
  Run([](ServerTest& t, const auto& lies) -> io::Task<void> {
    for (const std::string& lie : lies) {
      Client client(t.context_.get_executor());
      co_await client.Connect(t.server_->addresses()[0]);
      co_await client.Send(lie);
      while (!(co_await client.Read()).empty()) {
      }
    }
    std::string answer;
    co_await t.Ask(kBegin + Message("fine"), answer);
    EXPECT_EQ(answer, "a");
  }(*this, lies));
  EXPECT_EQ(counters_.protocol_errors + counters_.negotiations_failed, lies.size());
  EXPECT_EQ(handler_.messages.size(), 1U);
}

TEST_F(ServerTest, TrickleAndSilenceTimeOut) {
  options_.idle_timeout = 40ms;
  options_.packet_timeout = 40ms;
  Run([](ServerTest& t) -> io::Task<void> {
    Client silent(t.context_.get_executor());
    co_await silent.Connect(t.server_->addresses()[0]);
    EXPECT_EQ(co_await silent.Read(), "");

    // Bytes keep coming, but the packet never ends.
    Client trickle(t.context_.get_executor());
    co_await trickle.Connect(t.server_->addresses()[0]);
    co_await trickle.Send(kBegin + std::string("\0\1\0\0M", 5));
    co_await trickle.Read();
    while (t.server_->counters().read_timeouts < 2) {
      co_await trickle.Send("x");
      co_await io::Sleep(1ms);
    }
    EXPECT_EQ(co_await trickle.Read(), "");
  }(*this));
  EXPECT_EQ(counters_.read_timeouts, 2U);
}

TEST_F(ServerTest, MoreConnectionsWait) {
  options_.max_connections = 1;
  std::string second;
  Run([](ServerTest& t, std::string& out) -> io::Task<void> {
    Client first(t.context_.get_executor());
    co_await first.Connect(t.server_->addresses()[1]);
    co_await first.Send(kBegin);
    co_await first.Read();
    Client waiting(t.context_.get_executor());
    co_await waiting.Connect(t.server_->addresses()[1]);
    co_await waiting.Send(kBegin + Message("4Q1"));
    co_await first.Send(Message("4Q0"));
    EXPECT_EQ(co_await first.Answer(), "a");
    EXPECT_EQ(t.handler_.messages.size(), 1U);
    first.Close();
    co_await waiting.Read();
    out = co_await waiting.Answer();
  }(*this, second));
  EXPECT_EQ(second, "a");
}

TEST_F(ServerTest, SocketFiles) {
  const std::string path = (folder_ / "sock").string();
  Listen();
  auto second = Server::Listen(options_, handler_, scope_, logger_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_TRUE(std::filesystem::exists(path)) << "the first server's file is left alone";
  Run([]() -> io::Task<void> { co_return; }());
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path));

  // A file whose server is gone is replaced; what is no socket is not.
  {
    asio::local::stream_protocol::acceptor stale(context_,
                                                 asio::local::stream_protocol::endpoint(path));
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  io::Scope scope(context_.get_executor(), logger_);
  options_.listen = {"unix:" + path};
  {
    auto third = Server::Listen(options_, handler_, scope, logger_);
    ASSERT_TRUE(third.has_value()) << third.error().ToString();
    (*third)->StopAccepting();
    scope.Cancel();
    context_.restart();
    context_.run();
  }
  std::filesystem::create_directory(path);
  EXPECT_FALSE(Server::Listen(options_, handler_, scope, logger_).has_value());
}

TEST_F(ServerTest, BadAddresses) {
  for (const std::string& address :
       {"", "inet:", "inet:127.0.0.1", "inet:localhost:1", "inet:127.0.0.1:70000", "unix:rel",
        "tcp:1", "inet:127.0.0.1:x"}) {
    options_.listen = {address};
    EXPECT_FALSE(Server::Listen(options_, handler_, scope_, logger_).has_value()) << address;
  }
  options_.listen.clear();
  EXPECT_FALSE(Server::Listen(options_, handler_, scope_, logger_).has_value());
  scope_.Cancel();
  context_.run();
}

TEST(OptionsTest, FromSettings) {
  const auto& schema = settings::Schema::Builtin();
  EXPECT_EQ(Options::FromSettings(*settings::Snapshot::Defaults(schema, "gateway")).on_failure,
            FailureMode::kTempFail);
  const auto given = settings::Snapshot::FromJson(
      schema, "gateway",
      *json::Parse(
          R"({"values":{"milter.on_failure":"accept","milter.max_message_bytes":65536}})"));
  ASSERT_TRUE(given.has_value());
  EXPECT_EQ(Options::FromSettings(**given).on_failure, FailureMode::kAccept);
  EXPECT_EQ(Options::FromSettings(**given).max_message_bytes, 65536U);
}

}  // namespace
}  // namespace mailreeve::gateway::milter
