#include "response/storage/backup.h"

#include "cli/line_file.h"
#include "response/storage/storage.h"
#include "sql/test_databases.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

namespace mailreeve::response::storage {
namespace {

using sql::Dialect;
using testing::HasSubstr;

std::vector<std::string> Components() {
  std::vector<std::string> out = sql::MigratedComponents();
  // The gateway's.
  std::erase(out, "users");
  std::erase(out, "remediation");
  return out;
}

// A database as a server with these versions would have it; 0: the newest.
void Fill(sql::Database& database, size_t newest = 0) {
  for (const std::string& component : Components()) {
    const auto all = sql::MigrationsOf(component);
    for (size_t version = 1; version <= all.size() && (newest == 0 || version <= newest);
         ++version) {
      const auto done = database.Migrate(
          component, {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(version)});
      ASSERT_TRUE(done) << done.error().ToString();
      char name[64];
      std::snprintf(name, sizeof name, "/samples/%04zu.sql", version);
      std::ostringstream sql;
      sql << std::ifstream(MAILREEVE_SOURCE_DIR "/schema/sql/" + component + name).rdbuf();
      const auto filled = database.Execute(sql.str());
      ASSERT_TRUE(filled) << component << filled.error().ToString();
    }
  }
}

std::vector<std::string> Sorted(const std::string& contents) {
  std::vector<std::string> lines;
  std::istringstream in(contents);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

class BackupTest : public testing::TestWithParam<std::tuple<Dialect, Dialect>> {
 protected:
  BackupTest() {
    char name[] = "/tmp/mailreeve-backup-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/backup.zst";
  }
  ~BackupTest() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> Lines() {
    std::vector<std::string> out;
    const auto reader = *cli::LineReader::Open(path_, std::cin, 1 << 20);
    while (const auto line = *reader->Next()) out.push_back(*line);
    return out;
  }
  void Write(const std::vector<std::string>& lines) {
    const auto writer = *cli::LineWriter::Open(path_, std::cout);
    for (const std::string& line : lines) EXPECT_TRUE(writer->Write(line + "\n"));
    EXPECT_TRUE(writer->Finish());
  }

  sql::TestDatabase from_{std::get<0>(GetParam())};
  sql::TestDatabase to_{std::get<1>(GetParam())};
  sql::Database source_ = *sql::Database::Open(from_.options());
  sql::Database target_ = *sql::Database::Open(to_.options());
  SystemClock clock_;
  BackupOptions options_{.program = "test", .keys_apart = {"token-key.pem"}};
  std::string folder_, path_;
};

INSTANTIATE_TEST_SUITE_P(Between, BackupTest,
                         testing::Combine(testing::Values(Dialect::kSqlite, Dialect::kPostgresql),
                                          testing::Values(Dialect::kSqlite, Dialect::kPostgresql)),
                         [](const testing::TestParamInfo<std::tuple<Dialect, Dialect>>& info) {
                           const auto name = [](Dialect d) {
                             return d == Dialect::kSqlite ? "Sqlite" : "Postgresql";
                           };
                           return std::string(name(std::get<0>(info.param))) + "To" +
                                  name(std::get<1>(info.param));
                         });

TEST_P(BackupTest, EverythingComesBack) {
  Fill(source_);
  // More than one piece of a cursor and of a bulk insert, and bytes that JSON does not have.
  ASSERT_TRUE(source_.Transaction([&]() -> Result<void> {
    auto insert =
        *source_.Prepare("INSERT INTO revocation (subject, revoked_until) VALUES (?1, ?2)");
    for (int64_t i = 0; i < 1300; ++i)
      TRY_VOID(insert.Bind(1, "s" + std::to_string(i)).Bind(2, i).Run());
    return {};
  }));
  ASSERT_TRUE(source_.Execute("UPDATE device SET name = 'na\"me \xe4\xb8\xad \\ \n'"));
  const auto saved = Backup(source_, path_, clock_, options_);
  ASSERT_TRUE(saved) << saved.error().ToString();
  EXPECT_GT(saved->rows, 1300u);
  EXPECT_EQ(saved->header.versions.size(), Components().size());
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0077, 0u);

  const auto back = Restore(target_, path_, options_);
  ASSERT_TRUE(back) << back.error().ToString();
  EXPECT_EQ(back->rows, saved->rows);
  EXPECT_EQ(back->tables, saved->tables);
  EXPECT_THAT(back->header.keys_apart, testing::ElementsAre("token-key.pem"));
  EXPECT_EQ(Sorted(to_.Contents()), Sorted(from_.Contents()));
  // References hold as ever.
  EXPECT_EQ(target_.Execute("DELETE FROM organisation").error().code, Code::kConflict);
}

TEST_P(BackupTest, OfAnOlderReleaseIsMigrated) {
  Fill(source_, 1);
  ASSERT_TRUE(Backup(source_, path_, clock_, options_));
  const auto back = Restore(target_, path_, options_);
  ASSERT_TRUE(back) << back.error().ToString();
  for (const std::string& component : Components()) {
    EXPECT_EQ(*target_.VersionOf(component), sql::MigrationsOf(component).back().version)
        << component;
  }
  EXPECT_THAT(to_.Contents(), HasSubstr("client client-0"));
}

TEST_P(BackupTest, OfANewerReleaseIsRefused) {
  Fill(source_);
  ASSERT_TRUE(Backup(source_, path_, clock_, options_));
  auto older = options_;
  older.migrations = [](const std::string& component) {
    auto all = sql::MigrationsOf(component);
    if (component == "identity") all.pop_back();
    return all;
  };
  const auto back = Restore(target_, path_, older);
  EXPECT_EQ(back.error().code, Code::kConflict);
  EXPECT_THAT(back.error().ToString(), HasSubstr("at least as new"));
}

TEST_P(BackupTest, WhatIsThereIsNotOverwrittenUnlessForced) {
  Fill(source_);
  ASSERT_TRUE(Backup(source_, path_, clock_, options_));
  Fill(target_);
  ASSERT_TRUE(
      target_.Execute("INSERT INTO revocation (subject, revoked_until) VALUES ('mine', 1)"));
  ASSERT_TRUE(target_.Execute("CREATE TABLE not_ours (a TEXT)"));
  ASSERT_TRUE(target_.Execute("INSERT INTO not_ours VALUES ('kept')"));
  EXPECT_EQ(Restore(target_, path_, options_).error().code, Code::kConflict);
  EXPECT_THAT(to_.Contents(), HasSubstr("mine"));
  options_.force = true;
  const auto back = Restore(target_, path_, options_);
  ASSERT_TRUE(back) << back.error().ToString();
  EXPECT_THAT(to_.Contents(), Not(HasSubstr("mine")));
  EXPECT_THAT(to_.Contents(), HasSubstr("kept"));
}

TEST_P(BackupTest, DamageIsSeenBeforeAnythingIsChanged) {
  Fill(source_);
  ASSERT_TRUE(Backup(source_, path_, clock_, options_));
  const std::vector<std::string> lines = Lines();
  const auto refused = [&](const std::string& what, Code code) {
    const auto back = Restore(target_, path_, options_);
    ASSERT_FALSE(back) << what;
    EXPECT_EQ(back.error().code, code) << what << ": " << back.error().ToString();
    EXPECT_EQ(to_.Contents(), "") << what;
  };
  const auto row = static_cast<size_t>(
      std::find_if(lines.begin(), lines.end(), [](const auto& l) { return l.front() == '['; }) -
      lines.begin());
  auto changed = lines;
  changed[row].insert(changed[row].find('"') + 1, "x");
  Write(changed);
  refused("a value changed", Code::kCorrupt);
  changed = lines;
  changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(row));
  Write(changed);
  refused("a row gone", Code::kCorrupt);
  changed = lines;
  changed.pop_back();
  Write(changed);
  refused("no end", Code::kCorrupt);
  changed = lines;
  changed.push_back(lines[row]);
  Write(changed);
  refused("more after the end", Code::kCorrupt);
  changed = lines;
  changed.erase(changed.begin());
  Write(changed);
  refused("no header", Code::kInvalid);
  std::ofstream(path_, std::ios::binary) << "not a backup";
  refused("no backup", Code::kInvalid);
  Write(lines);
  const auto size = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, size / 2);
  refused("cut off", Code::kCorrupt);
}

