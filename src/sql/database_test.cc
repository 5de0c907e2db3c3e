#include "sql/database.h"

#include "sql/bulk.h"
#include "sql/test_databases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace mailreeve::sql {
namespace {

using testing::HasSubstr;

// What holds on both engines.
class DatabaseTest : public testing::TestWithParam<Dialect> {
 protected:
  Result<Database> Open() { return Database::Open(place_.options()); }
  static int64_t Count(Database& db, const std::string& table) {
    auto query = *db.Prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(*query.Step());
    return query.Integer(0);
  }
  TestDatabase place_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(On, DatabaseTest, testing::Values(Dialect::kSqlite, Dialect::kPostgresql),
                         [](const testing::TestParamInfo<Dialect>& info) {
                           return info.param == Dialect::kSqlite ? "Sqlite" : "Postgresql";
                         });

TEST_P(DatabaseTest, ValuesRoundTrip) {
  auto db = *Open();
  EXPECT_EQ(db.dialect(), GetParam());
  const std::string bytes_type = GetParam() == Dialect::kSqlite ? "BLOB" : "BYTEA";
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT, b TEXT, c " + bytes_type +
                         ", d TEXT, e BIGINT, f TEXT)")
                  .has_value());
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  const std::string bytes("\0\xff\\x", 4);
  ASSERT_EQ(*insert.Bind(1, INT64_MIN)
                 .Bind(2, "é '?1' \\ \n")
                 .Bind(3, Blob{bytes})
                 .Bind(4, std::optional<std::string>())
                 .Bind(5, std::optional<int64_t>(7))
                 .Bind(6, std::string_view())
                 .Run(),
            1);
  auto query = *db.Prepare("SELECT * FROM t");
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.columns(), 6);
  EXPECT_EQ(query.Integer(0), INT64_MIN);
  EXPECT_EQ(query.Text(1), "é '?1' \\ \n");
  EXPECT_EQ(query.Bytes(2), bytes);
  EXPECT_EQ(query.OptionalText(3), std::nullopt);
  EXPECT_TRUE(query.IsNull(3));
  EXPECT_EQ(query.OptionalInteger(4), 7);
  EXPECT_FALSE(query.IsNull(5));
  EXPECT_EQ(query.OptionalText(5), "");
  EXPECT_EQ(query.ValueOf(0), Value(INT64_MIN));
  EXPECT_EQ(query.ValueOf(1), Value(std::string("é '?1' \\ \n")));
  EXPECT_EQ(query.ValueOf(2), Value(Blob{bytes}));
  EXPECT_EQ(query.ValueOf(3), Value());
  EXPECT_FALSE(*query.Step());
  // What was read goes back in as it was.
  auto again = *db.Prepare("INSERT INTO t (a, c) VALUES (?1, ?2)");
  ASSERT_TRUE(again.BindValue(1, Value(int64_t{1})).BindValue(2, Value(Blob{bytes})).Run());
  auto both = *db.Prepare("SELECT count(*) FROM t WHERE c = ?1");
  ASSERT_TRUE(*both.Bind(1, Blob{bytes}).Step());
  EXPECT_EQ(both.Integer(0), 2);
}

TEST_P(DatabaseTest, BindingsDoNotStay) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a TEXT)").has_value());
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1)");
  ASSERT_TRUE(insert.Bind(1, std::string_view("secret")).Run().has_value());
  ASSERT_TRUE(insert.Run().has_value());
  auto query = *db.Prepare("SELECT count(*) FROM t WHERE a IS NULL");
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.Integer(0), 1);
}

TEST_P(DatabaseTest, StatementsRunInsideTheRowsOfOthers) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1), (2), (3)"));
  auto outer = *db.Prepare("SELECT a FROM t ORDER BY a");
  auto inner = *db.Prepare("SELECT sum(a) FROM t WHERE a <= ?1");
  std::vector<int64_t> sums;
  while (*outer.Step()) {
    ASSERT_TRUE(*inner.Bind(1, outer.Integer(0)).Step());
    sums.push_back(inner.Integer(0));
    inner.Reset();
  }
  EXPECT_THAT(sums, testing::ElementsAre(1, 3, 6));
}

TEST_P(DatabaseTest, RowsChangedAreCounted) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT)"));
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1, 'x') ON CONFLICT (id) DO NOTHING");
  EXPECT_EQ(*insert.Bind(1, int64_t{1}).Run(), 1);
  EXPECT_EQ(*insert.Bind(1, int64_t{1}).Run(), 0);
  EXPECT_EQ(*insert.Bind(1, int64_t{2}).Run(), 1);
  EXPECT_EQ(*(*db.Prepare("UPDATE t SET a = 'y'")).Run(), 2);
  auto returning = *db.Prepare("DELETE FROM t WHERE id = ?1 RETURNING a");
  ASSERT_TRUE(*returning.Bind(1, int64_t{1}).Step());
  EXPECT_EQ(returning.Text(0), "y");
  EXPECT_FALSE(*returning.Step());
  EXPECT_EQ(*(*db.Prepare("DELETE FROM t")).Run(), 1);
}

