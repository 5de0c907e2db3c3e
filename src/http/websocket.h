#pragma once

#include "http/message.h"
#include "io/asio.h"
#include "io/tls.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace mailreeve::http {

struct WebSocketLimits {
  size_t max_message_bytes = 16 * 1024 * 1024;  // a longer one closes the connection with 1009
  std::chrono::milliseconds handshake_timeout{10000};
  // A peer silent this long is pinged; silent for as long again, it is gone (Read answers
  // kUnavailable).
  std::chrono::milliseconds idle_timeout{30000};
  std::chrono::milliseconds write_timeout{
      60000};  // for one message; then the connection is dropped
};

// One WebSocket connection (RFC 6455), either side, over TCP or TLS; binary messages.
//
// Threads: one executor. One Read and one Write may be pending at a time (serialise writes above).
// Errors: kUnavailable when the connection is lost or closed by the peer, kLimited for a message
// too long.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  virtual io::Task<Result<std::string>> Read() = 0;
  virtual io::Task<Result<void>> Write(std::string message) = 0;
  // Close handshake, at most 2 s; a pending Read ends. Safe to call twice.
  virtual io::Task<void> Close(uint16_t code, std::string reason) = 0;
  // Drops the connection at once; pending calls end with kUnavailable.
  virtual void Abort() = 0;
};

struct WebSocketTarget {
  std::string host;
  uint16_t port = 443;
  std::string path = "/";
  io::TlsContext tls;  // null: plain TCP
  Headers headers;
  // CONNECT proxies come with the later issue: keep the seam here.
};

// Resolves, connects, handshakes (TLS with SNI and host name check), upgrades. Errors:
// kUnavailable; kTimeout after handshake_timeout; kUnauthenticated and kDenied when the server
// answers 401 or 403; kInvalid for headers that cannot be.
io::Task<Result<std::unique_ptr<WebSocket>>> ConnectWebSocket(WebSocketTarget target,
                                                              WebSocketLimits limits);

}  // namespace mailreeve::http
