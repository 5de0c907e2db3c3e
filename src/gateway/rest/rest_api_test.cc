#include "gateway/rest/rest_api.h"

#include "base/bytes.h"
#include "base/random.h"
#include "gateway/rest/listeners.h"
#include "gateway/rest/test_store.h"
#include "io/file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

namespace mailreeve::gateway::rest {
namespace {

const std::string kPassword = "correct horse battery";
const std::string kDates = "startDate=2026-03-01T00:00:00.000Z&endDate=2026-03-02T00:00:00.000Z";

class RestTest : public testing::Test {
 protected:
  RestTest()
      : folder_(testing::TempDir() + "/mailreeve-rest-" + RandomUuid()),
        running_(settings::Snapshot::Defaults(settings::Schema::Builtin(), "gateway")) {
    std::filesystem::create_directories(folder_);
    users::Options options;
    options.folder = folder_;
    options.password_cost = {.memory_kib = 64, .passes = 1, .lanes = 1};
    users_ = users::Users::Open(options, clock_, audit_, logger_).value();
    api_ = std::make_unique<RestApi>(
        Options{"gateway-1", "AB-1", "test"}, store_, *users_,
        [](std::string report, std::string counter,
           std::vector<std::pair<std::string, std::string>> parameters)
            -> io::Task<Result<json::value>> {
          if (report == "nowhere") co_return Fail(Code::kNotFound, "Not Found.");
          json::object out{{"report", report}, {"counter", counter}};
          for (auto& [name, value] : parameters) out[name] = value;
          co_return json::value(out);
        },
        running_, clock_, logger_);
    store_.records.push_back(TestMessage(52));
  }
  ~RestTest() override {
    api_.reset();
    users_.reset();
    std::filesystem::remove_all(folder_);
  }

  users::User AddUser(users::Role role) {
    std::string name = "u" + std::to_string(static_cast<int>(role));
    return RunTask(users_->Add(name, role, "", Secret(kPassword), {"unix", "", ""})).value();
  }
  http::Response Call(std::string method, std::string target, http::Headers headers = {},
                      std::string body = "") {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers = std::move(headers);
    request.body = std::move(body);
    request.remote_address = "192.0.2.99";
    EXPECT_TRUE(http::ParseTarget(request).has_value());
    return RunTask(Wrapped(std::move(request)));
  }
  io::Task<http::Response> Wrapped(http::Request request) {
    co_return co_await api_->router().Dispatch(std::move(request));
  }
  http::Headers As(const users::User& user) {
    http::Headers headers;
    headers.Set("jwtToken", users_->IssueToken(user));
    return headers;
  }
  static http::Headers Authorization(std::string value) {
    http::Headers headers;
    headers.Set("Authorization", std::move(value));
    return headers;
  }
  static std::string ErrorText(const http::Response& response) {
    const json::value body = json::Parse(response.body).value();
    const json::object& error = body.at("error").as_object();
    EXPECT_EQ(error.at("code").as_string(), std::to_string(response.status));
    EXPECT_TRUE(
        error.at("explanation").as_string().starts_with(std::to_string(response.status) + " = "));
    return std::string(error.at("message").as_string());
  }

