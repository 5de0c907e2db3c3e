#include "response/enrich/enricher.h"

#include "io/deadline.h"
#include "response/modules/fake_modules.h"

#include <gtest/gtest.h>

namespace mailreeve::response::enrich {
namespace {

using modules::FakeModule;
using observable::Observable;
using observable::TypeFromName;

Result<json::value> Parsed(std::string_view text) { return json::Parse(text); }

class EnricherTest : public testing::Test {
 protected:
  EnricherTest() { FakeModule::running = FakeModule::most_running = 0; }

  template <class T>
  Result<T> RunTask(io::Task<Result<T>> task) {
    std::optional<Result<T>> out;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, Result<T> value) {
      if (thrown) std::rethrow_exception(thrown);
      out = std::move(value);
    });
    context.restart();
    context.run();
    return *std::move(out);
  }
  Enricher& Make(Options options = {}) {
    enricher = std::make_unique<Enricher>(registry, scope, clock, logger, options);
    return *enricher;
  }
  static std::vector<Observable> One() { return {{*TypeFromName("domain"), "bad.example"}}; }
  static relay::Caller Me() {
    relay::Caller caller;
    caller.org_id = "org";
    caller.user_id = "me";
    return caller;
  }

  asio::io_context context;
  log::NullLogger logger;
  io::Scope scope{context.get_executor(), logger};
  FakeClock clock{ParseTime("2026-03-01T10:00:00Z").value()};
  modules::FakeSource source;
  modules::Registry registry{{&source}};
  std::unique_ptr<Enricher> enricher;
};

TEST_F(EnricherTest, MergesAnswersAndNamesWhoFailed) {
  auto good = source.Add("a", "alpha", [](const relay::Call&) {
    return Parsed(
        R"({"data":{"verdicts":{"count":1,"docs":[{"type":"verdict"}]}},"coverage":{"records_held":5}})");
  });
  source.Add("b", "beta", [](const relay::Call&) -> Result<json::value> {
    return Fail(Code::kUnavailable, "not connected");
  });
  source.Add("c", "gamma", [](const relay::Call&) { return Parsed("[]"); });
  source.Add("d", "delta", [](const relay::Call&) {
    return Parsed(R"({"data":{},"errors":[{"code":"quota","message":"m","type":"warning"}]})");
  });
  const auto answer = RunTask(Make().Enrich(Verb::kDeliberate, One(), {}, Me()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(
      json::Serialize(answer->at("data")),
      R"([{"module":"alpha","module_instance_id":"a","module_type_id":")" +
          std::string(modules::kEmailGatewayTypeId) +
          R"(","module_instance_state":"active","data":{"verdicts":{"count":1,"docs":[{"type":"verdict"}]}}},)"
          R"({"module":"delta","module_instance_id":"d","module_type_id":")" +
          std::string(modules::kEmailGatewayTypeId) +
          R"(","module_instance_state":"active","data":{}}])");
  const json::array& errors = answer->at("errors").as_array();
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].at("module_instance_id"), "b");
  EXPECT_EQ(errors[0].at("code"), "connection error");
  EXPECT_EQ(errors[1].at("code"), "quota");
  EXPECT_EQ(errors[2].at("code"), "invalid answer");
  const json::array& coverage = answer->at("coverage").as_array();
  ASSERT_EQ(coverage.size(), 4u);
  EXPECT_EQ(coverage[0].at("held").at("records_held"), 5);
  EXPECT_EQ(coverage[0].at("answered"), true);
  EXPECT_EQ(coverage[1].at("answered"), false);
  EXPECT_EQ(coverage[1].at("asked_at"), "2026-03-01T10:00:00.000Z");

  ASSERT_EQ(good->calls.size(), 1u);
  EXPECT_EQ(good->calls[0].route, "/deliberate/observables");
  EXPECT_EQ(json::Serialize(good->calls[0].body), R"([{"type":"domain","value":"bad.example"}])");
  EXPECT_EQ(good->calls[0].caller.user_id, "me");
}

