#pragma once

#include "settings/settings.h"
#include "sql/database.h"

#include <string>

// Which database the platform's components share (docs/storage.md).
namespace mailreeve::response::storage {

// From the bootstrap file.
struct Place {
  std::string state_folder;
  std::string url;            // sql::OpenOptions::path; empty: response.db in the state folder
  std::string password_file;  // PostgreSQL's; empty: as libpq finds one
};

// With the settings storage.*. kDenied: the password file can be read by others. kNotFound,
// kInvalid.
Result<sql::OpenOptions> DatabaseOptions(const Place& place, const settings::Snapshot& snapshot);

// Brings the files that identity and exchange each had before into response.db, once. The old ones
// stay under the name "….adopted". Blocking, before the database is opened; without old files it
// does nothing.
Result<void> AdoptOlderFiles(const std::string& state_folder);

}  // namespace mailreeve::response::storage
