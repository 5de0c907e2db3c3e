#include "response/storage/backup.h"

#include "base/bytes.h"
#include "cli/line_file.h"
#include "crypto/hash.h"
#include "sql/bulk.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

namespace mailreeve::response::storage {
namespace {

constexpr std::string_view kVersions = "schema_version";

bool IsPostgresql(const sql::Database& database) {
  return database.dialect() == sql::Dialect::kPostgresql;
}

Result<std::vector<std::string>> Texts(sql::Database& database, std::string_view sql,
                                       std::string_view parameter = {}) {
  TRY(auto query, database.Prepare(sql));
  if (!parameter.empty()) query.Bind(1, parameter);
  std::vector<std::string> out;
  while (true) {
    TRY(const bool more, query.Step());
    if (!more) return out;
    out.push_back(query.Text(0));
  }
}

Result<std::vector<std::string>> TablesOf(sql::Database& database) {
  return Texts(database,
               IsPostgresql(database)
                   ? "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
                     "ORDER BY tablename"
                   : "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE "
                     "'sqlite#_%' ESCAPE '#' ORDER BY name");
}

Result<std::vector<std::string>> ColumnsOf(sql::Database& database, const std::string& table) {
  return Texts(database,
               IsPostgresql(database)
                   ? "SELECT column_name FROM information_schema.columns WHERE table_schema = "
                     "current_schema() AND table_name = ?1 AND is_generated = 'NEVER' ORDER BY "
                     "ordinal_position"
                   : "SELECT name FROM pragma_table_info(?1) ORDER BY cid",
               table);
}

Result<std::map<std::string, int64_t>> VersionsOf(sql::Database& database) {
  TRY(auto query,
      database.Prepare("SELECT component, max(version) FROM schema_version GROUP BY component"));
  std::map<std::string, int64_t> out;
  while (true) {
    TRY(const bool more, query.Step());
    if (!more) return out;
    out[query.Text(0)] = query.Integer(1);
  }
}

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Hands over the rows of a table without keeping all of them in memory. Within a transaction.
Result<void> EachRow(sql::Database& database, const std::string& table,
                     const std::vector<std::string>& columns,
                     const std::function<Result<void>(Row)>& take) {
  const std::string select = "SELECT " + Join(columns) + " FROM " + table;
  const std::string cursor = "backup_of_" + table;
  std::string sql = select;
  if (IsPostgresql(database)) {
    TRY_VOID(database.Execute("DECLARE " + cursor + " NO SCROLL CURSOR FOR " + select));
    sql = "FETCH 500 FROM " + cursor;
  }
  TRY(auto query, database.Prepare(sql));
  while (true) {
    size_t rows = 0;
    while (true) {
      TRY(const bool more, query.Step());
      if (!more) break;
      ++rows;
      Row row;
      for (int i = 0; i < query.columns(); ++i) row.push_back(query.ValueOf(i));
      TRY_VOID(take(std::move(row)));
    }
    if (!IsPostgresql(database)) return {};
    if (rows == 0) return database.Execute("CLOSE " + cursor);
  }
}

// Tables refer to each other in any order: references are checked at the end of the load.
Result<void> Load(sql::Database& database, const std::function<Result<void>()>& work) {
  if (!IsPostgresql(database)) {
    TRY_VOID(database.Execute("PRAGMA defer_foreign_keys = ON"));
    return work();
  }
  TRY(const auto references,
      Texts(database,
            "SELECT 'ALTER TABLE ' || quote_ident(t.relname) || ' ALTER CONSTRAINT ' || "
            "quote_ident(c.conname) FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
            "JOIN pg_namespace n ON n.oid = t.relnamespace WHERE c.contype = 'f' AND NOT "
            "c.condeferrable AND n.nspname = current_schema()"));
  for (const std::string& reference : references)
    TRY_VOID(database.Execute(reference + " DEFERRABLE INITIALLY DEFERRED"));
  TRY_VOID(work());
  TRY_VOID(database.Execute("SET CONSTRAINTS ALL IMMEDIATE"));
  for (const std::string& reference : references)
    TRY_VOID(database.Execute(reference + " NOT DEFERRABLE"));
  return {};
}

// Drops the tables that our migrations make, and no others: a database may be shared.
Result<void> DropOurs(sql::Database& database, const std::map<std::string, int64_t>& versions,
                      const MigrationsOf& migrations) {
  TRY(sql::Database model, sql::Database::Open({.path = ":memory:"}));
  for (const auto& item : versions) {
    if (const auto known = migrations(item.first); !known.empty())
      TRY_VOID(model.Migrate(item.first, known));
  }
  TRY(const auto ours, TablesOf(model));
  TRY(const auto there, TablesOf(database));
  const bool cascade = IsPostgresql(database);
  return database.Transaction([&]() -> Result<void> {
    if (!cascade) TRY_VOID(database.Execute("PRAGMA defer_foreign_keys = ON"));
    for (const std::string& table : there) {
      if (std::find(ours.begin(), ours.end(), table) != ours.end())
        TRY_VOID(database.Execute("DROP TABLE " + table + (cascade ? " CASCADE" : "")));
    }
    return {};
  });
}

}  // namespace

Result<BackupDone> Backup(sql::Database& database, const std::string& path, const Clock& clock,
                          const BackupOptions& options) {
  if (!path.ends_with(".zst"))
    return Fail(Code::kInvalid, "the name of a backup must end in .zst, as in backup.zst");
  BackupDone done;
  TRY(const auto writer, cli::LineWriter::Open(path, std::cout));
  crypto::Hasher hasher(crypto::HashKind::kSha256);
  const auto write = [&](const Line& line) -> Result<void> {
    const std::string text = ToText(line) + "\n";
    hasher.Update(text);
    return writer->Write(text);
  };
  TRY_VOID(database.Snapshot([&]() -> Result<void> {
    done.header.created = clock.Now();
    done.header.program = options.program;
    done.header.keys_apart = options.keys_apart;
    TRY(done.header.versions, VersionsOf(database));
    TRY_VOID(write(done.header));
    TRY(const auto tables, TablesOf(database));
    for (const std::string& table : tables) {
      if (table == kVersions) continue;
      TRY(const auto columns, ColumnsOf(database, table));
      TRY_VOID(write(TableStart{table, columns}));
      ++done.tables;
      TRY_VOID(EachRow(database, table, columns, [&](Row row) {
        ++done.rows;
        return write(std::move(row));
      }));
    }
    return {};
  }));
  const std::string end = ToText(End{done.rows, HexEncode(hasher.Finish())}) + "\n";
  TRY_VOID(writer->Write(end));
  TRY_VOID(writer->Finish());
  return done;
}

Result<BackupDone> Restore(sql::Database& database, const std::string& path,
                           const BackupOptions& options) {
  BackupDone done;
  TRY(done.header, ReadArchive(path, nullptr));
  std::map<std::string, std::vector<sql::Migration>> all;
  for (const auto& [component, version] : done.header.versions) {
    all[component] = options.migrations(component);
    if (static_cast<size_t>(version) > all[component].size()) {
      return Fail(Code::kConflict, "the backup has " + component + " schema version " +
                                       std::to_string(version) + ", this program knows up to " +
                                       std::to_string(all[component].size()) +
                                       "; use a program at least as new");
    }
  }
  TRY(const auto there, TablesOf(database));
  if (std::find(there.begin(), there.end(), kVersions) != there.end()) {
    TRY(const auto versions, VersionsOf(database));
    if (!versions.empty() && !options.force) {
      return Fail(Code::kConflict,
                  "the database holds data already; restore into an empty one, or with --force, "
                  "which drops what is there");
    }
    auto dropped = versions;
    dropped.insert(done.header.versions.begin(), done.header.versions.end());
    TRY_VOID(DropOurs(database, dropped, options.migrations));
  }
  // The tables as they were.
  for (const auto& [component, version] : done.header.versions) {
    const auto& known = all[component];
    TRY_VOID(database.Migrate(component, {known.begin(), known.begin() + version}));
  }
  TRY_VOID(database.Transaction([&] {
    return Load(database, [&]() -> Result<void> {
      done.tables = done.rows = 0;
      TRY(const auto tables, TablesOf(database));
      std::set<std::string> known(tables.begin(), tables.end());
      known.erase(std::string(kVersions));
      std::unique_ptr<sql::BulkInsert> insert;
      const auto finish = [&]() -> Result<void> {
        if (insert) TRY_VOID(insert->Finish());
        insert.reset();
        return {};
      };
      TRY_VOID(ReadArchive(path, [&](const Line& line) -> Result<void> {
        if (const auto* table = std::get_if<TableStart>(&line)) {
          TRY_VOID(finish());
          if (!known.contains(table->name)) {
            return Fail(Code::kInvalid,
                        "the backup has a table '" + table->name + "' that its versions do not");
          }
          TRY(const auto columns, ColumnsOf(database, table->name));
          for (const std::string& column : table->columns) {
            if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
              return Fail(Code::kInvalid, "the backup has a column '" + table->name + "." + column +
                                              "' that its versions do not");
            }
          }
          ++done.tables;
          // A migration may have put first rows in.
          TRY_VOID(database.Execute("DELETE FROM " + table->name));
          insert = std::make_unique<sql::BulkInsert>(database, table->name, table->columns);
        } else if (const auto* row = std::get_if<Row>(&line)) {
          ++done.rows;
          return insert->Add(*row);
        }
        return {};
      }));
      return finish();
    });
  }));
  for (const auto& item : all) TRY_VOID(database.Migrate(item.first, item.second));
  return done;
}

std::vector<std::string> KeysApart(const std::string& state_folder) {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(state_folder, ignored)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file(ignored) || name.starts_with("response.db") ||
        name.ends_with(".adopted")) {
      continue;
    }
    out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace mailreeve::response::storage
