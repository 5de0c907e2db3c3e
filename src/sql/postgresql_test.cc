#include "sql/dollar.h"
#include "sql/test_databases.h"

#include <gmock/gmock.h>

#include <future>

namespace mailreeve::sql {
namespace {

using testing::HasSubstr;
using testing::Not;

class PostgresqlTest : public testing::Test {
 protected:
  OpenOptions Options() const { return place_.options(); }
  Database Open() const { return *Database::Open(Options()); }
  static int64_t Number(Database& db, const std::string& sql) {
    auto query = db.Prepare(sql);
    EXPECT_TRUE(query) << query.error().ToString();
    if (!query) return -1;
    const auto row = query->Step();
    EXPECT_TRUE(row) << row.error().ToString();
    return row && *row ? query->Integer(0) : -1;
  }
  TestDatabase place_{Dialect::kPostgresql};
};

TEST(Dollar, ParametersOutsideOfQuotesAndComments) {
  const auto all = WithDollars(
      "SELECT '?1 it''s ?', \"?2\" -- ?3\n, ?2 /* ? */, ?10 FROM t WHERE a = ?2 AND b = '");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->sql,
            "SELECT '?1 it''s ?', \"?2\" -- ?3\n, $2 /* ? */, $10 FROM t WHERE a = $2 AND b = '");
  EXPECT_EQ(all->parameters, 10);
  EXPECT_EQ(WithDollars("")->parameters, 0);
  EXPECT_EQ(WithDollars("(?, ?), (?3, ?)")->sql, "($1, $2), ($3, $4)") << "the next number";
  for (const char* wrong : {"?0", "?65536", "?99999999999999999999", "?65535 ?"})
    EXPECT_EQ(WithDollars(wrong).error().code, Code::kInternal) << wrong;
}

TEST_F(PostgresqlTest, RestartedBetweenRequests) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT)"));
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1)");
  ASSERT_TRUE(insert.Bind(1, int64_t{1}).Run());
  TestPostgresql::Get().Restart();
  // The same statement: the connection is made anew and the statement prepared again.
  const auto done = insert.Bind(1, int64_t{2}).Run();
  EXPECT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(Number(db, "SELECT sum(a) FROM t"), 3);
}

TEST_F(PostgresqlTest, RestartedInMidRequest) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT)"));
  int runs = 0;
  const auto lost = db.Transaction([&]() -> Result<void> {
    ++runs;
    TRY_VOID(db.Execute("INSERT INTO t VALUES (1)"));
    TestPostgresql::Get().Restart();
    auto second = db.Execute("INSERT INTO t VALUES (2)");
    EXPECT_EQ(second.error().code, Code::kUnavailable) << second.error().ToString();
    // Not on a new connection: half a transaction would be kept.
    auto third = db.Execute("INSERT INTO t VALUES (3)");
    EXPECT_EQ(third.error().code, Code::kUnavailable);
    EXPECT_EQ(db.Prepare("SELECT a FROM t").error().code, Code::kUnavailable);
    return third;
  });
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(Number(db, "SELECT count(*) FROM t"), 0);
  EXPECT_TRUE(db.Transaction([&] { return db.Execute("INSERT INTO t VALUES (4)"); }));
  EXPECT_EQ(Number(db, "SELECT sum(a) FROM t"), 4);
}

TEST_F(PostgresqlTest, LostBeforeTheCommit) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT)"));
  const auto lost = db.Transaction([&]() -> Result<void> {
    TRY_VOID(db.Execute("INSERT INTO t VALUES (1)"));
    TestPostgresql::Get().Restart();
    return {};
  });
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
  EXPECT_THAT(lost.error().ToString(), HasSubstr("may or may not"));
  EXPECT_EQ(Number(db, "SELECT count(*) FROM t"), 0);
}

TEST_F(PostgresqlTest, DownAndBackUp) {
  auto db = Open();
  TestPostgresql::Get().Stop();
  EXPECT_EQ(db.Ping().error().code, Code::kUnavailable);
  EXPECT_EQ(db.Transaction([] { return Result<void>(); }).error().code, Code::kUnavailable);
  EXPECT_EQ(Database::Open(Options()).error().code, Code::kUnavailable);
  TestPostgresql::Get().Start();
  EXPECT_TRUE(db.Ping());
}

TEST_F(PostgresqlTest, ASwallowedErrorIsNoSuccess) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)"));
  const auto done = db.Transaction([&]() -> Result<void> {
    TRY_VOID(db.Execute("INSERT INTO t VALUES (2)"));
    EXPECT_EQ(db.Execute("INSERT INTO t VALUES (1)").error().code, Code::kConflict);
    return {};
  });
  EXPECT_FALSE(done);
  EXPECT_EQ(Number(db, "SELECT count(*) FROM t"), 1);
}

