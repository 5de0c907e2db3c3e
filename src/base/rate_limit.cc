#include "base/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace mailreeve {

bool RateLimit::Take(const std::string& key) {
  const Time now = clock_.Now();
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= options_.max_keys && !order_.empty()) {
      buckets_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(key);
    found = buckets_.emplace(key, Bucket{options_.burst, now, std::prev(order_.end())}).first;
  } else {
    order_.splice(order_.end(), order_, found->second.used);
  }
  Bucket& bucket = found->second;
  // A clock that was set back must not lock anyone out or in.
  const double passed = std::max(0.0, std::chrono::duration<double>(now - bucket.at).count());
  bucket.left =
      std::min(options_.burst, bucket.left + passed * options_.burst /
                                                 static_cast<double>(options_.window.count()));
  bucket.at = now;
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

void RateLimit::GiveBack(const std::string& key) {
  const auto found = buckets_.find(key);
  if (found != buckets_.end())
    found->second.left = std::min(options_.burst, found->second.left + 1);
}

int64_t RateLimit::retry_after_seconds() const {
  return static_cast<int64_t>(
      std::ceil(static_cast<double>(options_.window.count()) / options_.burst));
}

}  // namespace mailreeve
