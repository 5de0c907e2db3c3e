#include "response/exchange/exchange.h"

#include "io/event.h"
#include "io/file.h"
#include "response/exchange/routes.h"
#include "sql/test_databases.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace mailreeve::response::exchange {
namespace {

using namespace std::chrono_literals;

class ExchangeTest : public testing::Test {
 public:
  ExchangeTest() {
    options_.channel_url = "wss://response.test/device/v1/channel";
    options_.wrong_tokens = 3;
    options_.organisation_name = [](const std::string& id) { return "Org " + id; };
    auto database = sql::Database::Open(database_.options());
    auto store = Store::Open(std::move(*database));
    EXPECT_TRUE(store) << store.error().ToString();
    exchange_ = std::make_unique<Exchange>(std::move(*store), enroller_, audit_, options_, clock_,
                                           logger_, context_.get_executor());
    admin_.user_id = "user-1";
    admin_.user_name = "Admin";
    admin_.org_id = "org-1";
    admin_.request_id = "req-1";
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
  static RegistrationRequest RequestFor(std::string token) {
    static const auto keys = *crypto::MakeKeyAndRequest("gateway");
    RegistrationRequest request;
    request.token = Secret(std::move(token));
    request.request_pem = keys.request_pem;
    request.name = "gw1";
    request.version = "0.1";
    request.host_name = "gw1.test";
    request.serial = "S1";
    return request;
  }
  io::Task<std::string> TokenFor(std::optional<std::string> device = std::nullopt) {
    auto token = co_await exchange_->MakeToken(admin_, "192.0.2.1", device);
    EXPECT_TRUE(token) << token.error().ToString();
    co_return token ? std::string(token->token.Reveal()) : std::string();
  }
  static http::Request RequestWith(const Registered& registered) {
    http::Request request;
    request.peer_certificate_sha256 = registered.enrolled.sha256;
    request.peer_certificate_subject_cn = registered.device_id;
    request.remote_address = "192.0.2.9";
    return request;
  }
  const audit::Entry* FindAudit(const std::string& action, const std::string& result) const {
    for (const auto& entry : audit_.entries) {
      if (entry.action == action && entry.result == result) return &entry;
    }
    return nullptr;
  }

  sql::TestDatabase database_;
  asio::io_context context_{1};
  log::NullLogger logger_;
  FakeClock clock_{SystemClock().Now()};
  audit::MemoryLog audit_;
  AuthorityEnroller enroller_{
      *crypto::CertificateAuthority::Create("Test devices", clock_.Now(), 20)};
  ExchangeOptions options_;
  relay::Caller admin_;
  std::unique_ptr<Exchange> exchange_;
};

TEST_F(ExchangeTest, ATokenRegistersOnce) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      const std::string token = co_await t.TokenFor();
      EXPECT_EQ(token.size(), 32u);
      EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), std::string::npos);
      // As pasted by people.
      auto registered =
          co_await t.exchange_->Register(RequestFor(" " + token + "\n"), "192.0.2.7", "r1");
      EXPECT_TRUE(registered);
      if (!registered) co_return;
      EXPECT_EQ(registered->organisation_name, "Org org-1");
      const auto info = *crypto::ReadCertificate(registered->enrolled.certificate_pem);
      EXPECT_EQ(info.subject_cn, registered->device_id);
      EXPECT_EQ(info.not_after, registered->enrolled.expires);
      EXPECT_LT(info.not_before, t.clock_.Now() - 30min);
      EXPECT_GT(info.not_after, t.clock_.Now() + std::chrono::hours(24 * 89));

      auto again = co_await t.exchange_->Register(RequestFor(token), "192.0.2.7", "r2");
      EXPECT_FALSE(again);
      if (!again) EXPECT_EQ(again.error().kind, "token_used");

      auto devices = co_await t.exchange_->List(t.admin_);
      EXPECT_TRUE(devices);
      EXPECT_EQ(devices->size(), 1u);
      const Device& device = devices->front();
      EXPECT_EQ(device.state, "disconnected");
      EXPECT_EQ(device.row.name, "gw1");
      EXPECT_EQ(device.row.version, "0.1");
      EXPECT_EQ(device.row.address, "192.0.2.7");
      EXPECT_EQ(device.row.certificate_expires, registered->enrolled.expires);

      const audit::Entry* issue = t.FindAudit("token.issue", "success");
      const audit::Entry* registration = t.FindAudit("device.register", "success");
      const audit::Entry* denied = t.FindAudit("device.register", "denied");
      EXPECT_TRUE(issue && registration && denied);
      if (!issue || !registration || !denied) co_return;
      EXPECT_EQ(issue->actor.id, "user-1");
      EXPECT_EQ(issue->details.at("token"), registration->details.at("token"));
      for (const auto& entry : t.audit_.entries) {
        EXPECT_EQ(json::Serialize(ToJson(entry)).find(token), std::string::npos)
            << "a token in the audit trail";
      }
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, TwoAtOnceGetOneDevice) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      const std::string token = co_await t.TokenFor();
      int good = 0, bad = 0;
      for (int i = 0; i < 8; ++i) {
        asio::co_spawn(t.context_, One(t, token, &good, &bad), [](std::exception_ptr) {});
      }
      while (good + bad < 8) co_await io::Sleep(1ms);
      EXPECT_EQ(good, 1);
    }
    static io::Task<void> One(ExchangeTest& t, std::string token, int* good, int* bad) {
      auto done = co_await t.exchange_->Register(RequestFor(token), "192.0.2.7", "r");
      ++*(done ? good : bad);
      if (!done) EXPECT_EQ(done.error().kind, "token_used");
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, ExpiredReplacedAndUnknownTokensSayWhichTheyAre) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      const std::string token = co_await t.TokenFor();
      t.clock_.Advance(std::chrono::hours(1) + 1s);
      auto expired = co_await t.exchange_->Register(RequestFor(token), "192.0.2.7", "r");
      EXPECT_TRUE(!expired && expired.error().kind == "token_expired");

      auto device = co_await t.exchange_->Create(t.admin_, "192.0.2.1", {.name = "new"});
      EXPECT_TRUE(device);
      EXPECT_EQ(device->state, "enrolling");
      const std::string old = co_await t.TokenFor(device->row.id);
      const std::string fresh = co_await t.TokenFor(device->row.id);
      auto replaced = co_await t.exchange_->Register(RequestFor(old), "192.0.2.7", "r");
      EXPECT_TRUE(!replaced && replaced.error().kind == "token_revoked");
      auto good = co_await t.exchange_->Register(RequestFor(fresh), "192.0.2.7", "r");
      EXPECT_TRUE(good && good->device_id == device->row.id);

      auto unknown =
          co_await t.exchange_->Register(RequestFor(std::string(32, '0')), "192.0.2.8", "r");
      EXPECT_TRUE(!unknown && unknown.error().kind == "token_unknown");
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, ABadRequestDoesNotUseTheTokenUp) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      const std::string token = co_await t.TokenFor();
      RegistrationRequest bad = RequestFor(token);
      bad.request_pem =
          "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
      auto refused = co_await t.exchange_->Register(std::move(bad), "192.0.2.7", "r");
      EXPECT_TRUE(!refused && refused.error().kind == "invalid_request");
      EXPECT_TRUE(co_await t.exchange_->Register(RequestFor(token), "192.0.2.7", "r"));
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, GuessersAreHeldBack) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      const std::string token = co_await t.TokenFor();
      for (int i = 0; i < 3; ++i) {
        auto wrong =
            co_await t.exchange_->Register(RequestFor(std::string(32, static_cast<char>('a' + i))),
                                           "2001:db8::" + std::to_string(i + 1), "r");
        EXPECT_TRUE(!wrong && wrong.error().kind == "token_unknown");
      }
      // The same /64, with the right token.
      auto held = co_await t.exchange_->Register(RequestFor(token), "2001:db8::ffff", "r");
      EXPECT_TRUE(!held && held.error().kind == "too_many_wrong_tokens" &&
                  held.error().retry_after > 1s);
      EXPECT_TRUE(co_await t.exchange_->Register(RequestFor(token), "192.0.2.7", "r"));
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, TheGateKnowsItsCertificates) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      auto first =
          co_await t.exchange_->Register(RequestFor(co_await t.TokenFor()), "192.0.2.7", "r");
      EXPECT_TRUE(first);
      if (!first) co_return;
      auto admitted = co_await t.exchange_->Admit(RequestWith(*first));
      EXPECT_TRUE(admitted && admitted->device_id == first->device_id &&
                  admitted->organisation_id == "org-1");

      http::Request bare;
      auto none = co_await t.exchange_->Admit(bare);
      EXPECT_TRUE(!none && none.error().code == Code::kUnauthenticated);
      http::Request other = RequestWith(*first);
      other.peer_certificate_sha256 = std::string(64, 'a');
      auto unknown = co_await t.exchange_->Admit(other);
      EXPECT_TRUE(!unknown && unknown.error().code == Code::kDenied);
      http::Request named = RequestWith(*first);
      named.peer_certificate_subject_cn = "someone else";
      EXPECT_FALSE(co_await t.exchange_->Admit(named));

      // A second registration of the same device: the old certificate holds until the new one is
      // used.
      auto second = co_await t.exchange_->Register(
          RequestFor(co_await t.TokenFor(first->device_id)), "192.0.2.7", "r");
      EXPECT_TRUE(second && second->device_id == first->device_id);
      if (!second) co_return;
      EXPECT_TRUE(co_await t.exchange_->Admit(RequestWith(*first)));
      EXPECT_TRUE(co_await t.exchange_->Admit(RequestWith(*second)));
      auto old = co_await t.exchange_->Admit(RequestWith(*first));
      EXPECT_TRUE(!old && old.error().message.find("replaced") != std::string::npos);

      t.clock_.Advance(std::chrono::hours(24 * 91));
      auto expired = co_await t.exchange_->Admit(RequestWith(*second));
      EXPECT_TRUE(!expired && expired.error().message.find("expired") != std::string::npos);
      t.clock_.Advance(-std::chrono::hours(24 * 91));

      auto removed = co_await t.exchange_->Remove(t.admin_, "192.0.2.1", first->device_id);
      EXPECT_TRUE(removed && removed->state == "removed");
      auto gone = co_await t.exchange_->Admit(RequestWith(*second));
      EXPECT_TRUE(!gone && gone.error().code == Code::kDenied &&
                  gone.error().message.find("removed") != std::string::npos);
      auto found = co_await t.exchange_->Get(t.admin_, first->device_id);
      EXPECT_TRUE(!found && found.error().code == Code::kNotFound);
      EXPECT_TRUE((co_await t.exchange_->List(t.admin_))->empty());
      auto token = co_await t.exchange_->MakeToken(t.admin_, "192.0.2.1", first->device_id);
      EXPECT_TRUE(!token && token.error().code == Code::kNotFound);
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, RenewalIssuesForTheSameDevice) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      auto first =
          co_await t.exchange_->Register(RequestFor(co_await t.TokenFor()), "192.0.2.7", "r");
      EXPECT_TRUE(first);
      if (!first) co_return;
      auto service = t.exchange_->ServeDevice({first->device_id, "org-1", "gw1"});
      auto answer = co_await service->Ask(
          {.route = "/device/certificate", .body = {{"request_pem", RequestFor("x").request_pem}}});
      EXPECT_TRUE(answer);
      if (!answer) co_return;
      const auto info =
          *crypto::ReadCertificate(std::string(answer->at("certificate_pem").as_string()));
      EXPECT_EQ(info.subject_cn, first->device_id);
      EXPECT_NE(info.sha256, first->enrolled.sha256);
      http::Request request = RequestWith(*first);
      request.peer_certificate_sha256 = info.sha256;
      EXPECT_TRUE(co_await t.exchange_->Admit(request));
      EXPECT_FALSE(co_await service->Ask({.route = "/nothing"}));
      EXPECT_FALSE(co_await service->Ask({.route = "/device/certificate", .body = 1}));
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, OtherOrganisationsSeeNothing) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      auto device = co_await t.exchange_->Create(t.admin_, "192.0.2.1", {.name = "mine"});
      EXPECT_TRUE(device);
      relay::Caller other = t.admin_;
      other.org_id = "org-2";
      const std::string id = device->row.id;
      EXPECT_TRUE((co_await t.exchange_->List(other))->empty());
      EXPECT_FALSE(co_await t.exchange_->Get(other, id));
      EXPECT_FALSE(co_await t.exchange_->Change(other, "", id, {.name = "stolen"}));
      EXPECT_FALSE(co_await t.exchange_->Remove(other, "", id));
      EXPECT_FALSE(co_await t.exchange_->MakeToken(other, "", id));
      other.org_id = "";
      EXPECT_FALSE(co_await t.exchange_->List(other));
      EXPECT_FALSE(co_await t.exchange_->Get(other, id));
      EXPECT_EQ((co_await t.exchange_->Get(t.admin_, id))->row.name, "mine");
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, TheChannelsNewsIsStored) {
  struct Body {
    static io::Task<void> Of(ExchangeTest& t) {
      RegistrationRequest request = RequestFor(co_await t.TokenFor());
      request.time_ms = ToEpochMillis(t.clock_.Now() + 24h);
      auto registered = co_await t.exchange_->Register(std::move(request), "192.0.2.7", "r");
      EXPECT_TRUE(registered);
      if (!registered) co_return;
      auto skewed = co_await t.exchange_->Get(t.admin_, registered->device_id);
      EXPECT_NE(skewed->clock_warning.find("1 d 0 h 0 min ahead"), std::string::npos)
          << skewed->clock_warning;
      channel::Link link;
      link.device_id = registered->device_id;
      link.address = "192.0.2.99";
      link.version = "0.2";
      link.last_seen = t.clock_.Now() + 5s;
      link.clock_skew = -7200s;
      t.exchange_->OnConnected({registered->device_id, "org-1", "gw1"}, link);
      t.exchange_->OnClone(link, "192.0.2.50");
      std::optional<Device> device;
      do {
        co_await io::Sleep(1ms);
        device = *co_await t.exchange_->Get(t.admin_, registered->device_id);
      } while (device->row.alert.empty());
      EXPECT_EQ(device->row.address, "192.0.2.99");
      EXPECT_EQ(device->row.version, "0.2");
      EXPECT_EQ(device->row.last_seen, link.last_seen);
      EXPECT_NE(device->clock_warning.find("2 h 0 min behind"), std::string::npos)
          << device->clock_warning;
      EXPECT_NE(device->row.alert.find("192.0.2.50"), std::string::npos);
      EXPECT_TRUE(t.FindAudit("device.alert", "failure"));
      auto cleared =
          co_await t.exchange_->Change(t.admin_, "", registered->device_id, {.clear_alert = true});
      EXPECT_TRUE(cleared && cleared->row.alert.empty());
    }
  };
  Run(Body::Of(*this));
}

