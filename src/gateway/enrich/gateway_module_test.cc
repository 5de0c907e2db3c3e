#include "gateway/enrich/gateway_module.h"

#include "base/random.h"
#include "ctim/validate.h"
#include "gateway/tracking/engine.h"

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

namespace mailreeve::gateway::enrich {
namespace {

using mail::EventKind;

class FakeActions final : public Actions {
 public:
  io::Task<Result<remediation::Plan>> MakePlan(remediation::Action action,
                                               std::vector<mail::Mid> mids,
                                               relay::Caller caller) override {
    remediation::Plan plan;
    plan.id = "plan-" + std::to_string(++plans);
    plan.hash = "hash";
    plan.action = action;
    plan.forward_needed = remediation::Forwards(action);
    plan.forward_address = forward_address;
    plan.caller = caller;
    planned = mids;
    co_return plan;
  }
  io::Task<Result<std::string>> Execute(std::string plan_id, std::string plan_hash, std::string key,
                                        std::string to, std::string,
                                        relay::Caller caller) override {
    if (plan_hash != "hash") co_return Fail(Code::kConflict, "the plan has changed");
    ++executed;
    forward_to = to;
    asked_by = caller.user_name;
    (void)plan_id, (void)key;
    co_return "batch-1";
  }
  io::Task<Result<remediation::Batch>> GetBatch(std::string id) override {
    if (id != "batch-1") co_return Fail(Code::kNotFound, "no such batch");
    co_return batch;
  }
  io::Task<Result<remediation::Batch>> WaitBatch(std::string id,
                                                 std::chrono::milliseconds) override {
    return GetBatch(std::move(id));
  }

  remediation::Batch batch;
  std::string forward_address, forward_to, asked_by;
  std::vector<mail::Mid> planned;
  int plans = 0, executed = 0;
};

class GatewayModuleTest : public testing::Test {
 protected:
  GatewayModuleTest()
      : dir_(std::filesystem::temp_directory_path() / ("mailreeve-enr-" + RandomUuid())) {
    auto opened = tracking::OpenStore({.core = {.dir = dir_.string()}}, io::PosixFiles(),
                                      io_.get_executor(), logger_, clock_);
    EXPECT_TRUE(opened) << opened.error().ToString();
    store_ = *std::move(opened);
    actions_.batch.id = "batch-1";
    actions_.batch.state = remediation::BatchState::kCompleted;
  }
  ~GatewayModuleTest() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  template <class T>
  T Run(io::Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr thrown, T value) {
      ASSERT_FALSE(thrown);
      result = std::move(value);
    });
    io_.restart();
    io_.run();
    return std::move(*result);
  }

  void Track(int number) {
    mail::MessageRecord record;
    record.mid = static_cast<mail::Mid>(number);
    record.received = clock_.Now() - std::chrono::hours(1) + std::chrono::seconds(number);
    record.connection.client_address = "198.51.100.7";
    record.connection.client_name = "mx.sender.example";
    record.connection.helo = "helo.example";
    record.envelope_from = "evil@sender.example";
    record.recipients = {{0, "bob@corp.example", ""}, {1, "carol@corp.example", ""}};
    record.inspection.subject = "Your invoice";
    record.inspection.message_id = "<" + std::to_string(number) + "@sender.example>";
    record.inspection.addresses = {
        {mail::AddressRole::kFrom, "boss@corp.example", "Boss", "boss@corp.example"}};
    record.inspection.urls = {{"http://bad.example/login", "", mail::UrlSource::kText}};
    mail::Attachment file;
    file.names = {"invoice.pdf"};
    file.sha256 = std::string(64, 'c');
    record.inspection.attachments = {file};
    if (number == 2) record.verdicts = {{"url", 2, "listed"}, {"policy", 1, ""}};
    mail::Event event;
    event.time = record.received + std::chrono::seconds(5);
    event.kind = EventKind::kDelivered;
    event.rid = 0;
    record.events = {event};
    event.rid = 1;
    event.kind = EventKind::kDeferred;
    record.events.push_back(event);
    auto done = Run(store_->Append(record));
    ASSERT_TRUE(done) << done.error().ToString();
  }

