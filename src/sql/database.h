#pragma once

#include "base/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

// A small face on SQLite: prepared statements, transactions, forward-only migrations. Queries are
// written in the SQL that PostgreSQL shares (no rowid tricks; `ON CONFLICT`, `RETURNING` and `?1`
// parameters only), so that it can follow.
//
// Threads: one Database belongs to one thread at a time; open one per thread on the same file
// (WAL). Errors: kConflict for unique and foreign keys, kUnavailable for a busy or full disk,
// kCorrupt for a damaged file, kInternal for wrong SQL.
//
//   TRY(auto db, sql::Database::Open({.path = "state.db"}));
//   TRY(auto insert, db.Prepare("INSERT INTO user (id, name) VALUES (?1, ?2)"));
//   TRY_VOID(insert.Bind(1, id).Bind(2, name).Run());
namespace mailreeve::sql {

// Text that is bytes: stored as BLOB.
struct Blob {
  std::string bytes;
};

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  ~Statement();

  // Parameters count from 1. A bad index shows as kInternal from Run or Step.
  Statement& Bind(int index, int64_t value);
  Statement& Bind(int index, std::string_view text);
  Statement& Bind(int index, const std::string& text) {
    return Bind(index, std::string_view(text));
  }
  Statement& Bind(int index, const char* text) { return Bind(index, std::string_view(text)); }
  Statement& Bind(int index, const Blob& blob);
  Statement& BindNull(int index);
  Statement& Bind(int index, const std::optional<std::string>& text);
  Statement& Bind(int index, const std::optional<int64_t>& value);

  // Runs to the end and resets; rows are dropped. Answers the number of rows changed.
  Result<int64_t> Run();
  // True: a row is there for the getters, until the next Step, Run or Reset. False: no more rows,
  // and reset.
  Result<bool> Step();
  void Reset();

  // Columns count from 0.
  int64_t Integer(int column) const;
  std::string Text(int column) const;
  std::string Bytes(int column) const;
  bool IsNull(int column) const;
  std::optional<std::string> OptionalText(int column) const;
  std::optional<int64_t> OptionalInteger(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  int bind_error_ = 0;
};

struct Migration {
  int version;            // 1, 2, 3, … without gaps
  std::string_view name;  // for the error text
  std::string_view sql;   // may hold several statements
};
// Those of schema/sql/<component>/NNNN_name.sql, built into the program, in order of version.
std::vector<Migration> MigrationsOf(std::string_view component);

struct OpenOptions {
  std::string path;  // a file, or ":memory:"
  // FULL: a committed transaction survives loss of power. The default for everything that
  // acknowledges.
  bool synchronous_full = true;
  int busy_timeout_ms = 5000;
  bool read_only = false;
};

class Database {
 public:
  static Result<Database> Open(const OpenOptions& options);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  Database(const Database&) = delete;
  ~Database();

  Result<Statement> Prepare(std::string_view sql);
  // Runs statements without parameters.
  Result<void> Execute(std::string_view sql);
  // Applies those of `component` that are newer than what the file has, each in a transaction of
  // its own. Components share a file without knowing each other. kConflict when the file is newer
  // than the program.
  Result<void> Migrate(std::string_view component, const std::vector<Migration>& migrations);

  // BEGIN IMMEDIATE … COMMIT around `work`, which returns a Result<void>; ROLLBACK on its error.
  template <class F>
  Result<void> Transaction(F work) {
    TRY_VOID(Execute("BEGIN IMMEDIATE"));
    Result<void> done = work();
    if (!done) {
      (void)Execute("ROLLBACK");
      return done;
    }
    if (auto committed = Execute("COMMIT"); !committed) {
      (void)Execute("ROLLBACK");
      return committed;
    }
    return {};
  }

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  sqlite3* db_ = nullptr;
};

}  // namespace mailreeve::sql