TEST_F(EnricherTest, ASlowModuleIsNamedAndHoldsUpNobody) {
  source.Add("a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  source.Add("b", "beta", [](const relay::Call&) { return Parsed(R"({"data":{}})"); })->delay =
      std::chrono::hours(1);
  const auto answer = RunTask(
      Make({.timeout = std::chrono::milliseconds(50)}).Enrich(Verb::kObserve, One(), {}, Me()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->at("data").as_array().size(), 1u);
  ASSERT_EQ(answer->at("errors").as_array().size(), 1u);
  EXPECT_EQ(answer->at("errors").at(0).at("code"), "timeout");
  EXPECT_EQ(answer->at("errors").at(0).at("module"), "beta");
}

// A transport that neither answers nor obeys.
class DeafModule final : public relay::Module {
 public:
  explicit DeafModule(asio::io_context& context) : timer_(context) {}
  io::Task<Result<json::value>> Ask(relay::Call) override {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    timer_.expires_after(std::chrono::seconds(3));
    co_await timer_.async_wait(io::kTuple);
    co_return json::value(json::object{{"data", json::object()}});
  }

 private:
  asio::steady_timer timer_;
};

class DeafSource final : public modules::ModuleSource {
 public:
  explicit DeafSource(asio::io_context& context) : module(std::make_shared<DeafModule>(context)) {}
  const modules::ModuleType& type() const override { return modules::EmailGatewayType(); }
  io::Task<Result<std::vector<modules::ModuleInstance>>> List(std::string org_id) override {
    modules::ModuleInstance instance;
    instance.id = instance.name = "deaf";
    instance.org_id = org_id;
    instance.type_id = std::string(modules::kEmailGatewayTypeId);
    co_return std::vector<modules::ModuleInstance>{instance};
  }
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance&) override { return module; }
  std::shared_ptr<DeafModule> module;
};

TEST_F(EnricherTest, DoesNotWaitForATransportThatIgnoresItsDeadline) {
  DeafSource deaf(context);
  modules::Registry deaf_registry({&deaf});
  Enricher one(deaf_registry, scope, clock, logger, {.timeout = std::chrono::milliseconds(20)});
  const auto answer = RunTask(one.Enrich(Verb::kObserve, One(), {}, Me()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->at("data").as_array().size(), 0u);
  EXPECT_EQ(answer->at("errors").at(0).at("code"), "timeout");
}

TEST_F(EnricherTest, AsksAtMostSoManyAtOnceAndAllOfThem) {
  for (int i = 0; i < 20; ++i) {
    source
        .Add("m" + std::to_string(i), "m" + std::to_string(i),
             [](const relay::Call&) { return Parsed(R"({"data":{}})"); })
        ->delay = std::chrono::milliseconds(100);
  }
  const auto answer = RunTask(Make({.concurrency = 4}).Enrich(Verb::kObserve, One(), {}, Me()));
  EXPECT_EQ(answer->at("data").as_array().size(), 20u);
  EXPECT_EQ(FakeModule::most_running, 4);
}

TEST_F(EnricherTest, AsksOnlyWhomTheFilterNames) {
  auto a = source.Add("a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  auto b = source.Add("b", "beta", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  auto off = source.Add("c", "gamma", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  source.instances.back().enabled = false;
  EXPECT_EQ(RunTask(Make().Enrich(Verb::kObserve, One(), {.module_instance_ids = {"b", "x"}}, Me()))
                ->at("coverage")
                .as_array()
                .size(),
            1u);
  EXPECT_EQ(a->calls.size(), 0u);
  EXPECT_EQ(b->calls.size(), 1u);
  EXPECT_EQ(RunTask(Make().Enrich(Verb::kObserve, One(), {.product_categories = {"email-security"}},
                                  Me()))
                ->at("coverage")
                .as_array()
                .size(),
            2u);
  EXPECT_EQ(
      RunTask(Make().Enrich(Verb::kObserve, One(), {.product_categories = {"firewall"}}, Me()))
          ->at("coverage")
          .as_array()
          .size(),
      0u);
  EXPECT_EQ(RunTask(Make().Enrich(Verb::kObserve, One(), {.flags = {"nobody"}}, Me()))
                ->at("coverage")
                .as_array()
                .size(),
            0u);
  EXPECT_EQ(off->calls.size(), 0u);
  relay::Caller stranger = Me();
  stranger.org_id = "other";
  EXPECT_EQ(
      RunTask(Make().Enrich(Verb::kObserve, One(), {}, stranger))->at("coverage").as_array().size(),
      0u);
}

TEST_F(EnricherTest, NoObservablesNobodyIsAsked) {
  auto a = source.Add("a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  EXPECT_EQ(json::Serialize(*RunTask(Make().Enrich(Verb::kObserve, {}, {}, Me()))),
            R"({"data":[],"errors":[],"coverage":[]})");
  EXPECT_TRUE(a->calls.empty());
}

TEST_F(EnricherTest, ActionsGetTheirAddress) {
  source.Add("a", "alpha", [](const relay::Call& call) {
    EXPECT_EQ(call.route, "/respond/observables");
    return Parsed(
        R"({"data":[{"id":"forward & delete","title":"t","description":"d","categories":[],
        "query-params":{"observable_type":"email_messageid","observable_value":"<a@b>","n":3}}]})");
  });
  const auto answer = RunTask(Make().Actions(One(), {}, Me()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(
      answer->at("data").at(0).at("url"),
      "/respond/trigger/a/"
      "forward%20%26%20delete?observable_type=email_messageid&observable_value=%3Ca%40b%3E&n=3");
  EXPECT_FALSE(answer->at("data").at(0).as_object().contains("query-params"));
  EXPECT_EQ(answer->at("data").at(0).at("module"), "alpha");
}

TEST_F(EnricherTest, TriggersWithEveryParameterAndItsOwnActionId) {
  auto a = source.Add(
      "a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{"status":"success"}})"); });
  source.Add("b", "beta", [](const relay::Call&) -> Result<json::value> {
    return Fail(Code::kTimeout, "slow");
  });
  const auto answer = RunTask(Make().Trigger("a", "delete",
                                             {{"observable_type", "cisco_mid"},
                                              {"observable_value", "5"},
                                              {"x", "y"},
                                              {"action-id", "evil"}},
                                             Me()));
  EXPECT_EQ(json::Serialize(*answer), R"({"data":{"status":"success"},"errors":[]})");
  const json::object& body = a->calls[0].body.as_object();
  EXPECT_EQ(body.at("action-id"), "delete");
  EXPECT_EQ(body.at("x"), "y");
  EXPECT_EQ(a->calls[0].deadline, Options().trigger_timeout);
  const auto failed = RunTask(Make().Trigger("b", "delete", {}, Me()));
  EXPECT_EQ(failed->at("data").at("status"), "failure");
  EXPECT_EQ(failed->at("errors").at(0).at("code"), "timeout");
  EXPECT_EQ(RunTask(Make().Trigger("nobody", "delete", {}, Me())).error().code, Code::kNotFound);
}

