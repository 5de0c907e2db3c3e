#pragma once

#include "response/intel/rows.h"
#include "sql/database.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The tables of one store over one connection: documents whole, and what they are found by.
//
// Threads: one at a time, as the connection. Blocking. Ownership: owns the connection.
// Errors: sql/database.h; kConflict for an id that is there already.
//
//   TRY(Tables tables, Tables::Open(std::move(database), "intel_"));
//   TRY_VOID(tables.Transaction([&]() -> Result<void> {
//     tables.Add(MakeRecord("actor", document));
//     return tables.Flush();
//   }));
namespace mailreeve::response::intel {

struct Record {
  int64_t n = 0;  // number in the store; 0: not stored
  std::string type;
  json::object document;  // `id` in its short form
  json::object
      hidden;  // kept with it and never answered: intervals of an incident, a feed's secret
  // Of an importer; empty for what people and API clients write.
  std::string feed;
  int64_t generation = 0;
  std::string id() const;
};

// SQL and its values; Put answers "?N".
class SqlText {
 public:
  std::string text;
  std::string Put(sql::Value value) {
    values_.push_back(std::move(value));
    return "?" + std::to_string(values_.size());
  }
  const std::vector<sql::Value>& values() const { return values_; }

 private:
  std::vector<sql::Value> values_;
};

class Tables {
 public:
  // Makes the tables that are not there when `migrate`. `prefix` ("intel_", "global_intel_") begins
  // their names; without its end it is the component of schema/sql.
  static Result<Tables> Open(sql::Database database, std::string prefix, bool migrate);
  Tables(Tables&&) noexcept;
  Tables& operator=(Tables&&) noexcept;
  ~Tables();

  Result<void> Transaction(const std::function<Result<void>()>& work);
  Result<void> Snapshot(const std::function<Result<void>()>& work);
  // A part of a transaction that may fail without the rest.
  Result<void> Part(const std::function<Result<void>()>& work);

  // Writes are gathered and sent by Flush, or before the next read.
  void Add(Record record);
  // REQUIRES: `before` is as read in this transaction; `after` has the same id.
  Result<void> Replace(const Record& before, Record after);
  Result<void> Remove(const Record& record);
  Result<void> Flush();

  Result<std::optional<Record>> Get(std::string_view type, std::string_view id);
  // In any order; ids that are not there are left out.
  Result<std::vector<Record>> GetMany(std::string_view type, const std::vector<std::string>& ids);
  // In the order of `numbers`, each once.
  Result<std::vector<Record>> GetNumbers(std::span<const int64_t> numbers);
  // Ids of documents of `org` with that external id; those that are red are `login`'s own.
  Result<std::vector<std::string>> IdsByExternalId(std::string_view type, std::string_view org,
                                                   std::string_view login,
                                                   std::string_view external_id);

  // Statement of `text` with its values; names of tables are written with "intel_". The pointer is
  // good until the next call with the same text.
  Result<sql::Statement*> Query(const SqlText& sql);
  Result<sql::Statement*> Use(std::string_view text);
  // Column order of kRecordColumns from `column` on.
  static Result<Record> ReadRecord(const sql::Statement& row, int column);
  static constexpr std::string_view kRecordColumns =
      "d.n, d.kind, d.body, d.hidden, d.feed, d.generation";

  sql::Database& database() { return database_; }

 private:
  Tables(sql::Database database, std::string prefix);
  std::string Named(std::string_view text) const;
  Result<std::vector<Record>> GetBy(std::string_view column, const std::vector<sql::Value>& keys);
  Result<void> WriteRows(std::vector<std::pair<int64_t, Rows>>& rows,
                         const std::vector<std::string>& types);
  Result<void> RemoveRows(int64_t n, std::string_view type, const Rows& rows);

  sql::Database database_;
  std::string prefix_;
  std::map<std::string, sql::Statement, std::less<>> statements_;
  std::vector<Record> pending_;
};

}  // namespace mailreeve::response::intel