  std::string folder_;
  FakeClock clock_{ParseTime("2026-03-01T12:00:00.000Z").value()};
  log::NullLogger logger_;
  audit::MemoryLog audit_;
  settings::Running running_;
  TestStore store_;
  std::unique_ptr<users::Users> users_;
  std::unique_ptr<RestApi> api_;
};

std::string TargetOf(const RouteRule& rule, std::string_view prefix) {
  std::string path(rule.path);
  for (const auto& [from, to] :
       {std::pair{"{report}", "mail_subject_stats"}, std::pair{"{counter}", "num_msgs"}}) {
    if (const size_t at = path.find(from); at != std::string::npos)
      path.replace(at, std::string_view(from).size(), to);
  }
  return std::string(prefix) + path + "?searchOption=messages&mid=52&" + kDates;
}

// Every route of the table, asked by everyone: nobody, and each role.
TEST_F(RestTest, EveryRouteAsksForItsPrivilege) {
  std::vector<users::User> people;
  for (uint8_t i = 0; i <= users::kMaxRole; ++i)
    people.push_back(AddUser(static_cast<users::Role>(i)));
  size_t walked = 0;
  for (const RouteRule& rule : RouteTable()) {
    for (const char* prefix : {"/esa/api/v2.0", "/sma/api/v2.0"}) {
      const std::string target = TargetOf(rule, prefix);
      const http::Response stranger = Call(std::string(rule.method), target);
      if (rule.is_public) {
        EXPECT_NE(stranger.status, 401) << target;
      } else {
        EXPECT_EQ(stranger.status, 401) << target;
        EXPECT_EQ(ErrorText(stranger), "Unauthorized.");
      }
      for (const users::User& person : people) {
        const http::Response answer = Call(std::string(rule.method), target, As(person));
        const bool allowed = !rule.privilege || users::Allows(person.role, *rule.privilege);
        if (rule.is_public) continue;
        EXPECT_EQ(answer.status, allowed ? 200 : 403)
            << target << " " << users::RoleName(person.role) << " " << answer.body;
        ++walked;
      }
    }
  }
  EXPECT_EQ(walked, 2 * 13 * people.size());
}

// A route that the document does not know, or the other way round, is a mistake.
TEST_F(RestTest, TableAndDocumentAgree) {
  const json::value document = json::Parse(OpenApiDocument()).value();
  EXPECT_EQ(std::string(OpenApiDocument()),
            io::ReadFile(MAILREEVE_SOURCE_DIR "/schema/openapi/gateway.json", 1 << 20).value());
  std::set<std::string> described, served;
  for (const auto& path : document.at("paths").as_object()) {
    for (const auto& method : path.value().as_object()) {
      std::string upper(method.key());
      for (char& c : upper) c = static_cast<char>(c - 32);
      described.insert(upper + " " + std::string(path.key()));
    }
  }
  for (const RouteRule& rule : RouteTable())
    served.insert(std::string(rule.method) + " " + std::string(rule.path));
  EXPECT_EQ(described, served);
}

TEST_F(RestTest, LogsIn) {
  const auto user = AddUser(users::Role::kHelpDesk);
  const auto body = [](std::string_view name, std::string_view word) {
    return json::Serialize(json::object{
        {"data", {{"userName", Base64Encode(name)}, {"passphrase", Base64Encode(word)}}}});
  };
  const http::Response good = Call("POST", "/esa/api/v2.0/login", {}, body(user.name, kPassword));
  ASSERT_EQ(good.status, 200) << good.body;
  const json::value data = json::Parse(good.body)->at("data");
  EXPECT_EQ(data.at("role").as_string(), "Help Desk User");
  EXPECT_EQ(data.at("is2FactorRequired"), json::value(false));
  http::Headers headers;
  headers.Set("JWTTOKEN", std::string(data.at("jwtToken").as_string()));
  EXPECT_EQ(Call("GET", "/esa/api/v2.0/login/privileges", headers).status, 200);
  const http::Response bad = Call("POST", "/esa/api/v2.0/login", {}, body(user.name, "guess"));
  EXPECT_EQ(bad.status, 401);
  EXPECT_EQ(ErrorText(bad), "Invalid username or passphrase.");
  for (const char* wrong : {"", "{", "[]", "{}", R"({"data":{}})", R"({"data":[]})",
                            R"({"data":{"userName":"!","passphrase":"!"}})",
                            R"({"data":{"userName":1,"passphrase":2}})"}) {
    EXPECT_EQ(Call("POST", "/esa/api/v2.0/login", {}, wrong).status, 400) << wrong;
  }
  EXPECT_EQ(Call("GET", "/esa/api/v2.0/login").status, 405);
}

TEST_F(RestTest, TakesCredentialsInEveryForm) {
  const auto user = AddUser(users::Role::kOperator);
  const std::string target = "/esa/api/v2.0/health";
  const std::string token = users_->IssueToken(user);
  const std::string basic = Base64Encode(user.name + ":" + kPassword);
  EXPECT_EQ(Call("GET", target, Authorization("Basic " + basic)).status, 200);
  EXPECT_EQ(Call("GET", target, Authorization("basic  " + basic)).status, 200);
  EXPECT_EQ(Call("GET", target, Authorization("Basic " + token)).status, 200);
  EXPECT_EQ(Call("GET", target, Authorization("Bearer " + token)).status, 200);
  EXPECT_EQ(Call("GET", target, Authorization(token)).status, 200);
  EXPECT_EQ(Call("GET", target, Authorization(basic)).status, 401);  // lenient is off
  running_.Swap(
      settings::Snapshot::FromJson(
          settings::Schema::Builtin(), "gateway",
          json::object{{"revision", 1}, {"values", {{"rest.lenient_authorization", true}}}})
          .value());
  EXPECT_EQ(Call("GET", target, Authorization(basic)).status, 200);
  for (const char* wrong : {"Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest x", "Bearer x"})
    EXPECT_EQ(Call("GET", target, Authorization(wrong)).status, 401) << wrong;
  EXPECT_EQ(
      ErrorText(Call("GET", target, Authorization("Basic " + Base64Encode(user.name + ":x")))),
      "Invalid username or passphrase.");
}

TEST_F(RestTest, TellsWhyATokenIsRefused) {
  const auto user = AddUser(users::Role::kOperator);
  const http::Headers headers = As(user);
  clock_.Advance(std::chrono::seconds(1830));
  EXPECT_EQ(ErrorText(Call("GET", "/esa/api/v2.0/health", headers)), "ExpiredSignatureError.");
  http::Headers junk;
  junk.Set("jwtToken", "a.b.c");
  const http::Response refused = Call("GET", "/esa/api/v2.0/health", junk);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(ErrorText(refused), "InvalidTokenError.");
}

TEST_F(RestTest, RowsHaveTheShapeClientsKnow) {
  const auto user = AddUser(users::Role::kOperator);
  const auto ask = [&](std::string prefix) {
    return json::Parse(Call("GET",
                            prefix + "/message-tracking/messages?searchOption=messages&" + kDates,
                            As(user))
                           .body)
        .value();
  };
  const json::value page = ask("/esa/api/v2.0");
  EXPECT_EQ(page.at("meta").at("totalCount").to_number<int>(), 1);
  const json::value row = page.at("data").at(0).at("attributes");
  EXPECT_EQ(row.at("hostName").as_string(), "");
  EXPECT_EQ(row.at("mid"), json::value(json::array{52}));
  EXPECT_EQ(row.at("messageStatus").at("52").as_string(), "Delivered");
  EXPECT_EQ(row.at("messageID").at("52").as_string(), "<52@sender.test>");
  EXPECT_EQ(row.at("timestamp").as_string(), "01 Mar 2026 10:00:52 (GMT +00:00)");
  EXPECT_EQ(row.at("sbrs").as_string(), "None");
  EXPECT_EQ(ask("/sma/api/v2.0").at("data").at(0).at("attributes").at("hostName").as_string(),
            "gateway-1");
  store_.failure = "the disk is gone";
  const http::Response down = Call(
      "GET", "/esa/api/v2.0/message-tracking/messages?searchOption=messages&ciscoMid=9&" + kDates,
      As(user));
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(ErrorText(down), "the disk is gone");
}

TEST_F(RestTest, DetailsOfWhatIsNotThere) {
  const auto user = AddUser(users::Role::kOperator);
  const auto ask = [&](std::string query) {
    return Call("GET", "/esa/api/v2.0/message-tracking/details?" + query, As(user));
  };
  EXPECT_EQ(json::Parse(ask("mid=52").body)->at("data").at("messages").at("mid"),
            json::value(json::array{52}));
  for (const char* query : {"mid=53", "mid=x", "mid=0", "mid=52&serialNumber=other",
                            "mid=52&icid=1", "mid=99999999999999999999"}) {
    const http::Response answer = ask(query);
    EXPECT_EQ(answer.status, 200) << query;
    EXPECT_EQ(json::Parse(answer.body)->at("data").at("messages").at("mid"),
              json::value(json::array{"N/A"}))
        << query;
  }
  store_.records.push_back(TestMessage(60));
  EXPECT_EQ(json::Parse(ask("mid=60&mid=52").body)->at("data").at("messages").at("mid"),
            json::value(json::array{52, 60}));
  EXPECT_EQ(json::Parse(ask("mid=52,60").body)->at("data").at("messages").at("mid"),
            json::value(json::array{52, 60}));
  EXPECT_EQ(json::Parse(ask("icid=1052").body)->at("data").at("messages").at("mid"),
            json::value(json::array{52}));
  EXPECT_EQ(ask("").status, 400);
  EXPECT_EQ(
      ask("mid=52&startDate=2026-03-01T00:00:01.000Z&endDate=2026-03-02T00:00:00.000Z").status,
      404);
}

TEST_F(RestTest, AnswersWhatIsNoRoute) {
  EXPECT_EQ(ErrorText(Call("GET", "/")), "Not Found.");
  EXPECT_EQ(ErrorText(Call("GET", "/esa/api/v2.0/quarantine/messages")), "Not Found.");
  EXPECT_EQ(ErrorText(Call("DELETE", "/esa/api/v2.0/health")), "Method Not Allowed.");
  EXPECT_EQ(Call("OPTIONS", "/anything/at/all").status, 200);
  EXPECT_EQ(Call("GET", "/swagger").status, 200);
}

TEST_F(RestTest, ReportsGetTidyDates) {
  const auto user = AddUser(users::Role::kOperator);
  const http::Response answer =
      Call("GET",
           "/esa/api/v2.0/reporting/mail_subject_stats/num_msgs?startDate="
           "2024-05-01T10:00+00:00&endDate=2024-05-01T11:00%2B00:00",
           As(user));
  const json::value body = json::Parse(answer.body).value();
  EXPECT_EQ(body.at("counter").as_string(), "num_msgs");
  EXPECT_EQ(body.at("startDate").as_string(), "2024-05-01T10:00:00+00:00");
  EXPECT_EQ(body.at("endDate").as_string(), "2024-05-01T11:00:00+00:00");
  EXPECT_EQ(Call("GET", "/esa/api/v2.0/reporting/nowhere", As(user)).status, 404);
}

TEST_F(RestTest, SerialIsMadeOnce) {
  const std::string serial = Serial(folder_).value();
  EXPECT_EQ(serial.size(), 33u);
  EXPECT_EQ(serial[20], '-');
  EXPECT_EQ(Serial(folder_).value(), serial);
  ASSERT_TRUE(io::WriteFileAtomically(folder_ + "/serial", "a\x01b", 0644).has_value());
  EXPECT_EQ(Serial(folder_).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace mailreeve::gateway::rest
