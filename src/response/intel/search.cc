#include "response/intel/search.h"

#include "base/time.h"
#include "response/intel/condition.h"
#include "response/intel/fields.h"
#include "response/intel/scan.h"
#include "response/intel_query/match.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::response::intel {
namespace {

using intel_query::Node;

// A value to sort by; what is missing comes last whatever the direction.
struct Key {
  enum Kind { kInteger, kNumber, kText, kMissing } kind = kMissing;
  int64_t integer = 0;
  double number = 0;
  std::string text;

  int Compare(const Key& other) const {
    if (kind != other.kind) return kind < other.kind ? -1 : 1;
    switch (kind) {
      case kInteger:
        return integer < other.integer ? -1 : integer > other.integer ? 1 : 0;
      case kNumber:
        return number < other.number ? -1 : number > other.number ? 1 : 0;
      case kText:
        return text.compare(other.text);
      case kMissing:
        return 0;
    }
    return 0;
  }
};

bool IsRanked(std::string_view field) { return field == "severity"; }

Key KeyOf(const json::object& document, const SortKey& sort) {
  Key best;
  const auto take = [&](Key key) {
    // Of several values the least (ascending) or the greatest.
    if (best.kind == Key::kMissing ||
        (sort.descending ? key.Compare(best) > 0 : key.Compare(best) < 0))
      best = std::move(key);
  };
  intel_query::ForEachValue(document, sort.field, [&](const json::value& value) {
    Key key;
    if (IsDateField(sort.field)) {
      if (!value.is_string()) return true;
      const Result<Time> time = ParseTime(value.get_string());
      if (!time) return true;
      key.kind = Key::kInteger;
      key.integer = ToEpochMillis(*time);
    } else if (IsRanked(sort.field) && value.is_string()) {
      key.kind = Key::kInteger;
      key.integer = SeverityRank(value.get_string());
    } else if (value.is_number()) {
      key.kind = Key::kNumber;
      key.number = value.to_number<double>();
    } else {
      key.kind = Key::kText;
      key.text = IndexValue(sort.field, value);
    }
    take(std::move(key));
    return true;
  });
  return best;
}

Key KeyFromText(const std::string& field, const std::string& text) {
  Key key;
  if (text == std::to_string(INT64_MAX)) return key;
  if (IsDateField(field) || IsRanked(field)) {
    key.kind = Key::kInteger;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key.integer);
    if (error == std::errc() && end == text.data() + text.size()) return key;
    if (const Result<Time> time = ParseTime(text)) {
      key.integer = ToEpochMillis(*time);
      return key;
    }
  } else if (IsNumberField(field)) {
    key.kind = Key::kNumber;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key.number);
    if (error == std::errc() && end == text.data() + text.size()) return key;
  }
  key.kind = Key::kText;
  key.text = IndexText(field, text);
  return key;
}

json::value ToJson(const Key& key) {
  switch (key.kind) {
    case Key::kInteger:
      return key.integer;
    case Key::kNumber:
      return key.number;
    case Key::kText:
      return json::value(key.text);
    case Key::kMissing:
      return INT64_MAX;
  }
  return nullptr;
}

std::vector<SortKey> OrderOf(const Selection& selection, const Paging& paging) {
  std::vector<SortKey> order = paging.sort;
  if (order.empty()) {
    if (selection.type != "relationship") order.push_back({"timestamp", false});
    order.push_back({"created", false});
  }
  // Without a last word two documents may stand in any order, and pages lose some.
  const bool has_id =
      std::any_of(order.begin(), order.end(), [](const SortKey& key) { return key.field == "id"; });
  if (!has_id) order.push_back({"id", false});
  return order;
}

// Orders that the table itself has.
std::string_view ColumnOf(std::string_view field) {
  if (field == "timestamp") return "d.stamp";
  if (field == "created") return "d.created";
  if (field == "modified") return "d.modified";
  if (field == "id") return "d.id";
  return "";
}

json::array SortValues(const json::object& document, const std::vector<SortKey>& order) {
  json::array out;
  for (const SortKey& key : order) out.push_back(ToJson(KeyOf(document, key)));
  return out;
}

