#include "response/intel/scan.h"

#include "base/time.h"
#include "response/intel/condition.h"
#include "response/intel/fields.h"
#include "response/intel_query/match.h"

namespace mailreeve::response::intel {
namespace {

using intel_query::Node;

constexpr int64_t kAtOnce = 500;

// The range of dates as a node, for fields that are no columns.
Node RangeOf(const Selection& selection) {
  Node node{.kind = Node::Kind::kRange, .field = selection.range_field};
  if (selection.from) node.low = Node::Bound{FormatTime(FromEpochMicros(*selection.from)), true};
  if (selection.to) node.high = Node::Bound{FormatTime(FromEpochMicros(*selection.to)), false};
  return node;
}

}  // namespace

Result<Scan> Scan::Make(Tables& tables, const Selection& selection, const Asker& asker,
                        Visibility visibility) {
  const EntityFields* fields = FieldsOf(selection.type);
  if (fields == nullptr) return Fail(Code::kInvalid, "there is no entity " + selection.type);
  Scan scan(tables);
  scan.searched_ = selection.search_fields.empty() ? fields->searched : selection.search_fields;
  Node whole{.kind = Node::Kind::kAnd};
  if (selection.query) whole.children.push_back(*selection.query);
  for (const Filter& filter : selection.filters) {
    Node any{.kind = Node::Kind::kOr};
    for (const std::string& value : filter.any_of)
      any.children.push_back(Node{.kind = Node::Kind::kTerm, .field = filter.field, .text = value});
    whole.children.push_back(std::move(any));
  }
  if (selection.from || selection.to) whole.children.push_back(RangeOf(selection));
  scan.sql_.text =
      " FROM intel_document d WHERE d.kind = " + scan.sql_.Put(KindCode(selection.type));
  if (selection.about) {
    const auto code = ObservableCode(selection.about->type, selection.about->value);
    if (!code) return Fail(Code::kInvalid, "there is no observable type " + selection.about->type);
    scan.sql_.text +=
        " AND d.n IN (SELECT o.n FROM intel_observable o WHERE o.code = " + scan.sql_.Put(*code) +
        " AND o.kind = " + scan.sql_.Put(KindCode(selection.type)) + ")";
  }
  TRY(const std::string visible, VisibleTo(tables, asker, visibility, scan.sql_));
  scan.sql_.text += visible;
  TRY(const Condition condition,
      Compile(tables, selection.type, whole, selection.search_fields.empty(), scan.sql_));
  if (!condition.sql.empty()) scan.sql_.text += " AND (" + condition.sql + ")";
  scan.exact_ = condition.exact;
  if (!scan.exact_) scan.whole_ = std::move(whole);
  return scan;
}

bool Scan::Fits(const Record& record) const {
  return !whole_ || intel_query::Matches(*whole_, record.document, searched_);
}

Result<int64_t> Scan::Count() {
  SqlText sql = sql_;
  sql.text = "SELECT COUNT(*)" + sql.text;
  TRY(sql::Statement * count, tables_.Query(sql));
  TRY_VOID(count->Step());
  const int64_t out = count->Integer(0);
  count->Reset();
  return out;
}

Result<void> Scan::ForEach(const SearchLimits& limits, const std::function<bool(Record&)>& visit,
                           int64_t after) {
  int64_t examined = 0;
  while (true) {
    SqlText sql = sql_;
    sql.text = "SELECT " + std::string(Tables::kRecordColumns) + sql.text + " AND d.n > " +
               sql.Put(after) + " ORDER BY d.n LIMIT " + sql.Put(kAtOnce);
    TRY(sql::Statement * rows, tables_.Query(sql));
    int64_t got = 0;
    while (true) {
      TRY(const bool some, rows->Step());
      if (!some) break;
      ++got;
      TRY(Record record, Tables::ReadRecord(*rows, 0));
      after = record.n;
      if (++examined > limits.max_examined) {
        rows->Reset();
        return Fail(Code::kLimited, "the request would look at more than " +
                                        std::to_string(limits.max_examined) +
                                        " documents; add a filter or a range of `from` and `to`");
      }
      if (Fits(record) && !visit(record)) {
        rows->Reset();
        return {};
      }
    }
    if (got < kAtOnce) return {};
  }
}

Result<bool> Scan::ForEachInOrder(const SqlText& with_values, const std::string& where,
                                  const std::string& order, const SearchLimits& limits,
                                  const std::function<void(Record&)>& visit) {
  // PostgreSQL hands over all rows of a statement at once: they are taken in bounded parts. The
  // parts are of one moment, since the reader runs in one snapshot.
  for (int64_t offset = 0; offset < limits.max_examined; offset += kAtOnce) {
    SqlText sql = with_values;
    sql.text = "SELECT " + std::string(Tables::kRecordColumns) + sql.text + where + order +
               " LIMIT " + sql.Put(kAtOnce) + " OFFSET " + sql.Put(offset);
    TRY(sql::Statement * rows, tables_.Query(sql));
    int64_t got = 0;
    while (true) {
      TRY(const bool some, rows->Step());
      if (!some) break;
      ++got;
      TRY(Record record, Tables::ReadRecord(*rows, 0));
      if (Fits(record)) visit(record);
    }
    if (got < kAtOnce) return true;
  }
  return false;
}

}  // namespace mailreeve::response::intel