// An act that cannot be recorded does not happen.
class FailingLog final : public audit::Log {
 public:
  Result<void> Append(audit::Entry) override { return Fail(Code::kUnavailable, "disk full"); }
};

TEST_F(ExchangeTest, WithoutAuditNothingIsDone) {
  FailingLog failing;
  sql::TestDatabase database;
  auto store = Store::Open(*sql::Database::Open(database.options()));
  Exchange exchange(std::move(*store), enroller_, failing, options_, clock_, logger_,
                    context_.get_executor());
  struct Body {
    static io::Task<void> Of(ExchangeTest& t, Exchange& exchange) {
      EXPECT_FALSE(co_await exchange.Create(t.admin_, "", {.name = "x"}));
      EXPECT_TRUE((co_await exchange.List(t.admin_))->empty());
      EXPECT_FALSE(co_await exchange.MakeToken(t.admin_, "", std::nullopt));
    }
  };
  Run(Body::Of(*this, exchange));
}

TEST_F(ExchangeTest, RoutesSpeakTheClientsLanguage) {
  struct Body {
    static io::Task<http::Response> Call(ExchangeTest& t, std::string method, std::string pattern,
                                         std::string id = "", std::string body = "") {
      http::Request request;
      request.method = method;
      request.params = {{"id", id}};
      request.body = std::move(body);
      for (const auto& route : ApiRoutes(*t.exchange_)) {
        if (route.method == method && route.pattern == pattern) {
          co_return co_await route.handler(std::move(request), t.admin_);
        }
      }
      ADD_FAILURE() << "no route " << method << " " << pattern;
      co_return http::Response::Empty(599);
    }
    static io::Task<void> Of(ExchangeTest& t) {
      const std::string all = "/iroh/iroh-sse/device", one = "/iroh/iroh-sse/device/{id}";
      auto made = co_await Call(t, "POST", all, "", R"({"name":"gw","description":"d"})");
      EXPECT_EQ(made.status, 201);
      const json::value device = *json::Parse(made.body);
      const std::string id(device.at("id").as_string());
      EXPECT_EQ(device.at("status").as_string(), "enrolling");
      for (const char* key : {"id", "name", "type", "description", "status", "createdAt", "version",
                              "ip", "last_seen"}) {
        EXPECT_TRUE(device.as_object().contains(key)) << key;
      }
      EXPECT_EQ((co_await Call(t, "GET", one, id)).status, 200);
      EXPECT_EQ(json::Parse((co_await Call(t, "GET", all)).body)->as_array().size(), 1u);
      EXPECT_EQ((co_await Call(t, "PATCH", one, id, R"({"name":"renamed"})")).status, 200);
      auto bad = co_await Call(t, "PATCH", one, id, R"({"state":"connected"})");
      EXPECT_EQ(bad.status, 400);
      EXPECT_EQ(bad.body, R"({"errors":{"state":"disallowed-key"}})");
      EXPECT_EQ((co_await Call(t, "POST", all, "", "{}")).body,
                R"({"errors":{"name":"missing-required-key"}})");
      EXPECT_EQ((co_await Call(t, "POST", all, "", "[1]")).status, 400);
      EXPECT_EQ((co_await Call(t, "POST", all, "", "{")).status, 400);
      auto token = co_await Call(t, "POST", one + "/token", id);
      EXPECT_EQ(token.status, 200);
      EXPECT_EQ(json::Parse(token.body)->at("expires_in").as_int64(), 3600);
      EXPECT_EQ(token.headers.Get("Cache-Control"), "no-store");
      EXPECT_EQ((co_await Call(t, "GET", "/iroh/iroh-sse/tenant/token")).status, 200);
      auto removed = co_await Call(t, "DELETE", one, id);
      EXPECT_EQ(removed.status, 200);
      EXPECT_EQ(json::Parse(removed.body)->at("status").as_string(), "removed");
      auto missing = co_await Call(t, "GET", one, id);
      EXPECT_EQ(missing.status, 404);
      EXPECT_EQ(json::Parse(missing.body)->at("error").as_string(), "device_not_found");
    }
  };
  Run(Body::Of(*this));
}

