#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "io/event.h"

namespace mailreeve::io {

// Runs `task` for at most `limit`: its result, or kTimeout naming `doing` after the task was cancelled and has ended.
//
//   auto greeting = co_await io::WithDeadline(ReadLine(stream), 30s, "reading the greeting");
template <class T>
Task<Result<T>> WithDeadline(Task<Result<T>> task, std::chrono::nanoseconds limit,
                             std::string doing) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (std::move(task) || Sleep(limit));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return Fail(Code::kTimeout, doing + ": no answer within " +
                                     std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                                     " ms");
}

}  // namespace mailreeve::io
