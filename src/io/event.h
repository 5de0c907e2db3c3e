#pragma once

#include "io/asio.h"

#include <boost/asio/steady_timer.hpp>

namespace mailreeve::io {

// Lets coroutines of one thread wait until something changed: a condition variable without a lock.
// Wake-ups may be spurious; test the condition in a loop. Must outlive the waiters.
class Event {
 public:
  explicit Event(const Executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()) {}

  // Wakes every waiter.
  void Notify() { timer_.cancel(); }
  // Returns at the next Notify().
  Task<void> Wait() { co_await timer_.async_wait(kTuple); }
  // The same, at latest after `limit`; false then.
  Task<bool> WaitFor(std::chrono::nanoseconds limit);

  Executor executor() { return timer_.get_executor(); }

 private:
  asio::steady_timer timer_;
};

// Ends after `time`, or throws operation_aborted when cancelled.
Task<void> Sleep(std::chrono::nanoseconds time);

}  // namespace mailreeve::io
