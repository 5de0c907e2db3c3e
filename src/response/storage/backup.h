#pragma once

#include "base/time.h"
#include "response/storage/archive.h"

#include <functional>
#include <string>
#include <vector>

// Saves all tables of the platform into one file, and brings them back into an empty database of
// either engine (docs/storage.md "Backup").
//
// Threads: blocking; one at a time. A backup may run beside the server: it sees the database of one
// moment. A restore must not. Errors: of sql/database.h and archive.h; kConflict: the target holds
// data already.
//
//   TRY(auto done, Backup(database, "/backup/monday.zst", options));
//   TRY(auto back, Restore(empty, "/backup/monday.zst", options));
namespace mailreeve::response::storage {

using MigrationsOf = std::function<std::vector<sql::Migration>(const std::string& component)>;

struct BackupOptions {
  std::string program;                  // version, for the header
  std::vector<std::string> keys_apart;  // names, for the header
  bool force = false;                   // restore: what the target holds is dropped first
  MigrationsOf migrations = [](const std::string& component) {
    return sql::MigrationsOf(component);
  };
};

struct BackupDone {
  Header header;
  uint64_t tables = 0, rows = 0;
};

// `path` must end in ".zst"; it appears when it is whole.
Result<BackupDone> Backup(sql::Database& database, const std::string& path, const Clock& clock,
                          const BackupOptions& options);
// The file is read to its end before anything is changed. Then its tables are made as they were
// when it was written, filled, and migrated to what this program has.
Result<BackupDone> Restore(sql::Database& database, const std::string& path,
                           const BackupOptions& options);

// Files of the state folder that a backup does not hold and a restored server needs.
std::vector<std::string> KeysApart(const std::string& state_folder);

}  // namespace mailreeve::response::storage
