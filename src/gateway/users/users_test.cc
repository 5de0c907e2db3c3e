#include "gateway/users/users.h"

#include "base/random.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace mailreeve::gateway::users {
namespace {

template <class T>
T RunTask(io::Task<T> task) {
  asio::io_context context;
  std::optional<T> out;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    out = std::move(value);
  });
  context.run();
  return *std::move(out);
}

class UsersTest : public testing::Test {
 protected:
  UsersTest() {
    options_.folder = testing::TempDir() + "/mailreeve-users-" + RandomUuid();
    std::filesystem::create_directories(options_.folder);
    options_.password_cost = {.memory_kib = 64, .passes = 1, .lanes = 1};
    options_.per_user = {.burst = 3, .window = std::chrono::seconds(900)};
    Open();
  }
  ~UsersTest() override {
    users_.reset();
    std::filesystem::remove_all(options_.folder);
  }
  void Open() {
    users_.reset();
    users_ = Users::Open(options_, clock_, audit_, logger_).value();
  }
  Result<User> Add(std::string name, Role role, std::string password = "correct horse battery") {
    return RunTask(users_->Add(std::move(name), role, "", Secret(std::move(password)), kOrigin));
  }
  Result<User> Check(std::string name, std::string password = "correct horse battery") {
    return RunTask(users_->Check(std::move(name), Secret(std::move(password)), kOrigin));
  }

  const Origin kOrigin{"192.0.2.1", "https", "r1"};
  FakeClock clock_{ParseTime("2026-03-01T10:00:00.000Z").value()};
  audit::MemoryLog audit_;
  log::NullLogger logger_;
  Options options_;
  std::unique_ptr<Users> users_;
};

TEST_F(UsersTest, NobodyIsThereAtFirst) {
  EXPECT_TRUE(users_->List().empty());
  EXPECT_EQ(Check("admin", "ironport").error().code, Code::kUnauthenticated);
}

