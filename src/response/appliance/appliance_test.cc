#include "response/appliance/appliance.h"

#include "base/bytes.h"
#include "outbound/fake_fetcher.h"
#include "response/appliance/tracking_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::appliance {
namespace {

using observable::Observable;
using observable::Type;
using testing::HasSubstr;

json::value Value(std::string_view text) { return *json::Parse(text); }

constexpr const char* kRow = R"json({"attributes":{"hostName":"","serialNumber":"SN",
  "direction":"incoming","icid":46,"allIcid":[46],"mid":[52],
  "timestamp":"29 Aug 2023 10:00:48 (GMT +00:00)","sender":"alice@sender.test","replyTo":"N/A",
  "recipient":["bob@example.test","carol@example.test"],"subject":"Invoice",
  "messageID":{"52":"<1@sender.test>"},"messageStatus":{"52":"Delivered"},
  "senderIp":"192.0.2.10"}})json";

TEST(TrackingApi, Times) {
  for (const char* text : {"29 Aug 2023 10:00:48 (GMT +00:00)", "29 Aug 2023 10:00:48 (GMT)",
                           "29 Aug 2023 12:00:48 (GMT +02:00)"}) {
    const auto time = ParseTimestamp(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(FormatTime(*time), "2023-08-29T10:00:48.000Z");
  }
  for (const char* bad : {"", "N/A", "29 Xxx 2023 10:00:48 (GMT +00:00)", "2023-08-29T10:00:48Z",
                          "29 Aug 2023 10:00:48 (GMT", "99 Aug 2023 10:00:48 (GMT)",
                          "29 Aug 2023 10:00:48 (GMT nonsense)"}) {
    EXPECT_FALSE(ParseTimestamp(bad)) << bad;
  }
}

TEST(TrackingApi, Filters) {
  EXPECT_EQ(*FilterFor({Type::kEmail, "a+b@x.test"}),
            "envelopeSenderfilterOperator=is&envelopeSenderfilterValue=a%2Bb%40x.test");
  EXPECT_EQ(*FilterFor({Type::kUrl, "https://bad.example/x?y&z"}),
            "domainNameOperator=is&domainNameValue=bad.example");
  EXPECT_EQ(*FilterFor({Type::kEmailMessageid, "<a&b@x>"}), "messageIdHeader=%3Ca%26b%40x%3E");
  EXPECT_FALSE(FilterFor({Type::kMutex, "x"}));
  EXPECT_EQ(
      SearchTarget("f=1", ParseTime("2026-01-01T00:00:59Z").value(),
                   ParseTime("2026-01-02T00:00:59Z").value(), 100, 50),
      "message-tracking/messages?startDate=2026-01-01T00%3A00%3A00.000Z&endDate=2026-01-02T00%"
      "3A01%3A00.000Z&ciscoHost=All_Hosts&searchOption=messages&f=1&offset=100&limit=50");
}

TEST(TrackingApi, Sightings) {
  const Observable asked{Type::kIp, "192.0.2.10"};
  const auto sighting = SightingOf(Value(kRow), asked, {"esa", "https://esa.test/"});
  ASSERT_TRUE(sighting);
  EXPECT_EQ(sighting->at("observed_time").at("start_time"), "2023-08-29T10:00:48.000Z");
  EXPECT_EQ(sighting->at("targets").as_array().size(), 2u);
  EXPECT_EQ(sighting->at("source_uri"), "https://esa.test/message-tracking?ciscoMid=52");
  EXPECT_EQ(json::Serialize(sighting->at("observables")),
            R"([{"type":"ip","value":"192.0.2.10"}])");
  EXPECT_THAT(
      json::Serialize(sighting->at("relations")),
      HasSubstr(R"("relation":"Sent","source":{"type":"email","value":"alice@sender.test"})"));
  for (const char* bad :
       {"1", "{}", R"({"attributes":1})", R"({"attributes":{"mid":[]}})",
        R"json({"attributes":{"mid":["../x"],"timestamp":"29 Aug 2023 10:00:48 (GMT)"}})json",
        R"({"attributes":{"mid":[1],"timestamp":"yesterday"}})"}) {
    EXPECT_FALSE(SightingOf(Value(bad), asked, {"esa", ""})) << bad;
  }
}

class ApplianceTest : public testing::Test {
 protected:
  ApplianceTest() {
    instance_.id = "i";
    instance_.org_id = "o";
    instance_.name = "esa";
    instance_.settings = Value(R"({"url":"https://esa.test:6443/","basic-auth-user":"ann",
      "basic-auth-password":"secret"})")
                             .get_object();
  }
  Result<json::value> Ask(std::string route, std::string_view body = "null") {
    relay::Call call;
    call.route = std::move(route);
    call.body = Value(body);
    std::optional<Result<json::value>> out;
    asio::co_spawn(context_, opener_.Open(instance_)->Ask(std::move(call)),
                   [&](std::exception_ptr thrown, Result<json::value> got) {
                     if (thrown) std::rethrow_exception(thrown);
                     out = std::move(got);
                   });
    context_.restart();
    context_.run();
    return *std::move(out);
  }
  Result<http::Response> Serve(const outbound::Request& request) {
    if (request.url.ends_with("/login")) {
      ++log_ins_;
      if (!good_password_) {
        return http::Response::Json(
            401, Value(R"({"error":{"message":"Invalid username or passphrase.","code":"401"}})"));
      }
      return http::Response::Json(200, Value(R"({"data":{"userName":"ann","jwtToken":"t)" +
                                             std::to_string(log_ins_) + R"("}})"));
    }
    if (request.headers.Get("jwtToken") != "t" + std::to_string(log_ins_) || expire_next_) {
      expire_next_ = false;
      return http::Response::Json(
          401, Value(R"({"error":{"message":"ExpiredSignatureError.","code":"401"}})"));
    }
    return answer_;
  }

  asio::io_context context_;
  FakeClock clock_{ParseTime("2026-03-01T10:00:30Z").value()};
  Result<http::Response> answer_ = http::Response::Json(
      200,
      Value(R"({"meta":{"totalCount":1,"num_bad_records":0},"data":[)" + std::string(kRow) + "]}"));
  outbound::FakeFetcher fetcher_{
      [this](const outbound::Request& request) { return Serve(request); }};
  Options options_;
  ApplianceOpener opener_{fetcher_, clock_, options_};
  modules::ModuleInstance instance_;
  int log_ins_ = 0;
  bool good_password_ = true, expire_next_ = false;
};

