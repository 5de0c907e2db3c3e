#include "http/wire.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "io/deadline.h"

#include <arpa/inet.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>

namespace mailreeve::http {
namespace {

using asio::ip::tcp;

constexpr std::chrono::seconds kNextAddressAfter{10};

io::Task<Result<void>> ConnectTo(tcp::socket& socket, tcp::endpoint endpoint) {
  auto [error] = co_await socket.async_connect(endpoint, io::kTuple);
  if (error)
    co_return Fail(io::FromSystem(error, "connecting to " + endpoint.address().to_string()));
  co_return Result<void>();
}

std::string CommonNameOf(const X509* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  // Two common names, or a NUL in one: nobody can say who that is.
  if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return out.find('\0') == std::string::npos ? out : std::string();
}

std::string DescribeTls(const io::error_code& error, Wire::Tls& tls, const std::string& host) {
  const long verified = SSL_get_verify_result(tls.native_handle());
  std::string text = "TLS handshake with " + host + ": " + error.message();
  if (verified != X509_V_OK) {
    text += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
  }
  return text;
}

}  // namespace

Wire::Wire(Socket socket, io::TlsContext context)
    : context_(std::move(context)),
      socket_(socket.get_executor()),
      tls_(std::make_unique<Tls>(std::move(socket), *context_)) {}

void Wire::Cancel() {
  io::error_code ignored;
  lowest().cancel(ignored);
}

void Wire::Close() {
  io::error_code ignored;
  lowest().close(ignored);
}

void Wire::ShutdownSend() {
  io::error_code ignored;
  lowest().shutdown(asio::socket_base::shutdown_send, ignored);
}

std::string Wire::RemoteAddress() {
  io::error_code error;
  const auto endpoint = lowest().remote_endpoint(error);
  if (error) return {};
  char text[INET6_ADDRSTRLEN] = "";
  if (endpoint.data()->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(endpoint.data());
    return inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
  }
  if (endpoint.data()->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(endpoint.data());
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      return inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof(text));
    }
    return inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
  }
  return "unix";
}

PeerIdentity IdentityOf(Wire& wire) {
  if (!wire.is_tls()) return {};
  SSL* ssl = wire.tls().native_handle();
  if ((SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) == 0 ||
      SSL_get_verify_result(ssl) != X509_V_OK) {
    return {};
  }
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  if (chain == nullptr || sk_X509_num(chain) == 0) return {};
  X509* leaf = sk_X509_value(chain, 0);
  unsigned char* der = nullptr;
  const int size = i2d_X509(leaf, &der);
  if (size <= 0) return {};
  PeerIdentity out;
  out.certificate_sha256 = HexEncode(crypto::Sha256(
      std::string_view(reinterpret_cast<const char*>(der), static_cast<size_t>(size))));
  OPENSSL_free(der);
  out.subject_cn = CommonNameOf(leaf);
  return out;
}

namespace {

constexpr size_t kMaxProxyAnswer = 16 * 1024;

io::Task<Result<std::vector<asio::ip::address>>> ResolveHost(const WireTarget& target,
                                                             std::string host) {
  io::error_code is_no_address;
  const auto literal = asio::ip::make_address(host, is_no_address);
  if (!is_no_address) co_return std::vector<asio::ip::address>{literal};
  if (target.resolver) co_return co_await target.resolver->Resolve(host);
  tcp::resolver resolver(co_await asio::this_coro::executor);
  auto [unresolved, found] = co_await resolver.async_resolve(
      host, "0", asio::ip::resolver_base::numeric_service, io::kTuple);
  if (unresolved) co_return Fail(io::FromSystem(unresolved, "resolving '" + host + "'"));
  std::vector<asio::ip::address> out;
  for (const auto& entry : found) out.push_back(entry.endpoint().address());
  co_return out;
}

// The addresses of the host that may be connected to, or kDenied when there are only others.
Result<std::vector<asio::ip::address>> Allowed(const WireTarget& target,
                                               const std::vector<asio::ip::address>& found) {
  if (found.empty()) return Fail(Code::kUnavailable, "'" + target.host + "' has no address");
  if (!target.addresses) return found;
  std::vector<asio::ip::address> out;
  for (const asio::ip::address& address : found) {
    if (target.addresses->Allows(target.host, address)) out.push_back(address);
  }
  if (!out.empty()) return out;
  return Fail(Code::kDenied, "'" + target.host + "' is at " + found.front().to_string() +
                                 ", which is not a public address and not on the list of those "
                                 "that may be asked");
}

io::Task<Result<tcp::socket>> ConnectFirst(std::string host, uint16_t port,
                                           std::vector<asio::ip::address> addresses) {
  tcp::socket socket(co_await asio::this_coro::executor);
  Error last(Code::kUnavailable, "'" + host + "' has no address");
  for (const asio::ip::address& address : addresses) {
    socket = tcp::socket(socket.get_executor());
    auto done = co_await io::WithDeadline(ConnectTo(socket, {address, port}), kNextAddressAfter,
                                          "connecting to '" + host + "'");
    if (done) {
      io::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      co_return socket;
    }
    last = std::move(done).error();
  }
  co_return Fail(std::move(last));
}

io::Task<Result<void>> OpenTunnel(tcp::socket& socket, const WireTarget& target) {
  const std::string host =
      target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]";
  const std::string authority = host + ":" + std::to_string(target.port);
  std::string head = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (!target.proxy_authorization.empty()) {
    head += "Proxy-Authorization: " + target.proxy_authorization + "\r\n";
  }
  head += "\r\n";
  auto [unsent, put] = co_await asio::async_write(socket, asio::buffer(head), io::kTuple);
  if (unsent) co_return Fail(io::FromSystem(unsent, "asking the proxy"));
  // Byte by byte at its end, since what follows the answer is the other side's.
  std::string answer;
  while (!answer.ends_with("\r\n\r\n")) {
    if (answer.size() >= kMaxProxyAnswer) {
      co_return Fail(Code::kUnavailable, "the proxy's answer is no HTTP header");
    }
    char byte = 0;
    auto [unread, got] = co_await socket.async_read_some(asio::buffer(&byte, 1), io::kTuple);
    if (unread) co_return Fail(io::FromSystem(unread, "reading the proxy's answer"));
    answer += byte;
  }
  if (!answer.starts_with("HTTP/1.") || answer.size() < 13 || answer[8] != ' ' ||
      answer[9] != '2') {
    const std::string line(CutUtf8(ToValidUtf8(answer.substr(0, answer.find('\r'))), 100));
    co_return Fail(Code::kUnavailable, "the proxy refuses " + authority + ": " + line);
  }
  co_return Result<void>();
}

