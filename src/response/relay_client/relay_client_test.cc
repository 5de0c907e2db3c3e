#include "response/relay_client/relay_client.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/jwt.h"
#include "io/scope.h"
#include "outbound/fake_fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::relay_client {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

json::object Object(std::string_view text) { return json::Parse(text)->get_object(); }

json::object ClaimsOf(std::string_view header) {
  EXPECT_TRUE(header.starts_with("Bearer "));
  const size_t first = header.find('.'), second = header.find('.', first + 1);
  return Object(*Base64Decode(header.substr(first + 1, second - first - 1)));
}

TEST(Origin, IsWhatAModuleSees) {
  for (const auto& [url, origin] : std::initializer_list<std::pair<const char*, const char*>>{
           {"http://127.0.0.1:9090/", "http://127.0.0.1:9090"},
           {"https://Relay.Example/base/x?y=z", "https://relay.example"},
           {"https://relay.example:443/", "https://relay.example"},
           {"http://relay.example:443", "http://relay.example:443"},
           {"http://[::1]:8080/x", "http://[::1]:8080"}}) {
    EXPECT_EQ(OriginOf(url).value(), origin);
  }
  EXPECT_FALSE(OriginOf("relay.example"));
}

class AuthorizationTest : public testing::Test {
 protected:
  Result<std::string> Header(std::string_view settings, std::string_view properties = "{}") {
    auto header = Authorization(Object(settings), Object(properties), world_);
    if (!header) return Fail(header.error());
    return std::string(header->Reveal());
  }
  crypto::SigningKey key_ = *crypto::SigningKey::GenerateRsa(2048);
  TokenWorld world_{.signer = [this](const json::object& claims) { return key_.SignJwt(claims); },
                    .jwks_host = "response.example:8443",
                    .life = 300s,
                    .now = ParseTime("2026-03-01T10:00:00Z").value()};
};

TEST_F(AuthorizationTest, PlainKinds) {
  EXPECT_EQ(*Header("{}"), "");
  EXPECT_EQ(*Header(R"({"auth-type":"none","token":"t"})"), "");
  EXPECT_EQ(*Header(R"({"auth-type":"authorization-header","authorization-header":"Bearer x"})"),
            "Bearer x");
  EXPECT_EQ(*Header(R"({"auth-type":"bearer","token":"t"})"), "Bearer t");
  EXPECT_EQ(*Header(R"({"auth-type":"basic","basic-auth-user":"u","basic-auth-password":"p:q"})"),
            "Basic " + Base64Encode("u:p:q"));
  for (
      const char* bad :
      {R"({"auth-type":"bearer"})", R"({"auth-type":"basic"})",
       R"({"auth-type":"authorization-header"})", R"({"auth-type":"magic"})",
       R"({"auth-type":"configuration-token","configuration-token-alg":"HS256","url":"http://h"})",
       R"({"auth-type":"configuration-token","configuration-token-alg":"none","url":"http://h"})"}) {
    EXPECT_EQ(Header(bad).error().code, Code::kInvalid) << bad;
  }
}

TEST_F(AuthorizationTest, SettingsComeBeforeProperties) {
  const char* properties = R"({"auth-type":"bearer","token":"of the type"})";
  EXPECT_EQ(*Header("{}", properties), "Bearer of the type");
  EXPECT_EQ(*Header(R"({"token":"of the instance"})", properties), "Bearer of the instance");
}

TEST_F(AuthorizationTest, ConfigurationTokenHs256) {
  const std::string header =
      *Header(R"({"custom_key":"k","custom_CTR_ENTITIES_LIMIT":50,"basic-auth-user":"u"})",
              R"({"auth-type":"configuration-token","configuration-token-alg":"HS256",
                  "configuration-token-key":"short","url":"http://127.0.0.1:9090/",
                  "custom_HOST":"h","custom_key":"of the type"})");
  const json::object claims = ClaimsOf(header);
  EXPECT_EQ(json::Serialize(claims),
            R"({"key":"k","CTR_ENTITIES_LIMIT":50,"HOST":"h","aud":"http://127.0.0.1:9090",)"
            R"("iat":1772359200,"exp":1772359500})");
  const std::string token = header.substr(7);
  const size_t dot = token.rfind('.');
  EXPECT_EQ(token.substr(dot + 1),
            Base64UrlEncode(crypto::HmacSha256("short", token.substr(0, dot))));
}

