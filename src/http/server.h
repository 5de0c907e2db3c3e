#pragma once

#include "http/router.h"
#include "http/websocket.h"
#include "io/scope.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace mailreeve::http {

struct ServerLimits {
  size_t max_header_bytes = 64 * 1024;
  size_t max_body_bytes = 16 * 1024 * 1024;
  size_t max_connections = 2000;                    // more are closed at once and counted
  std::chrono::milliseconds header_timeout{10000};  // from the first byte to the end of the header
  std::chrono::milliseconds body_timeout{60000};
  std::chrono::milliseconds idle_timeout{60000};  // keep-alive between requests
  std::chrono::milliseconds handler_timeout{
      120000};  // then the handler is cancelled and the answer is 503
  std::chrono::milliseconds write_timeout{60000};  // for each 256 KiB of an answer
};

// Since the start.
struct ServerCounts {
  uint64_t accepted = 0;
  uint64_t refused = 0;  // closed at once: max_connections
  uint64_t failed_handshakes = 0;
  uint64_t requests = 0;
  size_t open = 0;  // connections now
};

struct ListenAddress {
  std::string host;       // IP address; empty with `unix_path`
  uint16_t port = 0;      // 0: any free port, see Server::port()
  std::string unix_path;  // a socket file, made 0600, removed at Stop
};

// Takes an upgraded connection. The task owns the socket and lives as long as the connection.
using WebSocketHandler = std::function<io::Task<void>(Request, std::unique_ptr<WebSocket>)>;

// An HTTP/1.1 server on one address, plain, TLS or mutual TLS, with keep-alive.
//
// Threads: everything on `scope`'s executor. Ownership: router, logger and scope outlive it.
// Adds to every answer: X-Content-Type-Options, X-Request-Id, and what `set_default_headers` was
// given.
class Server {
 public:
  // `tls` null: plain. kUnavailable with the address when it cannot listen.
  static Result<std::unique_ptr<Server>> Listen(const ListenAddress& address, io::TlsContext tls,
                                                const Router& router, const ServerLimits& limits,
                                                io::Scope& scope, log::Logger& logger);
  virtual ~Server() = default;
  // Requests that ask for an upgrade at `path` go to `handler` and not to the router. Before the
  // first connection.
  virtual void OnWebSocket(std::string path, WebSocketLimits limits, WebSocketHandler handler) = 0;
  virtual void set_default_headers(Headers headers) = 0;
  // Makes the answer to what never reaches a handler (not HTTP, too long, too slow, a handler that
  // failed) from status, word and sentence; default: {"error","error_description"}. Before the
  // first connection.
  using Refuse =
      std::function<Response(int status, std::string_view error, std::string_view description)>;
  virtual void set_refusal(Refuse refuse) = 0;
  // The id of a request, when somebody before us gave it one ("" otherwise: the server makes one).
  // What is not up to 128 letters, digits, '.', '_' or '-' is not taken. Before the first
  // connection.
  using RequestIds = std::function<std::string(const Request&)>;
  virtual void set_request_ids(RequestIds ids) = 0;
  virtual uint16_t port() const = 0;
  virtual ServerCounts counts() const = 0;
  // Takes no more connections, lets running requests end for up to `grace`, closes the rest.
  // WebSockets get a close frame (1001) at once. Destroying the Server, or cancelling its scope,
  // closes everything without grace.
  virtual io::Task<void> Stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace mailreeve::http
