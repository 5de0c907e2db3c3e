#include "channel/session.h"

#include "channel/memory_websocket.h"
#include "io/deadline.h"

#include <gtest/gtest.h>

namespace mailreeve::channel {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// Answers by route; "/slow" waits until it is cancelled or `released`.
class TestModule final : public relay::Module {
 public:
  explicit TestModule(const io::Executor& executor) : changed(executor) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override {
    ++calls;
    last = call;
    if (call.route == "/echo") co_return call.body;
    if (call.route == "/big") {
      co_return json::value(
          boost::json::string(static_cast<size_t>(call.body.to_number<int64_t>()), 'x'));
    }
    if (call.route == "/throw") throw std::runtime_error("oops");
    if (call.route == "/slow") {
      ++running;
      most = std::max(most, running);
      struct Leave {
        TestModule& module;
        ~Leave() {
          --module.running;
          ++module.ended;
          module.changed.Notify();
        }
      } leave{*this};
      while (!released) co_await changed.Wait();
      ++finished;
      co_return call.body;
    }
    co_return Fail(Code::kNotFound, "no route " + call.route);
  }

  io::Event changed;
  relay::Call last;
  bool released = false;
  int calls = 0, running = 0, most = 0, ended = 0, finished = 0;
};

class SessionTest : public testing::Test {
 public:
  void Start(SessionOptions device = {}, SessionOptions platform = {}) {
    auto [left, right] = MemoryWebSocket::MakePair(context_.get_executor());
    device_socket_ = left.get();
    platform_socket_ = right.get();
    Hello hello;
    hello.instance = "device-instance";
    hello.info = {{"version", "1.2"}};
    device_ = Session::Make(std::move(left), Side::kDevice, hello, device, &module_, device_clock_,
                            logger_, context_.get_executor());
    platform_ = Session::Make(std::move(right), Side::kPlatform, Hello{}, platform, nullptr, clock_,
                              logger_, context_.get_executor());
    scope_.Spawn("device", RunOne(device_, &device_ended_));
    scope_.Spawn("platform", RunOne(platform_, &platform_ended_));
  }
  // Only our side; the test plays the device by hand.
  void StartAgainstRaw(SessionOptions platform = {}, relay::Module* served = nullptr) {
    auto [left, right] = MemoryWebSocket::MakePair(context_.get_executor());
    raw_ = std::move(left);
    platform_ = Session::Make(std::move(right), Side::kPlatform, Hello{}, platform, served, clock_,
                              logger_, context_.get_executor());
    scope_.Spawn("platform", RunOne(platform_, &platform_ended_));
  }
  static io::Task<void> RunOne(std::shared_ptr<Session> session,
                               std::optional<Session::Ended>* ended) {
    *ended = co_await session->Run();
  }
  // Runs `test` to its end, then everything else.
  void Run(io::Task<void> test) {
    bool done = false;
    asio::co_spawn(context_, std::move(test), [&](std::exception_ptr thrown) {
      done = true;
      if (thrown) std::rethrow_exception(thrown);
      if (device_) device_->Close(Reason::kShutdown, "test ends");
      if (platform_) platform_->Close(Reason::kShutdown, "test ends");
      if (raw_) raw_->Abort();
    });
    context_.run_for(240s);
    EXPECT_TRUE(done) << "the test hangs";
    EXPECT_EQ(scope_.size(), 0u);
  }
  io::Task<void> UntilReady() {
    while (!(platform_->ready() && (!device_ || device_->ready()))) co_await io::Sleep(1ms);
  }
  template <class F>
  io::Task<void> Until(F condition) {
    while (!condition()) co_await io::Sleep(1ms);
  }
  io::Task<Result<void>> SendRaw(std::vector<Frame> frames) {
    std::string message;
    for (const Frame& frame : frames) AppendFrame(message, frame);
    return raw_->Write(std::move(message));
  }
  static Hello RawHello() {
    Hello hello;
    hello.window_bytes = 1 << 20;
    hello.max_requests = 4;
    hello.max_body_bytes = 1 << 19;
    return hello;
  }
  // Reads until a frame of type T comes.
  template <class T>
  io::Task<std::optional<T>> ReadRaw() {
    while (true) {
      auto message = co_await raw_->Read();
      if (!message) co_return std::nullopt;
      auto frames = DecodeMessage(*message);
      if (!frames) co_return std::nullopt;
      for (Frame& frame : *frames) {
        if (auto* found = std::get_if<T>(&frame)) co_return std::move(*found);
      }
    }
  }
  // The platform's side must end with a goodbye of protocol error, whatever was sent.
  io::Task<void> ExpectViolation(std::vector<Frame> frames, std::string text) {
    EXPECT_TRUE(co_await SendRaw(std::move(frames)));
    auto goodbye = co_await ReadRaw<Goodbye>();
    EXPECT_TRUE(goodbye);
    if (goodbye) {
      EXPECT_EQ(goodbye->reason, Reason::kProtocolError);
      EXPECT_NE(goodbye->text.find(text), std::string::npos) << goodbye->text;
    }
    co_await Until([this] { return platform_ended_.has_value(); });
    EXPECT_EQ(platform_ended_->error.code, Code::kCorrupt);
  }

