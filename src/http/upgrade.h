#pragma once

#include "http/websocket.h"
#include "http/wire.h"

#include <functional>
#include <memory>

// For http/server.cc: the server's half of the WebSocket handshake.
namespace mailreeve::http {

struct Upgraded {
  std::unique_ptr<WebSocket> socket;
  // Both work for as long as the connection lives and do nothing afterwards.
  std::function<void()> abort;
  std::function<io::Task<void>(uint16_t code, std::string reason)> close;
};

// Answers 101 (or 400 to a malformed handshake, then kInvalid).
io::Task<Result<Upgraded>> AcceptWebSocket(Wire wire, Request request, WebSocketLimits limits);

}  // namespace mailreeve::http
