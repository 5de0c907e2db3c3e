#include "http/client.h"

#include "base/text.h"
#include "http/coding.h"
#include "http/wire.h"
#include "io/deadline.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace mailreeve::http {
namespace {

namespace beast = boost::beast;
using Parser = beast::http::response_parser<beast::http::string_body>;

constexpr size_t kReadBytes = 32 * 1024;
constexpr int kMaxInterimAnswers = 8;

Result<std::string> WriteHead(const std::string& method, const std::string& target,
                              const std::string& authority, const Headers& headers,
                              size_t body_bytes) {
  if (!IsFieldName(method)) return Fail(Code::kInvalid, "'" + method + "' is not an HTTP method");
  for (const unsigned char c : target) {
    if (c <= 0x20 || c >= 0x7f) return Fail(Code::kInvalid, "the target must be percent-encoded");
  }
  if (!target.starts_with('/')) return Fail(Code::kInvalid, "the target must start with '/'");
  std::string head = method + " " + target + " HTTP/1.1\r\n";
  if (!headers.Has("Host")) head += "Host: " + authority + "\r\n";
  for (const auto& [name, value] : headers.fields()) {
    if (!IsFieldName(name) || !IsFieldValue(value)) {
      return Fail(Code::kInvalid, "'" + name + "' is not a header field");
    }
    if (AsciiEqualFold(name, "Content-Length") || AsciiEqualFold(name, "Transfer-Encoding") ||
        AsciiEqualFold(name, "Connection")) {
      continue;
    }
    head += name + ": " + value + "\r\n";
  }
  if (body_bytes > 0 || method == "POST" || method == "PUT" || method == "PATCH") {
    head += "Content-Length: " + std::to_string(body_bytes) + "\r\n";
  }
  head += "Connection: close\r\n\r\n";
  return head;
}

size_t WireLimit(const ClientOptions& options) {
  return options.decode_body && options.max_wire_bytes > 0 ? options.max_wire_bytes
                                                           : options.max_body_bytes;
}

Error Malformed(const beast::error_code& error, const ClientOptions& options) {
  if (error == beast::http::error::body_limit) {
    return Error(Code::kLimited,
                 "the answer has more than " + std::to_string(WireLimit(options)) + " bytes");
  }
  if (error == beast::http::error::header_limit) {
    return Error(Code::kLimited, "the answer's header has more than " +
                                     std::to_string(options.max_header_bytes) + " bytes");
  }
  return Error(Code::kUnavailable, "the answer is not HTTP: " + error.message());
}

io::Task<Result<size_t>> ReadSome(Wire& wire, beast::flat_buffer& buffer) {
  auto [failed, got] = co_await wire.async_read_some(buffer.prepare(kReadBytes), io::kTuple);
  buffer.commit(got);
  if (failed == asio::error::eof) co_return size_t{0};
  if (failed) co_return Fail(io::FromSystem(failed, "reading the answer"));
  co_return got;
}

// Whether an answer comes fast enough, whatever its length.
class Pace {
 public:
  explicit Pace(const ClientOptions& options) : options_(options) {}

  // How long the next read may wait; 0: for ever.
  std::chrono::nanoseconds Next() const {
    if (!began_) return options_.first_byte_timeout;
    if (options_.min_bytes_per_second == 0) return std::chrono::nanoseconds(0);
    // The moment at which what has come until now is too little.
    const auto enough = std::chrono::milliseconds(1000 * bytes_ / options_.min_bytes_per_second);
    const auto until = *began_ + std::max<std::chrono::milliseconds>(options_.slow_after, enough);
    return std::max<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now(),
                                              std::chrono::milliseconds(1));
  }
  void Got(size_t bytes) {
    if (!began_) began_ = std::chrono::steady_clock::now();
    bytes_ += bytes;
  }
  std::string doing() const {
    return began_ ? "the answer comes too slowly" : "waiting for the answer";
  }

 private:
  const ClientOptions& options_;
  std::optional<std::chrono::steady_clock::time_point> began_;
  size_t bytes_ = 0;
};

