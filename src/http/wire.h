#pragma once

#include "http/address_policy.h"
#include "http/resolver.h"
#include "io/asio.h"
#include "io/tls.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <cstdint>
#include <memory>
#include <string>

// For http/*.cc: one type for TCP, TLS and UNIX sockets, so that what is built on streams is
// compiled once.
namespace mailreeve::http {

// A connected stream, an Asio AsyncReadStream and AsyncWriteStream. Movable while nothing is
// pending.
class Wire {
 public:
  using Socket = asio::generic::stream_protocol::socket;
  using Tls = asio::ssl::stream<Socket>;
  using executor_type = Socket::executor_type;

  explicit Wire(Socket socket) : socket_(std::move(socket)) {}
  // TLS over `socket`; the handshake is to be done.
  Wire(Socket socket, io::TlsContext context);

  executor_type get_executor() { return lowest().get_executor(); }
  bool is_tls() const { return tls_ != nullptr; }
  Tls& tls() { return *tls_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(io::error_code, size_t)>(
        [this](auto handler, const Buffers& into) {
          if (tls_) {
            tls_->async_read_some(into, std::move(handler));
          } else {
            socket_.async_read_some(into, std::move(handler));
          }
        },
        token, buffers);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(io::error_code, size_t)>(
        [this](auto handler, const Buffers& from) {
          if (tls_) {
            tls_->async_write_some(from, std::move(handler));
          } else {
            socket_.async_write_some(from, std::move(handler));
          }
        },
        token, buffers);
  }

  // Pending operations end with operation_aborted; the connection stays.
  void Cancel();
  void Close();
  void ShutdownSend();

  // IP of the peer, or "unix".
  std::string RemoteAddress();

 private:
  Socket& lowest() { return tls_ ? tls_->next_layer() : socket_; }

  io::TlsContext context_;
  Socket socket_;
  std::unique_ptr<Tls> tls_;
};

// Who the peer proved to be: the leaf of the chain that OpenSSL verified. Empty when there is none.
struct PeerIdentity {
  std::string certificate_sha256;
  std::string subject_cn;
};
PeerIdentity IdentityOf(Wire& wire);

struct WireTarget {
  std::string host;
  uint16_t port = 0;
  io::TlsContext tls;  // null: plain
  // Set: addresses that it does not allow are not connected to (kDenied when there is no other).
  std::shared_ptr<const AddressPolicy> addresses;
  std::shared_ptr<Resolver> resolver;  // null: the system's
  // Set: connects to the proxy, and with TLS asks it for a tunnel (RFC 9110 section 9.3.6).
  std::string proxy_host;
  uint16_t proxy_port = 0;
  std::string proxy_authorization;  // value of Proxy-Authorization; empty: none
};
// Resolves, connects to the first address that answers and does the TLS handshake with SNI and a
// check of the name. No deadline of its own but for trying the next address. With a proxy, which
// resolves by itself, the addresses that we find for the host are checked all the same; a name that
// only the proxy can resolve is the proxy's to judge.
io::Task<Result<Wire>> ConnectWire(WireTarget target);
io::Task<Result<Wire>> ConnectUnixWire(std::string path);

// RFC 9110 section 5: what a header field may hold.
bool IsFieldName(std::string_view name);
bool IsFieldValue(std::string_view value);

}  // namespace mailreeve::http