// Two transactions that read what the other one writes: one of them runs again.
TEST_F(PostgresqlTest, WhoMetAnotherRunsAgainWithinABound) {
  auto db = Open();
  auto other = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT)"));
  int runs = 0;
  const auto work = [&](int meet) {
    return [&, meet]() -> Result<void> {
      ++runs;
      EXPECT_GE(Number(db, "SELECT count(*) FROM t"), 0);
      if (runs <= meet) {
        const auto met = other.Transaction([&] {
          EXPECT_GE(Number(other, "SELECT count(*) FROM t"), 0);
          return other.Execute("INSERT INTO t VALUES (1)");
        });
        EXPECT_TRUE(met) << met.error().ToString();
      }
      return db.Execute("INSERT INTO t VALUES (10)");
    };
  };
  EXPECT_TRUE(db.Transaction(work(2)));
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(Number(db, "SELECT sum(a) FROM t"), 12);
  runs = 0;
  const auto given_up = db.Transaction(work(1000));
  EXPECT_EQ(given_up.error().code, Code::kUnavailable) << given_up.error().ToString();
  EXPECT_EQ(runs, Options().max_tries);
}

TEST_F(PostgresqlTest, WaitsHaveEnds) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)"));
  auto options = Options();
  options.statement_timeout_ms = 300;
  options.busy_timeout_ms = 100;
  auto hasty = *Database::Open(options);
  EXPECT_EQ(hasty.Execute("SELECT pg_sleep(60)").error().code, Code::kTimeout);
  EXPECT_TRUE(hasty.Ping());
  ASSERT_TRUE(db.Transaction([&]() -> Result<void> {
    TRY_VOID(db.Execute("UPDATE t SET a = 2"));
    const auto waited = hasty.Execute("UPDATE t SET a = 3");
    EXPECT_EQ(waited.error().code, Code::kUnavailable) << waited.error().ToString();
    return {};
  }));
  EXPECT_TRUE(hasty.Execute("UPDATE t SET a = 3"));
}

// Another node migrates while this one has statements prepared.
TEST_F(PostgresqlTest, TablesThatChangeUnderPreparedStatements) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)"));
  auto query = *db.Prepare("SELECT * FROM t");
  ASSERT_TRUE(*query.Step());
  query.Reset();
  ASSERT_TRUE(Open().Execute("ALTER TABLE t ADD COLUMN b BIGINT DEFAULT 7"));
  const auto row = query.Step();
  ASSERT_TRUE(row) << row.error().ToString();
  EXPECT_EQ(query.columns(), 2);
  EXPECT_EQ(query.Integer(1), 7);
}

TEST_F(PostgresqlTest, PreparedStatementsAreBounded) {
  auto options = Options();
  options.max_prepared = 3;
  auto db = *Database::Open(options);
  auto kept = *db.Prepare("SELECT 42");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Number(db, "SELECT " + std::to_string(i)), i);
  EXPECT_LE(Number(db, "SELECT count(*) FROM pg_prepared_statements"), 4);
  ASSERT_TRUE(*kept.Step());
  EXPECT_EQ(kept.Integer(0), 42);
}

TEST_F(PostgresqlTest, TextThatItCannotHoldIsInvalid) {
  auto db = Open();
  ASSERT_TRUE(db.Execute("CREATE TABLE t (a TEXT)"));
  auto insert = *db.Prepare("INSERT INTO t VALUES (?1)");
  EXPECT_EQ(insert.Bind(1, std::string("a\0b", 3)).Run().error().code, Code::kInvalid);
  EXPECT_EQ(insert.Bind(1, "\xff").Run().error().code, Code::kInvalid);
  EXPECT_TRUE(insert.Bind(1, "fine").Run());
  EXPECT_EQ(Number(db, "SELECT count(*) FROM t"), 1);
}

TEST_F(PostgresqlTest, UrlsWithAPasswordAreRefusedAndNotRepeated) {
  for (const char* url : {"postgresql://me:hunter2@db/x", "postgresql://db/x?password=hunter2",
                          "postgresql://me:hunter2@[db/x", "postgresql://db/x?hunter2"}) {
    const auto refused = Database::Open({.path = url});
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code, Code::kInvalid) << url;
    EXPECT_THAT(refused.error().ToString(), Not(HasSubstr("hunter2"))) << url;
  }
}

TEST_F(PostgresqlTest, NobodyThereIsUnavailableSoon) {
  OpenOptions options;
  options.connect_timeout_ms = 2000;
  for (const char* url : {"postgresql://127.0.0.1:1/x", "postgresql:///x?host=/nowhere"}) {
    options.path = url;
    EXPECT_EQ(Database::Open(options).error().code, Code::kUnavailable) << url;
  }
}

// A statement that outlives its database still has the connection.
TEST_F(PostgresqlTest, StatementsMayOutliveTheDatabase) {
  std::optional<Database> db(Open());
  std::optional<Statement> query(*db->Prepare("SELECT 1"));
  db.reset();
  EXPECT_TRUE(*query->Step());
}

}  // namespace
}  // namespace mailreeve::sql
