#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

// The parameters of a statement as PostgreSQL writes them. Pure; thread-safe.
namespace mailreeve::sql {

struct DollarSql {
  std::string sql;
  int parameters = 0;  // the highest number
};
// `?1` becomes `$1`, but not in quotes and comments; a `?` without a number has the next one.
// kInternal for a number above 65535.
Result<DollarSql> WithDollars(std::string_view sql);

}  // namespace mailreeve::sql
