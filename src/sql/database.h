#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// A small face on SQLite and PostgreSQL: prepared statements, transactions, forward-only
// migrations. Queries are written once, in the SQL that both share: `?1` parameters, `ON CONFLICT`,
// `RETURNING`; no rowid, no types but TEXT, BIGINT and BLOB (docs/storage.md).
//
// Threads: one Database belongs to one thread at a time; open one per thread. Blocking: never on an
// executor. Ownership: a Statement may outlive its Database; it then fails.
// Errors: kConflict for keys and checks, kUnavailable for a busy, full or unreachable database (a
// PostgreSQL connection that was lost is made anew at the next use outside a transaction), kTimeout
// for a statement that ran too long, kCorrupt for damage, kInvalid for text that the database
// cannot hold (PostgreSQL: no NUL, only UTF-8), kInternal for wrong SQL. After an error inside a
// transaction, give the transaction up: PostgreSQL accepts nothing more in it.
//
//   TRY(auto db, sql::Database::Open({.path = "state.db"}));
//   TRY(auto insert, db.Prepare("INSERT INTO user (id, name) VALUES (?1, ?2)"));
//   TRY_VOID(insert.Bind(1, id).Bind(2, name).Run());
namespace mailreeve::sql {

class DatabaseBackend;
class StatementBackend;

enum class Dialect { kSqlite, kPostgresql };

// Text that is bytes: stored as BLOB or BYTEA.
struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};
using Value = std::variant<std::monostate, int64_t, std::string, Blob>;

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  ~Statement();

  // Parameters count from 1. A bad index shows as kInternal from Run or Step. What is not bound is
  // NULL; after a run nothing is bound.
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
  Statement& BindValue(int index, const Value& value);

  // Runs to the end and resets; rows are dropped. Answers the number of rows changed.
  Result<int64_t> Run();
  // True: a row is there for the getters, until the next Step, Run or Reset. False: no more rows,
  // and reset. On PostgreSQL the first Step takes in all rows: bound them with LIMIT.
  Result<bool> Step();
  void Reset();

  // Columns count from 0.
  int columns() const;
  int64_t Integer(int column) const;
  std::string Text(int column) const;
  std::string Bytes(int column) const;
  bool IsNull(int column) const;
  std::optional<std::string> OptionalText(int column) const;
  std::optional<int64_t> OptionalInteger(int column) const;
  Value ValueOf(int column) const;

 private:
  friend class Database;
  explicit Statement(std::unique_ptr<StatementBackend> backend);
  std::unique_ptr<StatementBackend> backend_;
};

struct Migration {
  int version;                       // 1, 2, 3, … without gaps
  std::string_view name;             // for the error text
  std::string_view sql;              // may hold several statements
  std::string_view postgresql = {};  // instead of sql there; empty: sql serves both
};
// Those of schema/sql/<component>/NNNN_name.sql (and NNNN_name.postgresql.sql), built into the
// program, in order of version.
std::vector<Migration> MigrationsOf(std::string_view component);
// All components that have migrations.
std::vector<std::string> MigratedComponents();

struct OpenOptions {
  // A file, ":memory:", "sqlite:FILE" or "postgresql://USER@HOST/DATABASE?…" (libpq's URL, without
  // a password). To a host that is not this machine the certificate is verified unless the URL has
  // an sslmode of its own.
  std::string path;
  // PostgreSQL's; empty: from the environment or .pgpass, as libpq does.
  Secret password;

  // SQLite. FULL: a committed transaction survives loss of power. The default for everything that
  // acknowledges.
  bool synchronous_full = true;
  bool read_only = false;
  // How long to wait for a lock of another connection.
  int busy_timeout_ms = 5000;

  // PostgreSQL.
  int connect_timeout_ms = 5000;
  int statement_timeout_ms = 30000;
  int migration_timeout_ms = 600000;  // for a migration, and for another node to end its own
  int max_prepared = 256;             // statements kept prepared by a connection
  int max_tries = 5;                  // of a transaction that met another one
};

// True: `path` names a PostgreSQL database.
bool IsPostgresqlUrl(std::string_view path);

class Database {
 public:
  static Result<Database> Open(const OpenOptions& options);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  Database(const Database&) = delete;
  ~Database();

  Dialect dialect() const;
  Result<Statement> Prepare(std::string_view sql);
  // Runs statements without parameters.
  Result<void> Execute(std::string_view sql);
  // Asks the database for something small: is it there?
  Result<void> Ping();

  // Applies those of `component` that are newer than what the database has, each in a transaction
  // of its own, one program at a time. Components share a database without knowing each other.
  // kConflict when the database is newer than the program.
  Result<void> Migrate(std::string_view component, const std::vector<Migration>& migrations);
  // The version that `component` has in this database; 0: none.
  Result<int64_t> VersionOf(std::string_view component);

  // `work` between BEGIN and COMMIT; ROLLBACK on its error. As if nothing else ran at the same
  // time: SQLite's BEGIN IMMEDIATE, PostgreSQL's SERIALIZABLE. There `work` runs again (max_tries)
  // when it met another transaction, so it must have no effect outside the database but to set its
  // results anew. Audit entries are the exception: one of a try that was given up stays.
  Result<void> Transaction(const std::function<Result<void>()>& work);
  // The same for reading only: `work` sees the database of one moment. Runs once.
  Result<void> Snapshot(const std::function<Result<void>()>& work);

 private:
  Database(std::unique_ptr<DatabaseBackend> backend, int max_tries);
  std::unique_ptr<DatabaseBackend> backend_;
  int max_tries_ = 1;
};

}  // namespace mailreeve::sql
