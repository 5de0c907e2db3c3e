#include "sql/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace mailreeve::sql {
namespace {

using testing::HasSubstr;

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    char name[] = "/tmp/mailreeve-sql-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~DatabaseTest() override { std::filesystem::remove_all(folder_); }
  Result<Database> Open(int busy_ms = 50) {
    return Database::Open({.path = folder_ + "/db", .busy_timeout_ms = busy_ms});
  }
  static int64_t Count(Database& db, const std::string& table) {
    auto query = *db.Prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(*query.Step());
    return query.Integer(0);
  }
  std::string folder_;
};

TEST_F(DatabaseTest, ValuesRoundTrip) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d TEXT, e INTEGER, f TEXT)")
                  .has_value());
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  const std::string bytes("\0\xff", 2);
  ASSERT_EQ(*insert.Bind(1, INT64_MIN)
                 .Bind(2, std::string_view("é\0x", 4))
                 .Bind(3, Blob{bytes})
                 .Bind(4, std::optional<std::string>())
                 .Bind(5, std::optional<int64_t>(7))
                 .Bind(6, std::string_view())
                 .Run(),
            1);
  auto query = *db.Prepare("SELECT * FROM t");
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.Integer(0), INT64_MIN);
  EXPECT_EQ(query.Text(1), std::string("é\0x", 4));
  EXPECT_EQ(query.Bytes(2), bytes);
  EXPECT_EQ(query.OptionalText(3), std::nullopt);
  EXPECT_TRUE(query.IsNull(3));
  EXPECT_EQ(query.OptionalInteger(4), 7);
  EXPECT_FALSE(query.IsNull(5));
  EXPECT_EQ(query.OptionalText(5), "");
  EXPECT_FALSE(*query.Step());
}

TEST_F(DatabaseTest, BindingsDoNotStay) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a TEXT)").has_value());
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1)");
  ASSERT_TRUE(insert.Bind(1, std::string_view("secret")).Run().has_value());
  ASSERT_TRUE(insert.Run().has_value());
  auto query = *db.Prepare("SELECT count(*) FROM t WHERE a IS NULL");
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.Integer(0), 1);
}

TEST_F(DatabaseTest, ErrorCodes) {
  auto db = *Open();
  ASSERT_TRUE(
      db.Execute("CREATE TABLE p (id TEXT PRIMARY KEY); CREATE TABLE c (p TEXT REFERENCES p(id));"
                 "INSERT INTO p VALUES ('a')")
          .has_value());
  EXPECT_EQ(db.Execute("INSERT INTO p VALUES ('a')").error().code, Code::kConflict);
  EXPECT_EQ(db.Execute("INSERT INTO c VALUES ('none')").error().code, Code::kConflict);
  EXPECT_EQ(db.Execute("SELEKT").error().code, Code::kInternal);
  EXPECT_EQ(db.Prepare("SELECT * FROM nowhere").error().code, Code::kInternal);
  auto insert = *db.Prepare("INSERT INTO p VALUES (?1)");
  EXPECT_EQ(insert.Bind(2, int64_t{1}).Run().error().code, Code::kInternal);
  EXPECT_TRUE(
      insert.Bind(1, std::string_view("b")).Run().has_value());  // a bad index is not remembered
  EXPECT_EQ(Database::Open({.path = folder_ + "/none/db"}).error().code, Code::kUnavailable);
}

TEST_F(DatabaseTest, DamagedFile) {
  std::ofstream(folder_ + "/db") << std::string(8192, 'x');
  EXPECT_EQ(Open().error().code, Code::kCorrupt);
}

TEST_F(DatabaseTest, BusyIsUnavailable) {
  auto one = *Open();
  ASSERT_TRUE(one.Execute("CREATE TABLE t (a)").has_value());
  auto two = *Open(1);
  ASSERT_TRUE(one.Execute("BEGIN IMMEDIATE").has_value());
  EXPECT_EQ(two.Execute("INSERT INTO t VALUES (1)").error().code, Code::kUnavailable);
  ASSERT_TRUE(one.Execute("COMMIT").has_value());
  EXPECT_TRUE(two.Execute("INSERT INTO t VALUES (1)").has_value());
}

