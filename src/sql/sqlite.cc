#include "sql/backend.h"

#include <sqlite3.h>

#include <utility>

namespace mailreeve::sql {
namespace {

Error FromSqlite(sqlite3* db, int result, std::string_view doing) {
  Code code = Code::kInternal;
  switch (result & 0xff) {
    case SQLITE_CONSTRAINT:
      code = Code::kConflict;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      code = Code::kUnavailable;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      code = Code::kCorrupt;
      break;
    default:
      break;
  }
  return Error(code, std::string(doing) + ": " +
                         (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(result)));
}

class SqliteStatement final : public StatementBackend {
 public:
  SqliteStatement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  SqliteStatement(const SqliteStatement&) = delete;
  ~SqliteStatement() override { sqlite3_finalize(statement_); }

  void BindInteger(int index, int64_t value) override {
    Note(sqlite3_bind_int64(statement_, index, value));
  }
  void BindText(int index, std::string_view text) override {
    Note(sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(), text.size(),
                             SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  void BindBytes(int index, std::string_view bytes) override {
    Note(sqlite3_bind_blob64(statement_, index, bytes.empty() ? "" : bytes.data(), bytes.size(),
                             SQLITE_TRANSIENT));
  }
  void BindNull(int index) override { Note(sqlite3_bind_null(statement_, index)); }

  Result<bool> Step() override {
    if (bind_error_ != SQLITE_OK) {
      const int r = std::exchange(bind_error_, SQLITE_OK);
      Reset();
      return Fail(FromSqlite(nullptr, r, "SQL parameter"));
    }
    const int r = sqlite3_step(statement_);
    if (r == SQLITE_ROW) return true;
    if (r == SQLITE_DONE) {
      Reset();
      return false;
    }
    Error error = FromSqlite(db_, r, "SQL");
    Reset();
    return Fail(std::move(error));
  }
  int64_t Changed() const override { return sqlite3_changes64(db_); }
  void Reset() override {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  int Columns() const override { return sqlite3_column_count(statement_); }
  int64_t Integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  std::string Bytes(int column) const override {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr
               ? std::string()
               : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
  }
  bool IsNull(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  Value ValueOf(int column) const override {
    switch (sqlite3_column_type(statement_, column)) {
      case SQLITE_NULL:
        return std::monostate();
      case SQLITE_INTEGER:
        return Integer(column);
      case SQLITE_BLOB:
        return Blob{Bytes(column)};
      default:
        return Bytes(column);
    }
  }

 private:
  void Note(int result) {
    if (result != SQLITE_OK) bind_error_ = result;
  }
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int bind_error_ = SQLITE_OK;
};

class SqliteDatabase final : public DatabaseBackend {
 public:
  explicit SqliteDatabase(sqlite3* db) : db_(db) {}
  SqliteDatabase(const SqliteDatabase&) = delete;
  // Statements that are still there keep it until they go.
  ~SqliteDatabase() override { sqlite3_close_v2(db_); }

  Dialect dialect() const override { return Dialect::kSqlite; }

  Result<std::unique_ptr<StatementBackend>> Prepare(std::string_view sql) override {
    sqlite3_stmt* statement = nullptr;
    const int r =
        sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    if (r != SQLITE_OK) return Fail(FromSqlite(db_, r, "SQL"));
    return std::make_unique<SqliteStatement>(db_, statement);
  }

  Result<void> Execute(std::string_view sql) override {
    const std::string text(sql);
    const int r = sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr);
    if (r != SQLITE_OK) return Fail(FromSqlite(db_, r, "SQL"));
    return {};
  }

  Result<void> BeginTransaction(Begin kind) override {
    return Execute(kind == Begin::kSnapshot ? "BEGIN" : "BEGIN IMMEDIATE");
  }
  Result<void> Commit() override {
    Result<void> done = Execute("COMMIT");
    if (!done) Rollback();
    return done;
  }
  void Rollback() override { (void)Execute("ROLLBACK"); }
  // A writer waits for its turn at BEGIN, so it never meets another one.
  bool CanRunAgain() const override { return false; }

 private:
  sqlite3* db_;
};

}  // namespace

Result<std::unique_ptr<DatabaseBackend>> OpenSqlite(const OpenOptions& options,
                                                    const std::string& path) {
  sqlite3* db = nullptr;
  const int flags =
      (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int r = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  auto opened = std::make_unique<SqliteDatabase>(db);
  if (r != SQLITE_OK) return Fail(FromSqlite(db, r, "cannot open database '" + path + "'"));
  sqlite3_busy_timeout(db, options.busy_timeout_ms);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (!options.read_only) TRY_VOID(opened->Execute("PRAGMA journal_mode=WAL"));
  TRY_VOID(opened->Execute(options.synchronous_full ? "PRAGMA synchronous=FULL"
                                                    : "PRAGMA synchronous=NORMAL"));
  TRY_VOID(opened->Execute("PRAGMA foreign_keys=ON"));
  return opened;
}

}  // namespace mailreeve::sql