TEST_F(AuthorizationTest, ConfigurationTokenRs256) {
  const char* properties =
      R"({"auth-type":"configuration-token","configuration-token-alg":"RS256",
          "url":"https://relay.example/x"})";
  const std::string header = *Header(R"({"custom_key":"k"})", properties);
  const auto claims = key_.VerifyJwt(std::string_view(header).substr(7));
  ASSERT_TRUE(claims) << claims.error().ToString();
  EXPECT_EQ(claims->at("jwks_host"), "response.example:8443");
  EXPECT_EQ(claims->at("aud"), "https://relay.example");
  EXPECT_EQ(ClaimsOf(*Header(R"({"custom_jwks_host":"other","configuration-token-audience":"a"})",
                             properties)),
            Object(R"({"jwks_host":"other","aud":"a","iat":1772359200,"exp":1772359500})"));
  world_.signer = nullptr;
  EXPECT_EQ(Header("{}", properties).error().code, Code::kInvalid);
}

TEST(BreakerTest, OpensAndCloses) {
  Breaker breaker({.failures = 2, .open_for = 30s});
  Time now = ParseTime("2026-03-01T10:00:00Z").value();
  EXPECT_TRUE(breaker.Allow(now));
  breaker.Failed(now);
  EXPECT_TRUE(breaker.Allow(now));
  breaker.Failed(now);
  EXPECT_EQ(breaker.state(now), Breaker::State::kOpen);
  EXPECT_FALSE(breaker.Allow(now + 29s));
  now += 30s;
  EXPECT_EQ(breaker.state(now), Breaker::State::kHalfOpen);
  EXPECT_TRUE(breaker.Allow(now));
  EXPECT_FALSE(breaker.Allow(now)) << "one tries";
  breaker.GaveUp();
  EXPECT_TRUE(breaker.Allow(now));
  breaker.Failed(now);
  EXPECT_FALSE(breaker.Allow(now));
  now += 30s;
  EXPECT_TRUE(breaker.Allow(now));
  breaker.Succeeded();
  EXPECT_EQ(breaker.state(now), Breaker::State::kClosed);
  EXPECT_EQ(breaker.failures(), 0);
}

class VerdictCacheTest : public testing::Test {
 protected:
  static json::array Asked(std::initializer_list<const char*> values) {
    json::array out;
    for (const char* value : values) out.push_back(json::object{{"type", "ip"}, {"value", value}});
    return out;
  }
  static json::object Verdict(const char* value, json::object valid = {}) {
    return {{"observable", {{"type", "IP"}, {"value", value}}}, {"valid_time", valid}};
  }
  // What must be asked, and how many verdicts are known.
  std::pair<std::string, size_t> Take(const json::array& asked) {
    json::array verdicts;
    std::string unknown;
    for (const json::value& item : cache_.Take(asked, now_, verdicts)) {
      unknown += std::string(item.at("value").get_string()) + " ";
    }
    return {unknown, verdicts.size()};
  }
  Time now_ = ParseTime("2026-03-01T10:00:00Z").value();
  VerdictCache cache_{{.life = 300s, .negative_life = 60s, .max_observables = 3}};
};

TEST_F(VerdictCacheTest, RemembersForAWhile) {
  cache_.Put(Asked({"1", "2"}), {Verdict("1"), Verdict("1"), Verdict("9")}, true, now_);
  EXPECT_EQ(Take(Asked({"1", "2", "3", "9"})), std::make_pair(std::string("3 9 "), size_t{2}));
  now_ += 60s;
  EXPECT_EQ(Take(Asked({"1", "2"})), std::make_pair(std::string("2 "), size_t{2}));
  now_ += 240s;
  EXPECT_EQ(Take(Asked({"1", "2"})), std::make_pair(std::string("1 2 "), size_t{0}));
}

