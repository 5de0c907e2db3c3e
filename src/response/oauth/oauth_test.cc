#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "response/identity/test_identity.h"
#include "response/oauth/authorization.h"
#include "response/oauth/devices.h"
#include "response/oauth/grants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::oauth {
namespace {

using identity::MadeClient;
using identity::NewClient;
using identity::Role;
using identity::RunTask;
using testing::HasSubstr;

constexpr const char* kBack = "https://app.example/back";

class OAuthTest : public testing::Test, public identity::IdentityWorld {
 protected:
  OAuthTest() {
    admin = Admin();
    EXPECT_TRUE(identity->CreateUser("ann", "ann@example.org", Role::kAnalyst,
                                     Secret("a long password of ann")));
    ann = RunTask(identity->sessions().Verify("ann", Secret("a long password of ann"), origin))
              .value();
  }
  MadeClient Make(bool is_public, const char* scopes = "inspect:read enrich:read openid") {
    NewClient asked;
    asked.name = "app";
    asked.scopes = ScopeSet::Parse(scopes).value();
    asked.grants = {"auth-code", "device-grant"};
    asked.redirects = {kBack, "http://127.0.0.1/cb"};
    asked.is_public = is_public;
    return RunTask(identity->clients().Make(admin, asked, origin)).value();
  }
  static std::string ChallengeOf(const std::string& verifier) {
    return Base64UrlEncode(crypto::Sha256(verifier));
  }
  AuthorizeQuery Query(const Client& client) const {
    return {.response_type = "code",
            .client_id = client.id,
            .redirect_uri = kBack,
            .scope = "",
            .state = "s t&",
            .nonce = "n1",
            .challenge = ChallengeOf(verifier),
            .challenge_method = "S256"};
  }
  static std::string ParameterOf(const std::string& address, const std::string& name) {
    const std::string query = address.substr(address.find('?') + 1);
    for (const std::string_view pair : Split(query, '&')) {
      if (pair.substr(0, name.size() + 1) == name + "=")
        return std::string(pair.substr(name.size() + 1));
    }
    return "";
  }
  // What a Begin that fails would send the browser to, or the word when it must be shown.
  std::string Failure(AuthorizeQuery query) {
    auto begun = RunTask(authorization.Begin(std::move(query), origin));
    if (begun) return "begun";
    if (begun.error().redirect.empty()) return "shown " + begun.error().error.message;
    return ParameterOf(begun.error().redirect, "error");
  }
  std::string CodeFor(const Client& client) {
    const RequestKey key = RunTask(authorization.Begin(Query(client), origin)).value();
    EXPECT_TRUE(RunTask(authorization.SetAccount(key, ann)));
    return ParameterOf(RunTask(authorization.Answer(key, true, origin)).value(), "code");
  }
  Result<Tokens> Exchange(const Client& client, const std::string& code) {
    return RunTask(grants.FromCode(client, Secret(code), kBack, verifier, origin));
  }
  Tokens TokensFor(const Client& client) { return Exchange(client, CodeFor(client)).value(); }
  std::string Said(const std::string& token) {
    const auto caller = identity->Authenticate(token);
    return caller ? "ok" : caller.error().message;
  }
  template <class T>
  static std::string Word(const Result<T>& result) {
    return result ? "ok" : result.error().message;
  }

