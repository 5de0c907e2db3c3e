#pragma once

#include "audit/audit.h"

#include <map>
#include <mutex>
#include <string>

namespace mailreeve::audit {

// Knows whether a request has left an entry, so that no change goes without one.
//
// Threads: safe. Ownership: borrows the log. Errors: the log's.
//
//   witness.Watch(request.request_id);
//   … the handler …
//   if (!witness.Saw(request.request_id)) witness.Append(…);
class Witness final : public Log {
 public:
  explicit Witness(Log& log) : log_(log) {}

  Result<void> Append(Entry entry) override {
    const std::string id = entry.origin.request_id;
    TRY_VOID(log_.Append(std::move(entry)));
    std::lock_guard lock(mutex_);
    if (const auto found = seen_.find(id); found != seen_.end()) found->second = true;
    return {};
  }
  void Watch(const std::string& request_id) {
    std::lock_guard lock(mutex_);
    seen_.emplace(request_id, false);
  }
  // Ends the watch.
  bool Saw(const std::string& request_id) {
    std::lock_guard lock(mutex_);
    const auto found = seen_.find(request_id);
    if (found == seen_.end()) return false;
    const bool saw = found->second;
    seen_.erase(found);
    return saw;
  }

 private:
  Log& log_;
  std::mutex mutex_;
  std::map<std::string, bool> seen_;
};

}  // namespace mailreeve::audit