  asio::io_context context_{1};
  log::NullLogger logger_;
  FakeClock clock_{FromEpochMillis(1800000000000)};
  FakeClock device_clock_{FromEpochMillis(1800000000000)};
  TestModule module_{context_.get_executor()};
  io::Scope scope_{context_.get_executor(), logger_};
  MemoryWebSocket* device_socket_ = nullptr;
  MemoryWebSocket* platform_socket_ = nullptr;
  std::unique_ptr<MemoryWebSocket> raw_;
  std::shared_ptr<Session> device_, platform_;
  std::optional<Session::Ended> device_ended_, platform_ended_;
};

relay::Call CallOf(std::string route, json::value body = nullptr, milliseconds deadline = 20s) {
  return {.route = std::move(route), .body = std::move(body), .deadline = deadline};
}

io::Task<void> AskInto(std::shared_ptr<Session> session, relay::Call call,
                       std::vector<Result<json::value>>* answers) {
  answers->push_back(co_await session->Ask(std::move(call)));
}

TEST_F(SessionTest, AsksAndAnswers) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest* t, TestModule& module, std::shared_ptr<Session> platform,
                             std::shared_ptr<Session> device) {
      while (!platform->ready() || !device->ready()) co_await io::Sleep(1ms);
      relay::Call call = CallOf("/echo", {{"a", json::array{1, 2}}});
      call.caller = {"user", "name", "client", "org", "request"};
      auto answer = co_await platform->Ask(call);
      EXPECT_TRUE(answer);
      if (answer) EXPECT_EQ(json::Serialize(*answer), R"({"a":[1,2]})");
      EXPECT_EQ(module.last.caller.user_name, "name");
      EXPECT_EQ(module.last.caller.request_id, "request");
      EXPECT_LE(module.last.deadline, 20s);
      EXPECT_GT(module.last.deadline, 10s);

      auto missing = co_await platform->Ask(CallOf("/none"));
      EXPECT_FALSE(missing);
      if (!missing) EXPECT_EQ(missing.error().code, Code::kNotFound);
      auto thrown = co_await platform->Ask(CallOf("/throw"));
      EXPECT_FALSE(thrown);
      if (!thrown) EXPECT_EQ(thrown.error().code, Code::kInternal);
      auto back = co_await device->Ask(CallOf("/echo"));
      EXPECT_FALSE(back);
      if (!back) EXPECT_EQ(back.error().code, Code::kNotFound);
      EXPECT_EQ(platform->peer().Info("version"), "1.2");
      (void)t;
    }
  };
  Run(Body::Of(this, module_, platform_, device_));
}