  Origin origin{"192.0.2.1", "r1"};
  Options settings;
  std::string verifier = RandomToken(32);
  Caller admin;
  Account ann;
  Authorization authorization{*identity, settings};
  Grants grants{*identity, settings};
  Devices devices{*identity, grants, settings};
};

TEST_F(OAuthTest, ACodeBecomesTokensOfThePersonOnce) {
  const Client client = Make(true).client;
  const RequestKey key = RunTask(authorization.Begin(Query(client), origin)).value();
  EXPECT_EQ(RunTask(authorization.Answer(key, true, origin)).error().code, Code::kUnauthenticated);
  ASSERT_TRUE(RunTask(authorization.SetAccount(key, ann)));
  const std::string to = RunTask(authorization.Answer(key, true, origin)).value();
  EXPECT_THAT(to, testing::StartsWith(std::string(kBack) + "?code="));
  EXPECT_THAT(to, HasSubstr("&state=s%20t%26&iss=IROH%20Auth"));
  EXPECT_EQ(RunTask(authorization.Load(key)).error().code, Code::kNotFound);

  const std::string code = ParameterOf(to, "code");
  const auto tokens = Exchange(client, code);
  ASSERT_TRUE(tokens) << tokens.error().ToString();
  const Caller caller = identity->Authenticate(tokens->access.access_token).value();
  EXPECT_EQ(caller.user_id, ann.id);
  EXPECT_EQ(caller.client_id, client.id);
  EXPECT_EQ(caller.grant, "auth-code");
  EXPECT_EQ(caller.kind, "access-token");
  EXPECT_EQ(caller.scopes.ToString(), "enrich:read inspect:read openid");
  const auto claims =
      json::Parse(Base64Decode(Split(tokens->id_token, '.')[1]).value())->as_object();
  EXPECT_EQ(claims.at("aud").as_string(), client.id);
  EXPECT_EQ(claims.at("sub").as_string(), ann.id);
  EXPECT_EQ(claims.at("nonce"), "n1");
  // An id token and a refresh token are no access tokens.
  EXPECT_NE(Said(tokens->id_token), "ok");
  EXPECT_NE(Said(std::string(tokens->refresh.Reveal())), "ok");

  // The code again: whoever holds it is a thief or was robbed.
  EXPECT_EQ(Word(Exchange(client, code)), "invalid_grant");
  EXPECT_EQ(Said(tokens->access.access_token), "jwt_revoked");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, tokens->refresh, "", origin))), "invalid_grant");
  EXPECT_EQ(audit.entries.back().action, "grant.revoke");
}

TEST_F(OAuthTest, CodesAreBoundToClientPlaceAndVerifier) {
  const Client client = Make(true).client, other = Make(true).client;
  const auto ask = [&](const Client& who, const std::string& code, const std::string& where,
                       const std::string& proof) {
    return Word(RunTask(grants.FromCode(who, Secret(code), where, proof, origin)));
  };
  const std::string code = CodeFor(client);
  EXPECT_EQ(ask(other, code, kBack, verifier), "invalid_grant");
  EXPECT_EQ(ask(client, code, "https://app.example/other", verifier), "invalid_grant");
  EXPECT_EQ(ask(client, code, "", verifier), "invalid_grant");
  EXPECT_EQ(ask(client, code, kBack, ""), "invalid_grant");
  EXPECT_EQ(ask(client, code, kBack, ChallengeOf(verifier)), "invalid_grant");
  EXPECT_EQ(ask(client, code, kBack, RandomToken(32)), "invalid_grant");
  EXPECT_EQ(ask(client, "guess", kBack, verifier), "invalid_grant");
  EXPECT_EQ(ask(client, code, kBack, verifier), "ok");
  const std::string late = CodeFor(client);
  clock.Advance(settings.code_life);
  EXPECT_EQ(ask(client, late, kBack, verifier), "invalid_grant");
}