TEST_P(DatabaseTest, ErrorCodes) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE p (id TEXT PRIMARY KEY, n BIGINT NOT NULL CHECK (n > 0));"
                         "CREATE TABLE c (p TEXT REFERENCES p(id)); INSERT INTO p VALUES ('a', 1)")
                  .has_value());
  EXPECT_EQ(db.Execute("INSERT INTO p VALUES ('a', 1)").error().code, Code::kConflict);
  EXPECT_EQ(db.Execute("INSERT INTO p VALUES ('b', 0)").error().code, Code::kConflict);
  EXPECT_EQ(db.Execute("INSERT INTO p (id) VALUES ('b')").error().code, Code::kConflict);
  EXPECT_EQ(db.Execute("INSERT INTO c VALUES ('none')").error().code, Code::kConflict);
  EXPECT_EQ(db.Execute("SELEKT").error().code, Code::kInternal);
  EXPECT_EQ(db.Prepare("SELECT * FROM nowhere").error().code, Code::kInternal);
  auto insert = *db.Prepare("INSERT INTO p VALUES (?1, 1)");
  EXPECT_EQ(insert.Bind(2, int64_t{1}).Run().error().code, Code::kInternal);
  EXPECT_TRUE(
      insert.Bind(1, std::string_view("b")).Run().has_value());  // a bad index is not remembered
  EXPECT_TRUE(db.Ping());
  EXPECT_EQ(Database::Open({.path = "mysql://x/y"}).error().code, Code::kInvalid);
}

TEST_P(DatabaseTest, TransactionsAreWhole) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT)").has_value());
  const auto failed = db.Transaction([&]() -> Result<void> {
    TRY_VOID(db.Execute("INSERT INTO t VALUES (1)"));
    return Fail(Code::kDenied, "no");
  });
  EXPECT_EQ(failed.error().code, Code::kDenied);
  EXPECT_EQ(Count(db, "t"), 0);
  ASSERT_TRUE(db.Transaction([&] { return db.Execute("INSERT INTO t VALUES (1)"); }).has_value());
  EXPECT_EQ(Count(db, "t"), 1);
  const auto nested = db.Transaction(
      [&] { return db.Transaction([&] { return db.Execute("INSERT INTO t VALUES (2)"); }); });
  EXPECT_EQ(nested.error().code, Code::kInternal);
  EXPECT_EQ(Count(db, "t"), 1);
  EXPECT_THROW((void)db.Transaction([&]() -> Result<void> {
    TRY_VOID(db.Execute("INSERT INTO t VALUES (3)"));
    throw std::runtime_error("a bug");
  }),
               std::runtime_error);
  EXPECT_EQ(Count(db, "t"), 1);
}

// Two that count and then insert must not both see nothing.
TEST_P(DatabaseTest, TransactionsRunAsIfAlone) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT)"));
  constexpr int kThreads = 4, kEach = 10, kLimit = 25;
  std::atomic<int> refused{0}, failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      auto options = place_.options();
      options.max_tries = 100;
      auto own = *Database::Open(options);
      for (int n = 0; n < kEach; ++n) {
        const auto done = own.Transaction([&]() -> Result<void> {
          if (Count(own, "t") >= kLimit) return Fail(Code::kLimited, "full");
          return own.Execute("INSERT INTO t VALUES (1)");
        });
        if (!done) ++(done.error().code == Code::kLimited ? refused : failed);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(refused, kThreads * kEach - kLimit);
  EXPECT_EQ(Count(db, "t"), kLimit);
}

TEST_P(DatabaseTest, ASnapshotIsOfOneMoment) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)"));
  auto other = *Open();
  ASSERT_TRUE(db.Snapshot([&]() -> Result<void> {
    EXPECT_EQ(Count(db, "t"), 1);
    EXPECT_TRUE(other.Execute("INSERT INTO t VALUES (2)"));
    EXPECT_EQ(Count(db, "t"), 1);
    return {};
  }));
  EXPECT_EQ(Count(db, "t"), 2);
}

