#include "response/intel_module/intel_module.h"

#include "base/random.h"
#include "sql/test_databases.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace mailreeve::response::intel_module {
namespace {

class IntelModuleTest : public testing::Test {
 protected:
  void SetUp() override {
    intel::StoreOptions options;
    options.database = place.options();
    store = intel::Store::Open(options).value();
    module = std::make_shared<IntelModule>(
        *store, IntelModule::Options{.base_url = "https://r.example", .max_documents = 3}, clock);
  }
  std::string Add(std::string type, std::string_view more) {
    json::object document = json::Parse("{" + std::string(more) + "}").value().get_object();
    const std::string id = type + "-" + RandomUuid();
    document["id"] = id;
    document["type"] = type;
    document["owner"] = "alice";
    document["groups"] = json::array{"org-1"};
    for (const char* key : {"created", "modified", "timestamp"})
      document[key] = "2026-02-01T10:00:00.000Z";
    if (!document.contains("tlp")) document["tlp"] = "green";
    const auto done = store->WriteNow([&](intel::Tables& tables) -> Result<void> {
      tables.Add({.type = type, .document = document});
      return {};
    });
    EXPECT_TRUE(done) << done.error().ToString();
    return id;
  }
  Result<json::value> Ask(std::string route, std::string_view body, std::string org = "org-1",
                          std::string user = "alice") {
    relay::Call call{.route = std::move(route), .body = json::Parse(body).value()};
    call.caller.org_id = std::move(org);
    call.caller.user_id = std::move(user);
    std::optional<Result<json::value>> out;
    asio::co_spawn(
        context,
        [](relay::Module& module, relay::Call call,
           std::optional<Result<json::value>>& out) -> io::Task<void> {
          out.emplace(co_await module.Ask(std::move(call)));
        }(*module, std::move(call), out),
        [](std::exception_ptr thrown) {
          if (thrown) std::rethrow_exception(thrown);
        });
    context.restart();
    context.run();
    return std::move(*out);
  }

  FakeClock clock{ParseTime("2026-03-01T00:00:00Z").value()};
  sql::TestDatabase place;
  asio::io_context context;
  std::unique_ptr<intel::Store> store;
  std::shared_ptr<IntelModule> module;
};

constexpr std::string_view kQuestion =
    R"([{"type":"domain","value":"BAD.example"},{"type":"ip","value":"192.0.2.7"}])";

TEST_F(IntelModuleTest, AnswersFromWhatTheAskerMaySee) {
  const std::string judgement =
      Add("judgement", R"("observable":{"type":"domain","value":"bad.example"},"disposition":2,
        "disposition_name":"Malicious","priority":90,
        "valid_time":{"start_time":"2026-01-01T00:00:00.000Z","end_time":"2525-01-01T00:00:00.000Z"})");
  const std::string indicator = Add("indicator", R"("title":"kit")");
  const std::string secret = Add("indicator", R"("title":"secret","tlp":"red")");
  for (const std::string& target : {indicator, secret}) {
    Add("relationship",
        R"("relationship_type":"element-of","source_ref":"https://r.example/ctia/judgement/)" +
            judgement + R"(","target_ref":"https://r.example/ctia/indicator/)" + target + "\"");
  }
  for (int i = 0; i < 5; ++i)
    Add("sighting", R"("observables":[{"type":"ip","value":"192.0.2.7"}],"count":1)");

  const json::value verdicts = Ask("/deliberate/observables", kQuestion).value();
  const json::object& verdict = verdicts.at("data").at("verdicts").at("docs").at(0).get_object();
  EXPECT_EQ(verdicts.at("data").at("verdicts").at("count"), 1);
  EXPECT_EQ(verdict.at("observable").at("value"), "BAD.example");
  EXPECT_EQ(verdict.at("disposition"), 2);
  EXPECT_EQ(verdict.at("judgement_id").as_string(),
            "https://r.example/ctia/judgement/" + judgement);

  const json::value seen = Ask("/observe/observables", kQuestion, "org-1", "bob").value();
  EXPECT_EQ(seen.at("data").at("judgements").at("count"), 1);
  EXPECT_EQ(seen.at("data").at("indicators").at("count"), 1);
  EXPECT_EQ(seen.at("data").at("indicators").at("docs").at(0).at("title"), "kit");
  EXPECT_EQ(seen.at("data").at("sightings").at("count"), 3);
  EXPECT_EQ(seen.at("errors").at(0).at("type"), "warning");
  const json::value own = Ask("/observe/observables", kQuestion).value();
  EXPECT_EQ(own.at("data").at("indicators").at("count"), 2);

  const json::value other = Ask("/observe/observables", kQuestion, "org-2").value();
  EXPECT_TRUE(other.at("data").get_object().empty());
  EXPECT_TRUE(
      Ask("/deliberate/observables", kQuestion, "org-2").value().at("data").get_object().empty());
}

TEST_F(IntelModuleTest, ServesTheProtocol) {
  EXPECT_EQ(json::Serialize(Ask("/health", "null").value()), R"({"data":{"status":"ok"}})");
  const json::value links = Ask("/refer/observables", kQuestion).value();
  EXPECT_EQ(links.at("data").get_array().size(), 2u);
  EXPECT_EQ(links.at("data").at(0).at("url"),
            "https://r.example/#/investigate?q=domain:BAD.example");
  EXPECT_EQ(Ask("/observe/observables", R"({"x":1})").value().at("errors").at(0).at("type"),
            "fatal");
  EXPECT_EQ(Ask("/respond/trigger", "{}").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace mailreeve::response::intel_module
