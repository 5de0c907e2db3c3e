#include "response/intel/observables.h"

#include "response/intel/condition.h"
#include "response/intel/fields.h"

#include <limits>

namespace mailreeve::response::intel {
namespace {

std::string InList(SqlText& sql, const std::vector<std::string>& values) {
  std::string out = " IN (";
  for (size_t i = 0; i < values.size(); ++i) out += (i == 0 ? "" : ", ") + sql.Put(values[i]);
  return out + ")";
}

Result<int64_t> CodeOf(const NamedObservable& observable) {
  const auto code = ObservableCode(observable.type, observable.value);
  if (!code) return Fail(Code::kInvalid, "there is no observable type " + observable.type);
  return *code;
}

std::string TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Result<std::optional<Record>> BestJudgement(Tables& tables, const VerdictQuestion& question,
                                            const Asker& asker, Visibility visibility) {
  TRY(const int64_t code, CodeOf(question.observable));
  // Nearly always the first row is the one; more are taken only when it is another observable with
  // the same code.
  constexpr int64_t kAtOnce = 8;
  for (int64_t offset = 0;; offset += kAtOnce) {
    SqlText sql;
    sql.text = "SELECT " + std::string(Tables::kRecordColumns) +
               " FROM intel_judgement j JOIN intel_document d ON d.n = j.n WHERE j.code = " +
               sql.Put(code) + " AND j.valid_from <= " + sql.Put(question.at) +
               " AND j.valid_to > " + sql.Put(question.at);
    if (question.from) sql.text += " AND d.created >= " + sql.Put(*question.from);
    if (question.to) sql.text += " AND d.created < " + sql.Put(*question.to);
    TRY(const std::string visible, VisibleTo(tables, asker, visibility, sql));
    sql.text += visible + " ORDER BY j.place, j.disposition, j.valid_from, j.n LIMIT " +
                sql.Put(kAtOnce) + " OFFSET " + sql.Put(offset);
    TRY(sql::Statement * rows, tables.Query(sql));
    int64_t got = 0;
    while (true) {
      TRY(const bool some, rows->Step());
      if (!some) break;
      ++got;
      TRY(Record record, Tables::ReadRecord(*rows, 0));
      if (!NamesObservable(record.document, question.observable.type, question.observable.value))
        continue;
      rows->Reset();
      return std::optional<Record>(std::move(record));
    }
    if (got < kAtOnce) return std::optional<Record>();
  }
}

bool GoesBefore(const Record& a, const Record& b) {
  const auto key = [](const Record& record) {
    const json::value* priority = record.document.if_contains("priority");
    const json::value* disposition = record.document.if_contains("disposition");
    return std::make_tuple(
        priority != nullptr && priority->is_int64() ? -priority->get_int64() : 0,
        disposition != nullptr && disposition->is_int64() ? disposition->get_int64() : 5,
        MicrosAt(record.document, "valid_time.start_time").value_or(kNoStart));
  };
  return key(a) < key(b);
}

Result<RelatedIds> RelatedTo(Tables& tables, const RelatedQuestion& question, const Asker& asker,
                             Visibility visibility) {
  TRY(const int64_t code, CodeOf(question.observable));
  SqlText sql;
  std::string from =
      " FROM intel_observable o JOIN intel_document s ON s.n = o.n "
      "JOIN intel_relation r ON r.source = s.id JOIN intel_document d ON d.n = r.n "
      "WHERE o.code = " +
      sql.Put(code) + " AND o.kind = " + sql.Put(KindCode(question.source_type)) + " AND r.type" +
      InList(sql, question.relationships) +
      " AND r.target >= " + sql.Put(question.target_type + "-") + " AND r.target < " +
      sql.Put(question.target_type + ".");
  TRY(const std::string source_visible, VisibleTo(tables, asker, visibility, sql, "s"));
  TRY(const std::string visible, VisibleTo(tables, asker, visibility, sql));
  from += source_visible + visible;
  RelatedIds out;
  {
    SqlText count = sql;
    count.text = "SELECT COUNT(DISTINCT r.target)" + from;
    TRY(sql::Statement * row, tables.Query(count));
    TRY_VOID(row->Step());
    out.total = row->Integer(0);
    row->Reset();
  }
  std::vector<int64_t> numbers;
  SqlText page = sql;
  page.text = "SELECT r.target, MAX(d.n) AS newest" + from +
              " GROUP BY r.target ORDER BY newest DESC LIMIT " + page.Put(question.limit) +
              " OFFSET " + page.Put(question.offset);
  TRY(sql::Statement * rows, tables.Query(page));
  while (true) {
    TRY(const bool some, rows->Step());
    if (!some) break;
    numbers.push_back(rows->Integer(1));
  }
  TRY(const std::vector<Record> relationships, tables.GetNumbers(numbers));
  for (const Record& relationship : relationships)
    out.ids.push_back(TextAt(relationship.document, "target_ref"));
  return out;
}

Result<void> ForEachEntry(Tables& tables, const std::string& indicator,
                          const std::vector<std::string>& relationships, int64_t at,
                          const Asker& asker, Visibility visibility, std::string after,
                          const std::function<bool(Record&)>& visit) {
  constexpr int64_t kAtOnce = 1000;
  while (true) {
    SqlText sql;
    sql.text = "SELECT " + std::string(Tables::kRecordColumns) +
               ", d.id FROM intel_document d WHERE d.id IN (SELECT r.source FROM intel_relation r "
               "JOIN intel_document x ON x.n = r.n WHERE r.target = " +
               sql.Put(indicator) + " AND r.type" + InList(sql, relationships) +
               " AND r.source > " + sql.Put(after);
    TRY(const std::string relation_visible, VisibleTo(tables, asker, visibility, sql, "x"));
    // The relationships of a page come from the index in order of their source: the page is cut
    // there, so that a feed of millions is not sorted for every page.
    sql.text += relation_visible + " ORDER BY r.source LIMIT " + sql.Put(kAtOnce) + ")";
    TRY(const std::string visible, VisibleTo(tables, asker, visibility, sql));
    sql.text += " AND d.kind = " + sql.Put(KindCode("judgement")) + " AND d.expires > " +
                sql.Put(at) + visible + " ORDER BY d.id LIMIT " + sql.Put(kAtOnce);
    TRY(sql::Statement * rows, tables.Query(sql));
    int64_t got = 0;
    std::string last = after;
    bool go_on = true;
    while (go_on) {
      TRY(const bool some, rows->Step());
      if (!some) break;
      ++got;
      last = rows->Text(6);
      TRY(Record record, Tables::ReadRecord(*rows, 0));
      if (MicrosAt(record.document, "valid_time.start_time").value_or(kNoStart) <= at)
        go_on = visit(record);
    }
    rows->Reset();
    if (!go_on) return {};
    if (got < kAtOnce) {
      // Fewer may have passed the conditions: the next page begins behind the relationships read.
      SqlText end;
      end.text =
          "SELECT MAX(p.source), COUNT(*) FROM (SELECT r.source FROM intel_relation r JOIN "
          "intel_document x ON x.n = r.n WHERE r.target = " +
          end.Put(indicator) + " AND r.type" + InList(end, relationships) + " AND r.source > " +
          end.Put(after);
      TRY(const std::string end_visible, VisibleTo(tables, asker, visibility, end, "x"));
      end.text += end_visible + " ORDER BY r.source LIMIT " + end.Put(kAtOnce) + ") AS p";
      TRY(sql::Statement * row, tables.Query(end));
      TRY_VOID(row->Step());
      const int64_t count = row->Integer(1);
      last = row->Text(0);
      row->Reset();
      if (count < kAtOnce) return {};
    }
    after = last;
  }
}

Result<std::vector<Record>> RelationshipsOf(Tables& tables, const std::string& id, Side side,
                                            int64_t limit, const Asker& asker,
                                            Visibility visibility) {
  SqlText sql;
  sql.text = "SELECT " + std::string(Tables::kRecordColumns) +
             " FROM intel_relation r JOIN intel_document d ON d.n = r.n WHERE r." +
             (side == Side::kSource ? "source" : "target") + " = " + sql.Put(id);
  TRY(const std::string visible, VisibleTo(tables, asker, visibility, sql));
  sql.text += visible + " ORDER BY d.n DESC LIMIT " + sql.Put(limit);
  TRY(sql::Statement * rows, tables.Query(sql));
  std::vector<Record> out;
  while (true) {
    TRY(const bool some, rows->Step());
    if (!some) return out;
    TRY(Record record, Tables::ReadRecord(*rows, 0));
    out.push_back(std::move(record));
  }
}

}  // namespace mailreeve::response::intel
