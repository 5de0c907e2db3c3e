#include "sql/test_databases.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

// Every release's database becomes today's without losing a row. A migration's rows are in
// schema/sql/<component>/samples/NNNN.sql: what the release with that version would have stored in
// the tables that the version made or changed.
namespace mailreeve::sql {
namespace {

// Only the gateway's, which has no PostgreSQL.
bool OnSqliteOnly(const std::string& component) {
  return component == "users" || component == "remediation";
}

class MigrationsTest : public testing::TestWithParam<std::tuple<std::string, Dialect>> {
 protected:
  static std::string Sample(const std::string& component, int version) {
    char name[32];
    std::snprintf(name, sizeof name, "/samples/%04d.sql", version);
    std::ostringstream text;
    text << std::ifstream(MAILREEVE_SOURCE_DIR "/schema/sql/" + component + name).rdbuf();
    return text.str();
  }
  static std::vector<std::string> TablesOf(Database& db) {
    auto query = *db.Prepare(
        db.dialect() == Dialect::kSqlite
            ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            : "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()");
    std::vector<std::string> out;
    while (*query.Step())
      if (query.Text(0) != "schema_version") out.push_back(query.Text(0));
    return out;
  }
  static std::map<std::string, int64_t> Counts(Database& db) {
    std::map<std::string, int64_t> out;
    for (const std::string& table : TablesOf(db)) {
      auto query = *db.Prepare("SELECT count(*) FROM " + table);
      EXPECT_TRUE(*query.Step());
      out[table] = query.Integer(0);
    }
    return out;
  }
};

INSTANTIATE_TEST_SUITE_P(Of, MigrationsTest,
                         testing::Combine(testing::ValuesIn(MigratedComponents()),
                                          testing::Values(Dialect::kSqlite, Dialect::kPostgresql)),
                         [](const testing::TestParamInfo<std::tuple<std::string, Dialect>>& info) {
                           return std::get<0>(info.param) +
                                  (std::get<1>(info.param) == Dialect::kSqlite ? "OnSqlite"
                                                                               : "OnPostgresql");
                         });

TEST_P(MigrationsTest, FromEachReleasedVersion) {
  const auto& [component, dialect] = GetParam();
  if (dialect == Dialect::kPostgresql && OnSqliteOnly(component)) return;
  const std::vector<Migration> all = MigrationsOf(component);
  ASSERT_FALSE(all.empty());
  ASSERT_FALSE(Sample(component, 1).empty())
      << "schema/sql/" << component << "/samples/0001.sql is missing: a row for each table";
  for (size_t released = 1; released <= all.size(); ++released) {
    SCOPED_TRACE(component + " from version " + std::to_string(released));
    TestDatabase place(dialect);
    auto db = *Database::Open(place.options());
    for (size_t version = 1; version <= released; ++version) {
      EXPECT_EQ(all[version - 1].version, static_cast<int>(version));
      const auto applied =
          db.Migrate(component, {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(version)});
      ASSERT_TRUE(applied) << applied.error().ToString();
      const auto filled = db.Execute(Sample(component, static_cast<int>(version)));
      ASSERT_TRUE(filled) << filled.error().ToString();
    }
    const auto before = Counts(db);
    for (const auto& [table, count] : before)
      EXPECT_GT(count, 0) << "the samples have no row for " << table;
    const auto applied = db.Migrate(component, all);
    ASSERT_TRUE(applied) << applied.error().ToString();
    const auto after = Counts(db);
    for (const auto& [table, count] : before) {
      const auto found = after.find(table);
      if (found != after.end()) EXPECT_GE(found->second, count) << table;
    }
    EXPECT_EQ(*db.VersionOf(component), all.back().version);
    // And again, as every start does.
    EXPECT_TRUE(db.Migrate(component, all));
  }
}

// All components share one database.
TEST(Migrations, OfAllComponentsTogether) {
  for (const Dialect dialect : {Dialect::kSqlite, Dialect::kPostgresql}) {
    TestDatabase place(dialect);
    auto db = *Database::Open(place.options());
    for (const std::string& component : MigratedComponents()) {
      if (dialect == Dialect::kPostgresql && OnSqliteOnly(component)) continue;
      const auto applied = db.Migrate(component, MigrationsOf(component));
      EXPECT_TRUE(applied) << component << ": " << applied.error().ToString();
    }
  }
  EXPECT_TRUE(MigrationsOf("nothing").empty());
}

}  // namespace
}  // namespace mailreeve::sql
