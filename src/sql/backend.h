#pragma once

#include "base/result.h"
#include "sql/database.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

// What a database engine does behind sql::Database and sql::Statement; private to this folder.
// Threads, errors: database.h.
namespace mailreeve::sql {

class StatementBackend {
 public:
  virtual ~StatementBackend() = default;
  virtual void BindInteger(int index, int64_t value) = 0;
  virtual void BindText(int index, std::string_view text) = 0;
  virtual void BindBytes(int index, std::string_view bytes) = 0;
  virtual void BindNull(int index) = 0;
  virtual Result<bool> Step() = 0;
  // Rows changed by the statement that ran last.
  virtual int64_t Changed() const = 0;
  virtual void Reset() = 0;

  virtual int Columns() const = 0;
  virtual int64_t Integer(int column) const = 0;
  virtual std::string Bytes(int column) const = 0;
  virtual bool IsNull(int column) const = 0;
  virtual Value ValueOf(int column) const = 0;
};

enum class Begin {
  kWrite,      // alone, or as if alone
  kSnapshot,   // reads only, all of one moment
  kMigration,  // holds the migration lock, waits longer
};

class DatabaseBackend {
 public:
  virtual ~DatabaseBackend() = default;
  virtual Dialect dialect() const = 0;
  virtual Result<std::unique_ptr<StatementBackend>> Prepare(std::string_view sql) = 0;
  virtual Result<void> Execute(std::string_view sql) = 0;
  virtual Result<void> BeginTransaction(Begin kind) = 0;
  // Nothing is open after it, whatever it answers.
  virtual Result<void> Commit() = 0;
  virtual void Rollback() = 0;
  // True: the transaction that ended failed only because of another one at the same time.
  virtual bool CanRunAgain() const = 0;
};

Result<std::unique_ptr<DatabaseBackend>> OpenSqlite(const OpenOptions& options,
                                                    const std::string& path);
Result<std::unique_ptr<DatabaseBackend>> OpenPostgresql(const OpenOptions& options);

}  // namespace mailreeve::sql
