#include "response/identity/identity.h"

#include "base/bytes.h"
#include "base/text.h"
#include "response/identity/test_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace mailreeve::response::identity {
namespace {

using testing::HasSubstr;
using testing::Not;

class IdentityTest : public testing::Test, public IdentityWorld {
 protected:
  std::vector<std::string> Actions() const {
    std::vector<std::string> out;
    for (const audit::Entry& entry : audit.entries)
      out.push_back(entry.action + " " + entry.result);
    return out;
  }
  static json::object ClaimsOf(const std::string& token) {
    return json::Parse(Base64Decode(Split(token, '.')[1]).value())->as_object();
  }
};

TEST_F(IdentityTest, MakesTheFirstUserOnce) {
  const std::string password = FirstUser();
  EXPECT_EQ(password.size(), 24u);
  EXPECT_TRUE(identity->CreateFirstUser("admin", "admin@example.org")->empty());
  EXPECT_TRUE(identity->CreateFirstUser("other", "other@example.org")->empty());
  EXPECT_TRUE(SignIn("admin", password));
  EXPECT_TRUE(SignIn(" ADMIN@Example.ORG ", password));
  EXPECT_FALSE(SignIn("other", password));
}

TEST_F(IdentityTest, KeepsNoSecretInDatabaseOrAuditLog) {
  const std::string password = FirstUser();
  const auto signed_in = SignIn("admin", password);
  const Caller admin = identity->Authenticate(signed_in->token.access_token).value();
  const auto made = RunTask(identity->clients().Make(
      admin, {.name = "x", .scopes = ScopeSet::Parse("inspect").value()}, {}));
  identity.reset();
  std::string everything = database.Contents();
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    if (file.path().extension() == ".pem") continue;
    std::ifstream stream(file.path(), std::ios::binary);
    everything += std::string(std::istreambuf_iterator<char>(stream), {});
  }
  ASSERT_THAT(everything, HasSubstr("argon2id"));
  for (const audit::Entry& entry : audit.entries)
    everything += json::Serialize(audit::ToJson(entry));
  const std::string cookie(signed_in->refresh.Reveal());
  for (const std::string& secret :
       {password, std::string(made->password.Reveal()), cookie.substr(cookie.find('.') + 1),
        signed_in->token.access_token}) {
    EXPECT_THAT(everything, Not(HasSubstr(secret)));
  }
  EXPECT_THAT(everything, Not(HasSubstr("PRIVATE KEY")));
}

TEST_F(IdentityTest, KeyFileIsPrivateAndKept) {
  struct stat info {};
  ASSERT_EQ(::stat(options.key_path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const std::string kid(identity->Jwks().at("keys").at(0).at("kid").as_string());
  const std::string password = FirstUser();
  const std::string token = SignIn("admin", password)->token.access_token;
  Open();
  EXPECT_EQ(identity->Jwks().at("keys").at(0).at("kid").as_string(), kid);
  EXPECT_TRUE(identity->Authenticate(token));
  EXPECT_FALSE(identity->Jwks().at("keys").at(0).as_object().contains("d"));

  ::chmod(options.key_path.c_str(), 0640);
  EXPECT_EQ(Identity::Open(options, clock, audit, logger).error().code, Code::kDenied);
  ::chmod(options.key_path.c_str(), 0600);
  std::ofstream(options.key_path) << "nonsense";
  EXPECT_EQ(Identity::Open(options, clock, audit, logger).error().code, Code::kCorrupt);
}

TEST_F(IdentityTest, AuditsSignInAndItsFailure) {
  const std::string password = FirstUser();
  SignIn("admin", password);
  SignIn("admin", "wrong");
  SignIn("hunter2-typed-as-user", "x");
  EXPECT_THAT(Actions(), testing::ElementsAre("user.create success", "user.sign_in success",
                                              "user.sign_in failure", "user.sign_in failure"));
  EXPECT_EQ(audit.entries[1].origin.address, "192.0.2.1");
  EXPECT_EQ(audit.entries[1].origin.request_id, "r1");
  EXPECT_EQ(audit.entries[2].actor.name, "admin");
  EXPECT_EQ(audit.entries[3].actor.name, "unknown");
}

TEST_F(IdentityTest, LimitsFailuresPerUserAndAddress) {
  const std::string password = FirstUser();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(SignIn("admin", "wrong").error().code, Code::kUnauthenticated) << i;
  }
  EXPECT_EQ(SignIn("admin", password).error().code, Code::kLimited);
  EXPECT_EQ(SignIn("admin@example.org", password).error().code, Code::kLimited);  // the same user
  EXPECT_TRUE(SignIn("admin", password, "192.0.2.2"));  // the owner, elsewhere, is not locked out
  clock.Advance(std::chrono::seconds(identity->retry_after_seconds()));
  EXPECT_TRUE(SignIn("admin", password));
}

TEST_F(IdentityTest, LimitsFailuresPerAddressWhateverTheUser) {
  const std::string password = FirstUser();
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(
        SignIn("user" + std::to_string(i), "x", "2001:db8::" + std::to_string(i + 1)).error().code,
        Code::kUnauthenticated);
  }
  EXPECT_EQ(SignIn("admin", password, "2001:db8::ffff").error().code, Code::kLimited);
  EXPECT_TRUE(SignIn("admin", password, "2001:db8:0:1::1"));
}

