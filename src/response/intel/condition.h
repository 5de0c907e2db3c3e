#pragma once

#include "response/intel/access.h"
#include "response/intel/tables.h"
#include "response/intel_query/query.h"

#include <string>
#include <string_view>
#include <vector>

// Queries in SQL, as far as the index can answer them.
//
// Threads: one at a time, as the tables. Errors: sql/database.h.
namespace mailreeve::response::intel {

struct Condition {
  std::string sql;    // about "d", a row of intel_document; empty: everything may fit
  bool exact = true;  // false: fits more than the query; the document must be looked at
};

// Puts values into `sql`. Asks the index how frequent a term is, since that decides how it is best
// looked for.
Result<Condition> Compile(Tables& tables, const std::string& type, const intel_query::Node& node,
                          bool default_fields, SqlText& sql);

// " AND (…)" about `alias`, a row of intel_document: what `asker` may see.
Result<std::string> VisibleTo(Tables& tables, const Asker& asker, Visibility visibility,
                              SqlText& sql, const std::string& alias = "d");

}  // namespace mailreeve::response::intel
