#pragma once

#include "base/error.h"

#include <tl/expected.hpp>

// Result<T>: a value or an Error. Every function that can fail returns one; nothing in src/ throws
// for bad input.
//
//   Result<int> Parse(std::string_view text);
//   Result<int> Twice(std::string_view text) {
//     TRY(int value, Parse(text));
//     return 2 * value;
//   }
namespace mailreeve {

template <class T>
using Result = tl::expected<T, Error>;

// return Fail(Code::kInvalid, "…");
inline tl::unexpected<Error> Fail(Code code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace mailreeve

#define MAILREEVE_CONCAT_(a, b) a##b
#define MAILREEVE_CONCAT(a, b) MAILREEVE_CONCAT_(a, b)

#define MAILREEVE_TRY_(tmp, decl, expr, ret)                          \
  auto tmp = (expr);                                                  \
  if (!tmp) [[unlikely]]                                              \
    ret ::tl::unexpected<::mailreeve::Error>(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define MAILREEVE_TRY_VOID_(tmp, expr, ret) \
  if (auto tmp = (expr); !tmp) [[unlikely]] \
  ret ::tl::unexpected<::mailreeve::Error>(std::move(tmp).error())

// TRY(auto x, F());  CO_TRY(auto x, co_await G());  for Result<void>: TRY_VOID(F());
// CO_TRY_VOID(co_await G());
#define TRY(decl, ...) \
  MAILREEVE_TRY_(MAILREEVE_CONCAT(try_, __COUNTER__), decl, (__VA_ARGS__), return)
#define CO_TRY(decl, ...) \
  MAILREEVE_TRY_(MAILREEVE_CONCAT(try_, __COUNTER__), decl, (__VA_ARGS__), co_return)
#define TRY_VOID(...) \
  MAILREEVE_TRY_VOID_(MAILREEVE_CONCAT(try_, __COUNTER__), (__VA_ARGS__), return)
#define CO_TRY_VOID(...) \
  MAILREEVE_TRY_VOID_(MAILREEVE_CONCAT(try_, __COUNTER__), (__VA_ARGS__), co_return)