TEST_F(IdentityTest, SuccessCostsNoTry) {
  const std::string password = FirstUser();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(SignIn("admin", password)) << i;
}

TEST_F(IdentityTest, TokenHasTheClaims) {
  const std::string password = FirstUser();
  const auto signed_in = SignIn("admin", password);
  ASSERT_TRUE(signed_in);
  EXPECT_EQ(signed_in->token.expires_in, 600);
  const json::object claims = ClaimsOf(signed_in->token.access_token);
  const std::string p(kClaimPrefix);
  EXPECT_EQ(claims.at("iss"), "IROH Auth");
  EXPECT_EQ(claims.at("sub"), claims.at(p + "user/id"));
  EXPECT_EQ(claims.at("email"), "admin@example.org");
  EXPECT_EQ(claims.at("exp").as_int64() - claims.at("iat").as_int64(), 600);
  EXPECT_EQ(claims.at("iat").as_int64() - claims.at("nbf").as_int64(), 60);
  EXPECT_EQ(claims.at(p + "oauth/kind"), "session-token");
  EXPECT_EQ(claims.at(p + "org/id").as_string(), identity->organisation().id);
  for (const char* name : {"version", "user/email", "user/name", "user/nick", "user/scopes",
                           "user/role", "user/idp/id", "user/idp/org-id", "user/idp/user-id",
                           "org/name", "scopes", "oauth/scopes", "oauth/user/id", "oauth/grant"}) {
    EXPECT_TRUE(claims.contains(p + name)) << name;
  }
  EXPECT_TRUE(claims.contains("jti"));
}

TEST_F(IdentityTest, RefusesTokensInTheWordsOfTheProtocol) {
  const std::string password = FirstUser();
  const std::string token = SignIn("admin", password)->token.access_token;
  const auto why = [&](const std::string& text) {
    const auto caller = identity->Authenticate(text);
    return caller ? std::string("ok") : caller.error().message;
  };
  EXPECT_EQ(why(token), "ok");
  EXPECT_EQ(why("garbage"), "jwt_decode_failed_exception");
  EXPECT_EQ(why(std::string(100000, 'a')), "jwt_decode_failed_exception");
  std::string changed = token;
  char& last = changed[changed.size() - 10];
  last = last == 'A' ? 'B' : 'A';
  EXPECT_EQ(why(changed), "jwt_invalid_signature");
  const auto parts = Split(token, '.');
  const std::string none = Base64UrlEncode(R"({"alg":"none","typ":"JWT"})");
  EXPECT_NE(why(none + "." + std::string(parts[1]) + "."), "ok");
  clock.Advance(std::chrono::seconds(600));
  EXPECT_EQ(why(token), "ok");  // within the skew
  clock.Advance(std::chrono::seconds(31));
  EXPECT_EQ(why(token), "jwt_expired");
  clock.Advance(-std::chrono::hours(24));
  EXPECT_EQ(why(token), "jwt_valid_in_future");
}