// One whole message into `parser`; `buffer` may hold its beginning and what follows it.
io::Task<Result<void>> ReadMessage(Wire& wire, beast::flat_buffer& buffer, Parser& parser,
                                   const ClientOptions& options, Pace& pace) {
  while (true) {
    beast::error_code error;
    while (buffer.size() > 0 && !parser.is_done()) {
      const size_t used = parser.put(buffer.data(), error);
      buffer.consume(used);
      if (error == beast::http::error::need_more || (!error && used == 0)) break;
      if (error) co_return Fail(Malformed(error, options));
    }
    if (parser.is_done()) co_return Result<void>();
    const std::chrono::nanoseconds limit = pace.Next();
    auto got = limit.count() > 0
                   ? co_await io::WithDeadline(ReadSome(wire, buffer), limit, pace.doing())
                   : co_await ReadSome(wire, buffer);
    if (!got && (got.error().code == Code::kTimeout || got.error().code == Code::kCancelled)) {
      co_return Fail(std::move(got).error());
    }
    if (!got) {
      co_return Fail(Code::kUnavailable, "the answer ended early: " + got.error().message);
    }
    if (*got > 0) {
      pace.Got(*got);
      continue;
    }
    // Only a clean end may end a body without a length; a cut one would pass for whole.
    if (parser.got_some()) {
      parser.put_eof(error);
      if (!error && parser.is_done()) co_return Result<void>();
    }
    co_return Fail(Code::kUnavailable, "the answer ended early");
  }
}

io::Task<Result<Response>> Exchange(Wire wire, std::string head, std::string body, bool is_head,
                                    const ClientOptions& options) {
  const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(body)};
  // A server may refuse and answer before it has read everything, so a failed write is no verdict
  // yet.
  auto [write_error, put] = co_await asio::async_write(wire, buffers, io::kTuple);
  if (write_error == asio::error::operation_aborted) {
    co_return Fail(io::FromSystem(write_error, "sending the request"));
  }
  beast::flat_buffer buffer;
  Pace pace(options);
  for (int i = 0; i < kMaxInterimAnswers; ++i) {
    Parser parser;
    parser.eager(true);
    parser.skip(is_head);
    parser.header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
    parser.body_limit(WireLimit(options));
    auto read = co_await ReadMessage(wire, buffer, parser, options, pace);
    if (!read) {
      if (write_error) co_return Fail(io::FromSystem(write_error, "sending the request"));
      co_return Fail(std::move(read).error());
    }
    auto& message = parser.get();
    if (message.result_int() >= 100 && message.result_int() < 200 && message.result_int() != 101) {
      continue;
    }
    Response out;
    out.status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
      out.headers.Add(std::string(field.name_string()), std::string(field.value()));
    }
    out.body = std::move(message.body());
    if (options.decode_body && !is_head) CO_TRY_VOID(UndoCoding(out, options.max_body_bytes));
    co_return out;
  }
  co_return Fail(Code::kUnavailable, "the server sends no final answer");
}

io::Task<Result<Response>> FetchNow(std::string head, bool is_head, WireTarget target,
                                    std::string body, ClientOptions options) {
  if (options.connect_timeout.count() > 0) {
    const std::string doing = "connecting to '" + target.host + "'";
    CO_TRY(Wire wire, co_await io::WithDeadline(ConnectWire(std::move(target)),
                                                options.connect_timeout, doing));
    co_return co_await Exchange(std::move(wire), std::move(head), std::move(body), is_head,
                                options);
  }
  CO_TRY(Wire wire, co_await ConnectWire(std::move(target)));
  co_return co_await Exchange(std::move(wire), std::move(head), std::move(body), is_head, options);
}

io::Task<Result<Response>> FetchUnixNow(std::string head, bool is_head, std::string path,
                                        std::string body, ClientOptions options) {
  CO_TRY(Wire wire, co_await ConnectUnixWire(std::move(path)));
  co_return co_await Exchange(std::move(wire), std::move(head), std::move(body), is_head, options);
}

}  // namespace

