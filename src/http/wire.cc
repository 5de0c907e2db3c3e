#include "http/wire.h"

#include "base/bytes.h"
#include "crypto/hash.h"
#include "io/deadline.h"

#include <arpa/inet.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>

namespace mailreeve::http {
namespace {

using asio::ip::tcp;

constexpr std::chrono::seconds kNextAddressAfter{10};

bool IsPublicV4(const asio::ip::address_v4& address) {
  struct Range {
    uint32_t first;
    int bits;
  };
  // RFC 6890 and its registry; 6to4 relays and multicast too.
  constexpr Range kSpecial[] = {
      {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
      {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
      {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
  };
  const uint32_t number = address.to_uint();
  return std::none_of(std::begin(kSpecial), std::end(kSpecial), [&](const Range& range) {
    return (number >> (32 - range.bits)) == (range.first >> (32 - range.bits));
  });
}

asio::ip::address_v4 V4At(const asio::ip::address_v6::bytes_type& bytes, size_t at) {
  return asio::ip::address_v4({bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

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

bool IsPublicAddress(const asio::ip::address& address) {
  if (address.is_v4()) return IsPublicV4(address.to_v4());
  const asio::ip::address_v6 v6 = address.to_v6();
  const auto bytes = v6.to_bytes();
  if (v6.is_v4_mapped()) return IsPublicV4(V4At(bytes, 12));
  const auto starts = [&](std::initializer_list<uint8_t> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes.begin());
  };
  if (starts({0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return IsPublicV4(V4At(bytes, 12));
  if (starts({0x20, 0x02})) return IsPublicV4(V4At(bytes, 2));
  // Only 2000::/3 is given out; of it, 2001::/23 is for protocols and 2001:db8::/32, 3fff::/20 for
  // documents.
  if ((bytes[0] & 0xe0) != 0x20) return false;
  if (starts({0x20, 0x01}) && bytes[2] < 2) return false;
  if (starts({0x20, 0x01, 0x0d, 0xb8})) return false;
  return !(starts({0x3f, 0xff}) && bytes[2] < 0x10);
}

io::Task<Result<Wire>> ConnectWire(WireTarget target) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  auto [unresolved, found] =
      co_await resolver.async_resolve(target.host, std::to_string(target.port),
                                      asio::ip::resolver_base::numeric_service, io::kTuple);
  if (unresolved) co_return Fail(io::FromSystem(unresolved, "resolving '" + target.host + "'"));
  tcp::socket socket(executor);
  Error last(Code::kUnavailable, "'" + target.host + "' has no address");
  bool connected = false;
  for (const auto& entry : found) {
    if (target.public_addresses_only && !IsPublicAddress(entry.endpoint().address())) {
      last = Error(Code::kDenied, "'" + target.host + "' is at " +
                                      entry.endpoint().address().to_string() +
                                      ", which is not a public address");
      continue;
    }
    socket = tcp::socket(executor);
    auto done = co_await io::WithDeadline(ConnectTo(socket, entry.endpoint()), kNextAddressAfter,
                                          "connecting to '" + target.host + "'");
    if (done) {
      connected = true;
      break;
    }
    last = std::move(done).error();
  }
  if (!connected) co_return Fail(std::move(last));
  io::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
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