class TokenIssuerTest : public testing::Test {
 protected:
  std::string Signed(const std::function<void(json::object&)>& change) {
    json::object claims;
    const std::string p(kClaimPrefix);
    const int64_t now = ToEpochMillis(clock.Now()) / 1000;
    claims["iss"] = "IROH Auth";
    claims["sub"] = "u";
    claims[p + "user/id"] = "u";
    claims["jti"] = "j";
    claims["iat"] = now;
    claims["nbf"] = now - 60;
    claims["exp"] = now + 600;
    claims[p + "user/email"] = "u@example.org";
    claims[p + "org/id"] = "o";
    claims[p + "oauth/kind"] = "access-token";
    claims[p + "scopes"] = json::array{"enrich:read"};
    change(claims);
    return keys->Signing()->SignJwt(claims).value();
  }
  std::string Why(const std::function<void(json::object&)>& change) {
    const auto caller = issuer.Check(Signed(change));
    return caller ? "ok" : caller.error().message;
  }
  static crypto::SigningKey Key() { return *crypto::SigningKey::GenerateRsa(2048); }

  FakeClock clock{ParseTime("2026-03-01T10:00:00.000Z").value()};
  std::shared_ptr<KeyRing> keys = KeyRing::Fixed(Key(), clock);
  TokenIssuer issuer{keys, {}, clock};
};

TEST_F(TokenIssuerTest, ChecksEveryClaimThatItReliesOn) {
  const std::string p(kClaimPrefix);
  EXPECT_EQ(Why([](json::object&) {}), "ok");
  for (const std::string& name :
       {std::string("iss"), std::string("sub"), std::string("jti"), std::string("iat"),
        std::string("nbf"), std::string("exp"), p + "user/id", p + "user/email", p + "org/id",
        p + "oauth/kind", p + "scopes"}) {
    EXPECT_EQ(Why([&](json::object& c) { c.erase(name); }), "jwt_missing_field") << name;
    EXPECT_EQ(Why([&](json::object& c) { c[name] = true; }), "jwt_missing_field") << name;
  }
  EXPECT_EQ(Why([&](json::object& c) { c[p + "user/id"] = "other"; }), "jwt_custom_check_fail");
  EXPECT_EQ(Why([&](json::object& c) { c[p + "oauth/kind"] = "refresh-token"; }),
            "jwt_custom_check_fail");
  EXPECT_EQ(Why([&](json::object& c) { c["iss"] = "Another"; }), "jwt_custom_check_fail");
  EXPECT_EQ(Why([&](json::object& c) { c[p + "scopes"] = json::array{"a b\""}; }),
            "jwt_custom_check_fail");
  EXPECT_EQ(Why([&](json::object& c) { c["exp"] = int64_t{9223372036854775807}; }),
            "jwt_missing_field");
  EXPECT_EQ(Why([&](json::object& c) { c["exp"] = -1; }), "jwt_missing_field");
  EXPECT_EQ(Why([&](json::object& c) {
              c["iat"] = c["iat"].as_int64() - 2 * 86400;
              c["nbf"] = c["nbf"].as_int64() - 2 * 86400;
            }),
            "jwt_expired_via_max_jwt_lifetime");
  const TokenIssuer other(KeyRing::Fixed(Key(), clock), {}, clock);
  EXPECT_EQ(other.Check(Signed([](json::object&) {})).error().message, "jwt_public_key_not_found");
}

TEST_F(IdentityTest, RefreshTurnsTheCookieOver) {
  const std::string password = FirstUser();
  const auto first = SignIn("admin", password);
  const std::string session = identity->Authenticate(first->token.access_token)->session_id;
  const auto second = RunTask(identity->sessions().Refresh(first->refresh, {}));
  ASSERT_TRUE(second);
  EXPECT_NE(second->refresh.Reveal(), first->refresh.Reveal());
  // Two tabs at once: the older cookie still serves for a moment, without a new one.
  const auto race = RunTask(identity->sessions().Refresh(first->refresh, {}));
  ASSERT_TRUE(race);
  EXPECT_TRUE(race->refresh.empty());
  EXPECT_TRUE(RunTask(identity->sessions().Refresh(second->refresh, {})));
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(Secret(""), {})));
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(Secret(session + "."), {})));
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(Secret(session + ".guess"), {})));
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(Secret(std::string(1000, '.')), {})));
}

