#include "io/event.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace mailreeve::io {

Task<void> Sleep(std::chrono::nanoseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(time));
  co_await timer.async_wait(asio::use_awaitable);
}

Task<bool> Event::WaitFor(std::chrono::nanoseconds limit) {
  using namespace asio::experimental::awaitable_operators;
  const auto first = co_await (Wait() || Sleep(limit));
  co_return first.index() == 0;
}

}  // namespace mailreeve::io
