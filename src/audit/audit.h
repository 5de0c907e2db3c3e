#pragma once

#include "base/result.h"
#include "base/time.h"
#include "json/json.h"

#include <memory>
#include <string>
#include <vector>

// The audit trail: one entry for every act that changes something (registration, token, action on
// mail, setting). The shape of an entry is final (docs/audit.md); a tamper-evident log is put under
// it later.
namespace mailreeve::audit {

struct Entry {
  Time time;
  std::string id;  // UUID, set by Append when empty

  struct Actor {
    std::string kind;  // "user", "client", "device", "administrator", "system"
    std::string id;
    std::string name;
  } actor;
  struct Origin {
    std::string address;     // IP of the asker, or "unix", or "local"
    std::string channel;     // "https", "device-channel", "admin-socket", "milter"
    std::string request_id;  // of the request that caused it; empty when none
  } origin;
  std::string action;  // "<noun>.<verb>": "device.register", "token.issue", "mail.remediate"
  struct Object {
    std::string type;
    std::string id;
  } object;
  std::string result;   // "success", "failure", "denied"
  std::string message;  // a sentence for people; no secrets
  json::object details;
};

json::object ToJson(const Entry& entry);

// Threads: safe. Append returns when the entry is on disk.
class Log {
 public:
  virtual ~Log() = default;
  virtual Result<void> Append(Entry entry) = 0;
};

// JSON lines appended to `path` (0640), each synced. kUnavailable when the file cannot be written:
// the act that asked for the entry must then fail too.
Result<std::unique_ptr<Log>> OpenFileLog(const std::string& path, const Clock& clock);

// Keeps entries in memory: for tests.
class MemoryLog final : public Log {
 public:
  Result<void> Append(Entry entry) override {
    entries.push_back(std::move(entry));
    return {};
  }
  std::vector<Entry> entries;
};

}  // namespace mailreeve::audit
