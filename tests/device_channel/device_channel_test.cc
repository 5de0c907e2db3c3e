// A gateway's registration and channel against a platform's exchange: two servers (registration
// without, channel with client certificates) on free loopback ports, real TLS and WebSockets.
#include "gateway/registration/registration.h"
#include "http/server.h"
#include "io/event.h"
#include "io/file.h"
#include "io/tls.h"
#include "response/exchange/exchange.h"
#include "response/exchange/routes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <random>

namespace mailreeve {
namespace {

using namespace std::chrono_literals;
namespace exchange = response::exchange;
namespace registration = gateway::registration;
using registration::Registration;

// Answers "/echo" with its body, "/big" with so many bytes, "/wait" after so many milliseconds.
class TestModule final : public relay::Module {
 public:
  io::Task<Result<json::value>> Ask(relay::Call call) override {
    ++running;
    struct Leave {
      TestModule& module;
      ~Leave() { --module.running; }
    } leave{*this};
    most = std::max(most, running);
    if (call.route == "/big") {
      co_return json::value(
          boost::json::string(static_cast<size_t>(call.body.to_number<int64_t>()), 'x'));
    }
    if (call.route == "/wait")
      co_await io::Sleep(std::chrono::milliseconds(call.body.to_number<int64_t>()));
    co_return call.body;
  }
  int running = 0, most = 0;
};

// A free port that stays ours while nobody listens on it: from below those that the kernel gives to
// connections that go out.
uint16_t PortToKeep() {
  std::random_device random;
  asio::io_context context(1);
  for (int tries = 0; tries < 1000; ++tries) {
    const auto port = static_cast<uint16_t>(10000 + random() % 20000);
    io::error_code error;
    asio::ip::tcp::acceptor probe(context, asio::ip::tcp::v4());
    probe.bind({asio::ip::address_v4::loopback(), port}, error);
    if (!error) return port;
  }
  return 0;
}

class DeviceChannel : public testing::Test {
 public:
  DeviceChannel() {
    char name[] = "/tmp/mailreeve-channel-XXXXXX";
    folder_ = mkdtemp(name);
    EXPECT_TRUE(
        io::WriteFileAtomically(folder_ + "/server_ca.pem", server_ca_.certificate_pem(), 0644));
    authority_.emplace(*exchange::LoadOrCreateDeviceAuthority(
        folder_ + "/device_ca.pem", folder_ + "/device_ca.key", SystemClock().Now()));
    enroller_.emplace(std::move(*authority_));
    MakeServerCertificate(SystemClock().Now());
    options_.hub.session.close_timeout = 500ms;
    admin_.user_id = "user-1";
    admin_.org_id = "org-1";
    gateway_options_.version = "0.1";
    gateway_options_.host_name = "gw.test";
    gateway_options_.channel.backoff_first = 20ms;
    gateway_options_.channel.backoff_max = 100ms;
    gateway_options_.channel.refused_wait = 50ms;
    gateway_options_.channel.session.close_timeout = 500ms;
    gateway_options_.prove_timeout = 30s;
  }
  ~DeviceChannel() override { std::filesystem::remove_all(folder_); }

  void MakeServerCertificate(Time now) {
    const auto made =
        *server_ca_.IssueServer({"127.0.0.1", "localhost"}, now, std::chrono::hours(24 * 30));
    EXPECT_TRUE(io::WriteFileAtomically(folder_ + "/server.pem", made.certificate_pem, 0644));
    EXPECT_TRUE(io::WriteFileAtomically(folder_ + "/server.key", made.key_pem, 0600));
  }