TEST_F(IdentityTest, AnOldCookieUsedLateEndsTheSession) {
  const std::string password = FirstUser();
  const auto first = SignIn("admin", password);
  const auto second = RunTask(identity->sessions().Refresh(first->refresh, {}));
  clock.Advance(std::chrono::seconds(16));
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(first->refresh, {})));
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(second->refresh, {})));
  EXPECT_EQ(identity->Authenticate(second->token.access_token).error().message, "jwt_revoked");
  EXPECT_EQ(audit.entries.back().action, "session.revoke");
}

TEST_F(IdentityTest, SessionsEnd) {
  const std::string password = FirstUser();
  const auto first = SignIn("admin", password);
  clock.Advance(options.session_life);
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(first->refresh, {})));

  const auto second = SignIn("admin", password);
  EXPECT_TRUE(identity->Authenticate(second->token.access_token));
  EXPECT_TRUE(RunTask(identity->sessions().SignOut(second->refresh, {})));
  EXPECT_TRUE(RunTask(identity->sessions().SignOut(second->refresh, {})));
  EXPECT_EQ(identity->Authenticate(second->token.access_token).error().message, "jwt_revoked");
  Open();  // remembered over a restart
  EXPECT_EQ(identity->Authenticate(second->token.access_token).error().message, "jwt_revoked");
}

TEST_F(IdentityTest, ClientsGetTokensWithTheirScopes) {
  const Caller admin = Admin();
  const auto made = RunTask(identity->clients().Make(
      admin, {.name = "script", .scopes = ScopeSet::Parse("inspect:read enrich response").value()},
      {}));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->client.id.rfind("client-", 0), 0u);
  const auto issued = RunTask(identity->clients().Token(made->client.id, made->password, "", {}));
  ASSERT_TRUE(issued);
  EXPECT_EQ(issued->scopes.ToString(), "enrich inspect:read response");
  const Caller client = identity->Authenticate(issued->access_token).value();
  EXPECT_EQ(client.client_id, made->client.id);
  EXPECT_EQ(client.user_id, admin.user_id);
  EXPECT_EQ(client.grant, "client-creds");
  EXPECT_EQ(client.kind, "access-token");

  EXPECT_EQ(RunTask(identity->clients().Token(made->client.id, made->password,
                                              "enrich:read casebook", {}))
                ->scopes.ToString(),
            "enrich:read");
  EXPECT_EQ(RunTask(identity->clients().Token(made->client.id, made->password, "casebook", {}))
                .error()
                .code,
            Code::kInvalid);
  EXPECT_EQ(
      RunTask(identity->clients().Token(made->client.id, Secret("wrong"), "", {})).error().code,
      Code::kUnauthenticated);
  EXPECT_EQ(RunTask(identity->clients().Token("client-x", made->password, "", {})).error().code,
            Code::kUnauthenticated);
  EXPECT_EQ(RunTask(identity->clients().Token("", Secret(""), "", {})).error().code,
            Code::kUnauthenticated);
  ASSERT_EQ(RunTask(identity->clients().List(admin))->size(), 1u);
  EXPECT_TRUE(RunTask(identity->clients().List(admin))->front().last_used);
}

TEST_F(IdentityTest, AClientNeverHasMoreThanItsMaker) {
  Admin();
  ASSERT_TRUE(
      identity->CreateUser("ann", "ann@example.org", Role::kAnalyst, Secret("password of ann")));
  const Caller ann =
      identity->Authenticate(SignIn("ann", "password of ann")->token.access_token).value();
  const auto refused = RunTask(
      identity->clients().Make(ann, {.name = "x", .scopes = ScopeSet::Parse("admin").value()}, {}));
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_EQ(audit.entries.back().result, "denied");
  EXPECT_TRUE(RunTask(identity->clients().Make(
      ann, {.name = "x", .scopes = ScopeSet::Parse("inspect:read").value()}, {})));
}

TEST_F(IdentityTest, ADeletedClientIsOutAtOnce) {
  const Caller admin = Admin();
  const auto made = RunTask(identity->clients().Make(
      admin, {.name = "x", .scopes = ScopeSet::Parse("inspect").value()}, {}));
  const auto issued = RunTask(identity->clients().Token(made->client.id, made->password, "", {}));
  Caller stranger = admin;
  stranger.org_id = "another organisation";
  EXPECT_EQ(RunTask(identity->clients().Delete(stranger, made->client.id, {})).error().code,
            Code::kNotFound);
  EXPECT_TRUE(RunTask(identity->clients().Delete(admin, made->client.id, {})));
  EXPECT_EQ(RunTask(identity->clients().Delete(admin, made->client.id, {})).error().code,
            Code::kNotFound);
  EXPECT_EQ(identity->Authenticate(issued->access_token).error().message, "jwt_revoked");
  EXPECT_FALSE(RunTask(identity->clients().Token(made->client.id, made->password, "", {})));
}