io::Task<Result<tcp::socket>> ConnectTarget(const WireTarget& target) {
  auto found = co_await ResolveHost(target, target.host);
  if (target.proxy_host.empty()) {
    if (!found) co_return Fail(std::move(found).error());
    CO_TRY(std::vector<asio::ip::address> allowed, Allowed(target, *found));
    co_return co_await ConnectFirst(target.host, target.port, std::move(allowed));
  }
  // The proxy chooses among the addresses: every one must do.
  if (found && target.addresses) {
    CO_TRY(const std::vector<asio::ip::address> allowed, Allowed(target, *found));
    if (allowed.size() != found->size()) {
      co_return Fail(Code::kDenied,
                     "'" + target.host + "' is also at addresses that may not be asked");
    }
  }
  CO_TRY(std::vector<asio::ip::address> proxy, co_await ResolveHost(target, target.proxy_host));
  CO_TRY(tcp::socket socket,
         co_await ConnectFirst(target.proxy_host, target.proxy_port, std::move(proxy)));
  if (target.tls) CO_TRY_VOID(co_await OpenTunnel(socket, target));
  co_return socket;
}

}  // namespace

io::Task<Result<Wire>> ConnectWire(WireTarget target) {
  CO_TRY(tcp::socket socket, co_await ConnectTarget(target));
  io::error_code ignored;
  if (!target.tls) co_return Wire(Wire::Socket(std::move(socket)));

  Wire wire(Wire::Socket(std::move(socket)), target.tls);
  Wire::Tls& tls = wire.tls();
  tls.set_verify_mode(asio::ssl::verify_peer, ignored);
  tls.set_verify_callback(asio::ssl::host_name_verification(target.host), ignored);
  io::error_code is_no_address;
  asio::ip::make_address(target.host, is_no_address);
  // RFC 6066 section 3: names only.
  if (is_no_address && SSL_set_tlsext_host_name(tls.native_handle(), target.host.c_str()) != 1) {
    co_return Fail(Code::kInvalid, "'" + target.host + "' is not a host name");
  }
  auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::client, io::kTuple);
  if (error == asio::error::operation_aborted) {
    co_return Fail(io::FromSystem(error, "TLS handshake with " + target.host));
  }
  if (error) co_return Fail(Code::kUnavailable, DescribeTls(error, tls, target.host));
  co_return wire;
}

io::Task<Result<Wire>> ConnectUnixWire(std::string path) {
  using Local = asio::local::stream_protocol;
  if (path.empty() || path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    co_return Fail(Code::kInvalid, "'" + path + "' is no path of a socket");
  }
  Local::socket socket(co_await asio::this_coro::executor);
  auto [error] = co_await socket.async_connect(Local::endpoint(path), io::kTuple);
  if (error) co_return Fail(io::FromSystem(error, "connecting to '" + path + "'"));
  co_return Wire(Wire::Socket(std::move(socket)));
}

bool IsFieldName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool IsFieldValue(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; });
}

}  // namespace mailreeve::http