  struct Platform {
    std::unique_ptr<exchange::Exchange> exchange;
    http::Router router, channel_router;
    std::unique_ptr<io::Scope> scope;
    std::unique_ptr<http::Server> public_server, channel_server;
  };
  // Ports are kept over restarts.
  void StartPlatform() {
    platform_ = std::make_unique<Platform>();
    Platform& p = *platform_;
    p.scope = std::make_unique<io::Scope>(context_.get_executor(), logger_);
    const auto channel_tls = io::MakeTlsServer({.certificate_file = folder_ + "/server.pem",
                                                .key_file = folder_ + "/server.key",
                                                .client_ca_file = folder_ + "/device_ca.pem"});
    const auto public_tls = io::MakeTlsServer(
        {.certificate_file = folder_ + "/server.pem", .key_file = folder_ + "/server.key"});
    ASSERT_TRUE(channel_tls && public_tls);
    auto channel_server =
        http::Server::Listen({.host = "127.0.0.1", .port = channel_port_}, *channel_tls,
                             p.channel_router, {}, *p.scope, logger_);
    ASSERT_TRUE(channel_server) << channel_server.error().ToString();
    p.channel_server = std::move(*channel_server);
    channel_port_ = p.channel_server->port();
    auto options = options_;
    options.channel_url =
        "wss://127.0.0.1:" + std::to_string(channel_port_) + std::string(exchange::kChannelPath);
    auto store = exchange::Store::Open(*sql::Database::Open({.path = folder_ + "/exchange.db"}));
    ASSERT_TRUE(store) << store.error().ToString();
    p.exchange =
        std::make_unique<exchange::Exchange>(std::move(*store), *enroller_, audit_, options,
                                             platform_clock_, logger_, context_.get_executor());
    p.channel_server->OnWebSocket(std::string(exchange::kChannelPath),
                                  channel::WebSocketLimitsFor(options.hub.session),
                                  p.exchange->hub().Handler());
    exchange::AddRegistrationRoute(p.router, *p.exchange);
    auto public_server = http::Server::Listen({.host = "127.0.0.1", .port = public_port_},
                                              *public_tls, p.router, {}, *p.scope, logger_);
    ASSERT_TRUE(public_server) << public_server.error().ToString();
    p.public_server = std::move(*public_server);
    public_port_ = p.public_server->port();
  }
  io::Task<void> StopPlatform() {
    co_await platform_->exchange->Stop();
    co_await platform_->public_server->Stop(500ms);
    co_await platform_->channel_server->Stop(500ms);
    platform_->public_server.reset();
    platform_->channel_server.reset();
    platform_->scope->Cancel();
    co_await platform_->scope->Join();
    platform_.reset();
  }
  std::unique_ptr<Registration> MakeGateway(std::string name) {
    auto options = gateway_options_;
    options.name = name;
    options.state_folder = folder_ + "/" + name;
    auto made = Registration::Open(options, module_, gateway_audit_, gateway_clock_, logger_,
                                   context_.get_executor());
    EXPECT_TRUE(made) << made.error().ToString();
    return made ? std::move(*made) : nullptr;
  }
  std::string Url() const { return "https://127.0.0.1:" + std::to_string(public_port_); }
  std::string CaFile() const { return folder_ + "/server_ca.pem"; }
  io::Task<Secret> Token(std::optional<std::string> device = std::nullopt) {
    auto token = co_await platform_->exchange->MakeToken(admin_, "192.0.2.1", device);
    EXPECT_TRUE(token);
    co_return token ? token->token : Secret();
  }
  // Registers and waits for the channel.
  io::Task<bool> Join(Registration& gateway) {
    auto done = co_await gateway.Register(Url(), co_await Token(), CaFile(), {});
    EXPECT_TRUE(done) << done.error().ToString();
    if (!done) co_return false;
    const bool connected = co_await gateway.link()->WaitConnected(20s);
    EXPECT_TRUE(connected) << gateway.status().link.last_error;
    co_return connected;
  }
  std::shared_ptr<relay::Module> ModuleOf(const Registration& gateway) {
    return platform_->exchange->hub().ModuleOf(gateway.status().identity->device_id);
  }
  void Run(io::Task<void> test) {
    bool done = false;
    asio::co_spawn(context_, std::move(test), [&](std::exception_ptr thrown) {
      done = true;
      if (thrown) std::rethrow_exception(thrown);
    });
    context_.run_for(240s);
    EXPECT_TRUE(done) << "the test hangs";
  }
  template <class F>
  static io::Task<bool> Until(F condition) {
    for (int i = 0; i < 20000 && !condition(); ++i) co_await io::Sleep(1ms);
    co_return condition();
  }