TEST_P(DatabaseTest, BulkInsertSendsEveryRowOnce) {
  auto db = *Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, size BIGINT)"));
  ASSERT_TRUE(db.Execute("INSERT INTO t VALUES (500, 'old', 0)"));
  constexpr int kRows = 1203;
  ASSERT_TRUE(db.Transaction([&]() -> Result<void> {
    BulkInsert insert(db, "t", {"id", "name", "size"}, "ON CONFLICT (id) DO NOTHING");
    for (int64_t i = 0; i < kRows; ++i)
      TRY_VOID(insert.Add({i, "row " + std::to_string(i), i % 2 == 0 ? Value(i) : Value()}));
    TRY(const int64_t changed, insert.Finish());
    EXPECT_EQ(changed, kRows - 1);
    return {};
  }));
  auto query = *db.Prepare("SELECT count(*), count(size), sum(id), max(name) FROM t");
  ASSERT_TRUE(*query.Step());
  EXPECT_EQ(query.Integer(0), kRows);
  EXPECT_EQ(query.Integer(1), (kRows + 1) / 2);
  EXPECT_EQ(query.Integer(2), int64_t{kRows} * (kRows - 1) / 2);
  EXPECT_EQ(query.Text(3), "row 999");
}

TEST_P(DatabaseTest, MigrationsOfComponentsDoNotMeet) {
  auto db = *Open();
  const std::vector<Migration> a1 = {{1, "a", "CREATE TABLE a (x BIGINT)"}};
  const std::vector<Migration> a2 = {
      {1, "a", "CREATE TABLE a (x BIGINT)"},
      {2, "b", "ALTER TABLE a ADD COLUMN y BIGINT; CREATE TABLE b (z TEXT)"}};
  ASSERT_TRUE(db.Migrate("one", a1).has_value());
  ASSERT_TRUE(db.Migrate("one", a1).has_value());
  ASSERT_TRUE(db.Migrate("two", {{1, "c", "CREATE TABLE c (x TEXT)"}}).has_value());
  ASSERT_TRUE(db.Migrate("one", a2).has_value());
  EXPECT_TRUE(db.Execute("INSERT INTO a (y) VALUES (1)").has_value());
  EXPECT_EQ(*db.VersionOf("one"), 2);
  EXPECT_EQ(*db.VersionOf("two"), 1);
  EXPECT_EQ(*db.VersionOf("three"), 0);
  const auto older = db.Migrate("one", a1);
  EXPECT_EQ(older.error().code, Code::kConflict);
}

TEST_P(DatabaseTest, FailedMigrationLeavesNothing) {
  auto db = *Open();
  const auto failed = db.Migrate("one", {{1, "broken", "CREATE TABLE half (x TEXT); SELEKT"}});
  ASSERT_FALSE(failed.has_value());
  EXPECT_THAT(failed.error().ToString(), HasSubstr("migration 1 broken"));
  EXPECT_FALSE(db.Prepare("SELECT * FROM half").has_value());
  EXPECT_TRUE(db.Migrate("one", {{1, "mended", "CREATE TABLE half (x TEXT)"}}).has_value());
}

// Nodes that start at the same time: each migration is done once, and each node goes on.
TEST_P(DatabaseTest, NodesThatMigrateAtOnce) {
  const std::vector<Migration> migrations = {
      {1, "a", "CREATE TABLE a (x BIGINT)"},
      {2, "b", "INSERT INTO a VALUES (1); CREATE TABLE b (x BIGINT)"},
      {3, "c", "INSERT INTO a VALUES (2)"}};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto db = Open();
      if (!db || !db->Migrate("one", migrations)) ++failed;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  auto db = *Open();
  EXPECT_EQ(Count(db, "a"), 2);
  EXPECT_EQ(*db.VersionOf("one"), 3);
}

TEST_P(DatabaseTest, EachEngineTakesItsOwnSql) {
  auto db = *Open();
  ASSERT_TRUE(db.Migrate(
      "one", {{1, "own", "CREATE TABLE t (sqlite TEXT)", "CREATE TABLE t (postgresql TEXT)"}}));
  EXPECT_EQ(db.Prepare("SELECT sqlite FROM t").has_value(), GetParam() == Dialect::kSqlite);
  EXPECT_EQ(db.Prepare("SELECT postgresql FROM t").has_value(), GetParam() != Dialect::kSqlite);
}

TEST_P(DatabaseTest, DataSurvivesReopening) {
  {
    auto db = *Open();
    ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)").has_value());
  }
  auto db = *Open();
  EXPECT_EQ(Count(db, "t"), 1);
  auto options = place_.options();
  options.read_only = true;
  auto reader = Database::Open(options);
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ(reader->Execute("INSERT INTO t VALUES (2)").error().code, Code::kUnavailable);
  EXPECT_EQ(Count(*reader, "t"), 1);
}

}  // namespace
}  // namespace mailreeve::sql
