#include "base/result.h"

#include "base/random.h"
#include "base/secret.h"

#include <gtest/gtest.h>

namespace mailreeve {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail(Code::kInvalid, "odd");
  return n / 2;
}
Result<void> Check(int n) {
  TRY_VOID(Half(n));
  return {};
}
Result<int> Quarter(int n) {
  TRY(const int half, Half(n));
  TRY(const int quarter, Half(half));
  return quarter;
}

TEST(ResultTest, Try) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().message, "odd");
  EXPECT_TRUE(Check(2).has_value());
  EXPECT_EQ(Check(1).error().code, Code::kInvalid);
}

TEST(ErrorTest, NotesOutermostLast) {
  const Error error = Error(Code::kCorrupt, "bad byte").Note("record 7").Note("reading x.log");
  EXPECT_EQ(error.ToString(), "bad byte (record 7; reading x.log)");
  EXPECT_EQ(CodeName(Code::kUnauthenticated), "unauthenticated");
}

TEST(SecretTest, MovesEmptyItsSource) {
  Secret a("short");
  Secret b(std::move(a));
  EXPECT_TRUE(a.empty());  // NOLINT: what the class promises
  EXPECT_EQ(b.Reveal(), "short");
  Secret c;
  c = std::move(b);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(c.Reveal(), "short");
}

TEST(RandomTest, Forms) {
  const std::string uuid = RandomUuid();
  EXPECT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
  EXPECT_NE(uuid, RandomUuid());
  EXPECT_EQ(RandomBytes(0), "");
  EXPECT_EQ(RandomToken(32).size(), 43u);
}

}  // namespace
}  // namespace mailreeve
