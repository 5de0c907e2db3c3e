#include "sql/database.h"

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

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(statement_, other.statement_);
  std::swap(bind_error_, other.bind_error_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::Bind(int index, int64_t value) {
  if (const int r = sqlite3_bind_int64(statement_, index, value); r != SQLITE_OK) bind_error_ = r;
  return *this;
}

Statement& Statement::Bind(int index, std::string_view text) {
  const int r = sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(), text.size(),
                                    SQLITE_TRANSIENT, SQLITE_UTF8);
  if (r != SQLITE_OK) bind_error_ = r;
  return *this;
}

Statement& Statement::Bind(int index, const Blob& blob) {
  const int r = sqlite3_bind_blob64(statement_, index, blob.bytes.empty() ? "" : blob.bytes.data(),
                                    blob.bytes.size(), SQLITE_TRANSIENT);
  if (r != SQLITE_OK) bind_error_ = r;
  return *this;
}

Statement& Statement::BindNull(int index) {
  if (const int r = sqlite3_bind_null(statement_, index); r != SQLITE_OK) bind_error_ = r;
  return *this;
}

Statement& Statement::Bind(int index, const std::optional<std::string>& text) {
  return text ? Bind(index, std::string_view(*text)) : BindNull(index);
}

Statement& Statement::Bind(int index, const std::optional<int64_t>& value) {
  return value ? Bind(index, *value) : BindNull(index);
}

Result<bool> Statement::Step() {
  if (bind_error_ != 0) {
    const int r = std::exchange(bind_error_, 0);
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

Result<int64_t> Statement::Run() {
  while (true) {
    TRY(const bool row, Step());
    if (!row) return static_cast<int64_t>(sqlite3_changes64(db_));
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t Statement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::Text(int column) const { return Bytes(column); }

std::string Statement::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::optional<std::string> Statement::OptionalText(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

std::optional<int64_t> Statement::OptionalInteger(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Integer(column);
}

Result<Database> Database::Open(const OpenOptions& options) {
  sqlite3* db = nullptr;
  const int flags =
      (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int r = sqlite3_open_v2(options.path.c_str(), &db, flags, nullptr);
  Database opened(db);
  if (r != SQLITE_OK) return Fail(FromSqlite(db, r, "cannot open database '" + options.path + "'"));
  sqlite3_busy_timeout(db, options.busy_timeout_ms);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (!options.read_only) TRY_VOID(opened.Execute("PRAGMA journal_mode=WAL"));
  TRY_VOID(opened.Execute(options.synchronous_full ? "PRAGMA synchronous=FULL"
                                                   : "PRAGMA synchronous=NORMAL"));
  TRY_VOID(opened.Execute("PRAGMA foreign_keys=ON"));
  return opened;
}

Database::Database(Database&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_);
  return *this;
}

Database::~Database() { sqlite3_close_v2(db_); }

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int r =
      sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (r != SQLITE_OK) return Fail(FromSqlite(db_, r, "SQL"));
  return Statement(db_, statement);
}

Result<void> Database::Execute(std::string_view sql) {
  const std::string text(sql);
  const int r = sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr);
  if (r != SQLITE_OK) return Fail(FromSqlite(db_, r, "SQL"));
  return {};
}

Result<void> Database::Migrate(std::string_view component,
                               const std::vector<Migration>& migrations) {
  TRY_VOID(
      Execute("CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version INTEGER "
              "NOT NULL, "
              "PRIMARY KEY (component, version))"));
  int64_t have = 0;
  {
    TRY(auto query,
        Prepare("SELECT coalesce(max(version), 0) FROM schema_version WHERE component = ?1"));
    TRY(const bool row, query.Bind(1, component).Step());
    if (row) have = query.Integer(0);
  }
  const int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  if (have > newest) {
    return Fail(Code::kConflict, "the database has " + std::string(component) + " schema version " +
                                     std::to_string(have) + ", this program knows up to " +
                                     std::to_string(newest) + "; start a program at least as new");
  }
  for (const Migration& migration : migrations) {
    if (migration.version <= have) continue;
    auto done = Transaction([&]() -> Result<void> {
      TRY_VOID(Execute(migration.sql));
      TRY(auto insert, Prepare("INSERT INTO schema_version (component, version) VALUES (?1, ?2)"));
      TRY_VOID(insert.Bind(1, component).Bind(2, static_cast<int64_t>(migration.version)).Run());
      return {};
    });
    if (!done) {
      return Fail(std::move(done).error().Note("migration " + std::to_string(migration.version) +
                                               " " + std::string(migration.name)));
    }
  }
  return {};
}

}  // namespace mailreeve::sql
