#pragma once

#include "io/asio.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <string>
#include <type_traits>

namespace mailreeve::io {

// Threads for work that blocks (SQLite writes, key derivation). Bounded: a full queue is kLimited,
// never growth. Threads: Run from any executor; the coroutine goes on where it was. Ownership:
// outlives the calls.
class Pool {
 public:
  // `name` is for error texts; `max_pending` counts running and waiting calls.
  Pool(std::string name, size_t threads, size_t max_pending)
      : name_(std::move(name)), max_pending_(max_pending), pool_(threads) {}
  ~Pool() { pool_.join(); }

  // Runs `work`, which returns a Result<T>, on a thread of the pool. An exception in it reaches the
  // caller.
  template <class F>
  Task<std::invoke_result_t<F>> Run(F work) {
    if (pending_.fetch_add(1) >= max_pending_) {
      pending_.fetch_sub(1);
      co_return Fail(Code::kLimited, name_ + ": too many requests at once; try again later");
    }
    struct Leave {
      std::atomic<size_t>& pending;
      ~Leave() { pending.fetch_sub(1); }
    } leave{pending_};
    // Without the caller's cancellation slot: work that runs cannot be stopped, and a signal sent
    // from this thread would race with the end of the call on the pool's.
    co_return co_await asio::co_spawn(
        pool_, Call<F>(std::move(work)),
        asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
  }

 private:
  template <class F>
  static Task<std::invoke_result_t<F>> Call(F work) {
    co_return work();
  }

  std::string name_;
  size_t max_pending_;
  std::atomic<size_t> pending_{0};
  asio::thread_pool pool_;
};

}  // namespace mailreeve::io
