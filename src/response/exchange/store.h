#pragma once

#include "base/result.h"
#include "base/time.h"
#include "sql/database.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace mailreeve::response::exchange {

// A device as stored. `state` is "enrolling", "registered" or "removed".
struct DeviceRow {
  std::string id;
  std::string organisation_id;
  std::string name;
  std::string type;
  std::string description;
  std::string version;
  std::string serial;
  std::string host_name;
  std::string state;
  std::string address;  // of the last connection
  int64_t clock_skew_ms = 0;
  std::string alert;  // empty: none
  Time created{};
  std::optional<Time> registered, last_seen, removed;
  std::optional<Time> certificate_expires;  // of the newest certificate in force
};

struct TokenRow {
  std::string hash;
  std::string organisation_id;
  std::optional<std::string> device_id;
  std::string made_by;
  Time created{}, expires{};
  std::optional<Time> used, revoked;
};

struct CertificateRow {
  std::string sha256;
  std::string device_id;
  std::string serial;
  Time issued{}, expires{};
  std::optional<Time> first_used, revoked;
};

// Devices, their certificates and registration tokens. Blocking.
// Threads: one at a time. Errors: sql/database.h; kNotFound where said.
class Store {
 public:
  static Result<Store> Open(sql::Database database);  // applies the migrations

  // May run `work` several times: sql/database.h.
  Result<void> Transaction(const std::function<Result<void>()>& work) {
    return database_.Transaction(work);
  }

  Result<void> InsertDevice(const DeviceRow& device);
  // Removed ones are found too.
  Result<DeviceRow> FindDevice(const std::string& id);  // kNotFound
  // All that are not removed, oldest first. An empty organisation means all.
  Result<std::vector<DeviceRow>> ListDevices(const std::string& organisation_id);
  Result<void> UpdateDevice(
      const DeviceRow& device);  // every field but id, organisation and created

  Result<void> InsertCertificate(const CertificateRow& certificate);
  Result<CertificateRow> FindCertificate(const std::string& sha256);  // kNotFound
  Result<void> MarkCertificateUsed(const std::string& sha256, Time now);
  // All of the device but `except` (may be empty). Answers how many.
  Result<int64_t> RevokeCertificates(const std::string& device_id, const std::string& except,
                                     Time now);
  // Those issued before `certificate` that are still in force: superseded.
  Result<int64_t> RevokeOlderCertificates(const CertificateRow& certificate, Time now);

  Result<void> InsertToken(const TokenRow& token);
  Result<TokenRow> FindToken(const std::string& hash);  // kNotFound
  // True when this call used it up: unused, not revoked and not expired until now.
  Result<bool> UseToken(const std::string& hash, Time now);
  Result<int64_t> RevokeTokens(const std::string& device_id, Time now);
  // Tokens that ended before `before` go.
  Result<int64_t> ForgetTokens(Time before);

 private:
  explicit Store(sql::Database database) : database_(std::move(database)) {}
  sql::Database database_;
};

}  // namespace mailreeve::response::exchange