// Nothing happens that cannot be put on record.
TEST_F(IdentityTest, FailsWhenTheAuditLogDoes) {
  class BrokenLog final : public audit::Log {
   public:
    Result<void> Append(audit::Entry) override {
      if (broken) return Fail(Code::kUnavailable, "disk full");
      return {};
    }
    bool broken = false;
  } broken;
  auto other = Identity::Open(options, clock, broken, logger).value();
  const std::string password(other->CreateFirstUser("admin", "admin@example.org")->Reveal());
  const auto signed_in = RunTask(other->sessions().SignIn("admin", Secret(password), {}));
  const Caller admin = other->Authenticate(signed_in->token.access_token).value();
  broken.broken = true;
  EXPECT_EQ(RunTask(other->sessions().SignIn("admin", Secret(password), {})).error().code,
            Code::kUnavailable);
  EXPECT_EQ(RunTask(other->clients().Make(
                        admin, {.name = "x", .scopes = ScopeSet::Parse("inspect").value()}, {}))
                .error()
                .code,
            Code::kUnavailable);
  EXPECT_TRUE(RunTask(other->clients().List(admin))->empty());
}

TEST(RolesTest, AreOrdered) {
  const ScopeSet& admin = ScopesOf(Role::kAdmin);
  const ScopeSet& approver = ScopesOf(Role::kApprover);
  const ScopeSet& analyst = ScopesOf(Role::kAnalyst);
  const ScopeSet& reader = ScopesOf(Role::kReadOnly);
  EXPECT_TRUE(admin.GrantsAll(approver));
  EXPECT_TRUE(approver.GrantsAll(analyst));
  EXPECT_FALSE(reader.Grants("response/trigger:write"));
  EXPECT_TRUE(analyst.Grants("response/trigger:write"));
  EXPECT_FALSE(analyst.Grants("response/approval:write"));
  EXPECT_TRUE(approver.Grants("response/approval:write"));
  EXPECT_FALSE(approver.Grants("oauth:read"));
  for (const Scope& scope : reader.scopes()) {
    if (scope.path != std::vector<std::string>{"openid"})
      EXPECT_EQ(scope.access, Scope::kRead) << scope.ToString();
  }
  for (const Role role : {Role::kAdmin, Role::kApprover, Role::kAnalyst, Role::kReadOnly}) {
    EXPECT_EQ(RoleFromName(RoleName(role)), role);
  }
  EXPECT_FALSE(RoleFromName("root"));
}

TEST(RateLimitTest, CountsForgetsAndStaysSmall) {
  FakeClock clock(ParseTime("2026-03-01T10:00:00Z").value());
  RateLimit limit({.burst = 2, .window = std::chrono::seconds(60), .max_keys = 3}, clock);
  EXPECT_TRUE(limit.Take("a"));
  EXPECT_TRUE(limit.Take("a"));
  EXPECT_FALSE(limit.Take("a"));
  limit.GiveBack("a");
  EXPECT_TRUE(limit.Take("a"));
  EXPECT_EQ(limit.retry_after_seconds(), 30);
  clock.Advance(std::chrono::seconds(30));
  EXPECT_TRUE(limit.Take("a"));
  EXPECT_FALSE(limit.Take("a"));
  clock.Advance(-std::chrono::hours(1));
  EXPECT_FALSE(limit.Take("a"));
  for (int i = 0; i < 100; ++i) limit.Take(std::to_string(i));
  EXPECT_EQ(limit.size(), 3u);
}

TEST(IdentitySettingsTest, ReadsTheSchema) {
  const auto snapshot = settings::Snapshot::Defaults(settings::Schema::Builtin(), "response");
  const Options options = FromSettings(*snapshot);
  EXPECT_EQ(options.token.life, std::chrono::seconds(600));
  EXPECT_EQ(options.per_user.burst, 100);
}

}  // namespace
}  // namespace mailreeve::response::identity