TEST_F(OAuthTest, PkceCannotBeLeftOutOrWeakened) {
  const Client open = Make(true).client, secret = Make(false).client;
  AuthorizeQuery query = Query(open);
  query.challenge = query.challenge_method = "";
  EXPECT_EQ(Failure(query), "invalid_request");
  query = Query(open);
  query.challenge_method = "plain";
  EXPECT_EQ(Failure(query), "invalid_request");
  query.challenge_method = "";  // means plain (RFC 7636 section 4.3)
  EXPECT_EQ(Failure(query), "invalid_request");
  query = Query(open);
  query.challenge = "short";
  EXPECT_EQ(Failure(query), "invalid_request");
  query.challenge_method = "S512";
  EXPECT_EQ(Failure(query), "invalid_request");

  // Without a challenge, a verifier shows that somebody took it out on the way.
  query = Query(secret);
  query.challenge = query.challenge_method = "";
  const RequestKey key = RunTask(authorization.Begin(query, origin)).value();
  ASSERT_TRUE(RunTask(authorization.SetAccount(key, ann)));
  const std::string code =
      ParameterOf(RunTask(authorization.Answer(key, true, origin)).value(), "code");
  EXPECT_EQ(Word(Exchange(secret, code)), "invalid_grant");
  EXPECT_EQ(Word(RunTask(grants.FromCode(secret, Secret(code), kBack, "", origin))), "ok");
}

TEST_F(OAuthTest, ErrorsGoToTheClientOnlyWhenTheAddressIsItsOwn) {
  const Client client = Make(true).client;
  AuthorizeQuery query = Query(client);
  for (const char* address : {"", "https://evil.example/", "https://app.example/back/../x",
                              "https://app.example/back?x", "https://app.example/backdoor"}) {
    query.redirect_uri = address;
    EXPECT_EQ(Failure(query), "shown invalid_request") << address;
  }
  query = Query(client);
  query.client_id = "client-none";
  EXPECT_EQ(Failure(query), "shown invalid_client");
  query = Query(client);
  query.response_type = "token";
  EXPECT_EQ(Failure(query), "unsupported_response_type");
  query = Query(client);
  query.scope = "admin";
  EXPECT_EQ(Failure(query), "invalid_scope");
  query.scope = "\"";
  EXPECT_EQ(Failure(query), "invalid_scope");
  query = Query(client);
  query.redirect_uri = "http://127.0.0.1:50000/cb";
  EXPECT_EQ(Failure(query), "begun");
  ASSERT_TRUE(RunTask(identity->clients().Change(admin, client.id, {.enabled = false}, origin)));
  EXPECT_EQ(Failure(Query(client)), "shown invalid_client");
}

TEST_F(OAuthTest, ARequestBelongsToOneBrowserAndRunsOut) {
  const Client client = Make(true).client;
  const RequestKey key = RunTask(authorization.Begin(Query(client), origin)).value();
  const RequestKey other = RunTask(authorization.Begin(Query(client), origin)).value();
  EXPECT_TRUE(RunTask(authorization.Load(key)));
  EXPECT_FALSE(RunTask(authorization.Load({key.id, other.browser})));
  EXPECT_FALSE(RunTask(authorization.Load({key.id, Secret("")})));
  EXPECT_FALSE(RunTask(authorization.SetAccount({key.id, other.browser}, ann)));
  const std::string refused = RunTask(authorization.Answer(other, false, origin)).value();
  EXPECT_EQ(ParameterOf(refused, "error"), "access_denied");
  clock.Advance(settings.request_life);
  EXPECT_FALSE(RunTask(authorization.Load(key)));
}

TEST_F(OAuthTest, ScopesAndAvailabilityAreThoseOfThePerson) {
  const auto outcome = [&](const Client& client) {
    const RequestKey key = RunTask(authorization.Begin(Query(client), origin)).value();
    return Word(RunTask(authorization.SetAccount(key, ann)));
  };
  Client client = Make(true, "inspect:read users").client;
  EXPECT_EQ(outcome(client), "invalid_scope");
  ASSERT_TRUE(
      RunTask(identity->clients().Change(admin, client.id, {.allow_partial = true}, origin)));
  EXPECT_EQ(outcome(client), "ok");
  client = RunTask(identity->clients().Get(admin, client.id)).value();
  EXPECT_EQ(TokensFor(client).access.scopes.ToString(), "inspect:read");
  ASSERT_TRUE(
      RunTask(identity->clients().Change(admin, client.id, {.availability = "user"}, origin)));
  EXPECT_EQ(outcome(client), "access_denied");
}

