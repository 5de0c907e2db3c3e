#pragma once

#include "base/time.h"

#include <list>
#include <string>
#include <unordered_map>

namespace mailreeve {

struct RateLimitOptions {
  double burst = 10;                 // tries at once
  std::chrono::seconds window{900};  // in which `burst` tries grow back
  size_t max_keys = 50000;           // the one longest unused goes when there are more
};

// Tries per key: a bucket that each try empties by one and time fills again. A try that succeeds
// gives its one back, so only failures count, however many run at once.
//
// Threads: one at a time.
class RateLimit {
 public:
  RateLimit(RateLimitOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // False: the key has no try left; nothing is taken then.
  bool Take(const std::string& key);
  void GiveBack(const std::string& key);
  // Seconds until an empty bucket has one try again.
  int64_t retry_after_seconds() const;
  size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    double left;
    Time at;
    std::list<std::string>::iterator used;
  };
  RateLimitOptions options_;
  const Clock& clock_;
  std::list<std::string> order_;  // longest unused first
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace mailreeve
