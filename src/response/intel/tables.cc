#include "response/intel/tables.h"

#include "base/check.h"
#include "response/intel/fields.h"
#include "sql/bulk.h"

#include <algorithm>

namespace mailreeve::response::intel {
namespace {

std::string_view TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

std::string OrgOf(const json::object& document) {
  const json::value* groups = document.if_contains("groups");
  if (groups == nullptr || !groups->is_array() || groups->get_array().empty() ||
      !groups->get_array().front().is_string())
    return "";
  return std::string(groups->get_array().front().get_string());
}

bool IsShared(const json::object& document) {
  for (const char* key : {"authorized_users", "authorized_groups"}) {
    const json::value* list = document.if_contains(key);
    if (list != nullptr && list->is_array() && !list->get_array().empty()) return true;
  }
  return false;
}

// The columns of a document in the order of the table, without n and id.
std::vector<sql::Value> ColumnsOf(const Record& record) {
  const json::object& document = record.document;
  const int64_t created = MicrosAt(document, "created").value_or(0);
  const int level = TlpLevel(TextAt(document, "tlp"));
  return {KindCode(record.type),
          OrgOf(document),
          std::string(TextAt(document, "owner")),
          int64_t{level < 0 ? 3 : level},
          int64_t{IsShared(document)},
          MicrosAt(document, "timestamp").value_or(created),
          created,
          MicrosAt(document, "modified").value_or(created),
          record.feed,
          record.generation,
          MicrosAt(document, "valid_time.end_time").value_or(kNoEnd),
          json::Serialize(document),
          record.hidden.empty() ? std::string() : json::Serialize(record.hidden)};
}

const std::map<int64_t, std::string>& TypesByKind() {
  static const std::map<int64_t, std::string> types = [] {
    std::map<int64_t, std::string> out;
    for (const EntityFields& fields : AllFields()) out.emplace(KindCode(fields.type), fields.type);
    return out;
  }();
  return types;
}

}  // namespace

std::string Record::id() const { return std::string(TextAt(document, "id")); }

Tables::Tables(sql::Database database, std::string prefix)
    : database_(std::move(database)), prefix_(std::move(prefix)) {}
Tables::Tables(Tables&&) noexcept = default;
Tables& Tables::operator=(Tables&&) noexcept = default;
Tables::~Tables() = default;

Result<Tables> Tables::Open(sql::Database database, std::string prefix, bool migrate) {
  if (migrate) {
    const std::string component = prefix.substr(0, prefix.size() - 1);
    TRY_VOID(database.Migrate(component, sql::MigrationsOf(component)));
  }
  return Tables(std::move(database), std::move(prefix));
}

std::string Tables::Named(std::string_view text) const {
  std::string out(text);
  if (prefix_ == "intel_") return out;
  for (size_t at = out.find("intel_"); at != std::string::npos;
       at = out.find("intel_", at + prefix_.size()))
    out.replace(at, 6, prefix_);
  return out;
}

Result<sql::Statement*> Tables::Use(std::string_view text) {
  auto found = statements_.find(text);
  if (found == statements_.end()) {
    // Texts of searches are many; those of a moment ago are the likeliest to come again.
    if (statements_.size() >= 200) statements_.clear();
    TRY(sql::Statement statement, database_.Prepare(Named(text)));
    found = statements_.emplace(std::string(text), std::move(statement)).first;
  }
  found->second.Reset();
  return &found->second;
}

Result<sql::Statement*> Tables::Query(const SqlText& sql) {
  // Parts of a text may have been dropped: parameters are numbered anew, as databases want all of
  // them to occur.
  std::string text;
  std::vector<size_t> used;
  std::vector<size_t> number(sql.values().size() + 1, 0);
  for (size_t at = 0; at < sql.text.size();) {
    if (sql.text[at] != '?') {
      text += sql.text[at++];
      continue;
    }
    size_t index = 0;
    for (++at; at < sql.text.size() && sql.text[at] >= '0' && sql.text[at] <= '9'; ++at)
      index = index * 10 + static_cast<size_t>(sql.text[at] - '0');
    CHECK(index >= 1 && index <= sql.values().size());
    if (number[index] == 0) {
      used.push_back(index - 1);
      number[index] = used.size();
    }
    text += '?' + std::to_string(number[index]);
  }
  TRY(sql::Statement * statement, Use(text));
  for (size_t i = 0; i < used.size(); ++i)
    statement->BindValue(static_cast<int>(i) + 1, sql.values()[used[i]]);
  return statement;
}

Result<void> Tables::Transaction(const std::function<Result<void>()>& work) {
  return database_.Transaction([&]() -> Result<void> {
    pending_.clear();
    TRY_VOID(work());
    return Flush();
  });
}

Result<void> Tables::Snapshot(const std::function<Result<void>()>& work) {
  return database_.Snapshot(work);
}

Result<void> Tables::Part(const std::function<Result<void>()>& work) {
  TRY_VOID(Flush());
  TRY_VOID(database_.Execute("SAVEPOINT part"));
  Result<void> done = work();
  if (done) done = Flush();
  if (done) return database_.Execute("RELEASE SAVEPOINT part");
  pending_.clear();
  TRY_VOID(database_.Execute("ROLLBACK TO SAVEPOINT part"));
  TRY_VOID(database_.Execute("RELEASE SAVEPOINT part"));
  return done;
}

void Tables::Add(Record record) { pending_.push_back(std::move(record)); }

Result<void> Tables::Flush() {
  if (pending_.empty()) return {};
  std::vector<Record> records = std::move(pending_);
  pending_.clear();
  TRY(sql::Statement * count,
      Use("UPDATE intel_counter SET value = value + ?1 WHERE name = 'document' RETURNING value"));
  TRY(const bool found, count->Bind(1, static_cast<int64_t>(records.size())).Step());
  if (!found) return Fail(Code::kCorrupt, "the counter of documents is missing");
  int64_t n = count->Integer(0) - static_cast<int64_t>(records.size());
  count->Reset();
  std::vector<std::pair<int64_t, Rows>> rows;
  std::vector<std::string> types;
  sql::BulkInsert insert(database_, Named("intel_document"),
                         {"n", "id", "kind", "org", "owner", "tlp", "shared", "stamp", "created",
                          "modified", "feed", "generation", "expires", "body", "hidden"});
  for (Record& record : records) {
    std::vector<sql::Value> columns = ColumnsOf(record);
    columns.insert(columns.begin(), {sql::Value(n), sql::Value(record.id())});
    TRY_VOID(insert.Add(std::move(columns)));
    rows.emplace_back(n, RowsOf(record.type, record.document));
    types.push_back(record.type);
    ++n;
  }
  TRY_VOID(insert.Finish());
  return WriteRows(rows, types);
}

Result<void> Tables::WriteRows(std::vector<std::pair<int64_t, Rows>>& rows,
                               const std::vector<std::string>& types) {
  // In the order of the index: neighbours go onto the same pages.
  std::vector<std::pair<TermRow, int64_t>> terms;
  std::vector<std::array<int64_t, 3>> observables;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto& [n, of_document] = rows[i];
    for (TermRow& term : of_document.terms) terms.emplace_back(std::move(term), n);
    for (const int64_t code : of_document.observables)
      observables.push_back({code, KindCode(types[i]), n});
  }
  std::sort(terms.begin(), terms.end());
  std::sort(observables.begin(), observables.end());
  {
    sql::BulkInsert insert(database_, Named("intel_term"), {"field", "value", "n"});
    for (auto& [term, n] : terms) TRY_VOID(insert.Add({term.field, std::move(term.value), n}));
    TRY_VOID(insert.Finish());
  }
  {
    sql::BulkInsert insert(database_, Named("intel_observable"), {"code", "kind", "n"});
    for (const auto& [code, kind, n] : observables) TRY_VOID(insert.Add({code, kind, n}));
    TRY_VOID(insert.Finish());
  }
  {
    sql::BulkInsert insert(database_, Named("intel_judgement"),
                           {"code", "place", "disposition", "valid_from", "n", "valid_to"});
    for (const auto& [n, of_document] : rows) {
      if (const auto& row = of_document.judgement)
        TRY_VOID(insert.Add(
            {row->observable, row->order, row->disposition, row->valid_from, n, row->valid_to}));
    }
    TRY_VOID(insert.Finish());
  }
  sql::BulkInsert insert(database_, Named("intel_relation"), {"n", "type", "source", "target"});
  for (const auto& [n, of_document] : rows) {
    if (const auto& row = of_document.relation)
      TRY_VOID(insert.Add({n, row->type, row->source, row->target}));
  }
  TRY_VOID(insert.Finish());
  return {};
}