TEST_F(ExchangeTest, RegistrationOverHttp) {
  http::Router router;
  AddRegistrationRoute(router, *exchange_);
  struct Body {
    static io::Task<http::Response> Post(http::Router& router, json::value body) {
      http::Request request;
      request.method = "POST";
      request.segments = {"device", "v1", "registration"};
      request.target = "/device/v1/registration";
      request.remote_address = "192.0.2.7";
      request.body = json::Serialize(body);
      return router.Dispatch(std::move(request));
    }
    static io::Task<void> Of(ExchangeTest& t, http::Router& router) {
      const std::string token = co_await t.TokenFor();
      json::value body = {
          {"token", token}, {"request_pem", RequestFor("x").request_pem}, {"name", "gw"}};
      auto good = co_await Post(router, body);
      EXPECT_EQ(good.status, 200) << good.body;
      const json::value answer = *json::Parse(good.body);
      EXPECT_EQ(answer.at("channel_url").as_string(), "wss://response.test/device/v1/channel");
      EXPECT_EQ(answer.at("organisation").at("name").as_string(), "Org org-1");
      auto used = co_await Post(router, body);
      EXPECT_EQ(used.status, 409);
      EXPECT_EQ(json::Parse(used.body)->at("error").as_string(), "token_used");
      EXPECT_EQ((co_await Post(router, json::array{})).status, 400);
      body.as_object()["token"] = "nope";
      EXPECT_EQ((co_await Post(router, body)).status, 401);
      co_await Post(router, body);
      co_await Post(router, body);
      auto held = co_await Post(router, body);
      EXPECT_EQ(held.status, 429);
      EXPECT_TRUE(held.headers.Has("Retry-After"));
    }
  };
  Run(Body::Of(*this, router));
}