TEST_F(EnricherTest, HealthListsEveryInstance) {
  source.Add("a", "alpha",
             [](const relay::Call&) { return Parsed(R"({"data":{"status":"ok"}})"); });
  source.Add("b", "beta", [](const relay::Call&) {
    return Parsed(R"({"errors":[{"code":"x","message":"y"}]})");
  });
  const auto answer = RunTask(Make().Health(Me()));
  EXPECT_EQ(answer->at("data").at(0).at("data").at("status"), "ok");
  EXPECT_EQ(answer->at("data").at(1).at("data").at("status"), "error");
  EXPECT_EQ(answer->at("errors").as_array().size(), 1u);
  EXPECT_EQ(RunTask(Make().HealthOf("b", Me()))->at("data").at("data").at("status"), "error");
  EXPECT_EQ(RunTask(Make().HealthOf("z", Me())).error().code, Code::kNotFound);
}

TEST_F(EnricherTest, RefusesMoreQuestionsThanItMayHave) {
  source.Add("a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  EXPECT_EQ(
      RunTask(Make({.max_questions = 0}).Enrich(Verb::kObserve, One(), {}, Me())).error().code,
      Code::kLimited);
}

TEST_F(EnricherTest, AFailedListOfModulesIsAnErrorNotAnEmptyAnswer) {
  source.error = Error(Code::kUnavailable, "disk");
  EXPECT_EQ(RunTask(Make().Enrich(Verb::kObserve, One(), {}, Me())).error().code,
            Code::kUnavailable);
}