Result<void> Tables::RemoveRows(int64_t n, std::string_view type, const Rows& rows) {
  if (!rows.terms.empty()) {
    TRY(sql::Statement * remove,
        Use("DELETE FROM intel_term WHERE field = ?1 AND value = ?2 AND n = ?3"));
    for (const TermRow& term : rows.terms)
      TRY_VOID(remove->Bind(1, term.field).Bind(2, term.value).Bind(3, n).Run());
  }
  if (!rows.observables.empty()) {
    TRY(sql::Statement * remove,
        Use("DELETE FROM intel_observable WHERE code = ?1 AND kind = ?2 AND n = ?3"));
    for (const int64_t code : rows.observables)
      TRY_VOID(remove->Bind(1, code).Bind(2, KindCode(type)).Bind(3, n).Run());
  }
  if (const auto& row = rows.judgement) {
    TRY(sql::Statement * remove,
        Use("DELETE FROM intel_judgement WHERE code = ?1 AND place = ?2 AND disposition = ?3 AND "
            "valid_from = ?4 AND n = ?5"));
    TRY_VOID(remove->Bind(1, row->observable)
                 .Bind(2, row->order)
                 .Bind(3, row->disposition)
                 .Bind(4, row->valid_from)
                 .Bind(5, n)
                 .Run());
  }
  if (rows.relation) {
    TRY(sql::Statement * remove, Use("DELETE FROM intel_relation WHERE n = ?1"));
    TRY_VOID(remove->Bind(1, n).Run());
  }
  return {};
}

