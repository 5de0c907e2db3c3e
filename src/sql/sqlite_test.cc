#include "sql/test_databases.h"

#include <fstream>

namespace mailreeve::sql {
namespace {

class SqliteTest : public testing::Test {
 protected:
  Result<Database> Open(int busy_ms = 50) {
    return Database::Open({.path = place_.path(), .busy_timeout_ms = busy_ms});
  }
  TestDatabase place_{Dialect::kSqlite};
};

TEST_F(SqliteTest, NamedByAFileOrAnUrl) {
  ASSERT_TRUE(Open()->Execute("CREATE TABLE t (a TEXT)"));
  auto db = Database::Open({.path = "sqlite:" + place_.path()});
  ASSERT_TRUE(db);
  EXPECT_TRUE(db->Prepare("SELECT a FROM t"));
  EXPECT_TRUE(Database::Open({.path = ":memory:"}));
  EXPECT_EQ(Database::Open({.path = place_.path() + "/none/db"}).error().code, Code::kUnavailable);
}

TEST_F(SqliteTest, DamagedFile) {
  std::ofstream(place_.path()) << std::string(8192, 'x');
  EXPECT_EQ(Open().error().code, Code::kCorrupt);
}

TEST_F(SqliteTest, BusyIsUnavailable) {
  auto one = *Open();
  ASSERT_TRUE(one.Execute("CREATE TABLE t (a)").has_value());
  auto two = *Open(1);
  ASSERT_TRUE(one.Execute("BEGIN IMMEDIATE").has_value());
  EXPECT_EQ(two.Execute("INSERT INTO t VALUES (1)").error().code, Code::kUnavailable);
  ASSERT_TRUE(one.Execute("COMMIT").has_value());
  EXPECT_TRUE(two.Execute("INSERT INTO t VALUES (1)").has_value());
}

TEST_F(SqliteTest, TextMayHoldNul) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a TEXT)"));
  const std::string text("é\0x", 4);
  ASSERT_TRUE((*db.Prepare("INSERT INTO t VALUES (?1)")).Bind(1, text).Run());
  auto query = *db.Prepare("SELECT a FROM t");
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.Text(0), text);
}

}  // namespace
}  // namespace mailreeve::sql