TEST_F(UsersTest, KeepsUsersOverARestart) {
  ASSERT_TRUE(Add(" Ann ", Role::kHelpDesk).has_value());
  const std::string token = users_->IssueToken(users_->List().front());
  Open();
  ASSERT_EQ(users_->List().size(), 1u);
  EXPECT_EQ(users_->List().front().name, "ann");
  EXPECT_EQ(users_->List().front().role, Role::kHelpDesk);
  EXPECT_EQ(Check("ANN")->name, "ann");
  EXPECT_EQ(users_->CheckToken(token)->name, "ann");
  struct stat info {};
  ASSERT_EQ(::stat((options_.folder + "/rest-token.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(UsersTest, RefusesWhatIsNoName) {
  for (const char* name : {"", " ", "a b", "a:b", "-a", "ä", "a\nb"})
    EXPECT_EQ(Add(name, Role::kGuest).error().code, Code::kInvalid) << name;
  EXPECT_EQ(Add(std::string(65, 'a'), Role::kGuest).error().code, Code::kInvalid);
  EXPECT_EQ(Add("ann", Role::kGuest, "short").error().code, Code::kInvalid);
  EXPECT_EQ(Add("averylongname", Role::kGuest, "averylongname1").error().code, Code::kInvalid);
  ASSERT_TRUE(Add("ann", Role::kGuest).has_value());
  EXPECT_EQ(Add("Ann", Role::kGuest).error().code, Code::kConflict);
}

TEST_F(UsersTest, ChangesEndTokensAndKnownPasswords) {
  ASSERT_TRUE(Add("ann", Role::kOperator).has_value());
  const auto token = [&] { return users_->IssueToken(users_->List().front()); };
  std::string old = token();
  ASSERT_TRUE(Check("ann").has_value());
  ASSERT_TRUE(
      RunTask(users_->SetPassword("ann", Secret("another good phrase"), kOrigin)).has_value());
  EXPECT_EQ(users_->CheckToken(old).error().message, "InvalidTokenError.");
  EXPECT_FALSE(Check("ann").has_value());
  EXPECT_TRUE(Check("ann", "another good phrase").has_value());
  old = token();
  ASSERT_TRUE(RunTask(users_->SetRole("ann", Role::kTechnician, kOrigin)).has_value());
  EXPECT_EQ(users_->CheckToken(old).error().message, "InvalidTokenError.");
  EXPECT_EQ(Check("ann", "another good phrase")->role, Role::kTechnician);
  old = token();
  ASSERT_TRUE(RunTask(users_->Remove("ann", kOrigin)).has_value());
  EXPECT_EQ(users_->CheckToken(old).error().message, "InvalidTokenError.");
  EXPECT_FALSE(Check("ann", "another good phrase").has_value());
  EXPECT_EQ(RunTask(users_->Remove("ann", kOrigin)).error().code, Code::kNotFound);
}

TEST_F(UsersTest, TokensEnd) {
  ASSERT_TRUE(Add("ann", Role::kOperator).has_value());
  const std::string token = users_->IssueToken(users_->List().front());
  clock_.Advance(std::chrono::seconds(1800 + 29));
  EXPECT_TRUE(users_->CheckToken(token).has_value());
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(users_->CheckToken(token).error().message, "ExpiredSignatureError.");
  EXPECT_EQ(users_->CheckToken(token + "x").error().message, "InvalidTokenError.");
  EXPECT_EQ(users_->CheckToken("").error().message, "InvalidTokenError.");
}

TEST_F(UsersTest, SlowsGuessingDownEvenWithTheRightPassword) {
  ASSERT_TRUE(Add("ann", Role::kOperator).has_value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Check("ann", "guess").error().code, Code::kUnauthenticated);
  EXPECT_EQ(Check("ann").error().code, Code::kLimited);
  clock_.Advance(std::chrono::seconds(301));
  EXPECT_TRUE(Check("ann").has_value());
}

TEST_F(UsersTest, ARightPasswordCostsNoTry) {
  ASSERT_TRUE(Add("ann", Role::kOperator).has_value());
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(Check("ann").has_value());
    clock_.Advance(options_.credential_memory + std::chrono::seconds(1));
  }
}

TEST_F(UsersTest, ChangesAreAudited) {
  ASSERT_TRUE(Add("ann", Role::kOperator).has_value());
  (void)Check("ann", "guess");
  (void)Check("somebody else", "guess");
  (void)Check("nobody", "guess");
  ASSERT_TRUE(RunTask(users_->NoteLogin(users_->List().front(), kOrigin)).has_value());
  ASSERT_EQ(audit_.entries.size(), 4u);
  EXPECT_EQ(audit_.entries[0].action, "user.create");
  EXPECT_EQ(audit_.entries[1].result, "failure");
  EXPECT_EQ(audit_.entries[2].object.id, "unknown");
  EXPECT_EQ(audit_.entries[3].result, "success");
  for (const auto& entry : audit_.entries) {
    const std::string text = json::Serialize(audit::ToJson(entry));
    EXPECT_EQ(text.find("guess"), std::string::npos);
    EXPECT_EQ(text.find("horse"), std::string::npos);
  }
}

class BrokenLog final : public audit::Log {
 public:
  Result<void> Append(audit::Entry) override { return Fail(Code::kUnavailable, "disk full"); }
};

TEST_F(UsersTest, WhatCannotBeAuditedIsNotDone) {
  users_.reset();
  BrokenLog broken;
  users_ = Users::Open(options_, clock_, broken, logger_).value();
  EXPECT_EQ(Add("ann", Role::kOperator).error().code, Code::kUnavailable);
  EXPECT_TRUE(users_->List().empty());
  Open();
  EXPECT_TRUE(users_->List().empty());
}

TEST(Access, RolesHaveNames) {
  for (uint8_t i = 0; i <= kMaxRole; ++i) {
    const Role role = static_cast<Role>(i);
    EXPECT_EQ(RoleFromName(RoleName(role)), role);
    EXPECT_FALSE(PrivilegesOf(role).empty());
  }
  EXPECT_EQ(RoleFromName("read_only operator"), Role::kReadOnlyOperator);
  EXPECT_EQ(RoleFromName("HELP-DESK-USER"), Role::kHelpDesk);
  EXPECT_FALSE(RoleFromName("root").has_value());
}

TEST(Access, RolesDiffer) {
  EXPECT_TRUE(Allows(Role::kAdministrator, Privilege::kReporting));
  EXPECT_TRUE(Allows(Role::kHelpDesk, Privilege::kTrackingMessages));
  EXPECT_FALSE(Allows(Role::kHelpDesk, Privilege::kReporting));
  EXPECT_FALSE(Allows(Role::kTechnician, Privilege::kTrackingMessages));
  EXPECT_TRUE(Allows(Role::kTechnician, Privilege::kHealth));
}

}  // namespace
}  // namespace mailreeve::gateway::users
