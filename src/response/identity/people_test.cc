#include "base/bytes.h"
#include "crypto/totp.h"
#include "response/identity/test_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailreeve::response::identity {
namespace {

constexpr const char* kPassword = "a long password of ann";

class PeopleTest : public testing::Test, public IdentityWorld {
 protected:
  PeopleTest() {
    admin = Admin();
    EXPECT_TRUE(identity->CreateUser("ann", "ann@example.org", Role::kAnalyst, Secret(kPassword)));
  }
  Caller Ann(std::string address = "192.0.2.1") {
    return identity->Authenticate(SignIn("ann", kPassword, std::move(address))->token.access_token)
        .value();
  }
  Result<SignedIn> SignInWith(std::string code) {
    return RunTask(identity->sessions().SignIn("ann", Secret(kPassword), origin, std::move(code)));
  }
  std::string Said(const std::string& token) {
    const auto caller = identity->Authenticate(token);
    return caller ? "ok" : caller.error().message;
  }

  Origin origin{"192.0.2.1", "r"};
  Caller admin;
};

// hostile-input.md: whoever knows a name must not be able to keep its owner out.
TEST_F(PeopleTest, FailuresFromEverywhereDoNotKeepTheOwnerOut) {
  ASSERT_TRUE(SignIn("ann", kPassword, "192.0.2.50"));
  int limited = 0;
  for (int i = 0; i < 200; ++i) {
    const auto tried = SignIn("ann", "guess", "198.51.100." + std::to_string(i % 100));
    limited += tried.error().code == Code::kLimited ? 1 : 0;
  }
  EXPECT_GT(limited, 50);  // guessing is held up
  EXPECT_EQ(SignIn("ann", kPassword, "203.0.113.1").error().code, Code::kLimited);
  EXPECT_TRUE(SignIn("ann", kPassword, "192.0.2.50"));  // the owner is not
  clock.Advance(options.known_address_life + std::chrono::hours(1));
  EXPECT_TRUE(SignIn("ann", kPassword, "203.0.113.1"));  // and failures are forgotten
}

TEST_F(PeopleTest, ADisabledUserIsOutAtOnceAndMayComeBack) {
  const auto signed_in = SignIn("ann", kPassword);
  const std::string id = signed_in->account.id;
  ASSERT_TRUE(RunTask(identity->accounts().ChangeFor(admin, id, {.enabled = false}, origin)));
  EXPECT_EQ(Said(signed_in->token.access_token), "jwt_revoked");
  EXPECT_FALSE(RunTask(identity->sessions().Refresh(signed_in->refresh, origin)));
  EXPECT_FALSE(SignIn("ann", kPassword));
  clock.Advance(std::chrono::seconds(1));
  ASSERT_TRUE(RunTask(identity->accounts().ChangeFor(admin, id, {.enabled = true}, origin)));
  const auto again = SignIn("ann", kPassword);
  ASSERT_TRUE(again);
  EXPECT_EQ(Said(again->token.access_token), "ok");
  EXPECT_EQ(Said(signed_in->token.access_token), "jwt_revoked");
}

TEST_F(PeopleTest, OtherOrganisationsAndTheStrongerAreOutOfReach) {
  const std::string ann = Ann().user_id;
  Caller stranger = admin;
  stranger.org_id = "another";
  auto& accounts = identity->accounts();
  EXPECT_EQ(RunTask(accounts.GetFor(stranger, ann)).error().code, Code::kNotFound);
  EXPECT_EQ(RunTask(accounts.ChangeFor(stranger, ann, {.enabled = false}, origin)).error().code,
            Code::kNotFound);
  EXPECT_EQ(RunTask(accounts.ResetPasswordFor(stranger, ann, origin)).error().code,
            Code::kNotFound);
  EXPECT_EQ(RunTask(identity->ResetCodesFor(stranger, ann, origin)).error().code, Code::kNotFound);
  EXPECT_TRUE(RunTask(accounts.ListFor(stranger))->empty());

  Caller weak = admin;
  weak.scopes = ScopeSet::Parse("users").value();
  EXPECT_EQ(RunTask(accounts.ResetPasswordFor(weak, admin.user_id, origin)).error().code,
            Code::kDenied);
  NewAccount asked;
  asked.name = "root";
  asked.email = "root@example.org";
  asked.role = Role::kAdmin;
  EXPECT_EQ(RunTask(accounts.MakeFor(weak, asked, origin)).error().code, Code::kDenied);
  EXPECT_EQ(RunTask(accounts.ChangeFor(admin, admin.user_id, {.role = Role::kAnalyst}, origin))
                .error()
                .code,
            Code::kConflict);
}

TEST_F(PeopleTest, ANewPasswordEndsTheOtherSessionsOnly) {
  const auto other = SignIn("ann", kPassword);
  const auto mine = SignIn("ann", kPassword);
  const Caller me = identity->Authenticate(mine->token.access_token).value();
  auto& accounts = identity->accounts();
  const auto change = [&](const char* present, const char* next) {
    const auto done = RunTask(accounts.ChangePassword(me, Secret(present), Secret(next), origin));
    return done ? Code{} : done.error().code;
  };
  EXPECT_EQ(change("wrong", "another long password"), Code::kUnauthenticated);
  EXPECT_EQ(change(kPassword, "short"), Code::kInvalid);
  EXPECT_EQ(change(kPassword, kPassword), Code::kInvalid);
  EXPECT_TRUE(RunTask(
      accounts.ChangePassword(me, Secret(kPassword), Secret("another long password"), origin)));
  EXPECT_EQ(Said(other->token.access_token), "jwt_revoked");
  EXPECT_EQ(Said(mine->token.access_token), "ok");
  EXPECT_FALSE(SignIn("ann", kPassword));
  EXPECT_TRUE(SignIn("ann", "another long password"));
}

TEST_F(PeopleTest, OneTimeCodesServeOnce) {
  const Caller me = Ann();
  const auto begun = RunTask(identity->BeginCodes(me)).value();
  const Secret secret(crypto::Base32Decode(begun.secret.Reveal()).value());
  const auto code_at = [&](int64_t ahead) {
    return crypto::HotpCode(secret,
                            static_cast<uint64_t>(ToEpochMillis(clock.Now()) / 30000 + ahead));
  };
  EXPECT_TRUE(SignInWith(""));  // not confirmed yet
  EXPECT_EQ(RunTask(identity->ConfirmCodes(me, "nonsense", origin)).error().code, Code::kInvalid);
  const auto recovery = RunTask(identity->ConfirmCodes(me, code_at(0), origin)).value();
  ASSERT_EQ(recovery.size(), 10u);

  EXPECT_EQ(SignInWith("").error().message, kCodeNeeded);
  EXPECT_FALSE(SignInWith(code_at(0)));  // used to confirm
  EXPECT_FALSE(SignInWith(code_at(5)));
  EXPECT_TRUE(SignInWith(code_at(1)));
  EXPECT_FALSE(SignInWith(code_at(1)));
  clock.Advance(std::chrono::seconds(60));
  EXPECT_TRUE(SignInWith(code_at(0)));
  const std::string one(recovery[0].Reveal());
  EXPECT_TRUE(SignInWith(one));
  EXPECT_FALSE(SignInWith(one));
  // The password alone tells nobody whether a code would have been right.
  EXPECT_NE(SignIn("ann", "wrong").error().message, kCodeNeeded);

  ASSERT_TRUE(RunTask(identity->ResetCodesFor(admin, me.user_id, origin)));
  EXPECT_TRUE(SignInWith(""));
}

TEST_F(PeopleTest, ARoleMayDemandOneTimeCodes) {
  options.one_time_code_roles = {Role::kAnalyst};
  Open();
  const auto signed_in = SignIn("ann", kPassword);
  EXPECT_TRUE(signed_in->needs.one_time_codes);
  const Caller me = identity->Authenticate(signed_in->token.access_token).value();
  EXPECT_EQ(me.scopes.ToString(), "profile");
  const auto begun = RunTask(identity->BeginCodes(me)).value();
  const Secret secret(crypto::Base32Decode(begun.secret.Reveal()).value());
  const std::string code =
      crypto::HotpCode(secret, static_cast<uint64_t>(ToEpochMillis(clock.Now()) / 30000));
  ASSERT_TRUE(RunTask(identity->ConfirmCodes(me, code, origin)));
  const auto refreshed = RunTask(identity->sessions().Refresh(signed_in->refresh, origin));
  ASSERT_TRUE(refreshed);
  EXPECT_FALSE(refreshed->needs.any());
  EXPECT_EQ(refreshed->token.scopes, ScopesOf(Role::kAnalyst));
}

TEST_F(PeopleTest, SessionsAreListedAndEndedByTheirOwner) {
  const Caller me = Ann(), other = Ann("192.0.2.77");
  const auto sessions = RunTask(identity->sessions().List(me)).value();
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(RunTask(identity->sessions().End(admin, other.session_id, origin)).error().code,
            Code::kNotFound);
  EXPECT_TRUE(RunTask(identity->sessions().End(me, other.session_id, origin)));
  EXPECT_EQ(RunTask(identity->sessions().List(me))->size(), 1u);
}

TEST_F(PeopleTest, ASecretThatIsReplacedServesForAWhile) {
  const auto made = RunTask(identity->clients().Make(
      admin, {.name = "x", .scopes = ScopeSet::Parse("inspect").value()}, origin));
  const auto works = [&](const Secret& secret) {
    return RunTask(identity->clients().Token(made->client.id, secret, "", origin)).has_value();
  };
  const auto next = RunTask(identity->clients().Rotate(admin, made->client.id, true, origin));
  ASSERT_TRUE(next) << next.error().ToString();
  EXPECT_TRUE(works(made->password));
  EXPECT_TRUE(works(next->password));
  clock.Advance(options.secret_grace);
  EXPECT_FALSE(works(made->password));
  EXPECT_TRUE(works(next->password));
  const auto last = RunTask(identity->clients().Rotate(admin, made->client.id, false, origin));
  ASSERT_TRUE(last) << last.error().ToString();
  EXPECT_FALSE(works(next->password));
  EXPECT_TRUE(works(last->password));
  ASSERT_TRUE(RunTask(identity->clients().Change(
      admin, made->client.id, {.expires = std::optional<Time>(clock.Now() + std::chrono::hours(1))},
      origin)));
  EXPECT_TRUE(works(last->password));
  clock.Advance(std::chrono::hours(1));
  EXPECT_FALSE(works(last->password));
}

}  // namespace
}  // namespace mailreeve::response::identity
