#pragma once

// Names of Boost.Asio that every unit of the house uses.
#include "base/result.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace mailreeve {
namespace asio = boost::asio;
}

namespace mailreeve::io {

using boost::system::error_code;
using Executor = asio::any_io_executor;

// A coroutine. Parameters are taken by value, or by reference to an object that outlives the call;
// never a capturing lambda coroutine that does not outlive its await; no lock or thread_local
// across a co_await.
template <class T>
using Task = asio::awaitable<T>;

// Completion token: `auto [error, n] = co_await socket.async_read_some(buffer, io::kTuple);`
inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// Maps an operating-system or TLS error to ours: cancelled, timeout, unavailable.
Error FromSystem(const error_code& error, std::string_view doing);

}  // namespace mailreeve::io
