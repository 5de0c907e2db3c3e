// Both ends together, joined in memory.
#include "channel/device_end.h"
#include "channel/explain.h"
#include "channel/hub.h"
#include "channel/memory_websocket.h"
#include "io/deadline.h"

#include <gtest/gtest.h>

namespace mailreeve::channel {
namespace {

using namespace std::chrono_literals;

class EchoModule final : public relay::Module {
 public:
  io::Task<Result<json::value>> Ask(relay::Call call) override {
    last_caller = call.caller;
    co_return call.body;
  }
  relay::Caller last_caller;
};

class TestGate final : public Gate {
 public:
  io::Task<Result<Admission>> Admit(const http::Request& request) override {
    ++admitted;
    if (!refusal.message.empty()) co_return Fail(refusal);
    co_return Admission{request.peer_certificate_subject_cn, "org", "name"};
  }
  void OnConnected(const Admission&, const Link& link) override { connected.push_back(link); }
  void OnDisconnected(const Link& link, const std::string&) override {
    disconnected.push_back(link);
  }
  void OnClone(const Link& link, const std::string&) override { clones.push_back(link); }

  int admitted = 0;
  Error refusal;
  std::vector<Link> connected, disconnected, clones;
};

class EndsTest : public testing::Test {
 public:
  EndsTest() {
    device_options.backoff_first = 2ms;
    device_options.backoff_max = 20ms;
    device_options.refused_wait = 20ms;
    device_options.session.close_timeout = 200ms;
    hub_options.session.close_timeout = 200ms;
    hub_options.version = "9.9";
    hub = std::make_unique<Hub>(gate, hub_options, clock, logger, context.get_executor());
  }
  // A device whose connections end at the hub, as device `id` from `address`.
  std::unique_ptr<DeviceEnd> MakeDevice(std::string id, std::string instance,
                                        std::string address = "10.0.0.1") {
    Hello hello;
    hello.instance = std::move(instance);
    hello.info = {{"version", "1.2"}, {"host_name", "gw"}};
    return std::make_unique<DeviceEnd>([this, id, address] { return Connect(this, id, address); },
                                       hello, module, device_options, clock, logger,
                                       context.get_executor());
  }
  static io::Task<Result<std::unique_ptr<http::WebSocket>>> Connect(EndsTest* test, std::string id,
                                                                    std::string address) {
    ++test->tries;
    if (test->down) co_return Fail(test->down_error);
    auto [device, platform] = MemoryWebSocket::MakePair(test->context.get_executor());
    http::Request request;
    request.peer_certificate_sha256 = "aa";
    request.peer_certificate_subject_cn = id;
    request.remote_address = address;
    test->scope.Spawn("accept", test->hub->Accept(std::move(request), std::move(platform)));
    co_return std::move(device);
  }
  void Run(io::Task<void> test) {
    bool done = false;
    asio::co_spawn(context, std::move(test), [&](std::exception_ptr thrown) {
      done = true;
      if (thrown) std::rethrow_exception(thrown);
      scope.Cancel();
    });
    context.run_for(240s);
    EXPECT_TRUE(done) << "the test hangs";
    EXPECT_EQ(scope.size(), 0u);
  }
  template <class F>
  static io::Task<void> Until(F condition) {
    while (!condition()) co_await io::Sleep(1ms);
  }