TEST(Authority, IsMadeOnceAndKeptPrivate) {
  char name[] = "/tmp/mailreeve-exchange-XXXXXX";
  const std::string folder = mkdtemp(name);
  const std::string certificate = folder + "/ca.pem", key = folder + "/ca.key";
  const Time now = SystemClock().Now();
  auto first = LoadOrCreateDeviceAuthority(certificate, key, now);
  ASSERT_TRUE(first);
  struct stat status {};
  ASSERT_EQ(::stat(key.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  auto second = LoadOrCreateDeviceAuthority(certificate, key, now);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->certificate_pem(), second->certificate_pem());
  std::filesystem::remove(key);
  auto half = LoadOrCreateDeviceAuthority(certificate, key, now);
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code, Code::kCorrupt);
  std::filesystem::remove_all(folder);
}

TEST(Options, ComeFromTheSettings) {
  const auto snapshot = settings::Snapshot::Defaults(settings::Schema::Builtin(), "response");
  const ExchangeOptions options = ExchangeOptionsFrom(*snapshot);
  EXPECT_EQ(options.token_lifetime, 3600s);
  EXPECT_EQ(options.certificate_life, std::chrono::hours(24 * 90));
  EXPECT_EQ(options.hub.max_sessions, 1000u);
}

}  // namespace
}  // namespace mailreeve::response::exchange
