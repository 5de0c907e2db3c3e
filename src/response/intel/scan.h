#pragma once

#include "response/intel/search.h"

#include <functional>

// The documents that fit a selection and may be seen, one after another.
//
// Threads: one at a time, as the tables. Ownership: borrows the tables.
namespace mailreeve::response::intel {

class Scan {
 public:
  static Result<Scan> Make(Tables& tables, const Selection& selection, const Asker& asker,
                           Visibility visibility);

  // Whether the SQL alone decides.
  bool exact() const { return exact_; }
  // " FROM intel_document d WHERE …" and its values.
  const SqlText& sql() const { return sql_; }
  // REQUIRES: exact().
  Result<int64_t> Count();
  // In order of number, from after number `after` on, until `visit` answers false. kLimited when
  // more than limits.max_examined would be read.
  Result<void> ForEach(const SearchLimits& limits, const std::function<bool(Record&)>& visit,
                       int64_t after = 0);
  // In the given order. False: the limit ended it before the last. `sql` is sql() with the values
  // of `where` put in.
  Result<bool> ForEachInOrder(const SqlText& sql, const std::string& where,
                              const std::string& order, const SearchLimits& limits,
                              const std::function<void(Record&)>& visit);

 private:
  explicit Scan(Tables& tables) : tables_(tables) {}
  bool Fits(const Record& record) const;

  Tables& tables_;
  std::optional<intel_query::Node> whole_;  // query and filters together
  std::vector<std::string> searched_;
  SqlText sql_;
  bool exact_ = true;
};

}  // namespace mailreeve::response::intel
