#pragma once

#include "io/event.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <exception>
#include <optional>

namespace mailreeve::io {

template <class T>
struct Settled {
  std::optional<Result<T>> result;
  std::exception_ptr thrown;
};

// Ends without throwing: what throws in one branch of Asio's || leaves the other running.
template <class T>
Task<Settled<T>> Settle(Task<Result<T>> task) {
  Settled<T> out;
  try {
    out.result.emplace(co_await std::move(task));
  } catch (...) {
    out.thrown = std::current_exception();
  }
  co_return out;
}

// Runs `task` for at most `limit`: its result, or kTimeout naming `doing` after the task was
// cancelled and has ended. What the task throws reaches the caller at once.
//
//   auto greeting = co_await io::WithDeadline(ReadLine(stream), 30s, "reading the greeting");
template <class T>
Task<Result<T>> WithDeadline(Task<Result<T>> task, std::chrono::nanoseconds limit,
                             std::string doing) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (Settle(std::move(task)) || Sleep(limit));
  if (first.index() == 0) {
    Settled<T>& settled = std::get<0>(first);
    if (settled.thrown) std::rethrow_exception(settled.thrown);
    co_return *std::move(settled.result);
  }
  co_return Fail(
      Code::kTimeout,
      doing + ": no answer within " +
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
          " ms");
}

}  // namespace mailreeve::io