Result<UrlParts> SplitUrl(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return Fail(Code::kInvalid, "not a URL to fetch: " + std::string(why));
  };
  UrlParts out;
  for (const unsigned char c : text) {
    if (c <= 0x20 || c >= 0x7f) return wrong("it has characters that must be encoded");
  }
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return wrong("it has no scheme");
  const std::string scheme = AsciiLower(text.substr(0, colon));
  if (scheme != "http" && scheme != "https") return wrong("the scheme must be http or https");
  out.is_tls = scheme == "https";
  text.remove_prefix(colon + 3);
  text = text.substr(0, text.find('#'));
  const size_t end = std::min(text.find_first_of("/?\\"), text.size());
  std::string_view authority = text.substr(0, end);
  text.remove_prefix(end);
  if (text.starts_with('\\')) return wrong("it has a backslash");
  if (authority.find('@') != std::string_view::npos) return wrong("it must not hold a user name");
  out.target = text.starts_with('/') ? std::string(text) : "/" + std::string(text);

  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return wrong("']' is missing");
    out.host = std::string(authority.substr(1, close - 1));
    boost::system::error_code error;
    asio::ip::make_address_v6(out.host, error);
    if (error) return wrong("the address in brackets is not IPv6");
    port = authority.substr(close + 1);
  } else {
    const size_t at = std::min(authority.find(':'), authority.size());
    out.host = std::string(authority.substr(0, at));
    port = authority.substr(at);
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    if (out.host.empty() || out.host.size() > 253 ||
        out.host.find_first_not_of(kAllowed) != std::string::npos) {
      return wrong("the host is not a name or an address");
    }
  }
  out.port = out.is_tls ? 443 : 80;
  if (!port.empty()) {
    if (!port.starts_with(':')) return wrong("text after the address");
    port.remove_prefix(1);
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != std::string_view::npos) {
      return wrong("the port is not a number");
    }
    const int number = std::stoi(std::string(port));
    if (number < 1 || number > 65535) return wrong("the port is out of range");
    out.port = static_cast<uint16_t>(number);
  }
  out.authority = std::string(authority);
  return out;
}

io::Task<Result<Response>> Fetch(std::string method, std::string url, Headers headers,
                                 std::string body, ClientOptions options) {
  CO_TRY(const UrlParts to, SplitUrl(url));
  if (options.decode_body && !headers.Has("Accept-Encoding")) {
    headers.Set("Accept-Encoding", "gzip");
  }
  const bool is_proxied = !options.proxy.host.empty();
  CO_TRY(std::string head, WriteHead(method, to.target, to.authority, headers, body.size()));
  if (is_proxied && !to.is_tls) {
    // The absolute form (RFC 9112 section 3.2.2).
    head.insert(method.size() + 1, "http://" + to.authority);
    if (!options.proxy.authorization.empty()) {
      if (!IsFieldValue(options.proxy.authorization)) {
        co_return Fail(Code::kInvalid, "the proxy's authorisation is no header value");
      }
      head.insert(head.size() - 2, "Proxy-Authorization: " + options.proxy.authorization + "\r\n");
    }
  }
  WireTarget target;
  target.host = to.host;
  target.port = to.port;
  target.addresses = options.addresses;
  target.resolver = options.resolver;
  target.proxy_host = options.proxy.host;
  target.proxy_port = options.proxy.port;
  target.proxy_authorization = options.proxy.authorization;
  if (to.is_tls) {
    if (options.tls) {
      target.tls = options.tls;
    } else {
      CO_TRY(target.tls, io::MakeTlsClient({}));
    }
  }
  const auto limit = options.timeout;
  co_return co_await io::WithDeadline(FetchNow(std::move(head), method == "HEAD", std::move(target),
                                               std::move(body), std::move(options)),
                                      limit, "asking " + to.authority);
}

io::Task<Result<Response>> FetchUnix(std::string socket_path, std::string method,
                                     std::string target, Headers headers, std::string body,
                                     ClientOptions options) {
  CO_TRY(std::string head, WriteHead(method, target, "localhost", headers, body.size()));
  const auto limit = options.timeout;
  const std::string doing = "asking '" + socket_path + "'";
  co_return co_await io::WithDeadline(
      FetchUnixNow(std::move(head), method == "HEAD", std::move(socket_path), std::move(body),
                   std::move(options)),
      limit, doing);
}

}  // namespace mailreeve::http