  asio::io_context context{1};
  log::NullLogger logger;
  FakeClock clock{FromEpochMillis(1800000000000)};
  io::Scope scope{context.get_executor(), logger};
  EchoModule module;
  TestGate gate;
  HubOptions hub_options;
  DeviceEndOptions device_options;
  std::unique_ptr<Hub> hub;
  bool down = false;
  Error down_error{Code::kUnavailable, "connection refused"};
  int tries = 0;
};

TEST_F(EndsTest, ADeviceIsAskedAsAModule) {
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto device = t.MakeDevice("d1", "i1");
      const auto remote = t.hub->ModuleOf("d1");
      auto early = co_await remote->Ask({.route = "/echo"});
      EXPECT_FALSE(early);
      if (!early) EXPECT_EQ(early.error().code, Code::kUnavailable);
      t.scope.Spawn("device", device->Run());
      EXPECT_TRUE(co_await device->WaitConnected(10s));
      relay::Call call;
      call.body = 42;
      call.caller.user_name = "someone";
      auto answer = co_await remote->Ask(call);
      EXPECT_TRUE(answer && *answer == json::value(42));
      EXPECT_EQ(t.module.last_caller.user_name, "someone");
      EXPECT_EQ(device->status().platform_version, t.hub_options.version);
      EXPECT_TRUE(t.hub->connected("d1"));
      EXPECT_EQ(t.gate.connected.size(), 1u);
      EXPECT_EQ(t.gate.connected[0].version, "1.2");
      EXPECT_EQ(t.gate.connected[0].address, "10.0.0.1");
      EXPECT_EQ(t.hub->Links().size(), 1u);
      co_await device->Stop();
      EXPECT_EQ(device->status().state, LinkState::kStopped);
      co_await Until([&] { return t.gate.disconnected.size() == 1; });
      EXPECT_FALSE(t.hub->connected("d1"));
      auto late = co_await remote->Ask({.route = "/echo"});
      EXPECT_FALSE(late);
      t.hub.reset();
      auto orphan = co_await remote->Ask({.route = "/echo"});
      EXPECT_FALSE(orphan);
      if (!orphan) EXPECT_EQ(orphan.error().code, Code::kUnavailable);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, KeepsTryingWithGrowingWaits) {
  device_options.backoff_first = 1h;
  device_options.backoff_max = 8h;
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto device = t.MakeDevice("d1", "i1");
      device->set_random([] { return 1.0; });
      t.down = true;
      t.scope.Spawn("device", device->Run());
      std::vector<int64_t> waits;
      while (waits.size() < 5) {
        const auto status = device->status();
        if (status.state == LinkState::kWaiting && status.attempts == waits.size() + 1) {
          waits.push_back(status.next_try / 1h);
          device->TryNow();
        }
        co_await io::Sleep(100us);
      }
      EXPECT_EQ(waits, (std::vector<int64_t>{1, 2, 4, 8, 8}));
      EXPECT_NE(device->status().last_error.find("connection refused"), std::string::npos);
      co_await Until([&] {
        return device->status().state == LinkState::kWaiting && device->status().attempts == 6;
      });
      t.down = false;
      device->TryNow();
      EXPECT_TRUE(co_await device->WaitConnected(10s));
      EXPECT_EQ(device->status().attempts, 0u);
      EXPECT_EQ(device->status().last_error, "");
      co_await device->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, AGoodSpellIsResumedAtOnce) {
  device_options.good_spell = 0ms;
  device_options.backoff_first = 3600s;
  device_options.backoff_max = 3600s;
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto device = t.MakeDevice("d1", "i1");
      device->set_random([] { return 0.9; });
      t.scope.Spawn("device", device->Run());
      EXPECT_TRUE(co_await device->WaitConnected(10s));
      t.hub->Drop("d1", Reason::kShutdown, "restart");
      co_await Until([&] { return t.gate.connected.size() == 2; });
      co_await device->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, ARemovedDeviceIsRefusedAndSaysWhy) {
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto device = t.MakeDevice("d1", "i1");
      t.scope.Spawn("device", device->Run());
      EXPECT_TRUE(co_await device->WaitConnected(10s));
      t.gate.refusal = Error(Code::kDenied, "this device was removed");
      t.hub->Drop("d1", Reason::kRemoved, "the device was removed by an administrator");
      co_await Until(
          [&] { return t.gate.admitted >= 2 && device->status().state == LinkState::kRefused; });
      EXPECT_NE(device->status().last_error.find("this device was removed"), std::string::npos);
      // Let in again: the device finds out by itself.
      t.gate.refusal = {};
      EXPECT_TRUE(co_await device->WaitConnected(10s));
      co_await device->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, CertificateTroubleIsRefusalWithAnExplanation) {
  down = true;
  down_error =
      Error(Code::kUnavailable, "TLS: certificate verify failed (certificate is not yet valid)");
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto device = t.MakeDevice("d1", "i1");
      t.scope.Spawn("device", device->Run());
      co_await Until([&] { return device->status().state == LinkState::kRefused; });
      EXPECT_NE(device->status().last_error.find("clock here says 2027-01-15"), std::string::npos)
          << device->status().last_error;
      co_await device->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, ANewerSessionReplacesTheOlder) {
  device_options.backoff_first = 1h;  // the first does not come back meanwhile
  device_options.backoff_max = 1h;
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto first = t.MakeDevice("d1", "i1");
      first->set_random([] { return 0.9; });
      t.scope.Spawn("first", first->Run());
      EXPECT_TRUE(co_await first->WaitConnected(10s));
      auto [device, platform] = MemoryWebSocket::MakePair(t.context.get_executor());
      http::Request request;
      request.peer_certificate_subject_cn = "d1";
      t.scope.Spawn("accept", t.hub->Accept(request, std::move(platform)));
      auto second = Session::Make(std::move(device), Side::kDevice, Hello{.instance = "i1"}, {},
                                  &t.module, t.clock, t.logger, t.context.get_executor());
      t.scope.Spawn("second", RunOne(second));
      co_await Until([&] {
        return t.gate.connected.size() == 2 && first->status().state != LinkState::kConnected;
      });
      EXPECT_NE(first->status().last_error.find("took over"), std::string::npos)
          << first->status().last_error;
      EXPECT_TRUE(t.hub->connected("d1"));
      EXPECT_EQ(t.hub->Links().size(), 1u);
      EXPECT_TRUE(t.gate.disconnected.empty());
      auto answer = co_await t.hub->ModuleOf("d1")->Ask({.route = "/echo", .body = 1});
      EXPECT_TRUE(answer);
      EXPECT_TRUE(t.gate.clones.empty());
      co_await first->Stop();
      second->Close(Reason::kShutdown, "ends");
    }
    static io::Task<void> RunOne(std::shared_ptr<Session> session) {
      (void)co_await session->Run();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, TwoProgramsWithOneIdentityAreNoticed) {
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto first = t.MakeDevice("d1", "i1", "10.0.0.1");
      auto second = t.MakeDevice("d1", "i2", "10.0.0.2");
      t.scope.Spawn("first", first->Run());
      t.scope.Spawn("second", second->Run());
      co_await Until([&] { return !t.gate.clones.empty(); });
      EXPECT_EQ(t.gate.clones[0].device_id, "d1");
      co_await first->Stop();
      co_await second->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, TooManyDevicesAreToldToComeLater) {
  hub_options.max_sessions = 1;
  hub = std::make_unique<Hub>(gate, hub_options, clock, logger, context.get_executor());
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto first = t.MakeDevice("d1", "i1");
      t.scope.Spawn("first", first->Run());
      EXPECT_TRUE(co_await first->WaitConnected(10s));
      auto second = t.MakeDevice("d2", "i2");
      t.scope.Spawn("second", second->Run());
      co_await Until([&] { return second->status().attempts >= 2; });
      EXPECT_NE(second->status().last_error.find("too many devices"), std::string::npos);
      co_await first->Stop();
      EXPECT_TRUE(co_await second->WaitConnected(10s));
      co_await second->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, StopOfTheHubSaysGoodbyeToAll) {
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto first = t.MakeDevice("d1", "i1");
      auto second = t.MakeDevice("d2", "i2");
      t.scope.Spawn("first", first->Run());
      t.scope.Spawn("second", second->Run());
      EXPECT_TRUE(co_await first->WaitConnected(10s));
      EXPECT_TRUE(co_await second->WaitConnected(10s));
      co_await t.hub->Stop();
      EXPECT_TRUE(t.hub->Links().empty());
      EXPECT_EQ(t.gate.disconnected.size(), 2u);
      co_await first->Stop();
      co_await second->Stop();
    }
  };
  Run(Body::Of(*this));
}

TEST_F(EndsTest, StopBeforeTheFirstStepIsSafe) {
  struct Body {
    static io::Task<void> Of(EndsTest& t) {
      auto device = t.MakeDevice("d1", "i1");
      t.scope.Spawn("device", device->Run());
      co_await device->Stop();
      device.reset();
      co_await io::Sleep(5ms);
    }
  };
  Run(Body::Of(*this));
}

TEST(Explain, DescribesSkewInWords) {
  EXPECT_EQ(DescribeSkew(4min, 5min), "");
  EXPECT_EQ(DescribeSkew(-5min, 5min), "");
  EXPECT_EQ(DescribeSkew(24h + 61s, 5min), "the peer's clock is 1 d 0 h 1 min ahead of ours");
  EXPECT_EQ(DescribeSkew(-10min, 5min), "the peer's clock is 10 min behind ours");
}

TEST(Explain, OnlyWhatATryDoesNotMendIsTrouble) {
  EXPECT_FALSE(IsCertificateTrouble(Error(Code::kUnavailable, "connection refused")));
  EXPECT_TRUE(
      IsCertificateTrouble(Error(Code::kUnavailable, "tlsv1 alert unknown ca (SSL routines)")));
}

}  // namespace
}  // namespace mailreeve::channel