TEST_F(DatabaseTest, TransactionsAreWhole) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a)").has_value());
  const auto failed = db.Transaction([&]() -> Result<void> {
    TRY_VOID(db.Execute("INSERT INTO t VALUES (1)"));
    return Fail(Code::kDenied, "no");
  });
  EXPECT_EQ(failed.error().code, Code::kDenied);
  EXPECT_EQ(Count(db, "t"), 0);
  ASSERT_TRUE(db.Transaction([&] { return db.Execute("INSERT INTO t VALUES (1)"); }).has_value());
  EXPECT_EQ(Count(db, "t"), 1);
}

TEST_F(DatabaseTest, MigrationsOfComponentsDoNotMeet) {
  auto db = *Open();
  const std::vector<Migration> a1 = {{1, "a", "CREATE TABLE a (x)"}};
  const std::vector<Migration> a2 = {{1, "a", "CREATE TABLE a (x)"},
                                     {2, "b", "ALTER TABLE a ADD COLUMN y; CREATE TABLE b (z)"}};
  ASSERT_TRUE(db.Migrate("one", a1).has_value());
  ASSERT_TRUE(db.Migrate("one", a1).has_value());
  ASSERT_TRUE(db.Migrate("two", {{1, "c", "CREATE TABLE c (x)"}}).has_value());
  ASSERT_TRUE(db.Migrate("one", a2).has_value());
  EXPECT_TRUE(db.Execute("INSERT INTO a (y) VALUES (1)").has_value());
  const auto older = db.Migrate("one", a1);
  EXPECT_EQ(older.error().code, Code::kConflict);
}

TEST_F(DatabaseTest, FailedMigrationLeavesNothing) {
  auto db = *Open();
  const auto failed = db.Migrate("one", {{1, "broken", "CREATE TABLE half (x); SELEKT"}});
  ASSERT_FALSE(failed.has_value());
  EXPECT_THAT(failed.error().ToString(), HasSubstr("migration 1 broken"));
  EXPECT_FALSE(db.Prepare("SELECT * FROM half").has_value());
  EXPECT_TRUE(db.Migrate("one", {{1, "mended", "CREATE TABLE half (x)"}}).has_value());
}

TEST_F(DatabaseTest, DataSurvivesReopening) {
  {
    auto db = *Open();
    ASSERT_TRUE(db.Execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)").has_value());
  }
  auto db = *Open();
  EXPECT_EQ(Count(db, "t"), 1);
  auto reader = Database::Open({.path = folder_ + "/db", .read_only = true});
  ASSERT_TRUE(reader.has_value());
  EXPECT_FALSE(reader->Execute("INSERT INTO t VALUES (2)").has_value());
}

// The schemas the programs carry: each applies to an empty file.
TEST_F(DatabaseTest, OurOwnSchemasApply) {
  for (const auto& entry :
       std::filesystem::directory_iterator(MAILREEVE_SOURCE_DIR "/schema/sql")) {
    const std::string component = entry.path().filename();
    const auto migrations = MigrationsOf(component);
    ASSERT_FALSE(migrations.empty()) << component;
    for (size_t i = 0; i < migrations.size(); ++i)
      EXPECT_EQ(migrations[i].version, static_cast<int>(i) + 1) << component;
    auto db = *Database::Open({.path = ":memory:"});
    const auto applied = db.Migrate(component, migrations);
    EXPECT_TRUE(applied.has_value()) << component << (applied ? "" : applied.error().ToString());
  }
  EXPECT_TRUE(MigrationsOf("nothing").empty());
}

}  // namespace
}  // namespace mailreeve::sql
