#include "response/intel/import.h"

#include "ctim/ids.h"
#include "response/intel/fields.h"

#include <map>

namespace mailreeve::response::intel {
namespace {

// Without what differs with every run.
json::object Core(const json::object& document) {
  json::object out = document;
  for (const char* field : {"created", "modified", "timestamp"}) out.erase(field);
  if (json::value* valid = out.if_contains("valid_time"); valid != nullptr && valid->is_object())
    valid->get_object().erase("start_time");
  return out;
}

Result<int64_t> RemoveFound(Tables& tables, const SqlText& sql) {
  TRY(sql::Statement * rows, tables.Query(sql));
  std::vector<int64_t> numbers;
  while (true) {
    TRY(const bool some, rows->Step());
    if (!some) break;
    numbers.push_back(rows->Integer(0));
  }
  TRY(const std::vector<Record> records, tables.GetNumbers(numbers));
  for (const Record& record : records) TRY_VOID(tables.Remove(record));
  return static_cast<int64_t>(records.size());
}

}  // namespace

Result<ImportCounts> Import(Tables& tables, const std::string& feed, int64_t generation,
                            std::vector<json::object> documents) {
  if (feed.empty()) return Fail(Code::kInvalid, "an importer must name its feed");
  // An entry that comes twice counts by its last.
  std::map<std::string, Record> by_id;
  std::map<std::string, std::vector<std::string>> ids_of_type;
  for (json::object& document : documents) {
    Record record{.document = std::move(document), .feed = feed, .generation = generation};
    const auto id = ctim::ShortId::Parse(record.id());
    if (!id || FieldsOf(id->type) == nullptr)
      return Fail(Code::kInvalid, "'" + record.id() + "' is no id of a record of the store");
    record.type = id->type;
    by_id.insert_or_assign(id->text(), std::move(record));
  }
  for (const auto& [id, record] : by_id) ids_of_type[record.type].push_back(id);
  ImportCounts counts;
  std::vector<int64_t> same;
  for (const auto& [type, ids] : ids_of_type) {
    TRY(const std::vector<Record> known, tables.GetMany(type, ids));
    for (const Record& before : known) {
      const auto found = by_id.find(before.id());
      Record& after = found->second;
      if (before.feed.empty())
        return Fail(Code::kConflict, "record " + before.id() + " is not of a feed");
      if (before.feed == feed && Core(before.document) == Core(after.document)) {
        same.push_back(before.n);
      } else {
        after.n = before.n;
        if (const json::value* created = before.document.if_contains("created"))
          after.document["created"] = *created;
        TRY_VOID(tables.Replace(before, after));
        ++counts.changed;
      }
      by_id.erase(found);
    }
  }
  if (!same.empty()) {
    TRY(sql::Statement * mark,
        tables.Use("UPDATE intel_document SET generation = ?1 WHERE n = ?2"));
    for (const int64_t n : same) TRY_VOID(mark->Bind(1, generation).Bind(2, n).Run());
    counts.same = static_cast<int64_t>(same.size());
  }
  for (auto& [id, record] : by_id) {
    tables.Add(std::move(record));
    ++counts.added;
  }
  TRY_VOID(tables.Flush());
  return counts;
}

Result<int64_t> RemoveOlder(Tables& tables, const std::string& feed, int64_t generation,
                            int64_t limit) {
  SqlText sql;
  sql.text = "SELECT d.n FROM intel_document d WHERE d.feed <> '' AND d.feed = " + sql.Put(feed) +
             " AND d.generation < " + sql.Put(generation) + " LIMIT " + sql.Put(limit);
  return RemoveFound(tables, sql);
}

Result<int64_t> RemoveIds(Tables& tables, const std::string& feed,
                          const std::vector<std::string>& ids) {
  int64_t removed = 0;
  for (const std::string& text : ids) {
    const auto id = ctim::ShortId::Parse(text);
    if (!id) continue;
    TRY(const std::optional<Record> record, tables.Get(id->type, text));
    if (!record || record->feed != feed) continue;
    TRY_VOID(tables.Remove(*record));
    ++removed;
  }
  return removed;
}

Result<int64_t> RemoveExpired(Tables& tables, int64_t time, int64_t limit) {
  SqlText sql;
  sql.text = "SELECT d.n FROM intel_document d WHERE d.feed <> '' AND d.expires < " +
             sql.Put(time) + " LIMIT " + sql.Put(limit);
  return RemoveFound(tables, sql);
}

Result<FeedState> StateOf(Tables& tables, const std::string& feed) {
  TRY(sql::Statement * row,
      tables.Use("SELECT COUNT(*), COALESCE(MAX(d.generation), 0) FROM intel_document d "
                 "WHERE d.feed <> '' AND d.feed = ?1"));
  TRY_VOID(row->Bind(1, feed).Step());
  FeedState state{row->Integer(0), row->Integer(1)};
  row->Reset();
  return state;
}

}  // namespace mailreeve::response::intel