// " AND (a > x OR (a = x AND (b > y …)))"
Result<std::string> AfterColumns(const std::vector<SortKey>& order,
                                 const std::vector<std::string>& after, SqlText& sql) {
  std::string out;
  for (size_t i = order.size(); i-- > 0;) {
    const std::string column(ColumnOf(order[i].field));
    sql::Value value;
    if (order[i].field == "id") {
      value = IndexText("id", after[i]);
    } else {
      const Key key = KeyFromText(order[i].field, after[i]);
      if (key.kind != Key::kInteger) {
        return Fail(Code::kInvalid, "search_after: '" + after[i] + "' is no value of " +
                                        order[i].field + " (milliseconds since 1970)");
      }
      value = key.integer * 1000;
    }
    const std::string put = sql.Put(std::move(value));
    std::string beyond = column + (order[i].descending ? " < " : " > ") + put;
    out =
        out.empty() ? beyond : "(" + beyond + " OR (" + column + " = " + put + " AND " + out + "))";
  }
  return " AND " + out;
}

struct InOrder {
  bool by_columns = true;
  std::string sql;
};

InOrder SqlOrder(const std::vector<SortKey>& order) {
  InOrder out;
  for (const SortKey& key : order) {
    const std::string_view column = ColumnOf(key.field);
    if (column.empty()) return {false, ""};
    out.sql += (out.sql.empty() ? " ORDER BY " : ", ") + std::string(column) +
               (key.descending ? " DESC" : "");
  }
  return out;
}

// Orders that only the documents tell: all that fit are read, and the page is taken out of them.
Result<Page> SearchInMemory(Tables& tables, const Selection& selection, const Paging& paging,
                            const std::vector<SortKey>& order, const Asker& asker,
                            Visibility visibility, const SearchLimits& limits) {
  struct Found {
    int64_t n;
    std::vector<Key> keys;
  };
  std::vector<Found> found;
  const auto less = [&](const std::vector<Key>& a, const std::vector<Key>& b) {
    for (size_t i = 0; i < order.size(); ++i) {
      const bool missing = a[i].kind == Key::kMissing || b[i].kind == Key::kMissing;
      int compared = a[i].Compare(b[i]);
      if (order[i].descending && !missing) compared = -compared;
      if (compared != 0) return compared < 0;
    }
    return false;
  };
  Page page;
  std::optional<std::vector<Key>> after;
  if (!paging.after.empty()) {
    after.emplace();
    for (size_t i = 0; i < order.size(); ++i)
      after->push_back(KeyFromText(order[i].field, paging.after[i]));
  }
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  TRY_VOID(scan.ForEach(limits, [&](Record& record) {
    ++page.total;
    std::vector<Key> keys;
    for (const SortKey& key : order) keys.push_back(KeyOf(record.document, key));
    if (!after || less(*after, keys)) found.push_back({record.n, std::move(keys)});
    return true;
  }));
  const size_t offset = after ? 0 : static_cast<size_t>(paging.offset);
  const size_t wanted = offset + static_cast<size_t>(paging.limit);
  const auto by_keys = [&](const Found& a, const Found& b) { return less(a.keys, b.keys); };
  const size_t sorted = std::min(found.size(), wanted);
  std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(sorted), found.end(),
                    by_keys);
  page.more = found.size() > wanted;
  std::vector<int64_t> numbers;
  for (size_t i = offset; i < sorted; ++i) numbers.push_back(found[i].n);
  TRY(page.records, tables.GetNumbers(numbers));
  if (!page.records.empty()) page.last_sort = SortValues(page.records.back().document, order);
  return page;
}

}  // namespace