Result<void> Tables::Replace(const Record& before, Record after) {
  TRY_VOID(Flush());
  CHECK(before.n != 0 && before.type == after.type && before.id() == after.id());
  SqlText sql;
  std::vector<sql::Value> columns = ColumnsOf(after);
  static constexpr std::string_view kNames[] = {
      "kind",     "org",  "owner",      "tlp",     "shared", "stamp", "created",
      "modified", "feed", "generation", "expires", "body",   "hidden"};
  sql.text = "UPDATE intel_document SET ";
  for (size_t i = 0; i < columns.size(); ++i) {
    sql.text += (i == 0 ? "" : ", ") + std::string(kNames[i]) + " = ";
    sql.text += sql.Put(std::move(columns[i]));
  }
  sql.text += " WHERE n = " + sql.Put(before.n);
  TRY(sql::Statement * update, Query(sql));
  TRY(const int64_t changed, update->Run());
  if (changed != 1) return Fail(Code::kConflict, "the document changed meanwhile");

  Rows old_rows = RowsOf(before.type, before.document);
  Rows new_rows = RowsOf(after.type, after.document);
  Rows gone, come;
  std::set_difference(old_rows.terms.begin(), old_rows.terms.end(), new_rows.terms.begin(),
                      new_rows.terms.end(), std::back_inserter(gone.terms));
  std::set_difference(new_rows.terms.begin(), new_rows.terms.end(), old_rows.terms.begin(),
                      old_rows.terms.end(), std::back_inserter(come.terms));
  std::set_difference(old_rows.observables.begin(), old_rows.observables.end(),
                      new_rows.observables.begin(), new_rows.observables.end(),
                      std::back_inserter(gone.observables));
  std::set_difference(new_rows.observables.begin(), new_rows.observables.end(),
                      old_rows.observables.begin(), old_rows.observables.end(),
                      std::back_inserter(come.observables));
  if (old_rows.judgement != new_rows.judgement) {
    gone.judgement = old_rows.judgement;
    come.judgement = new_rows.judgement;
  }
  if (old_rows.relation != new_rows.relation) {
    gone.relation = old_rows.relation;
    come.relation = new_rows.relation;
  }
  TRY_VOID(RemoveRows(before.n, before.type, gone));
  std::vector<std::pair<int64_t, Rows>> rows;
  rows.emplace_back(before.n, std::move(come));
  return WriteRows(rows, {after.type});
}

Result<void> Tables::Remove(const Record& record) {
  TRY_VOID(Flush());
  TRY(sql::Statement * remove, Use("DELETE FROM intel_document WHERE n = ?1"));
  TRY(const int64_t changed, remove->Bind(1, record.n).Run());
  if (changed != 1) return Fail(Code::kConflict, "the document changed meanwhile");
  return RemoveRows(record.n, record.type, RowsOf(record.type, record.document));
}

Result<Record> Tables::ReadRecord(const sql::Statement& row, int column) {
  Record record;
  record.n = row.Integer(column);
  const auto type = TypesByKind().find(row.Integer(column + 1));
  if (type == TypesByKind().end())
    return Fail(Code::kCorrupt, "a stored document is of no known type");
  record.type = type->second;
  constexpr json::Limits kStored{.max_bytes = 256 * 1024 * 1024, .max_depth = 64};
  Result<json::value> body = json::Parse(row.Text(column + 2), kStored);
  if (!body || !body->is_object())
    return Fail(Code::kCorrupt,
                "document " + std::to_string(record.n) + " of the store is damaged");
  record.document = std::move(body->get_object());
  if (const std::string hidden = row.Text(column + 3); !hidden.empty()) {
    Result<json::value> parsed = json::Parse(hidden, kStored);
    if (!parsed || !parsed->is_object())
      return Fail(Code::kCorrupt,
                  "document " + std::to_string(record.n) + " of the store is damaged");
    record.hidden = std::move(parsed->get_object());
  }
  record.feed = row.Text(column + 4);
  record.generation = row.Integer(column + 5);
  return record;
}