TEST_F(ApplianceTest, LogsInOnceAndAgainWhenItMust) {
  answer_ = http::Response::Json(200, Value(R"({"data":[]})"));
  EXPECT_EQ(json::Serialize(*Ask("/health")), R"({"data":{"status":"ok"}})");
  EXPECT_EQ(fetcher_.asked[0].body, R"({"data":{"userName":")" + Base64Encode("ann") +
                                        R"(","passphrase":")" + Base64Encode("secret") + R"("}})");
  EXPECT_TRUE(Ask("/health"));
  EXPECT_EQ(log_ins_, 1);
  expire_next_ = true;
  EXPECT_TRUE(Ask("/health"));
  EXPECT_EQ(log_ins_, 2);
  clock_.Advance(std::chrono::minutes(30));
  EXPECT_TRUE(Ask("/health"));
  EXPECT_EQ(log_ins_, 3);
  instance_.updated = clock_.Now();
  good_password_ = false;
  const auto refused = Ask("/health");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnauthenticated);
  EXPECT_THAT(refused.error().message, HasSubstr("Invalid username or passphrase."));
}

TEST_F(ApplianceTest, Observes) {
  const auto seen =
      Ask("/observe/observables",
          R"([{"type":"email","value":"Alice@sender.test"},{"type":"ip","value":"192.0.2.10"},
                            {"type":"mutex","value":"m"}])");
  ASSERT_TRUE(seen) << seen.error().ToString();
  // One message, found as sender, as recipient and by address: told once.
  const json::array& docs = seen->at("data").at("sightings").at("docs").as_array();
  ASSERT_EQ(docs.size(), 1u);
  EXPECT_EQ(docs[0].at("observables").as_array().size(), 2u);
  ASSERT_EQ(fetcher_.asked.size(), 4u);
  EXPECT_THAT(
      fetcher_.asked[1].url,
      HasSubstr(
          "https://esa.test:6443/esa/api/v2.0/message-tracking/messages?startDate=2026-01-30T10%"
          "3A00%3A00.000Z&endDate=2026-03-01T10%3A01%3A00.000Z"));
  EXPECT_THAT(fetcher_.asked[2].url, HasSubstr("envelopeRecipientfilterValue="));
}

TEST_F(ApplianceTest, FailuresAreNamed) {
  answer_ = http::Response::Json(403, Value(R"({"error":{"message":"Forbidden."}})"));
  EXPECT_EQ(Ask("/observe/observables", R"([{"type":"ip","value":"192.0.2.10"}])").error().code,
            Code::kDenied);
  answer_ = http::Response::Json(400, Value(R"({"error":{"message":"Bad."}})"));
  const auto partly = Ask("/observe/observables", R"([{"type":"ip","value":"192.0.2.10"}])");
  ASSERT_TRUE(partly);
  EXPECT_THAT(json::Serialize(*partly), HasSubstr("Bad."));
  answer_ = http::Response::Text(200, "<html>");
  EXPECT_THAT(
      json::Serialize(*Ask("/observe/observables", R"([{"type":"ip","value":"192.0.2.10"}])")),
      HasSubstr("no JSON"));
  answer_ = Fail(Code::kTimeout, "late");
  EXPECT_EQ(Ask("/observe/observables", R"([{"type":"ip","value":"192.0.2.10"}])").error().code,
            Code::kTimeout);
  EXPECT_EQ(Ask("/respond/trigger", "{}").error().code, Code::kNotFound);
}

TEST_F(ApplianceTest, TellsWhenThereAreMore) {
  instance_.settings["max_sightings"] = "3";
  std::string rows;
  for (int i = 1; i <= 4; ++i) {
    std::string row = kRow;
    row.replace(row.find("\"mid\":[52]"), 10, "\"mid\":[" + std::to_string(i) + "]");
    rows += (i > 1 ? "," : "") + row;
  }
  answer_ = http::Response::Json(200, Value(R"({"data":[)" + rows + "]}"));
  const auto seen = Ask("/observe/observables", R"([{"type":"ip","value":"192.0.2.10"}])");
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->at("data").at("sightings").at("count"), 3);
  EXPECT_EQ(seen->at("errors").at(0).at("type"), "warning");
}

TEST_F(ApplianceTest, Refers) {
  instance_.settings["console_url"] = "https://console.test";
  const auto links = Ask(
      "/refer/observables",
      R"([{"type":"sha256","value":"10745318f9dd601ab76f029cbc41c7e13c9754f87eb2c85948734b2b0b148140"},
                             {"type":"mutex","value":"m"}])");
  ASSERT_TRUE(links);
  ASSERT_EQ(links->at("data").as_array().size(), 1u);
  EXPECT_THAT(std::string(links->at("data").at(0).at("url").as_string()),
              HasSubstr("https://console.test/message-tracking?fileSha256=1074"));
}

}  // namespace
}  // namespace mailreeve::response::appliance
