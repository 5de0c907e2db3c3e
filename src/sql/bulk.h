#pragma once

#include "sql/database.h"

#include <string>
#include <vector>

// Many rows into one table, some hundred with each statement: ten and more times as fast as one by
// one, most of all over a network.
//
// Threads: one at a time. Ownership: borrows the database. Errors: database.h. Use it inside a
// transaction: what was sent before an error is not taken back.
//
//   TRY_VOID(db.Transaction([&]() -> Result<void> {
//     sql::BulkInsert insert(db, "sighting", {"id", "time"}, "ON CONFLICT DO NOTHING");
//     for (const auto& s : sightings) TRY_VOID(insert.Add({s.id, ToEpochMicros(s.time)}));
//     TRY(const int64_t new_ones, insert.Finish());
//     …
namespace mailreeve::sql {

class BulkInsert {
 public:
  // Table, columns and `then` (what follows VALUES, as "ON CONFLICT …") are the program's own text.
  BulkInsert(Database& database, std::string table, std::vector<std::string> columns,
             std::string then = {});
  BulkInsert(const BulkInsert&) = delete;

  Result<void> Add(std::vector<Value> row);  // REQUIRES: as many values as columns
  // Sends what is left. Answers the rows changed by all.
  Result<int64_t> Finish();

 private:
  Result<void> Send();

  Database& database_;
  const std::string before_, then_;
  const size_t columns_, rows_at_once_;
  std::vector<Value> values_;
  size_t bytes_ = 0;
  int64_t changed_ = 0;
};

}  // namespace mailreeve::sql
