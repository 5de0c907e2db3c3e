#pragma once

#include "base/time.h"

#include <chrono>
#include <optional>

namespace mailreeve::response::relay_client {

struct BreakerOptions {
  int failures = 5;  // in a row, that open it
  std::chrono::seconds open_for{30};
};

// Spares a module that fails, and those who ask, calls that would fail again: after some failures
// in a row it is open and nothing is asked; after a while it is half open and one call tries.
// Threads: one at a time.
class Breaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen };
  explicit Breaker(BreakerOptions options) : options_(options) {}

  State state(Time now) const {
    if (!opened_) return State::kClosed;
    return now < *opened_ + options_.open_for ? State::kOpen : State::kHalfOpen;
  }
  // False: do not ask. True for a half-open one only until that call has ended.
  bool Allow(Time now) {
    if (state(now) == State::kClosed) return true;
    if (state(now) == State::kOpen || trying_) return false;
    trying_ = true;
    return true;
  }
  void Succeeded() {
    failures_ = 0;
    opened_.reset();
    trying_ = false;
  }
  void Failed(Time now) {
    trying_ = false;
    if (++failures_ >= options_.failures) opened_ = now;
  }
  // The call ended without telling anything of the module.
  void GaveUp() { trying_ = false; }
  int failures() const { return failures_; }
  Time next_try() const { return opened_ ? *opened_ + options_.open_for : Time{}; }

 private:
  const BreakerOptions options_;
  int failures_ = 0;
  bool trying_ = false;
  std::optional<Time> opened_;
};

}  // namespace mailreeve::response::relay_client
