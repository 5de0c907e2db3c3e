#include "io/text_stream.h"

#include "io/deadline.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

namespace mailreeve::io {
namespace {

using asio::ip::tcp;
using TlsStream = asio::ssl::stream<tcp::socket&>;

constexpr size_t kReadBytes = 32 * 1024;

}  // namespace

struct TextStream::State {
  State(Executor executor, Options o) : options(std::move(o)), socket(executor) {}

  std::string where() const { return options.host + ":" + std::to_string(options.port); }
  std::string server_name() const {
    return options.server_name.empty() ? options.host : options.server_name;
  }

  Task<Result<void>> Open() {
    tcp::resolver resolver(socket.get_executor());
    auto [resolve_error, found] =
        co_await resolver.async_resolve(options.host, std::to_string(options.port), kTuple);
    if (resolve_error) co_return Fail(FromSystem(resolve_error, "resolving " + options.host));
    auto [error, endpoint] = co_await asio::async_connect(socket, found, kTuple);
    if (error) co_return Fail(FromSystem(error, "connecting to " + where()));
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    co_return Result<void>();
  }

  Task<Result<void>> Handshake(TlsContext context) {
    tls_context = std::move(context);
    tls = std::make_unique<TlsStream>(socket, *tls_context);
    const std::string name = server_name();
    error_code is_name;
    asio::ip::make_address(name, is_name);
    if (is_name) SSL_set_tlsext_host_name(tls->native_handle(), name.c_str());
    error_code ignored;
    tls->set_verify_callback(asio::ssl::host_name_verification(name), ignored);
    auto [error] = co_await tls->async_handshake(asio::ssl::stream_base::client, kTuple);
    if (error) {
      if (error.category() == asio::error::get_ssl_category()) {
        co_return Fail(Code::kUnauthenticated,
                       "TLS with " + where() + " as '" + name + "': " + error.message());
      }
      co_return Fail(FromSystem(error, "TLS with " + where()));
    }
    co_return Result<void>();
  }

  // Reads some more into `buffer`.
  Task<Result<void>> ReadMore() {
    // Consumed bytes go only when they are many: cutting the front for each line would be
    // quadratic.
    if (start > 0 && (start == buffer.size() || start > kReadBytes)) {
      buffer.erase(0, start);
      start = 0;
    }
    const size_t had = buffer.size();
    buffer.resize(had + kReadBytes);
    error_code error;
    size_t got = 0;
    const auto space = asio::buffer(buffer.data() + had, kReadBytes);
    if (tls) {
      std::tie(error, got) = co_await tls->async_read_some(space, kTuple);
    } else {
      std::tie(error, got) = co_await socket.async_read_some(space, kTuple);
    }
    buffer.resize(had + got);
    if (error && got == 0) {
      co_return Fail(FromSystem(error, "reading from " + where()));
    }
    co_return Result<void>();
  }

  Task<Result<void>> WriteAll(std::string bytes) {
    error_code error;
    size_t put = 0;
    if (tls) {
      std::tie(error, put) = co_await asio::async_write(*tls, asio::buffer(bytes), kTuple);
    } else {
      std::tie(error, put) = co_await asio::async_write(socket, asio::buffer(bytes), kTuple);
    }
    if (error) co_return Fail(FromSystem(error, "writing to " + where()));
    co_return Result<void>();
  }

  Options options;
  tcp::socket socket;
  TlsContext tls_context;  // outlives `tls`
  std::unique_ptr<TlsStream> tls;
  std::string buffer;
  size_t start = 0;  // of what is not consumed yet
};

TextStream::TextStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextStream::~TextStream() { Close(); }

Task<Result<std::unique_ptr<TextStream>>> TextStream::Connect(Options options) {
  auto state = std::make_unique<State>(co_await asio::this_coro::executor, std::move(options));
  const auto limit = state->options.connect_timeout;
  CO_TRY_VOID(co_await WithDeadline(state->Open(), limit, "connecting to " + state->where()));
  if (state->options.tls) {
    CO_TRY_VOID(co_await WithDeadline(state->Handshake(state->options.tls), limit,
                                      "TLS with " + state->where()));
  }
  co_return std::unique_ptr<TextStream>(new TextStream(std::move(state)));
}

Task<Result<void>> TextStream::StartTls(TlsContext tls) {
  // Bytes sent in the clear ahead of the handshake must not count as said under TLS (CVE-2011-0411
  // and kin).
  if (state_->start != state_->buffer.size()) {
    co_return Fail(Code::kInvalid, state_->where() + " sent data ahead of the TLS handshake");
  }
  co_return co_await WithDeadline(state_->Handshake(std::move(tls)),
                                  state_->options.connect_timeout, "TLS with " + state_->where());
}

Task<Result<std::string>> TextStream::ReadLine() {
  State& s = *state_;
  size_t searched = 0;
  while (true) {
    const std::string_view rest = std::string_view(s.buffer).substr(s.start);
    const size_t end = rest.find('\n', searched);
    if (end != std::string_view::npos && end <= s.options.max_line) {
      std::string line(rest.substr(0, end));
      if (line.ends_with('\r')) line.pop_back();
      s.start += end + 1;
      co_return line;
    }
    if (rest.size() > s.options.max_line) {
      co_return Fail(Code::kLimited, s.where() + " sent a line of more than " +
                                         std::to_string(s.options.max_line) + " bytes");
    }
    searched = rest.size();
    CO_TRY_VOID(
        co_await WithDeadline(s.ReadMore(), s.options.io_timeout, "reading from " + s.where()));
  }
}

Task<Result<void>> TextStream::ReadExactly(size_t count, std::string* out) {
  State& s = *state_;
  while (count > 0) {
    const size_t have = std::min(count, s.buffer.size() - s.start);
    out->append(s.buffer, s.start, have);
    s.start += have;
    count -= have;
    if (count == 0) break;
    CO_TRY_VOID(
        co_await WithDeadline(s.ReadMore(), s.options.io_timeout, "reading from " + s.where()));
  }
  co_return Result<void>();
}

Task<Result<void>> TextStream::Write(std::string bytes) {
  co_return co_await WithDeadline(state_->WriteAll(std::move(bytes)), state_->options.io_timeout,
                                  "writing to " + state_->where());
}

void TextStream::Close() {
  error_code ignored;
  if (state_) state_->socket.close(ignored);
}

}  // namespace mailreeve::io
