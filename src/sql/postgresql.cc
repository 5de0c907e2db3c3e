#include "sql/backend.h"
#include "sql/dollar.h"
#include "sql/postgresql_connection.h"

#include <charconv>
#include <cstdlib>
#include <utility>

namespace mailreeve::sql {
namespace {

// Object identifiers of the types that are told apart, from PostgreSQL's catalogue pg_type.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// "\x0aff" as PostgreSQL prints BYTEA.
std::string FromHex(std::string_view text) {
  std::string out;
  if (!text.starts_with("\\x")) return out;
  out.reserve(text.size() / 2);
  for (size_t i = 2; i + 1 < text.size(); i += 2)
    out += static_cast<char>(HexDigit(text[i]) << 4 | HexDigit(text[i + 1]));
  return out;
}

class PgStatement final : public StatementBackend {
 public:
  PgStatement(std::shared_ptr<PgConnection> connection, DollarSql sql)
      : connection_(std::move(connection)),
        sql_(std::move(sql)),
        parameters_(static_cast<size_t>(sql_.parameters)) {}

  void BindInteger(int index, int64_t value) override {
    if (PgParameter* parameter = At(index)) *parameter = {std::to_string(value), false, false};
  }
  void BindText(int index, std::string_view text) override {
    PgParameter* parameter = At(index);
    if (parameter == nullptr) return;
    if (text.find('\0') != std::string_view::npos) {
      bind_error_ = Error(Code::kInvalid, "a text holds a NUL, which PostgreSQL cannot store");
      return;
    }
    *parameter = {std::string(text), false, false};
  }
  void BindBytes(int index, std::string_view bytes) override {
    if (PgParameter* parameter = At(index)) *parameter = {std::string(bytes), false, true};
  }
  void BindNull(int index) override {
    if (PgParameter* parameter = At(index)) *parameter = {};
  }

  Result<bool> Step() override {
    if (bind_error_) {
      Error error = *std::exchange(bind_error_, std::nullopt);
      Reset();
      return Fail(std::move(error));
    }
    if (!result_) {
      Result<PgResult> done = connection_->Run(sql_.sql, parameters_);
      if (!done) {
        Reset();
        return Fail(std::move(done).error());
      }
      result_ = *std::move(done);
      row_ = -1;
      const bool rows_only = std::string_view(PQcmdStatus(result_.get())).starts_with("SELECT");
      const std::string_view changed = rows_only ? "" : PQcmdTuples(result_.get());
      changed_ = 0;
      std::from_chars(changed.data(), changed.data() + changed.size(), changed_);
    }
    if (++row_ < PQntuples(result_.get())) return true;
    Reset();
    return false;
  }
  int64_t Changed() const override { return changed_; }
  void Reset() override {
    result_.reset();
    for (PgParameter& parameter : parameters_) parameter = {};
  }

  int Columns() const override { return result_ ? PQnfields(result_.get()) : 0; }
  int64_t Integer(int column) const override {
    if (IsNull(column)) return 0;
    const std::string_view text = Raw(column);
    if (PQftype(result_.get(), column) == kBool) return text == "t" ? 1 : 0;
    int64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }
  std::string Bytes(int column) const override {
    if (IsNull(column)) return {};
    if (PQftype(result_.get(), column) == kBytea) return FromHex(Raw(column));
    return std::string(Raw(column));
  }
  bool IsNull(int column) const override {
    return !Has(column) || PQgetisnull(result_.get(), row_, column) != 0;
  }
  Value ValueOf(int column) const override {
    if (IsNull(column)) return std::monostate();
    switch (PQftype(result_.get(), column)) {
      case kBool:
      case kInt2:
      case kInt4:
      case kInt8:
        return Integer(column);
      case kBytea:
        return Blob{Bytes(column)};
      default:
        return Bytes(column);
    }
  }

 private:
  PgParameter* At(int index) {
    if (index >= 1 && index <= sql_.parameters) return &parameters_[static_cast<size_t>(index - 1)];
    bind_error_ = Error(Code::kInternal,
                        "SQL parameter: the statement has none of number " + std::to_string(index));
    return nullptr;
  }
  bool Has(int column) const {
    return result_ && row_ >= 0 && row_ < PQntuples(result_.get()) && column >= 0 &&
           column < PQnfields(result_.get());
  }
  std::string_view Raw(int column) const {
    return {PQgetvalue(result_.get(), row_, column),
            static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }

  std::shared_ptr<PgConnection> connection_;
  DollarSql sql_;
  std::vector<PgParameter> parameters_;
  std::optional<Error> bind_error_;
  PgResult result_;
  int row_ = -1;
  int64_t changed_ = 0;
};

class PgDatabase final : public DatabaseBackend {
 public:
  explicit PgDatabase(std::shared_ptr<PgConnection> connection)
      : connection_(std::move(connection)) {}

  Dialect dialect() const override { return Dialect::kPostgresql; }
  Result<std::unique_ptr<StatementBackend>> Prepare(std::string_view sql) override {
    TRY(DollarSql dollars, WithDollars(sql));
    TRY_VOID(connection_->Prepared(dollars.sql));
    return std::make_unique<PgStatement>(connection_, std::move(dollars));
  }
  Result<void> Execute(std::string_view sql) override {
    TRY_VOID(connection_->RunText(std::string(sql)));
    return {};
  }
  Result<void> BeginTransaction(Begin kind) override { return connection_->Begin(kind); }
  Result<void> Commit() override { return connection_->Commit(); }
  void Rollback() override { connection_->Rollback(); }
  bool CanRunAgain() const override { return connection_->can_run_again(); }

 private:
  std::shared_ptr<PgConnection> connection_;
};

}  // namespace

Result<std::unique_ptr<DatabaseBackend>> OpenPostgresql(const OpenOptions& options) {
  TRY(auto connection, PgConnection::Make(options));
  TRY_VOID(connection->Ready());
  return std::make_unique<PgDatabase>(std::move(connection));
}

}  // namespace mailreeve::sql