TEST_F(VerdictCacheTest, NoLongerThanVerdictsAreValid) {
  cache_.Put(Asked({"1", "2", "3"}),
             {Verdict("1", {{"end_time", "2026-03-01T10:00:10.000Z"}}),
              Verdict("2", {{"end_time", "2026-03-01T09:00:00.000Z"}}),
              Verdict("3", {{"end_time", "nonsense"}})},
             true, now_);
  EXPECT_EQ(Take(Asked({"1", "2", "3"})), std::make_pair(std::string("2 3 "), size_t{1}));
  now_ += 10s;
  EXPECT_EQ(Take(Asked({"1"})).first, "1 ");
}

TEST_F(VerdictCacheTest, FailuresAreNotRememberedAsSilence) {
  cache_.Put(Asked({"1", "2"}), {Verdict("1")}, false, now_);
  EXPECT_EQ(Take(Asked({"1", "2"})), std::make_pair(std::string("2 "), size_t{1}));
}

TEST_F(VerdictCacheTest, ForgetsTheLongestUnused) {
  for (const char* value : {"1", "2", "3"}) cache_.Put(Asked({value}), {}, true, now_);
  EXPECT_EQ(Take(Asked({"1"})).first, "");
  cache_.Put(Asked({"4"}), {}, true, now_);
  EXPECT_EQ(cache_.size(), 3u);
  EXPECT_EQ(Take(Asked({"1", "2", "3", "4"})).first, "2 ");
  cache_.Clear();
  EXPECT_EQ(cache_.size(), 0u);
}

class RelayClientTest : public testing::Test {
 protected:
  RelayClientTest() {
    options_.breaker = {.failures = 2, .open_for = 30s};
    Make();
    type_ = std::make_shared<modules::ModuleType>(modules::CustomRelayType());
    instance_.id = "i1";
    instance_.org_id = "o1";
    instance_.type = type_;
    instance_.settings = Object(R"({"url":"https://relay.example/base/?code=1",
      "auth-type":"bearer","token":"secret"})");
  }
  void Make() {
    client_ =
        std::make_unique<RelayClient>(fetcher_, RelayClient::Signing{}, clock_, logger_, options_);
  }
  template <class T>
  T Get(io::Task<T> task) {
    std::optional<T> out;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      out = std::move(value);
    });
    context_.restart();
    context_.run();
    return *std::move(out);
  }
  Result<json::value> Ask(std::string route, json::value body = nullptr) {
    relay::Call call;
    call.route = std::move(route);
    call.body = std::move(body);
    call.deadline = 5000ms;
    return Get(client_->Open(instance_)->Ask(std::move(call)));
  }
  static http::Response Answer(int status, std::string body,
                               std::string type = "application/json") {
    return http::Response::Text(status, std::move(body), std::move(type));
  }

  asio::io_context context_;
  log::NullLogger logger_;
  FakeClock clock_{ParseTime("2026-03-01T10:00:00Z").value()};
  Result<http::Response> answer_ = Answer(200, R"({"data":{}})");
  outbound::FakeFetcher fetcher_{[this](const outbound::Request&) { return answer_; }};
  Options options_;
  std::unique_ptr<RelayClient> client_;
  std::shared_ptr<modules::ModuleType> type_;
  modules::ModuleInstance instance_;
};

TEST_F(RelayClientTest, SendsWhatModulesExpect) {
  EXPECT_EQ(json::Serialize(*Ask("/observe/observables",
                                 json::array{json::object{{"type", "ip"}, {"value", "1.2.3.4"}}})),
            R"({"data":{}})");
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  const outbound::Request& sent = fetcher_.asked[0];
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.url, "https://relay.example/base/observe/observables?code=1");
  EXPECT_EQ(sent.body, R"([{"type":"ip","value":"1.2.3.4"}])");
  EXPECT_EQ(sent.headers.Get("Authorization"), "Bearer secret");
  EXPECT_EQ(sent.headers.Get("Content-Type"), "application/json");
  EXPECT_LE(sent.timeout, 5000ms);
  Ask("/health");
  EXPECT_EQ(fetcher_.asked[1].body, "{}");
  EXPECT_EQ(Ask("/mailreeve/messages").error().code, Code::kNotFound);
  EXPECT_EQ(fetcher_.asked.size(), 2u);
}

