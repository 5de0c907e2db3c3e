#pragma once

#include "base/time.h"
#include "json/json.h"

#include <chrono>
#include <list>
#include <string>
#include <unordered_map>

namespace mailreeve::response::relay_client {

struct VerdictCacheOptions {
  std::chrono::seconds life{300};          // at most; a verdict's valid_time may end it earlier
  std::chrono::seconds negative_life{60};  // of "this module has no verdict"
  size_t max_observables = 10000;          // the one longest unused goes when there are more
};

// Verdicts of one module for one organisation. Observables are known by type and value as asked.
// Threads: one at a time.
class VerdictCache {
 public:
  explicit VerdictCache(VerdictCacheOptions options) : options_(options) {}

  // Splits `asked` ([{"type","value"}]): verdicts that are known go to `verdicts`, what must be
  // asked is answered.
  json::array Take(const json::array& asked, Time now, json::array& verdicts);
  // Remembers what the module said when asked for `asked`. `complete`: what has no verdict among
  // `verdicts` has none at the module.
  void Put(const json::array& asked, const json::array& verdicts, bool complete, Time now);
  void Clear();
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    json::array verdicts;
    Time until;
    std::list<std::string>::iterator used;
  };
  VerdictCacheOptions options_;
  std::list<std::string> order_;  // longest unused first
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace mailreeve::response::relay_client
