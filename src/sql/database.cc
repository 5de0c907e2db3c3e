#include "sql/database.h"

#include "base/random.h"
#include "sql/backend.h"

#include <algorithm>
#include <thread>

namespace mailreeve::sql {
namespace {

// Rolls back when it goes before it was told that the transaction has ended: an exception.
class Open {
 public:
  explicit Open(DatabaseBackend& backend) : backend_(backend) {}
  Open(const Open&) = delete;
  ~Open() {
    if (!ended_) backend_.Rollback();
  }
  Result<void> End(Result<void> done) {
    ended_ = true;
    if (done) return backend_.Commit();
    backend_.Rollback();
    return done;
  }

 private:
  DatabaseBackend& backend_;
  bool ended_ = false;
};

Result<void> Within(DatabaseBackend& backend, Begin kind,
                    const std::function<Result<void>()>& work) {
  TRY_VOID(backend.BeginTransaction(kind));
  Open transaction(backend);
  return transaction.End(work());
}

}  // namespace

Statement::Statement(std::unique_ptr<StatementBackend> backend) : backend_(std::move(backend)) {}
Statement::Statement(Statement&& other) noexcept = default;
Statement& Statement::operator=(Statement&& other) noexcept = default;
Statement::~Statement() = default;

Statement& Statement::Bind(int index, int64_t value) {
  backend_->BindInteger(index, value);
  return *this;
}

Statement& Statement::Bind(int index, std::string_view text) {
  backend_->BindText(index, text);
  return *this;
}

Statement& Statement::Bind(int index, const Blob& blob) {
  backend_->BindBytes(index, blob.bytes);
  return *this;
}

Statement& Statement::BindNull(int index) {
  backend_->BindNull(index);
  return *this;
}

Statement& Statement::Bind(int index, const std::optional<std::string>& text) {
  return text ? Bind(index, std::string_view(*text)) : BindNull(index);
}

Statement& Statement::Bind(int index, const std::optional<int64_t>& value) {
  return value ? Bind(index, *value) : BindNull(index);
}

Statement& Statement::BindValue(int index, const Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return Bind(index, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return Bind(index, *text);
  if (const auto* blob = std::get_if<Blob>(&value)) return Bind(index, *blob);
  return BindNull(index);
}

Result<int64_t> Statement::Run() {
  while (true) {
    TRY(const bool row, Step());
    if (!row) return backend_->Changed();
  }
}

Result<bool> Statement::Step() { return backend_->Step(); }
void Statement::Reset() { backend_->Reset(); }
int Statement::columns() const { return backend_->Columns(); }
int64_t Statement::Integer(int column) const { return backend_->Integer(column); }
std::string Statement::Text(int column) const { return backend_->Bytes(column); }
std::string Statement::Bytes(int column) const { return backend_->Bytes(column); }
bool Statement::IsNull(int column) const { return backend_->IsNull(column); }
Value Statement::ValueOf(int column) const { return backend_->ValueOf(column); }

std::optional<std::string> Statement::OptionalText(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

std::optional<int64_t> Statement::OptionalInteger(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Integer(column);
}

bool IsPostgresqlUrl(std::string_view path) {
  return path.starts_with("postgresql://") || path.starts_with("postgres://");
}

Result<Database> Database::Open(const OpenOptions& options) {
  constexpr std::string_view kSqlite = "sqlite:";
  const std::string& path = options.path;
  if (IsPostgresqlUrl(path)) {
    TRY(auto backend, OpenPostgresql(options));
    return Database(std::move(backend), options.max_tries);
  }
  if (path.starts_with(kSqlite)) {
    TRY(auto backend, OpenSqlite(options, path.substr(kSqlite.size())));
    return Database(std::move(backend), 1);
  }
  if (path.find("://") != std::string::npos) {
    return Fail(Code::kInvalid,
                "a database is named by a file, 'sqlite:FILE' or 'postgresql://…', not by '" +
                    path.substr(0, path.find("://")) + "://…'");
  }
  TRY(auto backend, OpenSqlite(options, path));
  return Database(std::move(backend), 1);
}

Database::Database(std::unique_ptr<DatabaseBackend> backend, int max_tries)
    : backend_(std::move(backend)), max_tries_(max_tries) {}
Database::Database(Database&& other) noexcept = default;
Database& Database::operator=(Database&& other) noexcept = default;
Database::~Database() = default;

Dialect Database::dialect() const { return backend_->dialect(); }

Result<Statement> Database::Prepare(std::string_view sql) {
  TRY(auto statement, backend_->Prepare(sql));
  return Statement(std::move(statement));
}

Result<void> Database::Execute(std::string_view sql) { return backend_->Execute(sql); }

Result<void> Database::Ping() {
  TRY(auto query, Prepare("SELECT 1"));
  TRY_VOID(query.Step());
  return {};
}

Result<void> Database::Transaction(const std::function<Result<void>()>& work) {
  for (int tries = 1;; ++tries) {
    Result<void> done = Within(*backend_, Begin::kWrite, work);
    if (done || tries >= max_tries_ || !backend_->CanRunAgain()) return done;
    // Two that met must not meet again at once.
    const int most = 4 << std::min(tries, 8);
    const auto random = static_cast<unsigned char>(RandomBytes(1).front());
    std::this_thread::sleep_for(std::chrono::milliseconds(1 + random * most / 256));
  }
}

Result<void> Database::Snapshot(const std::function<Result<void>()>& work) {
  return Within(*backend_, Begin::kSnapshot, work);
}

Result<int64_t> Database::VersionOf(std::string_view component) {
  TRY(auto query,
      Prepare("SELECT coalesce(max(version), 0) FROM schema_version WHERE component = ?1"));
  TRY(const bool row, query.Bind(1, component).Step());
  return row ? query.Integer(0) : 0;
}

Result<void> Database::Migrate(std::string_view component,
                               const std::vector<Migration>& migrations) {
  TRY_VOID(Within(*backend_, Begin::kMigration, [&] {
    return Execute(
        "CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version INTEGER NOT "
        "NULL, PRIMARY KEY (component, version))");
  }));
  TRY(const int64_t have, VersionOf(component));
  const int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  if (have > newest) {
    return Fail(Code::kConflict, "the database has " + std::string(component) + " schema version " +
                                     std::to_string(have) + ", this program knows up to " +
                                     std::to_string(newest) + "; start a program at least as new");
  }
  for (const Migration& migration : migrations) {
    if (migration.version <= have) continue;
    auto done = Within(*backend_, Begin::kMigration, [&]() -> Result<void> {
      // Another program may have done it while this one waited for the lock.
      TRY(const int64_t now, VersionOf(component));
      if (now >= migration.version) return {};
      const bool own = dialect() == Dialect::kPostgresql && !migration.postgresql.empty();
      TRY_VOID(Execute(own ? migration.postgresql : migration.sql));
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