TEST_F(RelayClientTest, ReadsWhatModulesAnswer) {
  answer_ = Answer(200, R"({"data":{"x":1},"errors":[{"code":"c"}]})", "text/plain");
  EXPECT_EQ(json::Serialize(*Ask("/observe/observables")), answer_->body);
  answer_ = Answer(400, R"({"errors":[{"code":"c"}]})");
  EXPECT_EQ(json::Serialize(*Ask("/observe/observables")), answer_->body);
  answer_ = Answer(200, R"({"version":"1"})");
  EXPECT_EQ(json::Serialize(*Ask("/version")), answer_->body);
  EXPECT_EQ(Ask("/observe/observables").error().code, Code::kInvalid);
  for (const auto& [status, body, code] : std::initializer_list<std::tuple<int, const char*, Code>>{
           {200, "<html>", Code::kInvalid},
           {200, "", Code::kInvalid},
           {200, "[1,2]", Code::kInvalid},
           {200, R"({"data":{},)", Code::kInvalid},
           {404, R"({"code":404,"message":"m","reason":"r"})", Code::kNotFound},
           {405, "{}", Code::kNotFound},
           {401, "", Code::kUnauthenticated},
           {403, "x", Code::kUnauthenticated},
           {429, "{}", Code::kLimited},
           {500, R"({"code":500,"message":"boom","reason":"jwt.exceptions.ExpiredSignatureError"})",
            Code::kUnavailable},
           {502, "<html>", Code::kUnavailable},
           {418, "x", Code::kInvalid}}) {
    Make();
    answer_ =
        Answer(status, body, status == 200 && *body == '<' ? "text/html" : "application/json");
    const auto got = Ask("/observe/observables");
    ASSERT_FALSE(got) << status << body;
    EXPECT_EQ(got.error().code, code) << status << body;
  }
  Make();
  answer_ = Answer(500, R"({"message":"boom\u0000\u001b[31m"})");
  EXPECT_THAT(Ask("/observe/observables").error().message, HasSubstr("500: boom\xEF\xBF\xBD [31m"));
}

TEST_F(RelayClientTest, RepeatsOnlyWhatIsSafe) {
  answer_ = Fail(Code::kUnavailable, "refused");
  EXPECT_FALSE(Ask("/observe/observables"));
  EXPECT_EQ(fetcher_.asked.size(), 2u);
  fetcher_.asked.clear();
  EXPECT_FALSE(Ask("/respond/trigger", json::object{{"action-id", "x"}}));
  EXPECT_EQ(fetcher_.asked.size(), 1u);
  Make();
  fetcher_.asked.clear();
  answer_ = Fail(Code::kTimeout, "late");
  EXPECT_FALSE(Ask("/observe/observables"));
  EXPECT_EQ(fetcher_.asked.size(), 1u);
}

TEST_F(RelayClientTest, SparesAModuleThatFails) {
  answer_ = Fail(Code::kTimeout, "late");
  Ask("/observe/observables");
  Ask("/observe/observables");
  EXPECT_EQ(fetcher_.asked.size(), 2u);
  const auto spared = Ask("/observe/observables");
  EXPECT_EQ(spared.error().code, Code::kUnavailable);
  EXPECT_THAT(spared.error().message, HasSubstr("failed 2 times in a row"));
  EXPECT_EQ(fetcher_.asked.size(), 2u);
  // Its health is asked all the same, and a good answer closes the breaker.
  answer_ = Answer(200, R"({"data":{"status":"ok"}})");
  const auto health = Ask("/health");
  ASSERT_TRUE(health);
  EXPECT_THAT(json::Serialize(*health), HasSubstr("circuit open"));
  EXPECT_TRUE(Ask("/observe/observables"));
  // Open again, then half open after its time.
  answer_ = Fail(Code::kTimeout, "late");
  Ask("/observe/observables");
  Ask("/observe/observables");
  clock_.Advance(30s);
  answer_ = Answer(200, R"({"data":{}})");
  EXPECT_TRUE(Ask("/observe/observables"));
  // Changed settings are a fresh start.
  answer_ = Fail(Code::kTimeout, "late");
  Ask("/observe/observables");
  Ask("/observe/observables");
  fetcher_.asked.clear();
  instance_.updated = clock_.Now();
  Ask("/observe/observables");
  EXPECT_EQ(fetcher_.asked.size(), 1u);
}

TEST_F(RelayClientTest, AnswersThatBlameTheAskerDoNotOpenTheBreaker) {
  answer_ = Answer(401, "");
  for (int i = 0; i < 5; ++i) Ask("/observe/observables");
  EXPECT_EQ(fetcher_.asked.size(), 5u);
}

TEST_F(RelayClientTest, RemembersVerdicts) {
  const auto ask = [&](std::initializer_list<const char*> values) {
    json::array body;
    for (const char* value : values) body.push_back(json::object{{"type", "ip"}, {"value", value}});
    return Ask("/deliberate/observables", std::move(body));
  };
  answer_ = Answer(200, R"({"data":{"verdicts":{"count":1,"docs":[
    {"type":"verdict","disposition":2,"observable":{"type":"ip","value":"1"}}]}}})");
  EXPECT_TRUE(ask({"1", "2"}));
  EXPECT_EQ(fetcher_.asked.size(), 1u);
  const auto known = ask({"2", "1"});
  ASSERT_TRUE(known);
  EXPECT_EQ(fetcher_.asked.size(), 1u);
  EXPECT_EQ(known->at("data").at("verdicts").at("count"), 1);
  // Only what is not known is asked, and the answer has both.
  answer_ = Answer(200, R"({"data":{"verdicts":{"count":1,"docs":[
    {"type":"verdict","observable":{"type":"ip","value":"3"}}]}},"errors":[{"code":"c"}]})");
  const auto mixed = ask({"1", "3"});
  ASSERT_TRUE(mixed);
  EXPECT_EQ(fetcher_.asked.back().body, R"([{"type":"ip","value":"3"}])");
  EXPECT_EQ(mixed->at("data").at("verdicts").at("count"), 2);
  EXPECT_TRUE(mixed->get_object().contains("errors"));
  // Another organisation's questions are its own.
  instance_.org_id = "o2";
  ask({"1"});
  EXPECT_EQ(fetcher_.asked.size(), 3u);
  // An action may change what the module thinks.
  instance_.org_id = "o1";
  Ask("/respond/trigger", json::object());
  fetcher_.asked.clear();
  ask({"1"});
  EXPECT_EQ(fetcher_.asked.size(), 1u);
}