TEST_F(OAuthTest, ARefreshTokenServesOnceAndASecondUseEndsTheFamily) {
  const Client client = Make(true).client, other = Make(true).client;
  const Tokens first = TokensFor(client);
  EXPECT_EQ(Word(RunTask(grants.Refresh(other, first.refresh, "", origin))), "invalid_grant");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, Secret("guess"), "", origin))), "invalid_grant");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, first.refresh, "enrich", origin))),
            "invalid_scope");
  const auto second = RunTask(grants.Refresh(client, first.refresh, "", origin));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->access.scopes, first.access.scopes);
  const auto third = RunTask(grants.Refresh(client, second->refresh, "inspect:read", origin));
  ASSERT_TRUE(third);
  EXPECT_EQ(third->access.scopes.ToString(), "inspect:read");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, first.refresh, "", origin))), "invalid_grant");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, third->refresh, "", origin))), "invalid_grant");
  for (const Tokens& tokens : {first, *second, *third})
    EXPECT_EQ(Said(tokens.access.access_token), "jwt_revoked");
  Open();
  EXPECT_EQ(Said(third->access.access_token), "jwt_revoked");
}

TEST_F(OAuthTest, RefreshTokensRunOutAndEndWithTheirClientAndGrant) {
  const Client client = Make(true).client;
  const Tokens unused = TokensFor(client);
  clock.Advance(settings.refresh_life);
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, unused.refresh, "", origin))), "invalid_grant");

  const Tokens tokens = TokensFor(client);
  Caller me;
  me.user_id = ann.id;
  EXPECT_EQ(RunTask(grants.ListOf(me))->size(), 2u);
  EXPECT_EQ(*RunTask(grants.End(admin, client.id, origin)), 0);  // not the admin's grant
  EXPECT_EQ(*RunTask(grants.End(me, client.id, origin)), 2);
  EXPECT_EQ(Said(tokens.access.access_token), "jwt_revoked");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, tokens.refresh, "", origin))), "invalid_grant");

  const Tokens more = TokensFor(client);
  ASSERT_TRUE(RunTask(identity->clients().Delete(admin, client.id, origin)));
  EXPECT_EQ(Said(more.access.access_token), "jwt_revoked");
  EXPECT_EQ(Word(RunTask(grants.Refresh(client, more.refresh, "", origin))), "invalid_grant");
}

TEST_F(OAuthTest, TokensAreGivenBackAndLookedInto) {
  const Client client = Make(true).client;
  const MadeClient service = Make(false, "inspect:read"), watcher = Make(false, "oauth:read");
  const Tokens tokens = TokensFor(client);
  const Secret access(tokens.access.access_token);
  const auto active = [&](const Client& who, const Secret& token) {
    return RunTask(grants.Introspect(who, token)).value().at("active").as_bool();
  };
  EXPECT_TRUE(active(client, access));
  EXPECT_TRUE(active(client, tokens.refresh));
  EXPECT_TRUE(active(watcher.client, access));
  EXPECT_FALSE(active(service.client, access));
  EXPECT_FALSE(active(service.client, tokens.refresh));
  EXPECT_FALSE(active(watcher.client, Secret("nonsense")));

  EXPECT_TRUE(RunTask(grants.Withdraw(service.client, access, origin)));  // not its own
  EXPECT_TRUE(RunTask(grants.Withdraw(service.client, tokens.refresh, origin)));
  EXPECT_EQ(Said(tokens.access.access_token), "ok");
  EXPECT_TRUE(RunTask(grants.Withdraw(client, access, origin)));
  EXPECT_EQ(Said(tokens.access.access_token), "jwt_revoked");
  const auto next = RunTask(grants.Refresh(client, tokens.refresh, "", origin));
  ASSERT_TRUE(next);
  EXPECT_TRUE(RunTask(grants.Withdraw(client, next->refresh, origin)));
  EXPECT_FALSE(active(client, next->refresh));
  EXPECT_EQ(Said(next->access.access_token), "jwt_revoked");
}