TEST_F(SessionTest, TheLongestBodiesPass) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      // The longest answer that fits: the quotes count.
      auto longest = co_await t.platform_->Ask(CallOf("/big", 16 * 1024 * 1024 - 2, 200s));
      EXPECT_TRUE(longest);
      if (longest) EXPECT_EQ(longest->get_string().size(), 16u * 1024 * 1024 - 2);
      auto over = co_await t.platform_->Ask(CallOf("/big", 16 * 1024 * 1024 - 1, 200s));
      EXPECT_FALSE(over);
      if (!over) EXPECT_EQ(over.error().code, Code::kLimited);
      EXPECT_TRUE(t.platform_->ready());
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, TheWindowComesBack) {
  SessionOptions options;
  options.max_body_bytes = 300000;
  options.window_bytes = 400004;
  Start(options, options);
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      // Many windows' worth, either way, one after the other and side by side.
      const json::value text = boost::json::string(250000, 'z');
      for (int i = 0; i < 12; ++i) {
        auto echo = co_await t.platform_->Ask(CallOf("/echo", text));
        EXPECT_TRUE(echo);
        if (echo) EXPECT_TRUE(*echo == text);
      }
      std::vector<Result<json::value>> answers;
      for (int i = 0; i < 12; ++i)
        t.scope_.Spawn("ask", AskInto(t.platform_, CallOf("/echo", text), &answers));
      co_await t.Until([&] { return answers.size() == 12; });
      for (const auto& answer : answers) EXPECT_TRUE(answer);
      auto too_long = co_await t.platform_->Ask(CallOf("/echo", boost::json::string(300000, 'y')));
      EXPECT_FALSE(too_long);
      if (!too_long) EXPECT_EQ(too_long.error().code, Code::kLimited);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, AShortAnswerOvertakesALongOne) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      std::vector<std::string> order;
      // The device cannot write until both answers are ready, the long one first.
      t.device_socket_->hold(true);
      t.scope_.Spawn("big", Note(t.platform_, CallOf("/big", 2 << 20), "big", &order));
      co_await t.Until([&] { return t.module_.calls == 1; });
      t.scope_.Spawn("small", Note(t.platform_, CallOf("/echo", 1), "small", &order));
      co_await t.Until([&] { return t.module_.calls == 2; });
      t.device_socket_->hold(false);
      co_await t.Until([&] { return order.size() == 2; });
      EXPECT_EQ(order.front(), "small");
    }
    static io::Task<void> Note(std::shared_ptr<Session> session, relay::Call call, std::string name,
                               std::vector<std::string>* order) {
      EXPECT_TRUE(co_await session->Ask(std::move(call)));
      order->push_back(name);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, DeadlinePassesAndTheModuleIsCancelled) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      auto answer = co_await t.platform_->Ask(CallOf("/slow", nullptr, 50ms));
      EXPECT_FALSE(answer);
      if (!answer) EXPECT_EQ(answer.error().code, Code::kTimeout);
      co_await t.Until([&] { return t.module_.ended == 1; });
      EXPECT_EQ(t.module_.finished, 0);
      // The slot is free again once the answer to the cancelled request is in.
      co_await t.Until(
          [&] { return t.platform_->open_requests() == 0 && t.device_->serving() == 0; });
      EXPECT_TRUE(co_await t.platform_->Ask(CallOf("/echo", 1)));
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, TheAskersCancellationReachesTheModule) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      std::vector<Result<json::value>> answers;
      io::Scope asks(t.context_.get_executor(), t.logger_);
      asks.Spawn("ask", AskInto(t.platform_, CallOf("/slow"), &answers));
      co_await t.Until([&] { return t.module_.running == 1; });
      asks.Cancel();
      co_await asks.Join();
      EXPECT_EQ(answers.size(), 1u);
      if (!answers.empty() && !answers[0]) EXPECT_EQ(answers[0].error().code, Code::kCancelled);
      co_await t.Until([&] { return t.module_.ended == 1; });
      EXPECT_EQ(t.module_.finished, 0);
      co_await t.Until([&] { return t.platform_->open_requests() == 0; });
      EXPECT_TRUE(t.platform_->ready());
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, NoMoreAtOnceThanThePeerTakes) {
  SessionOptions device;
  device.max_requests = 8;
  SessionOptions platform;
  platform.max_waiting = 50;
  Start(device, platform);
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      std::vector<Result<json::value>> answers;
      for (int i = 0; i < 60; ++i)
        t.scope_.Spawn("ask", AskInto(t.platform_, CallOf("/slow", i), &answers));
      co_await t.Until([&] { return answers.size() == 10 && t.module_.running == 8; });
      for (const auto& answer : answers) {
        EXPECT_FALSE(answer);
        if (!answer) EXPECT_EQ(answer.error().code, Code::kLimited);
      }
      t.module_.released = true;
      t.module_.changed.Notify();
      co_await t.Until([&] { return answers.size() == 60; });
      EXPECT_EQ(t.module_.most, 8);
      EXPECT_EQ(t.module_.finished, 50);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, ALossFailsWhatRuns) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      std::vector<Result<json::value>> answers;
      t.scope_.Spawn("ask", AskInto(t.platform_, CallOf("/slow"), &answers));
      co_await t.Until([&] { return t.module_.running == 1; });
      t.device_socket_->Abort();
      co_await t.Until([&] { return answers.size() == 1 && t.platform_ended_ && t.device_ended_; });
      EXPECT_FALSE(answers[0]);
      if (!answers[0]) EXPECT_EQ(answers[0].error().code, Code::kUnavailable);
      EXPECT_EQ(t.module_.ended, 1);
      EXPECT_EQ(t.platform_ended_->error.code, Code::kUnavailable);
      auto later = co_await t.platform_->Ask(CallOf("/echo"));
      EXPECT_FALSE(later);
      if (!later) EXPECT_EQ(later.error().code, Code::kUnavailable);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, GoodbyeTellsTheReason) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      t.platform_->Close(Reason::kRemoved, "removed by an administrator");
      co_await t.Until([&] { return t.device_ended_ && t.platform_ended_; });
      EXPECT_EQ(t.device_ended_->goodbye, Reason::kRemoved);
      EXPECT_NE(t.device_ended_->error.message.find("removed by an administrator"),
                std::string::npos);
      EXPECT_EQ(t.platform_ended_->error.code, Code::kCancelled);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, AHalfOpenConnectionIsNoticed) {
  SessionOptions options;
  options.heartbeat_interval = 30ms;
  options.heartbeat_timeout = 2s;  // a busy machine may stop us for longer than some milliseconds
  Start(options, options);
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      co_await t.Until(
          [&] { return t.platform_->rtt().has_value() && t.device_->rtt().has_value(); });
      t.device_socket_->mute();
      co_await t.Until([&] { return t.platform_ended_.has_value(); });
      EXPECT_EQ(t.platform_ended_->error.code, Code::kTimeout);
      co_await t.Until([&] { return t.device_ended_.has_value(); });
      EXPECT_EQ(t.device_ended_->goodbye, Reason::kSilent);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, APeerThatDoesNotReadHoldsNobodyForEver) {
  SessionOptions options;
  options.close_timeout = 50ms;
  Start(options, options);
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      t.platform_socket_->hold(true);
      auto answer = co_await t.platform_->Ask(CallOf("/echo", 1, 50ms));
      EXPECT_FALSE(answer);
      if (!answer) EXPECT_EQ(answer.error().code, Code::kTimeout);
      t.platform_->Close(Reason::kShutdown, "stop");
      co_await t.Until([&] { return t.platform_ended_.has_value(); });
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, ClockSkewIsMeasured) {
  device_clock_.Advance(24h);
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      EXPECT_EQ(t.platform_->clock_skew(), 24h);
      EXPECT_EQ(t.device_->clock_skew(), -24h);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, VersionsThatDoNotMeetSayGoodbye) {
  StartAgainstRaw();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      Hello hello = RawHello();
      hello.min_version = 7;
      hello.max_version = 8;
      EXPECT_TRUE(co_await t.SendRaw({hello}));
      auto goodbye = co_await t.ReadRaw<Goodbye>();
      EXPECT_TRUE(goodbye);
      if (goodbye) {
        EXPECT_EQ(goodbye->reason, Reason::kVersion);
        EXPECT_NE(goodbye->text.find("7 to 8"), std::string::npos);
      }
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, ASilentPeerGetsNoSession) {
  SessionOptions options;
  options.hello_timeout = 30ms;
  StartAgainstRaw(options);
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      auto goodbye = co_await t.ReadRaw<Goodbye>();
      EXPECT_TRUE(goodbye && goodbye->reason == Reason::kSilent);
    }
  };
  Run(Body::Of(*this));
}