  std::string folder_;
  asio::io_context context_{1};
  log::NullLogger logger_;
  SystemClock system_clock_;
  FakeClock platform_clock_{SystemClock().Now()};
  FakeClock gateway_clock_{SystemClock().Now()};
  audit::MemoryLog audit_, gateway_audit_;
  crypto::CertificateAuthority server_ca_ =
      *crypto::CertificateAuthority::Create("Test servers", SystemClock().Now(), 1);
  std::optional<crypto::CertificateAuthority> authority_;
  std::optional<exchange::AuthorityEnroller> enroller_;
  exchange::ExchangeOptions options_;
  registration::RegistrationOptions gateway_options_;
  relay::Caller admin_;
  TestModule module_;
  uint16_t public_port_ = PortToKeep(), channel_port_ = PortToKeep();
  std::unique_ptr<Platform> platform_;
};

relay::Call CallOf(std::string route, json::value body, std::chrono::milliseconds deadline = 60s) {
  return {.route = std::move(route), .body = std::move(body), .deadline = deadline};
}

TEST_F(DeviceChannel, RegistersConnectsAndAnswers) {
  StartPlatform();
  struct Body {
    static io::Task<void> Of(DeviceChannel& t) {
      auto gateway = t.MakeGateway("gw1");
      gateway->Start();
      EXPECT_EQ(gateway->status().state, registration::State::kNotRegistered);
      if (!co_await t.Join(*gateway)) co_return;
      const auto status = gateway->status();
      EXPECT_EQ(status.state, registration::State::kRegistered);
      EXPECT_EQ(status.identity->organisation_id, "org-1");
      struct stat file {};
      EXPECT_EQ(::stat((t.folder_ + "/gw1/registration.json").c_str(), &file), 0);
      EXPECT_EQ(file.st_mode & 0777, 0600u);
      EXPECT_EQ(::stat((t.folder_ + "/gw1/" + status.identity->folder + "/key.pem").c_str(), &file),
                0);
      EXPECT_EQ(file.st_mode & 0777, 0600u);

      auto answer = co_await t.ModuleOf(*gateway)->Ask(CallOf("/echo", {{"q", 1}}));
      EXPECT_TRUE(answer) << answer.error().ToString();
      auto devices = co_await t.platform_->exchange->List(t.admin_);
      EXPECT_EQ(devices->size(), 1u);
      EXPECT_EQ(devices->front().state, "connected");
      EXPECT_EQ(devices->front().row.host_name, "gw.test");
      EXPECT_EQ(devices->front().row.address, "127.0.0.1");

      // The longest answer, and one byte more.
      auto longest = co_await t.ModuleOf(*gateway)->Ask(CallOf("/big", 16 * 1024 * 1024 - 2));
      EXPECT_TRUE(longest) << longest.error().ToString();
      auto over = co_await t.ModuleOf(*gateway)->Ask(CallOf("/big", 16 * 1024 * 1024 - 1));
      EXPECT_TRUE(!over && over.error().code == Code::kLimited);
      auto late = co_await t.ModuleOf(*gateway)->Ask(CallOf("/wait", 60000, 100ms));
      EXPECT_TRUE(!late && late.error().code == Code::kTimeout);
      EXPECT_TRUE(co_await Until([&] { return t.module_.running == 0; }));

      EXPECT_EQ(t.gateway_audit_.entries.size(), 1u);
      EXPECT_EQ(t.gateway_audit_.entries[0].action, "registration.register");
      auto gone = co_await gateway->Deregister({});
      EXPECT_TRUE(gone);
      EXPECT_EQ(t.gateway_audit_.entries.back().action, "registration.deregister");
      EXPECT_FALSE(std::filesystem::exists(t.folder_ + "/gw1/registration.json"));
      EXPECT_TRUE(std::filesystem::is_empty(t.folder_ + "/gw1"));
      EXPECT_FALSE(co_await gateway->Deregister({}));
      co_await gateway->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, BadTokensAndAddressesAreExplained) {
  StartPlatform();
  struct Body {
    static io::Task<void> Of(DeviceChannel& t) {
      auto first = t.MakeGateway("gw1");
      auto second = t.MakeGateway("gw2");
      first->Start();
      second->Start();
      const Secret token = co_await t.Token();
      EXPECT_TRUE(co_await first->Register(t.Url(), token, t.CaFile(), {}));
      auto used = co_await second->Register(t.Url(), token, t.CaFile(), {});
      EXPECT_TRUE(!used && used.error().code == Code::kConflict);
      if (!used)
        EXPECT_NE(used.error().ToString().find("used already"), std::string::npos)
            << used.error().ToString();
      EXPECT_EQ(second->status().state, registration::State::kFailed);
      EXPECT_EQ(t.gateway_audit_.entries.back().result, "failure");

      const Secret old = co_await t.Token();
      t.platform_clock_.Advance(2h);
      auto expired = co_await second->Register(t.Url(), old, t.CaFile(), {});
      EXPECT_TRUE(!expired && expired.error().code == Code::kDenied);
      // The clocks differ by then, and the refusal says so.
      if (!expired) {
        EXPECT_NE(expired.error().ToString().find("2 h 0 min ahead"), std::string::npos)
            << expired.error().ToString();
      }
      t.platform_clock_.Advance(-2h);
      auto unknown = co_await second->Register(t.Url(), Secret("0123"), t.CaFile(), {});
      EXPECT_TRUE(!unknown && unknown.error().code == Code::kUnauthenticated);

      // A platform under another authority.
      auto stranger = crypto::CertificateAuthority::Create("Other", SystemClock().Now(), 1);
      EXPECT_TRUE(
          io::WriteFileAtomically(t.folder_ + "/other.pem", stranger->certificate_pem(), 0644));
      const Secret unused = co_await t.Token();
      auto wrong_ca = co_await second->Register(t.Url(), unused, t.folder_ + "/other.pem", {});
      EXPECT_TRUE(!wrong_ca && wrong_ca.error().code == Code::kUnavailable);
      if (!wrong_ca) {
        EXPECT_NE(wrong_ca.error().ToString().find("right CA file"), std::string::npos)
            << wrong_ca.error().ToString();
      }
      for (const char* url : {"", "http://127.0.0.1", "https://", "https://a b", "https://x:99999",
                              "https://x/path"}) {
        auto bad = co_await second->Register(url, unused, t.CaFile(), {});
        EXPECT_TRUE(!bad && bad.error().code == Code::kInvalid) << url;
      }
      // None of that used the token up.
      EXPECT_TRUE(co_await second->Register(t.Url(), unused, t.CaFile(), {}));
      EXPECT_TRUE(co_await second->link()->WaitConnected(20s));
      EXPECT_TRUE(co_await first->link()->WaitConnected(20s));
      // Two sessions side by side.
      EXPECT_EQ(t.platform_->exchange->hub().Links().size(), 2u);
      EXPECT_TRUE(co_await t.ModuleOf(*first)->Ask(CallOf("/echo", 1)));
      EXPECT_TRUE(co_await t.ModuleOf(*second)->Ask(CallOf("/echo", 2)));
      co_await first->Stop();
      co_await second->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, ARemovedDeviceIsDroppedAndStaysOut) {
  StartPlatform();
  struct Body {
    static io::Task<void> Of(DeviceChannel& t) {
      auto gateway = t.MakeGateway("gw1");
      gateway->Start();
      if (!co_await t.Join(*gateway)) co_return;
      const std::string id = gateway->status().identity->device_id;
      EXPECT_TRUE(co_await t.platform_->exchange->Remove(t.admin_, "", id));
      EXPECT_FALSE(t.platform_->exchange->hub().connected(id));
      EXPECT_TRUE(co_await Until([&] {
        const auto status = gateway->status();
        return status.link.state == channel::LinkState::kRefused &&
               status.link.last_error.find("this device was removed") != std::string::npos;
      })) << gateway->status().link.last_error;
      EXPECT_FALSE(t.platform_->exchange->hub().connected(id));
      // Registering again makes a new device of it.
      if (!co_await t.Join(*gateway)) co_return;
      EXPECT_NE(gateway->status().identity->device_id, id);
      co_await gateway->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, SurvivesRestartsOfEitherSide) {
  StartPlatform();
  struct Body {
    static io::Task<void> Of(DeviceChannel& t) {
      auto gateway = t.MakeGateway("gw1");
      gateway->Start();
      if (!co_await t.Join(*gateway)) co_return;
      co_await t.StopPlatform();
      EXPECT_TRUE(co_await Until([&] { return gateway->status().link.attempts >= 2; }));
      EXPECT_NE(gateway->status().link.last_error, "");
      t.StartPlatform();
      EXPECT_TRUE(co_await gateway->link()->WaitConnected(20s));
      EXPECT_TRUE(co_await Until([&] { return t.platform_->exchange->hub().Links().size() == 1; }));
      EXPECT_TRUE(co_await t.ModuleOf(*gateway)->Ask(CallOf("/echo", 1)));

      // The gateway starts while the platform is down, with what it kept on disk.
      co_await gateway->Stop();
      gateway.reset();
      co_await t.StopPlatform();
      gateway = t.MakeGateway("gw1");
      EXPECT_EQ(gateway->status().state, registration::State::kRegistered);
      gateway->Start();
      EXPECT_TRUE(co_await Until([&] { return gateway->status().link.attempts >= 2; }));
      t.StartPlatform();
      EXPECT_TRUE(co_await gateway->link()->WaitConnected(20s));
      co_await gateway->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, ReregisteringKeepsTheOldUntilTheNewWorks) {
  StartPlatform();
  struct Body {
    static io::Task<void> Of(DeviceChannel& t) {
      auto gateway = t.MakeGateway("gw1");
      gateway->Start();
      if (!co_await t.Join(*gateway)) co_return;
      const auto before = *gateway->status().identity;
      auto bad = co_await gateway->Register(t.Url(), Secret("wrong"), t.CaFile(), {});
      EXPECT_FALSE(bad);
      EXPECT_EQ(gateway->status().state, registration::State::kRegistered);
      EXPECT_EQ(gateway->status().link.state, channel::LinkState::kConnected);
      EXPECT_EQ(gateway->status().identity->folder, before.folder);

      // The same device with a new certificate.
      auto again =
          co_await gateway->Register(t.Url(), co_await t.Token(before.device_id), t.CaFile(), {});
      EXPECT_TRUE(again) << again.error().ToString();
      EXPECT_EQ(gateway->status().identity->device_id, before.device_id);
      EXPECT_NE(gateway->status().identity->folder, before.folder);
      EXPECT_FALSE(std::filesystem::exists(t.folder_ + "/gw1/" + before.folder));
      EXPECT_TRUE(co_await Until(
          [&] { return gateway->status().link.state == channel::LinkState::kConnected; }));
      EXPECT_TRUE(co_await t.ModuleOf(*gateway)->Ask(CallOf("/echo", 1)));

      // Renewal over the channel.
      const auto second = *gateway->status().identity;
      // TLS goes by the real clock, and certificates begin an hour before their issue.
      t.platform_clock_.Advance(30min);
      t.gateway_clock_.Advance(30min);
      auto renewed = co_await gateway->Renew();
      EXPECT_TRUE(renewed) << renewed.error().ToString();
      EXPECT_GT(gateway->status().identity->certificate_expires, second.certificate_expires);
      EXPECT_NE(gateway->status().identity->folder, second.folder);
      EXPECT_TRUE(
          co_await Until([&] { return t.platform_->exchange->hub().connected(before.device_id); }));
      EXPECT_TRUE(co_await t.ModuleOf(*gateway)->Ask(CallOf("/echo", 1)));
      auto device = co_await t.platform_->exchange->Get(t.admin_, before.device_id);
      EXPECT_EQ(device->row.alert, "");
      co_await gateway->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, ManySlowRequestsAtOnce) {
  StartPlatform();
  struct Body {
    static io::Task<void> One(std::shared_ptr<relay::Module> module, int n, int* good, int* ended) {
      auto answer = co_await module->Ask(CallOf("/wait", 1000 + n % 7 * 20));
      if (answer) ++*good;
      ++*ended;
    }
    static io::Task<void> Of(DeviceChannel& t) {
      auto gateway = t.MakeGateway("gw1");
      gateway->Start();
      if (!co_await t.Join(*gateway)) co_return;
      int good = 0, ended = 0;
      for (int i = 0; i < 200; ++i) {
        asio::co_spawn(t.context_, One(t.ModuleOf(*gateway), i, &good, &ended),
                       [](std::exception_ptr) {});
      }
      EXPECT_TRUE(co_await Until([&] { return ended == 200; }));
      EXPECT_EQ(good, 200);
      EXPECT_GT(t.module_.most, 100);
      co_await gateway->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, WrongClocksExplainThemselves) {
  // A server certificate made by a clock a day ahead: not yet valid for the real one, as if ours
  // were a day behind.
  MakeServerCertificate(SystemClock().Now() + 24h);
  StartPlatform();
  struct Body {
    static io::Task<void> Of(DeviceChannel& t) {
      auto gateway = t.MakeGateway("gw1");
      gateway->Start();
      auto refused = co_await gateway->Register(t.Url(), co_await t.Token(), t.CaFile(), {});
      EXPECT_FALSE(refused);
      if (!refused) {
        const std::string text = refused.error().ToString();
        EXPECT_NE(text.find("not yet valid"), std::string::npos) << text;
        EXPECT_NE(text.find("check the clock of this machine"), std::string::npos) << text;
      }
      co_await t.StopPlatform();
      // The gateway's clock is a day ahead: it works, and both sides say so.
      t.MakeServerCertificate(SystemClock().Now());
      t.StartPlatform();
      t.gateway_clock_.Advance(24h);
      if (!co_await t.Join(*gateway)) co_return;
      EXPECT_NE(gateway->status().link.clock_warning.find("1 d 0 h"), std::string::npos);
      auto device =
          co_await t.platform_->exchange->Get(t.admin_, gateway->status().identity->device_id);
      EXPECT_NE(device->clock_warning.find("1 d 0 h 0 min ahead"), std::string::npos)
          << device->clock_warning;
      co_await gateway->Stop();
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(DeviceChannel, OnlyDeviceCertificatesPass) {
  StartPlatform();
  struct Body {
    static io::Task<Error> Try(DeviceChannel& t, std::string certificate, std::string key) {
      http::WebSocketTarget target;
      target.host = "127.0.0.1";
      target.port = t.channel_port_;
      target.path = std::string(exchange::kChannelPath);
      target.tls = *io::MakeTlsClient(
          {.ca_file = t.CaFile(), .certificate_file = certificate, .key_file = key});
      auto socket = co_await http::ConnectWebSocket(target, {});
      if (!socket) co_return socket.error();
      auto message = co_await (*socket)->Read();
      if (!message) co_return message.error();
      auto frames = channel::DecodeMessage(*message);
      if (frames && std::holds_alternative<channel::Goodbye>(frames->front())) {
        co_return Error(Code::kDenied, std::get<channel::Goodbye>(frames->front()).text);
      }
      co_return Error(Code::kInternal, "let in");
    }
    static io::Task<void> Of(DeviceChannel& t) {
      const Error none = co_await Try(t, "", "");
      EXPECT_EQ(none.code, Code::kUnavailable) << none.ToString();
      // Issued under another authority.
      auto stranger = crypto::CertificateAuthority::Create("Other devices", SystemClock().Now(), 1);
      const auto keys = *crypto::MakeKeyAndRequest("x");
      const auto forged =
          *stranger->IssueClient(keys.request_pem, "device", SystemClock().Now(), 24h);
      EXPECT_TRUE(io::WriteFileAtomically(t.folder_ + "/forged.pem", forged, 0644));
      EXPECT_TRUE(io::WriteFileAtomically(t.folder_ + "/forged.key", keys.key_pem, 0600));
      const Error forged_error =
          co_await Try(t, t.folder_ + "/forged.pem", t.folder_ + "/forged.key");
      EXPECT_EQ(forged_error.code, Code::kUnavailable) << forged_error.ToString();
      // Under the right authority, but of no device: issued by somebody who got hold of the key,
      // say.
      auto enrolled = t.enroller_->Enroll(keys.request_pem, "device", SystemClock().Now(), 24h);
      EXPECT_TRUE(enrolled);
      EXPECT_TRUE(
          io::WriteFileAtomically(t.folder_ + "/unknown.pem", enrolled->certificate_pem, 0644));
      const Error unknown = co_await Try(t, t.folder_ + "/unknown.pem", t.folder_ + "/forged.key");
      EXPECT_EQ(unknown.code, Code::kDenied) << unknown.ToString();
      EXPECT_NE(unknown.message.find("not known here"), std::string::npos) << unknown.message;
      co_await t.StopPlatform();
    }
  };
  Run(Body::Of(*this));
}

}  // namespace
}  // namespace mailreeve
