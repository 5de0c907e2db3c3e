#include "response/storage/storage.h"

#include "base/text.h"
#include "io/file.h"

#include <sys/stat.h>

#include <filesystem>

namespace mailreeve::response::storage {

Result<sql::OpenOptions> DatabaseOptions(const Place& place, const settings::Snapshot& snapshot) {
  sql::OpenOptions options;
  options.path = place.url.empty() ? place.state_folder + "/response.db" : place.url;
  options.connect_timeout_ms = static_cast<int>(snapshot.Integer("storage.connect_timeout"));
  options.statement_timeout_ms = static_cast<int>(snapshot.Integer("storage.statement_timeout"));
  options.busy_timeout_ms = static_cast<int>(snapshot.Integer("storage.lock_timeout"));
  options.migration_timeout_ms =
      static_cast<int>(snapshot.Integer("storage.migration_timeout")) * 1000;
  options.max_tries = static_cast<int>(snapshot.Integer("storage.transaction_tries"));
  if (place.password_file.empty()) return options;
  if (!sql::IsPostgresqlUrl(options.path)) {
    return Fail(Code::kInvalid,
                "storage.password_file is for PostgreSQL, and storage.url names no such database");
  }
  struct stat info {};
  if (::stat(place.password_file.c_str(), &info) == 0 && (info.st_mode & 0077) != 0) {
    return Fail(Code::kDenied, "storage.password_file " + place.password_file +
                                   " can be read by others; chmod 600 it");
  }
  TRY(const std::string text, io::ReadFile(place.password_file, 4096));
  options.password = Secret(std::string(TrimSpace(text)));
  if (options.password.empty())
    return Fail(Code::kInvalid, "storage.password_file " + place.password_file + " is empty");
  return options;
}

Result<void> AdoptOlderFiles(const std::string& state_folder) {
  const std::string identity = state_folder + "/identity.db";
  const std::string exchange = state_folder + "/exchange.db";
  const std::string all = state_folder + "/response.db";
  std::error_code error;
  if (std::filesystem::exists(all, error) || !std::filesystem::exists(identity, error)) return {};
  const bool has_exchange = std::filesystem::exists(exchange, error);
  {
    TRY(sql::Database db, sql::Database::Open({.path = identity}));
    if (has_exchange) {
      {
        // All of its log into the file itself.
        TRY(sql::Database old, sql::Database::Open({.path = exchange}));
        TRY_VOID(old.Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
      }
      // The tables of the release that kept it apart.
      TRY_VOID(db.Migrate("exchange", {sql::MigrationsOf("exchange").front()}));
      TRY(auto attach, db.Prepare("ATTACH ?1 AS old"));
      TRY_VOID(attach.Bind(1, exchange).Run());
      // A start that was cut short may have copied already.
      TRY_VOID(db.Transaction([&]() -> Result<void> {
        for (const std::string table : {"device", "device_certificate", "registration_token"})
          TRY_VOID(db.Execute("INSERT OR IGNORE INTO " + table + " SELECT * FROM old." + table));
        return {};
      }));
      TRY_VOID(db.Execute("DETACH old"));
    }
    TRY_VOID(db.Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  std::filesystem::rename(identity, all, error);
  if (error) return Fail(Code::kUnavailable, "cannot rename " + identity + ": " + error.message());
  if (has_exchange) std::filesystem::rename(exchange, exchange + ".adopted", error);
  return {};
}

}  // namespace mailreeve::response::storage