Result<Page> Search(Tables& tables, const Selection& selection, const Paging& paging,
                    const Asker& asker, Visibility visibility, const SearchLimits& limits) {
  const EntityFields* fields = FieldsOf(selection.type);
  if (fields == nullptr) return Fail(Code::kInvalid, "there is no entity " + selection.type);
  for (const SortKey& key : paging.sort) {
    if (!fields->IsSortable(key.field))
      return Fail(Code::kInvalid, "sort_by: " + selection.type + " has no order by " + key.field);
  }
  if (paging.offset < 0 || paging.limit < 0 ||
      (paging.after.empty() && paging.offset > limits.max_window - paging.limit) ||
      paging.limit > limits.max_window) {
    return Fail(Code::kInvalid, "offset and limit reach beyond the window of " +
                                    std::to_string(limits.max_window) +
                                    " documents; go on with search_after");
  }
  const std::vector<SortKey> order = OrderOf(selection, paging);
  Paging own = paging;
  if (!own.after.empty() && own.after.size() != order.size()) {
    // The id that was added may be left out by the asker.
    if (own.after.size() + 1 == order.size()) {
      own.after.push_back("");
    } else {
      return Fail(Code::kInvalid, "search_after: " + std::to_string(order.size()) +
                                      " values are needed, one for each of sort_by");
    }
  }
  const InOrder in_order = SqlOrder(order);
  if (!in_order.by_columns)
    return SearchInMemory(tables, selection, own, order, asker, visibility, limits);

  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  Page page;
  if (scan.exact()) {
    TRY(page.total, scan.Count());
    SqlText sql = scan.sql();
    sql.text = "SELECT " + std::string(Tables::kRecordColumns) + sql.text;
    if (!own.after.empty()) {
      TRY(const std::string after, AfterColumns(order, own.after, sql));
      sql.text += after;
    }
    sql.text += in_order.sql + " LIMIT " + sql.Put(own.limit + 1);
    if (own.after.empty() && own.offset > 0) sql.text += " OFFSET " + sql.Put(own.offset);
    TRY(sql::Statement * rows, tables.Query(sql));
    while (true) {
      TRY(const bool some, rows->Step());
      if (!some) break;
      if (static_cast<int64_t>(page.records.size()) == own.limit) {
        page.more = true;
        rows->Reset();
        break;
      }
      TRY(Record record, Tables::ReadRecord(*rows, 0));
      page.records.push_back(std::move(record));
    }
  } else {
    // The documents are looked at in order until the page is full, and then only counted.
    const int64_t skip = own.after.empty() ? own.offset : 0;
    int64_t seen = 0;
    std::string after;
    SqlText sql = scan.sql();
    if (!own.after.empty()) {
      TRY(after, AfterColumns(order, own.after, sql));
    }
    TRY(const bool complete,
        scan.ForEachInOrder(sql, after, in_order.sql, limits, [&](Record& record) {
          if (seen++ < skip) return;
          if (static_cast<int64_t>(page.records.size()) < own.limit) {
            page.records.push_back(std::move(record));
          } else {
            page.more = true;
          }
        }));
    page.total = seen;
    page.total_complete = complete;
    if (!complete && !page.more) {
      return Fail(Code::kLimited,
                  "the query cannot be answered by the index and would look at more than " +
                      std::to_string(limits.max_examined) +
                      " documents; add a filter or a range of `from` and `to`");
    }
    if (!own.after.empty()) {
      TRY(page.total, Count(tables, selection, asker, visibility, limits));
    }
  }
  if (!page.records.empty()) page.last_sort = SortValues(page.records.back().document, order);
  return page;
}

Result<int64_t> Count(Tables& tables, const Selection& selection, const Asker& asker,
                      Visibility visibility, const SearchLimits& limits) {
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  if (scan.exact()) return scan.Count();
  int64_t count = 0;
  TRY_VOID(scan.ForEach(limits, [&](Record&) {
    ++count;
    return true;
  }));
  return count;
}

Result<std::vector<int64_t>> NumbersOf(Tables& tables, const Selection& selection,
                                       const Asker& asker, Visibility visibility, int64_t after,
                                       int64_t limit, const SearchLimits& limits) {
  TRY(Scan scan, Scan::Make(tables, selection, asker, visibility));
  std::vector<int64_t> out;
  TRY_VOID(scan.ForEach(
      limits,
      [&](Record& record) {
        out.push_back(record.n);
        return static_cast<int64_t>(out.size()) < limit;
      },
      after));
  return out;
}

}  // namespace mailreeve::response::intel