TEST(Archive, NamesAreWordsThatMayStandInSql) {
  for (const char* wrong :
       {R"({"table":"a; DROP TABLE b","columns":["x"]})", R"({"table":"a","columns":["x, y"]})",
        R"({"table":"a","columns":[]})", R"({"table":"","columns":["x"]})", R"([1.5])", R"([true])",
        R"([{"bytes":"?"}])", R"({"end":-1,"sha256":""})", R"({"else":1})", "1", "",
        R"({"format":"mailreeve-response-backup","version":2,"created":"2026-01-02T03:04:05Z"})"}) {
    EXPECT_FALSE(ReadLine(wrong)) << wrong;
  }
}

// Before there was one database, identity and exchange had a file each.
TEST(Storage, OlderFilesBecomeOne) {
  char name[] = "/tmp/mailreeve-storage-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const auto sample = [](const std::string& component) {
    std::ostringstream sql;
    sql << std::ifstream(MAILREEVE_SOURCE_DIR "/schema/sql/" + component + "/samples/0001.sql")
               .rdbuf();
    return sql.str();
  };
  for (const std::string component : {"identity", "exchange"}) {
    auto old = *sql::Database::Open({.path = folder + "/" + component + ".db"});
    ASSERT_TRUE(old.Migrate(component, {sql::MigrationsOf(component).front()}));
    ASSERT_TRUE(old.Execute(sample(component)));
  }
  for (int start = 0; start < 2; ++start) {
    const auto done = AdoptOlderFiles(folder);
    ASSERT_TRUE(done) << done.error().ToString();
    EXPECT_FALSE(std::filesystem::exists(folder + "/identity.db"));
    EXPECT_FALSE(std::filesystem::exists(folder + "/exchange.db"));
    auto db = *sql::Database::Open({.path = folder + "/response.db"});
    for (const std::string component : {"identity", "exchange"})
      EXPECT_TRUE(db.Migrate(component, sql::MigrationsOf(component)));
    auto count = *db.Prepare(
        "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM device), "
        "(SELECT count(*) FROM device_certificate), (SELECT count(*) FROM registration_token)");
    ASSERT_TRUE(*count.Step());
    for (int i = 0; i < 4; ++i) EXPECT_EQ(count.Integer(i), 1) << i;
  }
  std::filesystem::remove_all(folder);
}

TEST(Storage, PlaceAndSettings) {
  char name[] = "/tmp/mailreeve-storage-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const auto snapshot = *settings::LoadSnapshot("", "response");
  Place place{.state_folder = folder};
  EXPECT_EQ(DatabaseOptions(place, *snapshot)->path, folder + "/response.db");
  place.password_file = folder + "/password";
  std::ofstream(place.password_file) << "hunter2\n";
  ::chmod(place.password_file.c_str(), 0600);
  EXPECT_EQ(DatabaseOptions(place, *snapshot).error().code, Code::kInvalid);
  place.url = "postgresql://db/mailreeve";
  EXPECT_EQ(DatabaseOptions(place, *snapshot)->password.Reveal(), "hunter2");
  EXPECT_EQ(DatabaseOptions(place, *snapshot)->path, place.url);
  ::chmod(place.password_file.c_str(), 0644);
  EXPECT_EQ(DatabaseOptions(place, *snapshot).error().code, Code::kDenied);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mailreeve::response::storage
