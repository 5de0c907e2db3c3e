#include "sql/dollar.h"

#include <algorithm>

namespace mailreeve::sql {

Result<DollarSql> WithDollars(std::string_view sql) {
  constexpr int kMost = 65535;  // the protocol's
  DollarSql out;
  out.sql.reserve(sql.size() + 8);
  // Copies up to and with the next `end`, from `i` on.
  const auto copy_to = [&](size_t i, std::string_view end) {
    const size_t found = sql.find(end, i);
    const size_t next = found == std::string_view::npos ? sql.size() : found + end.size();
    out.sql.append(sql.substr(i, next - i));
    return next;
  };
  for (size_t i = 0; i < sql.size();) {
    const char c = sql[i];
    if (c == '\'' || c == '"') {
      // A doubled quote ends one quotation and begins the next: nothing special.
      out.sql += c;
      i = copy_to(i + 1, sql.substr(i, 1));
    } else if (sql.substr(i).starts_with("--")) {
      i = copy_to(i, "\n");
    } else if (sql.substr(i).starts_with("/*")) {
      i = copy_to(i, "*/");
    } else if (c == '?') {
      int number = 0;
      size_t end = i + 1;
      while (end < sql.size() && sql[end] >= '0' && sql[end] <= '9' && number <= kMost)
        number = number * 10 + (sql[end++] - '0');
      // Without a number: the next one, as SQLite counts.
      if (end == i + 1) number = out.parameters + 1;
      if (number < 1 || number > kMost)
        return Fail(Code::kInternal, "SQL: a parameter is written ?1 to ?65535, or ?");
      out.sql += '$';
      out.sql += std::to_string(number);
      out.parameters = std::max(out.parameters, number);
      i = end;
    } else {
      out.sql += c;
      ++i;
    }
  }
  return out;
}

}  // namespace mailreeve::sql
