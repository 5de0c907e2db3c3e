#pragma once

#include "sql/database.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// An empty database for each test, in SQLite or in PostgreSQL. For tests only.
//
// A folder whose CMakeLists.txt says BOTH_DATABASES has its tests run twice, the second time with
// MAILREEVE_TEST_DATABASE=postgresql, and a TestDatabase is of the kind that the run is for. The
// PostgreSQL server is a private one: a Unix socket in a folder of its own, started at the first
// need, stopped when the process ends; each TestDatabase is a schema in it.
//
//   sql::TestDatabase place;
//   auto db = *sql::Database::Open(place.options());
namespace mailreeve::sql {

class TestPostgresql {
 public:
  static TestPostgresql& Get() {
    static TestPostgresql server;
    return server;
  }
  TestPostgresql(const TestPostgresql&) = delete;
  ~TestPostgresql() {
    Stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // An empty one.
  std::string MakeSchema() {
    static std::atomic<int> count{0};
    const std::string name = "test_" + std::to_string(++count);
    auto db = Database::Open({.path = Url("public")});
    EXPECT_TRUE(db) << db.error().ToString() << Log();
    if (db) {
      const auto made = db->Execute("CREATE SCHEMA " + name);
      EXPECT_TRUE(made) << made.error().ToString();
    }
    return name;
  }
  std::string Url(const std::string& schema) const {
    return "postgresql:///postgres?host=" + folder_ +
           "&user=mailreeve_test&options=-csearch_path%3D" + schema;
  }

  void Restart() {
    Stop();
    Start();
  }
  // At once, as after a crash: connections break.
  void Stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGQUIT);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
  }
  void Start() {
    pid_ = Spawn({Program("postgres"), "-D", folder_ + "/data", "-k", folder_, "-c",
                  "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off", "-c",
                  "shared_buffers=16MB", "-c", "max_connections=60", "-c", "autovacuum=off", "-c",
                  "log_min_messages=fatal"});
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      if (Database::Open({.path = Url("public")})) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "PostgreSQL does not start: " << Log();
  }

 private:
  TestPostgresql() {
    // Short: a socket's path has at most 107 bytes.
    char name[] = "/tmp/mailreeve-pg-XXXXXX";
    folder_ = ::mkdtemp(name);
    if (::geteuid() == 0) {
      // PostgreSQL refuses to run as root.
      for (const char* user : {"postgres", "nobody"}) {
        if (const passwd* entry = ::getpwnam(user)) {
          user_ = entry->pw_uid;
          group_ = entry->pw_gid;
          break;
        }
      }
      EXPECT_EQ(::chown(folder_.c_str(), user_, group_), 0);
    }
    int status = 1;
    const pid_t init =
        Spawn({Program("initdb"), "-D", folder_ + "/data", "-U", "mailreeve_test", "-A", "trust",
               "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"});
    ::waitpid(init, &status, 0);
    EXPECT_EQ(status, 0) << Log();
    Start();
  }

  static std::string Program(const std::string& name) {
    std::string found = "/usr/bin/" + name;
    std::error_code ignored;
    for (const auto& version :
         std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      if (std::filesystem::exists(version.path() / "bin" / name))
        found = version.path() / "bin" / name;
    }
    EXPECT_TRUE(std::filesystem::exists(found)) << "tools/setup test installs PostgreSQL";
    return found;
  }

  pid_t Spawn(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const std::string log = folder_ + "/log";
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    if (user_ != 0 &&
        (::setgroups(0, nullptr) != 0 || ::setgid(group_) != 0 || ::setuid(user_) != 0))
      ::_exit(126);
    // The server must not outlive a test that crashes.
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out >= 0) {
      ::dup2(out, STDOUT_FILENO);
      ::dup2(out, STDERR_FILENO);
    }
    (void)::chdir("/");
    ::execv(arguments.front(), arguments.data());
    ::_exit(127);
  }

  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/log").rdbuf();
    return "\n" + text.str();
  }

  std::string folder_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t pid_ = 0;
};

inline Dialect DialectOfThisRun() {
  const char* wanted = std::getenv("MAILREEVE_TEST_DATABASE");
  return wanted != nullptr && std::string_view(wanted) == "postgresql" ? Dialect::kPostgresql
                                                                       : Dialect::kSqlite;
}

class TestDatabase {
 public:
  explicit TestDatabase(Dialect dialect = DialectOfThisRun()) : dialect_(dialect) {
    if (dialect == Dialect::kPostgresql) {
      path_ = TestPostgresql::Get().Url(TestPostgresql::Get().MakeSchema());
      return;
    }
    char name[] = "/tmp/mailreeve-db-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/state.db";
  }
  TestDatabase(const TestDatabase&) = delete;
  ~TestDatabase() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  Dialect dialect() const { return dialect_; }
  // For OpenOptions::path and for the setting storage.url.
  const std::string& path() const { return path_; }
  OpenOptions options() const { return {.path = path_}; }
  // Every value of every table, for tests that look for what must not be there.
  std::string Contents() const {
    auto db = *Database::Open(options());
    auto tables =
        *db.Prepare(dialect_ == Dialect::kSqlite
                        ? "SELECT name FROM sqlite_master WHERE type = 'table'"
                        : "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()");
    std::string out;
    while (*tables.Step()) {
      auto rows = *db.Prepare("SELECT * FROM " + tables.Text(0));
      while (*rows.Step()) {
        for (int i = 0; i < rows.columns(); ++i) out += rows.Bytes(i) + "\n";
      }
    }
    return out;
  }

 private:
  const Dialect dialect_;
  std::string folder_, path_;
};

}  // namespace mailreeve::sql