TEST_F(OAuthTest, ADeviceWaitsForThePersonWhoTypesItsCode) {
  const Client client = Make(true).client;
  const DeviceCodes codes = RunTask(devices.Begin(client, "inspect:read")).value();
  EXPECT_EQ(codes.user_code.size(), 9u);
  const auto poll = [&] {
    clock.Advance(std::chrono::seconds(20));
    return RunTask(devices.Poll(client, codes.device_code, origin));
  };
  EXPECT_EQ(Word(poll()), "authorization_pending");
  EXPECT_EQ(Word(RunTask(devices.Poll(client, codes.device_code, origin))), "slow_down");
  EXPECT_EQ(Word(RunTask(devices.Poll(Make(true).client, codes.device_code, origin))),
            "invalid_grant");
  EXPECT_EQ(Word(RunTask(authorization.BeginDevice("BBBB-BBBB", origin))), "invalid_grant");
  EXPECT_EQ(Word(RunTask(authorization.BeginDevice("", origin))), "invalid_grant");
  const RequestKey key =
      RunTask(authorization.BeginDevice(AsciiLower(codes.user_code), origin)).value();
  ASSERT_TRUE(RunTask(authorization.SetAccount(key, ann)));
  EXPECT_EQ(RunTask(authorization.Answer(key, true, origin)).value(), "");
  const auto tokens = poll();
  ASSERT_TRUE(tokens) << tokens.error().ToString();
  EXPECT_EQ(identity->Authenticate(tokens->access.access_token)->grant, "device-grant");
  EXPECT_EQ(tokens->access.scopes.ToString(), "inspect:read");
  EXPECT_FALSE(tokens->refresh.empty());
  EXPECT_EQ(Word(poll()), "invalid_grant");
  EXPECT_EQ(Word(RunTask(authorization.BeginDevice(codes.user_code, origin))), "invalid_grant");
}

TEST_F(OAuthTest, DeviceCodesAreRefusedRunOutAndAreNotGuessed) {
  const Client client = Make(true).client;
  const DeviceCodes refused = RunTask(devices.Begin(client, "")).value();
  const RequestKey nobody = RunTask(authorization.BeginDevice(refused.user_code, origin)).value();
  EXPECT_TRUE(RunTask(authorization.Answer(nobody, false, origin)));  // by nobody: changes nothing
  EXPECT_EQ(Word(RunTask(devices.Poll(client, refused.device_code, origin))),
            "authorization_pending");
  const RequestKey key = RunTask(authorization.BeginDevice(refused.user_code, origin)).value();
  ASSERT_TRUE(RunTask(authorization.SetAccount(key, ann)));
  EXPECT_TRUE(RunTask(authorization.Answer(key, false, origin)));
  clock.Advance(std::chrono::seconds(20));
  EXPECT_EQ(Word(RunTask(devices.Poll(client, refused.device_code, origin))), "access_denied");

  const DeviceCodes late = RunTask(devices.Begin(client, "")).value();
  clock.Advance(settings.device_life);
  EXPECT_EQ(Word(RunTask(devices.Poll(client, late.device_code, origin))), "expired_token");
  EXPECT_EQ(Word(RunTask(authorization.BeginDevice(late.user_code, origin))), "invalid_grant");

  const DeviceCodes codes = RunTask(devices.Begin(client, "")).value();
  const Origin thief{"198.51.100.9", ""};
  for (int i = 0; i < 30; ++i) RunTask(authorization.BeginDevice("BBBBBBBB", thief));
  EXPECT_EQ(RunTask(authorization.BeginDevice(codes.user_code, thief)).error().code,
            Code::kLimited);
  EXPECT_TRUE(RunTask(authorization.BeginDevice(codes.user_code, origin)));  // nobody is kept out
}

}  // namespace
}  // namespace mailreeve::response::oauth