  json::object Ask(std::string route, std::string_view body, Options options = {}) {
    options.name = "gw1";
    options.version = "1.2.3";
    GatewayModule module(options, *store_, actions_, clock_);
    return AskOf(module, std::move(route), body);
  }
  json::object AskOf(GatewayModule& module, std::string route, std::string_view body) {
    relay::Call call;
    call.route = std::move(route);
    call.body = body.empty() ? json::value() : *json::Parse(body);
    call.caller.user_name = "anna";
    auto answer = Run(module.Ask(std::move(call)));
    EXPECT_TRUE(answer) << answer.error().ToString();
    return answer ? answer->as_object() : json::object();
  }
  static std::string ErrorOf(const json::object& answer) {
    return std::string(answer.at("errors").at(0).at("message").as_string());
  }

  std::filesystem::path dir_;
  asio::io_context io_{1};
  log::NullLogger logger_;
  FakeClock clock_{Time(std::chrono::seconds(1'700'000'000))};
  std::unique_ptr<tracking::Store> store_;
  FakeActions actions_;
};

TEST_F(GatewayModuleTest, HealthAndVersion) {
  const json::object health = Ask("/health", "");
  EXPECT_EQ(health.at("data").at("status"), "ok");
  EXPECT_EQ(health.at("coverage").at("records_held"), 0);
  EXPECT_EQ(Ask("/version", "").at("version"), "1.2.3");
  EXPECT_EQ(Ask("/health/", "{}").at("data").at("status"), "ok");
  relay::Call call;
  call.route = "/nowhere";
  GatewayModule module({}, *store_, actions_, clock_);
  EXPECT_EQ(Run(module.Ask(call)).error().code, Code::kNotFound);
}

TEST_F(GatewayModuleTest, ObserveTellsWhoWasHit) {
  Track(1);
  Track(2);
  const json::object answer =
      Ask("/observe/observables", R"([{"type":"url","value":"http://bad.example/login"}])");
  EXPECT_FALSE(answer.contains("errors")) << json::Serialize(answer);
  const auto& sightings = answer.at("data").at("sightings").as_object();
  EXPECT_EQ(sightings.at("count"), 2);
  const json::object& first = sightings.at("docs").at(0).as_object();
  EXPECT_EQ(first.at("title"), "MID 2 Soft Bounced: Your invoice") << "newest first";
  for (const auto& doc : sightings.at("docs").as_array()) {
    auto checked = ctim::Check("sighting", doc, {.stored = true, .strict = true});
    EXPECT_TRUE(checked) << checked.error().ToString();
  }
  EXPECT_EQ(json::Serialize(first.at("observables")),
            R"([{"type":"url","value":"http://bad.example/login"}])");
  std::set<std::string> targets, relations;
  for (const auto& target : first.at("targets").as_array()) {
    targets.insert(std::string(target.at("observables").at(0).at("value").as_string()));
    EXPECT_TRUE(target.at("observed_time").as_object().contains("end_time"));
  }
  EXPECT_EQ(targets, (std::set<std::string>{"bob@corp.example", "carol@corp.example"}));
  const auto text = [](const json::value& observable) {
    return std::string(observable.at("type").as_string()) + ":" +
           std::string(observable.at("value").as_string());
  };
  for (const auto& relation : first.at("relations").as_array()) {
    relations.insert(text(relation.at("source")) + " " +
                     std::string(relation.at("relation").as_string()) + " " +
                     text(relation.at("related")));
  }
  const std::string id = "email_messageid:<2@sender.example>",
                    hash = "sha256:" + std::string(64, 'c');
  for (const std::string& wanted :
       {"email:evil@sender.example Sent " + id, "email:boss@corp.example Sent " + id,
        id + " Sent_To email:bob@corp.example", id + " Related_To cisco_mid:2",
        "ip:198.51.100.7 Sent " + id, std::string("ip:198.51.100.7 Sent cisco_mid:2"),
        std::string("domain:mx.sender.example FQDN_Of ip:198.51.100.7"),
        std::string("domain:helo.example Related_To ip:198.51.100.7"),
        std::string("email:evil@sender.example Sent_To email:carol@corp.example"),
        hash + " Attached_To " + id, "file_name:invoice.pdf Attached_To " + id,
        "file_name:invoice.pdf Characterized_By " + hash,
        id + " Contains url:http://bad.example/login",
        "email_subject:Your invoice Characterizes " + id}) {
    EXPECT_TRUE(relations.contains(wanted)) << wanted << "\n"
                                            << json::Serialize(first.at("relations"));
  }
  EXPECT_EQ(first.at("severity"), "High");
  const auto& rows = first.at("data").at("rows").as_array();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(json::Serialize(rows[0]),
            R"(["Soft Bounced","incoming","bob@corp.example","Delivered","2"])");
  EXPECT_EQ(answer.at("coverage").at("complete"), true);
  EXPECT_EQ(answer.at("coverage").at("records_held"), 2);
  EXPECT_EQ(answer.at("coverage").at("asked_at").as_string(),
            std::string_view(FormatTime(clock_.Now())));
}

TEST_F(GatewayModuleTest, ObserveMatchesSenderAndRecipientAndSeveralAtOnce) {
  Track(1);
  for (const char* address : {"evil@sender.example", "bob@corp.example", "boss@corp.example"}) {
    const json::object answer = Ask(
        "/observe/observables", std::string(R"([{"type":"email","value":")") + address + "\"}]");
    EXPECT_EQ(answer.at("data").at("sightings").at("count"), 1) << address;
  }
  const json::object both = Ask(
      "/observe/observables",
      R"([{"type":"email","value":"bob@corp.example"},{"type":"domain","value":"bad.example"}])");
  EXPECT_EQ(both.at("data").at("sightings").at("count"), 1) << "one message, one sighting";
  EXPECT_EQ(both.at("data").at("sightings").at("docs").at(0).at("observables").as_array().size(),
            2u);
}

TEST_F(GatewayModuleTest, NothingIsAnEmptyObjectWithCoverage) {
  Track(1);
  for (const char* body :
       {R"([{"type":"domain","value":"nowhere.example"}])", R"([{"type":"mutex","value":"x"}])",
        R"([{"type":"not_a_type","value":"x"}])", "[]"}) {
    const json::object answer = Ask("/observe/observables", body);
    EXPECT_EQ(json::Serialize(answer.at("data")), "{}") << body;
    EXPECT_EQ(answer.at("coverage").at("records_held"), 1) << body;
  }
  const json::object refused =
      Ask("/observe/observables", R"([{"type":"ip","value":"192.0.2.1","x":1}])");
  EXPECT_EQ(
      json::Serialize(refused),
      R"({"errors":[{"type":"fatal","code":"invalid argument","message":"{0: {'x': ['Unknown field.']}}"}]})");
  const json::object warned = Ask("/observe/observables", R"([{"type":"ip","value":"300.1.1.1"}])");
  EXPECT_EQ(warned.at("errors").at(0).at("type"), "warning");
}

TEST_F(GatewayModuleTest, OldMessagesAreOutsideTheLookBackUnlessNamed) {
  Track(1);
  clock_.Advance(std::chrono::hours(24 * 40));
  EXPECT_EQ(
      json::Serialize(
          Ask("/observe/observables", R"([{"type":"domain","value":"bad.example"}])").at("data")),
      "{}");
  EXPECT_EQ(Ask("/observe/observables", R"([{"type":"cisco_mid","value":"1"}])")
                .at("data")
                .at("sightings")
                .at("count"),
            1);
}

TEST_F(GatewayModuleTest, SaysWhatItLeftOut) {
  for (int i = 1; i <= 5; ++i) Track(i);
  Options few;
  few.max_sightings = 2;
  json::object answer =
      Ask("/observe/observables", R"([{"type":"domain","value":"bad.example"}])", few);
  EXPECT_EQ(answer.at("data").at("sightings").at("count"), 2);
  EXPECT_EQ(answer.at("coverage").at("complete"), false);
  EXPECT_EQ(answer.at("errors").at(0).at("type"), "warning");
  Options small;
  small.max_answer_bytes = 6000;
  answer = Ask("/observe/observables", R"([{"type":"domain","value":"bad.example"}])", small);
  EXPECT_LT(answer.at("data").at("sightings").at("docs").as_array().size(), 5u);
  EXPECT_EQ(answer.at("coverage").at("complete"), false);
  Options narrow;
  narrow.max_relations = 3;
  narrow.max_targets = 1;
  answer = Ask("/observe/observables", R"([{"type":"cisco_mid","value":"1"}])", narrow);
  EXPECT_EQ(answer.at("data").at("sightings").at("docs").at(0).at("targets").as_array().size(), 1u);
  EXPECT_EQ(answer.at("coverage").at("complete"), false);
}

TEST_F(GatewayModuleTest, DeliberatesOnlyWhatItJudged) {
  Track(1);
  Track(2);
  EXPECT_EQ(json::Serialize(
                Ask("/deliberate/observables", R"([{"type":"cisco_mid","value":"1"}])").at("data")),
            "{}");
  EXPECT_EQ(
      json::Serialize(Ask("/deliberate/observables", R"([{"type":"domain","value":"bad.example"}])")
                          .at("data")),
      "{}");
  const json::object answer = Ask("/deliberate/observables",
                                  R"([{"type":"email_messageid","value":"<2@sender.example>"}])");
  const json::value& verdict = answer.at("data").at("verdicts").at("docs").at(0);
  EXPECT_TRUE(ctim::Check("verdict", verdict, {.strict = true}));
  EXPECT_EQ(verdict.at("disposition"), 2);
}

TEST_F(GatewayModuleTest, RefersToThePage) {
  Options options;
  options.console_url = "https://response.example/";
  const json::object answer =
      Ask("/refer/observables", R"([{"type":"email","value":"bob+x@corp.example"}])", options);
  EXPECT_EQ(answer.at("data").at(0).at("url"),
            "https://response.example/?q=bob%2Bx%40corp.example");
  for (const char* key : {"id", "title", "description", "categories"}) {
    EXPECT_TRUE(answer.at("data").at(0).as_object().contains(key));
  }
}

TEST_F(GatewayModuleTest, OffersActionsOnlyWhenPossible) {
  Track(1);
  Options options;
  options.forward_address = "soc@corp.example";
  const auto ids = [](const json::object& answer) {
    std::vector<std::string> out;
    for (const auto& action : answer.at("data").as_array())
      out.emplace_back(action.at("id").as_string());
    return out;
  };
  EXPECT_EQ(
      ids(Ask("/respond/observables", R"([{"type":"cisco_mid","value":"1"}])", options)),
      (std::vector<std::string>{"esa-mor-delete", "esa-mor-forward", "esa-mor-forward-delete"}));
  EXPECT_TRUE(
      ids(Ask("/respond/observables", R"([{"type":"cisco_mid","value":"9"}])", options)).empty());
  EXPECT_TRUE(
      ids(Ask("/respond/observables", R"([{"type":"domain","value":"bad.example"}])", options))
          .empty());
  json::object answer =
      Ask("/respond/observables", R"([{"type":"email_messageid","value":"<1@sender.example>"}])");
  EXPECT_EQ(ids(answer), (std::vector<std::string>{"esa-mor-delete"}));
  EXPECT_EQ(answer.at("errors").at(0).at("type"), "warning");
  EXPECT_EQ(answer.at("data").at(0).at("query-params").at("observable_type"), "email_messageid");
  options.mailboxes_configured = false;
  answer = Ask("/respond/observables", R"([{"type":"cisco_mid","value":"1"}])", options);
  EXPECT_TRUE(ids(answer).empty());
  EXPECT_EQ(answer.at("errors").at(0).at("type"), "warning");
}

TEST_F(GatewayModuleTest, TriggerPlansExecutesAndTellsTheTruth) {
  Track(1);
  constexpr const char* kDelete =
      R"({"action-id":"esa-mor-delete","observable_type":"cisco_mid","observable_value":"1","idempotency_key":"k","extra":"x"})";
  GatewayModule module({.name = "gw1"}, *store_, actions_, clock_);
  json::object answer = AskOf(module, "/respond/trigger", kDelete);
  EXPECT_EQ(answer.at("data").at("status"), "success") << json::Serialize(answer);
  EXPECT_EQ(answer.at("data").at("batch_id"), "batch-1");
  EXPECT_EQ(actions_.planned, (std::vector<mail::Mid>{1}));
  EXPECT_EQ(actions_.asked_by, "anna");
  answer = AskOf(module, "/respond/trigger", kDelete);
  EXPECT_EQ(answer.at("data").at("status"), "success");
  EXPECT_EQ(actions_.executed, 1) << "the same key is the same order";

  actions_.batch.state = remediation::BatchState::kRunning;
  answer = Ask("/respond/trigger", kDelete);
  EXPECT_EQ(answer.at("data").at("status"), "failure");
  EXPECT_EQ(answer.at("errors").at(0).at("code"), "timeout");
  actions_.batch.state = remediation::BatchState::kCompletedWithErrors;
  answer = Ask("/respond/trigger", kDelete);
  EXPECT_EQ(answer.at("data").at("status"), "failure");

  const int executed = actions_.executed;
  const std::string forward =
      R"({"action-id":"esa-mor-forward-delete","observable_type":"email_messageid","observable_value":"<1@sender.example>")";
  answer = Ask("/respond/trigger", forward + "}");
  EXPECT_EQ(answer.at("data").at("status"), "failure");
  EXPECT_NE(ErrorOf(answer).find("forward"), std::string::npos);
  EXPECT_EQ(actions_.executed, executed) << "nothing was begun";
  actions_.batch.state = remediation::BatchState::kCompleted;
  answer = Ask("/respond/trigger", forward + R"(,"forward_to":"soc@corp.example"})");
  EXPECT_EQ(answer.at("data").at("status"), "success");
  EXPECT_EQ(actions_.forward_to, "soc@corp.example");
  for (const char* bad :
       {"[]", "{}", R"({"action-id":"burn","observable_type":"cisco_mid","observable_value":"1"})",
        R"({"action-id":"esa-mor-delete","observable_type":"ip","observable_value":"192.0.2.1"})",
        R"({"action-id":"esa-mor-delete","observable_type":"cisco_mid","observable_value":"77"})",
        R"({"action-id":"esa-mor-delete","observable_type":"cisco_mid","observable_value":"x"})"}) {
    answer = Ask("/respond/trigger", bad);
    EXPECT_EQ(answer.at("data").at("status"), "failure") << bad;
    EXPECT_TRUE(answer.contains("errors")) << bad;
  }
}

TEST_F(GatewayModuleTest, TilesOfReports) {
  const std::map<std::string, std::string> types = {
      {"mailreeve-mail-flow", "vertical_bar_chart"},
      {"mailreeve-top-senders", "horizontal_bar_chart"},
      {"mailreeve-verdicts", "donut_graph"},
      {"mailreeve-remediation", "metric_group"}};
  std::map<std::string, std::string> told;
  const json::object tiles = Ask("/tiles", "");
  for (const json::value& tile : tiles.at("data").as_array()) {
    EXPECT_EQ(tile.at("periods").as_array().size(), 6u);
    const std::string id(tile.at("id").as_string());
    if (types.contains(id)) told[id] = std::string(tile.at("type").as_string());
  }
  EXPECT_EQ(told, types);
  for (const auto& [id, type] : types) {
    for (const char* period : {"last_hour", "last_90_days"}) {
      const json::object data =
          Ask("/tiles/tile-data", "{\"tile_id\":\"" + id + "\",\"period\":\"" + period + "\"}");
      ASSERT_TRUE(data.contains("data")) << id << json::Serialize(data);
      EXPECT_EQ(data.at("data").at("tile_id").as_string(), id);
      EXPECT_EQ(data.at("data").at("cache_scope"), "org");
      EXPECT_TRUE(data.at("data").at("data").is_array()) << id;
    }
  }
  const json::value verdicts =
      Ask("/tiles/tile-data", R"({"tile_id":"mailreeve-verdicts","period":"last_hour"})")
          .at("data");
  EXPECT_EQ(verdicts.at("labels").at(0).as_array().size(), verdicts.at("data").as_array().size());
  const json::value flow =
      Ask("/tiles/tile-data", R"({"tile_id":"mailreeve-mail-flow","period":"last_24_hours"})")
          .at("data");
  EXPECT_EQ(flow.at("data").as_array().size(), 25u);
}

TEST_F(GatewayModuleTest, TilesCount) {
  Track(1);
  const json::object tiles = Ask("/tiles", "");
  const std::string id(tiles.at("data").at(0).at("id").as_string());
  EXPECT_EQ(Ask("/tiles/tile", "{\"tile_id\":\"" + id + "\"}").at("data").at("type"),
            "metric_group");
  const json::object data =
      Ask("/tiles/tile-data", "{\"tile_id\":\"" + id + "\",\"period\":\"last_24_hours\"}");
  EXPECT_EQ(data.at("data").at("data").at(0).at("value"), 1);
  EXPECT_EQ(data.at("data").at("data").at(1).at("value"), 1);
  EXPECT_TRUE(Ask("/tiles/tile", R"({"tile_id":"x"})").contains("errors"));
  EXPECT_TRUE(Ask("/tiles/tile", "{\"tile_id\":\"" + id + "\",\"y\":1}").contains("errors"));
  EXPECT_TRUE(Ask("/tiles/tile-data", "{\"tile_id\":\"" + id + "\",\"period\":\"ever\"}")
                  .contains("errors"));
}

TEST_F(GatewayModuleTest, MessagesAndDetails) {
  for (int i = 1; i <= 3; ++i) Track(i);
  json::object answer = Ask("/mailreeve/messages", R"({"sender":"Evil@Sender.Example","limit":2})");
  ASSERT_TRUE(answer.contains("data")) << json::Serialize(answer);
  EXPECT_EQ(answer.at("data").at("messages").as_array().size(), 2u);
  EXPECT_EQ(answer.at("data").at("messages").at(0).at("mid"), 3);
  const std::string cursor(answer.at("data").at("next_cursor").as_string());
  ASSERT_FALSE(cursor.empty());
  answer = Ask("/mailreeve/messages",
               R"({"sender":"evil@sender.example","limit":2,"cursor":")" + cursor + "\"}");
  EXPECT_EQ(answer.at("data").at("messages").as_array().size(), 1u);
  EXPECT_EQ(answer.at("data").at("next_cursor"), "");
  EXPECT_EQ(answer.at("coverage").at("complete"), true);
  EXPECT_EQ(Ask("/mailreeve/messages", R"({"subject":"INVOICE"})")
                .at("data")
                .at("messages")
                .as_array()
                .size(),
            3u);
  EXPECT_EQ(
      Ask("/mailreeve/messages",
          R"({"observables":[{"type":"url","value":"http://bad.example/login"}],"recipient":"carol@corp.example"})")
          .at("data")
          .at("messages")
          .as_array()
          .size(),
      3u);
  EXPECT_EQ(Ask("/mailreeve/messages", "").at("data").at("messages").as_array().size(), 3u);
  for (const char* bad :
       {R"({"x":1})", R"({"limit":0})", R"({"limit":1001})", R"({"mid":0})", R"({"from":"then"})",
        R"({"direction":"up"})", R"({"event":"lost"})", R"({"cursor":"?"})", R"({"sender":5})",
        R"({"subject_match":"like"})", R"({"observables":[{"type":"zz","value":"y"}]})", "[]"}) {
    EXPECT_TRUE(Ask("/mailreeve/messages", bad).contains("errors")) << bad;
  }
  const json::object details = Ask("/mailreeve/message", R"({"mid":"2"})");
  EXPECT_EQ(details.at("data").at("subject"), "Your invoice");
  EXPECT_EQ(details.at("data").at("events").as_array().size(), 2u);
  EXPECT_EQ(details.at("data").at("recipients").at(1).at("status"), "Soft Bounced");
  EXPECT_EQ(details.at("data").at("attachments").at(0).at("name"), "invoice.pdf");
  EXPECT_EQ(Ask("/mailreeve/message", R"({"mid":9})").at("errors").at(0).at("code"), "not found");
  EXPECT_EQ(Ask("/mailreeve/message", "{}").at("errors").at(0).at("code"), "invalid argument");
}

TEST_F(GatewayModuleTest, RemediationRoutes) {
  Track(1);
  EXPECT_EQ(Ask("/mailreeve/remediation/plan", R"({"action":"delete","mids":[1,"2"]})")
                .at("data")
                .at("id"),
            "plan-1");
  EXPECT_EQ(actions_.planned, (std::vector<mail::Mid>{1, 2}));
  EXPECT_EQ(Ask("/mailreeve/remediation/execute",
                R"({"plan_id":"plan-1","plan_hash":"hash","idempotency_key":"k"})")
                .at("data")
                .at("batch_id"),
            "batch-1");
  EXPECT_EQ(Ask("/mailreeve/remediation/execute",
                R"({"plan_id":"plan-1","plan_hash":"other","idempotency_key":"k"})")
                .at("errors")
                .at(0)
                .at("code"),
            "conflict");
  EXPECT_EQ(Ask("/mailreeve/remediation/batch", R"({"batch_id":"batch-1"})").at("data").at("state"),
            "completed");
  EXPECT_EQ(
      Ask("/mailreeve/remediation/batch", R"({"batch_id":"b"})").at("errors").at(0).at("code"),
      "not found");
  for (const char* bad : {R"({"action":"burn","mids":[1]})", R"({"action":"delete","mids":[]})",
                          R"({"action":"delete"})", R"({"action":"delete","mids":[0]})", "[]"}) {
    EXPECT_TRUE(Ask("/mailreeve/remediation/plan", bad).contains("errors")) << bad;
  }
}

}  // namespace
}  // namespace mailreeve::gateway::enrich