TEST(ReadObservablesTest, ChecksWhatItReads) {
  const auto read = [](std::string_view text) {
    return ReadObservables(json::Parse(text).value(), {});
  };
  const auto good = read(
      R"([{"type":"IP","value":"1.2.3.4"},{"type":"ip","value":"1.2.3.4"},{"type":"url","value":"u"}])");
  ASSERT_TRUE(good);
  EXPECT_EQ(json::Serialize(ToJson(*good)),
            R"([{"type":"ip","value":"1.2.3.4"},{"type":"url","value":"u"}])");
  for (const char* bad :
       {"{}", "[1]", R"([{"type":"ip"}])", R"([{"value":"x"}])", R"([{"type":"nope","value":"x"}])",
        R"([{"type":"ip","value":" "}])", R"([{"type":"ip","value":5}])"}) {
    EXPECT_EQ(read(bad).error().code, Code::kInvalid) << bad;
  }
  EXPECT_EQ(read(R"([{"type":"ip","value":"1"},{"type":"ip","value":""}])").error().message,
            "[1].value: empty");
  Options few;
  few.max_observables = 1;
  EXPECT_FALSE(ReadObservables(
      json::Parse(R"([{"type":"ip","value":"1"},{"type":"ip","value":"2"}])").value(), few));
  EXPECT_FALSE(read("[{\"type\":\"url\",\"value\":\"" + std::string(70000, 'x') + "\"}]"));
}

TEST(EnrichSettingsTest, ReadsTheSchema) {
  const Options options =
      FromSettings(*settings::Snapshot::Defaults(settings::Schema::Builtin(), "response"));
  EXPECT_EQ(options.timeout, std::chrono::seconds(20));
  EXPECT_EQ(options.answer.max_documents, 20000u);
}

TEST_F(EnricherTest, ManyModulesOfWhichSomeHangAndFail) {
  for (int i = 0; i < 200; ++i) {
    const std::string name = "m" + std::to_string(i);
    const int kind = i % 10;
    auto module = source.Add(name, name, [kind](const relay::Call&) -> Result<json::value> {
      if (kind == 1) return Fail(Code::kUnavailable, "refused");
      return Parsed(R"({"data":{"verdicts":{"count":1,"docs":[{"type":"verdict"}]}}})");
    });
    if (kind == 0) module->delay = std::chrono::hours(1);
  }
  const auto answer = RunTask(
      Make({.timeout = std::chrono::milliseconds(500)}).Enrich(Verb::kDeliberate, One(), {}, Me()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->at("data").as_array().size(), 160u);
  std::map<std::string, int> codes;
  for (const json::value& error : answer->at("errors").as_array()) {
    ++codes[std::string(error.at("code").as_string())];
  }
  EXPECT_EQ(codes, (std::map<std::string, int>{{"connection error", 20}, {"timeout", 20}}));
  EXPECT_EQ(answer->at("coverage").as_array().size(), 200u);
}

TEST_F(EnricherTest, WatchersSeeEachModuleAsItAnswers) {
  source.Add("a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  source.Add("b", "beta", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  source.modules.at("a")->delay = std::chrono::milliseconds(100);
  std::vector<std::string> seen;
  Watcher watcher;
  watcher.started = [&](const std::vector<Part>& parts) {
    seen.push_back("start " + std::to_string(parts.size()));
  };
  watcher.answered = [&](const Part& part, size_t answered, size_t asked) {
    seen.push_back(part.instance.name + " " + std::to_string(answered) + "/" +
                   std::to_string(asked));
  };
  ASSERT_TRUE(RunTask(Make().Enrich(Verb::kObserve, One(), {}, Me(), watcher)));
  EXPECT_EQ(seen, (std::vector<std::string>{"start 2", "beta 1/2", "alpha 2/2"}));
}

TEST_F(EnricherTest, WhoGivesUpEndsTheCalls) {
  source.Add("a", "alpha", [](const relay::Call&) { return Parsed(R"({"data":{}})"); });
  source.modules.at("a")->delay = std::chrono::hours(1);
  Make({.timeout = std::chrono::hours(2)});
  // With the asker's deadline, not the module's.
  const auto answer = RunTask(io::WithDeadline(enricher->Enrich(Verb::kObserve, One(), {}, Me()),
                                               std::chrono::milliseconds(20), "asking"));
  EXPECT_EQ(answer.error().code, Code::kTimeout);
  // The context ran dry: nothing of the call is left.
  EXPECT_EQ(FakeModule::running, 0);
  EXPECT_EQ(scope.size(), 0u);
}

}  // namespace
}  // namespace mailreeve::response::enrich
