#include "http/client.h"

#include "base/text.h"
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

struct Url {
  bool is_tls = false;
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string authority;  // for Host
  std::string target;
};

Result<Url> ParseUrl(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return Fail(Code::kInvalid, "not a URL to fetch: " + std::string(why));
  };
  Url out;
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

Error Malformed(const beast::error_code& error, const ClientOptions& options) {
  if (error == beast::http::error::body_limit) {
    return Error(Code::kLimited,
                 "the answer has more than " + std::to_string(options.max_body_bytes) + " bytes");
  }
  if (error == beast::http::error::header_limit) {
    return Error(Code::kLimited, "the answer's header has more than " +
                                     std::to_string(options.max_header_bytes) + " bytes");
  }
  return Error(Code::kUnavailable, "the answer is not HTTP: " + error.message());
}

// One whole message into `parser`; `buffer` may hold its beginning and what follows it.
io::Task<Result<void>> ReadMessage(Wire& wire, beast::flat_buffer& buffer, Parser& parser,
                                   const ClientOptions& options) {
  while (true) {
    beast::error_code error;
    while (buffer.size() > 0 && !parser.is_done()) {
      const size_t used = parser.put(buffer.data(), error);
      buffer.consume(used);
      if (error == beast::http::error::need_more || (!error && used == 0)) break;
      if (error) co_return Fail(Malformed(error, options));
    }
    if (parser.is_done()) co_return Result<void>();
    auto [failed, got] = co_await wire.async_read_some(buffer.prepare(kReadBytes), io::kTuple);
    buffer.commit(got);
    if (!failed) continue;
    if (failed == asio::error::operation_aborted) {
      co_return Fail(io::FromSystem(failed, "reading the answer"));
    }
    // Only a clean end may end a body without a length; a cut one would pass for whole.
    if (failed == asio::error::eof && parser.got_some()) {
      parser.put_eof(error);
      if (!error && parser.is_done()) co_return Result<void>();
    }
    co_return Fail(Code::kUnavailable, "the answer ended early: " + failed.message());
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
  for (int i = 0; i < kMaxInterimAnswers; ++i) {
    Parser parser;
    parser.eager(true);
    parser.skip(is_head);
    parser.header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
    parser.body_limit(options.max_body_bytes);
    auto read = co_await ReadMessage(wire, buffer, parser, options);
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
    co_return out;
  }
  co_return Fail(Code::kUnavailable, "the server sends no final answer");
}

io::Task<Result<Response>> FetchNow(std::string head, bool is_head, WireTarget target,
                                    std::string body, ClientOptions options) {
  CO_TRY(Wire wire, co_await ConnectWire(std::move(target)));
  co_return co_await Exchange(std::move(wire), std::move(head), std::move(body), is_head, options);
}

io::Task<Result<Response>> FetchUnixNow(std::string head, bool is_head, std::string path,
                                        std::string body, ClientOptions options) {
  CO_TRY(Wire wire, co_await ConnectUnixWire(std::move(path)));
  co_return co_await Exchange(std::move(wire), std::move(head), std::move(body), is_head, options);
}

}  // namespace

io::Task<Result<Response>> Fetch(std::string method, std::string url, Headers headers,
                                 std::string body, ClientOptions options) {
  CO_TRY(const Url to, ParseUrl(url));
  CO_TRY(std::string head, WriteHead(method, to.target, to.authority, headers, body.size()));
  WireTarget target;
  target.host = to.host;
  target.port = to.port;
  target.public_addresses_only = options.public_addresses_only;
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