TEST_F(RelayClientTest, LimitsCallsAtOnce) {
  options_.concurrency = 3;
  options_.max_waiting = 5;
  Make();
  instance_.settings["concurrency"] = 2;
  fetcher_.delay = 50ms;
  int good = 0, refused = 0;
  for (int i = 0; i < 10; ++i) {
    relay::Call call;
    call.route = "/observe/observables";
    asio::co_spawn(context_, client_->Open(instance_)->Ask(std::move(call)),
                   [&](std::exception_ptr, Result<json::value> got) {
                     if (got) {
                       ++good;
                     } else if (got.error().code == Code::kLimited) {
                       ++refused;
                     }
                   });
  }
  context_.restart();
  context_.run();
  EXPECT_EQ(fetcher_.most_running, 2);
  EXPECT_EQ(good, 7);
  EXPECT_EQ(refused, 3);
}

TEST_F(RelayClientTest, WaitsNoLongerThanTheDeadline) {
  options_.concurrency = 1;
  Make();
  fetcher_.delay = 300ms;
  std::optional<Result<json::value>> first, second;
  for (auto* out : {&first, &second}) {
    relay::Call call;
    call.route = "/observe/observables";
    call.deadline = out == &first ? 5000ms : 20ms;
    asio::co_spawn(context_, client_->Open(instance_)->Ask(std::move(call)),
                   [out](std::exception_ptr, Result<json::value> got) { *out = std::move(got); });
  }
  context_.restart();
  context_.run();
  EXPECT_TRUE(first->has_value());
  ASSERT_FALSE(second->has_value());
  EXPECT_EQ(second->error().code, Code::kTimeout);
}

}  // namespace
}  // namespace mailreeve::response::relay_client