Result<std::optional<Record>> Tables::Get(std::string_view type, std::string_view id) {
  TRY_VOID(Flush());
  TRY(sql::Statement * get,
      Use("SELECT d.n, d.kind, d.body, d.hidden, d.feed, d.generation FROM intel_document d "
          "WHERE d.id = ?1"));
  TRY(const bool found, get->Bind(1, id).Step());
  if (!found) return std::optional<Record>();
  TRY(Record record, ReadRecord(*get, 0));
  get->Reset();
  if (record.type != type) return std::optional<Record>();
  return std::optional<Record>(std::move(record));
}

// Some at once: over a network each statement costs a round trip. The last is repeated to fill up.
Result<std::vector<Record>> Tables::GetBy(std::string_view column,
                                          const std::vector<sql::Value>& keys) {
  TRY_VOID(Flush());
  constexpr size_t kAtOnce = 50;
  std::string many = "SELECT " + std::string(kRecordColumns) + " FROM intel_document d WHERE d." +
                     std::string(column) + " IN (?1";
  for (size_t i = 2; i <= kAtOnce; ++i) many += ", ?" + std::to_string(i);
  many += ")";
  const std::string one = "SELECT " + std::string(kRecordColumns) +
                          " FROM intel_document d WHERE d." + std::string(column) + " = ?1";
  std::vector<Record> out;
  out.reserve(keys.size());
  for (size_t start = 0; start < keys.size(); start += kAtOnce) {
    const size_t end = std::min(keys.size(), start + kAtOnce);
    TRY(sql::Statement * get, Use(end - start == 1 ? one : many));
    for (size_t i = 0; i < (end - start == 1 ? 1 : kAtOnce); ++i)
      get->BindValue(static_cast<int>(i) + 1, keys[std::min(start + i, end - 1)]);
    while (true) {
      TRY(const bool more, get->Step());
      if (!more) break;
      TRY(Record record, ReadRecord(*get, 0));
      out.push_back(std::move(record));
    }
  }
  return out;
}

Result<std::vector<Record>> Tables::GetMany(std::string_view type,
                                            const std::vector<std::string>& ids) {
  TRY(std::vector<Record> out, GetBy("id", std::vector<sql::Value>(ids.begin(), ids.end())));
  std::erase_if(out, [&](const Record& record) { return record.type != type; });
  return out;
}

Result<std::vector<Record>> Tables::GetNumbers(std::span<const int64_t> numbers) {
  TRY(std::vector<Record> found,
      GetBy("n", std::vector<sql::Value>(numbers.begin(), numbers.end())));
  std::map<int64_t, size_t> at;
  for (size_t i = 0; i < found.size(); ++i) at.emplace(found[i].n, i);
  std::vector<Record> out;
  out.reserve(found.size());
  for (const int64_t n : numbers) {
    if (const auto place = at.find(n); place != at.end()) {
      out.push_back(std::move(found[place->second]));
      at.erase(place);
    }
  }
  return out;
}

Result<std::vector<std::string>> Tables::IdsByExternalId(std::string_view type,
                                                         std::string_view org,
                                                         std::string_view login,
                                                         std::string_view external_id) {
  TRY_VOID(Flush());
  std::vector<std::string> out;
  TRY(sql::Statement * find,
      Use("SELECT d.id, d.body FROM intel_term t JOIN intel_document d ON d.n = t.n "
          "WHERE t.field = ?1 AND t.value = ?2 AND d.org = ?3 AND (d.tlp < 3 OR d.owner = ?4) "
          "ORDER BY d.n LIMIT 1000"));
  find->Bind(1, FieldCode(type, "external_ids"))
      .Bind(2, IndexText("external_ids", external_id))
      .Bind(3, org)
      .Bind(4, login);
  while (true) {
    TRY(const bool more, find->Step());
    if (!more) return out;
    // The index folds case and cuts; the document tells.
    const Result<json::value> body = json::Parse(find->Text(1), {.max_bytes = 256 * 1024 * 1024});
    if (!body || !body->is_object()) continue;
    const json::value* list = body->get_object().if_contains("external_ids");
    if (list == nullptr || !list->is_array()) continue;
    for (const json::value& item : list->get_array()) {
      if (item.is_string() && item.get_string() == external_id) {
        out.push_back(find->Text(0));
        break;
      }
    }
  }
}

}  // namespace mailreeve::response::intel