// What a hostile device may try; each in a session of its own.
struct Attack {
  const char* name;
  bool greet;
  std::vector<Frame> frames;
  const char* text;
};

class AttackTest : public SessionTest, public testing::WithParamInterface<Attack> {};

TEST_P(AttackTest, EndsTheSession) {
  SessionOptions options;
  options.max_requests = 2;
  options.max_body_bytes = 300000;
  options.window_bytes = 400004;
  options.max_control_frames = 16;
  StartAgainstRaw(options, &module_);
  struct Body {
    static io::Task<void> Of(AttackTest& t, Attack attack) {
      if (attack.greet) {
        EXPECT_TRUE(co_await t.SendRaw({RawHello()}));
        EXPECT_TRUE(co_await t.ReadRaw<Hello>());
      }
      co_await t.ExpectViolation(attack.frames, attack.text);
    }
  };
  Run(Body::Of(*this, GetParam()));
}

Request OpenRequest(uint64_t id, uint64_t size, std::string part) {
  Request request;
  request.id = id;
  request.route = "/slow";
  request.deadline_ms = 10000;
  request.body_size = size;
  request.part = std::move(part);
  return request;
}

INSTANTIATE_TEST_SUITE_P(
    Session, AttackTest,
    testing::Values(
        Attack{"NoHello", false, {Ping{1}}, "hello"},
        Attack{"TwoHellos", true, {Hello{}}, "second hello"},
        Attack{"NoRoom", false, {Hello{}}, "out of range"},
        Attack{"AnswerToNothing", true, {Response{1, 0, "", 0, ""}}, "no open request"},
        Attack{"DataForNothing", true, {ResponseData{1, "x"}}, "no open answer"},
        Attack{"RequestDataForNothing", true, {RequestData{1, "x"}}, "no open request"},
        Attack{"CancelOfTheFuture", true, {Cancel{9}}, "never was"},
        Attack{"CreditFromNowhere", true, {Window{1}}, "beyond the window"},
        Attack{"CreditOverflow", true, {Window{~uint64_t{0}}}, "beyond the window"},
        Attack{"IdUsedTwice", true, {OpenRequest(1, 0, ""), OpenRequest(1, 0, "")}, "used before"},
        Attack{"TooManyRequests",
               true,
               {OpenRequest(1, 0, ""), OpenRequest(2, 0, ""), OpenRequest(3, 0, "")},
               "more requests at once"},
        Attack{"BodyTooLong", true, {OpenRequest(1, 300001, "x")}, "longer than allowed"},
        Attack{"OverTheWindow",
               true,
               {OpenRequest(1, 300000, "x"), OpenRequest(2, 200000, "x")},
               "over the window"},
        Attack{"MoreThanAnnounced",
               true,
               {OpenRequest(1, 3, "x"), RequestData{1, "yyy"}},
               "longer than announced"},
        Attack{"DataAfterTheEnd",
               true,
               {OpenRequest(1, 2, "12"), RequestData{1, "y"}},
               "no open request"},
        Attack{"PingFlood", true, std::vector<Frame>(1000, Ping{1}), "faster"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(SessionTest, AnswersGivenTwiceOrTooLongEndTheSession) {
  for (const bool twice : {true, false}) {
    platform_ended_.reset();
    context_.restart();
    StartAgainstRaw();
    struct Body {
      static io::Task<void> Of(SessionTest& t, bool twice) {
        EXPECT_TRUE(co_await t.SendRaw({RawHello()}));
        co_await t.UntilReady();
        std::vector<Result<json::value>> answers;
        t.scope_.Spawn("ask", AskInto(t.platform_, CallOf("/x"), &answers));
        auto request = co_await t.ReadRaw<Request>();
        EXPECT_TRUE(request);
        if (!request) co_return;
        const uint64_t id = request->id;
        if (twice) {
          co_await t.ExpectViolation(
              {Response{id, 0, "", 4, "null"}, Response{id, 0, "", 4, "null"}}, "no open request");
        } else {
          co_await t.ExpectViolation({Response{id, 0, "", 1 << 25, "x"}}, "longer than allowed");
        }
        co_await t.Until([&] { return answers.size() == 1; });
        EXPECT_EQ(answers[0].has_value(), twice);
      }
    };
    Run(Body::Of(*this, twice));
    platform_.reset();
  }
}

TEST_F(SessionTest, GarbageEndsTheSession) {
  StartAgainstRaw();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      EXPECT_TRUE(co_await t.SendRaw({RawHello()}));
      co_await t.UntilReady();
      EXPECT_TRUE(co_await t.raw_->Write(std::string("GET / HTTP/1.1\r\n\r\n")));
      auto goodbye = co_await t.ReadRaw<Goodbye>();
      EXPECT_TRUE(goodbye && goodbye->reason == Reason::kProtocolError);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, AnAnswerThatIsNoJsonIsAnErrorOfThatCallOnly) {
  StartAgainstRaw();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      EXPECT_TRUE(co_await t.SendRaw({RawHello()}));
      co_await t.UntilReady();
      std::vector<Result<json::value>> answers;
      t.scope_.Spawn("ask", AskInto(t.platform_, CallOf("/x"), &answers));
      auto request = co_await t.ReadRaw<Request>();
      EXPECT_TRUE(request);
      if (!request) co_return;
      EXPECT_TRUE(co_await t.SendRaw({Response{request->id, 0, "", 5, "{nope"}}));
      co_await t.Until([&] { return answers.size() == 1; });
      EXPECT_FALSE(answers[0]);
      if (!answers[0]) EXPECT_EQ(answers[0].error().code, Code::kInvalid);
      EXPECT_TRUE(t.platform_->ready());
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, ADeviceThatNeverAnswersWhatWasCancelledIsDropped) {
  SessionOptions options;
  options.heartbeat_interval = 20ms;
  options.heartbeat_timeout = 10s;
  options.cancelled_timeout = 50ms;
  StartAgainstRaw(options);
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      EXPECT_TRUE(co_await t.SendRaw({RawHello()}));
      co_await t.UntilReady();
      auto answer = co_await t.platform_->Ask(CallOf("/x", nullptr, 20ms));
      EXPECT_FALSE(answer);
      auto goodbye = co_await t.ReadRaw<Goodbye>();
      EXPECT_TRUE(goodbye && goodbye->reason == Reason::kProtocolError);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(SessionTest, CancellingRunSaysGoodbye) {
  Start();
  struct Body {
    static io::Task<void> Of(SessionTest& t) {
      co_await t.UntilReady();
      t.scope_.Cancel();
      co_await t.Until([&] { return t.device_ended_ && t.platform_ended_; });
      EXPECT_EQ(t.platform_ended_->error.code, Code::kCancelled);
    }
  };
  Run(Body::Of(*this));
}

}  // namespace
}  // namespace mailreeve::channel
