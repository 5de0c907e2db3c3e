#include "http/websocket.h"

#include "http/upgrade.h"
#include "http/wire.h"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>

namespace mailreeve::http {

// Beast finds these three by argument. The close frames have said good-bye; what is left is to end
// our half, so that the last frame still arrives. The socket closes with its owner.
inline void teardown(boost::beast::role_type, Wire& wire, boost::system::error_code& error) {
  wire.ShutdownSend();
  error = {};
}
template <class Handler>
void async_teardown(boost::beast::role_type, Wire& wire, Handler&& handler) {
  wire.ShutdownSend();
  asio::post(wire.get_executor(), boost::beast::bind_front_handler(std::forward<Handler>(handler),
                                                                   boost::system::error_code()));
}
inline void beast_close_socket(Wire& wire) { wire.Close(); }

}  // namespace mailreeve::http

#include "base/text.h"
#include "io/deadline.h"

#include <boost/beast/websocket/stream.hpp>

namespace mailreeve::http {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

constexpr std::chrono::seconds kCloseTimeout{2};
constexpr size_t kPieceBytes = 64 * 1024;

// Kept by the WebSocket and by its pending calls.
struct State {
  State(Wire wire, const WebSocketLimits& limit)
      : limits(limit), stream(std::move(wire)), write_timer(stream.get_executor()) {
    websocket::stream_base::timeout timeout;
    timeout.handshake_timeout = limits.handshake_timeout;
    // Beast pings after half of this and gives up after the whole.
    timeout.idle_timeout = limits.idle_timeout * 2;
    timeout.keep_alive_pings = true;
    stream.set_option(timeout);
    stream.read_message_max(limits.max_message_bytes);
    stream.binary(true);
    stream.auto_fragment(false);
    stream.write_buffer_bytes(kPieceBytes);
  }

  void Abort() {
    aborted = true;
    stream.next_layer().Close();
  }

  WebSocketLimits limits;
  websocket::stream<Wire, false> stream;
  asio::steady_timer write_timer;
  bool aborted = false;
  bool write_timed_out = false;
  bool closing = false;
};

Error Lost(const io::error_code& error, std::string_view doing) {
  if (error == websocket::error::message_too_big) {
    return Error(Code::kLimited, "WebSocket: a message is longer than allowed");
  }
  if (error == websocket::error::closed) {
    return Error(Code::kUnavailable, "WebSocket: closed by the peer");
  }
  if (error == beast::error::timeout) {
    return Error(Code::kUnavailable, "WebSocket: the peer is silent");
  }
  return Error(Code::kUnavailable, "WebSocket: " + std::string(doing) + ": " + error.message());
}

io::Task<Result<void>> CloseStream(std::shared_ptr<State> state, websocket::close_reason reason) {
  auto [error] = co_await state->stream.async_close(reason, io::kTuple);
  if (error) co_return Fail(Lost(error, "closing"));
  co_return Result<void>();
}

io::Task<void> Close(std::shared_ptr<State> state, uint16_t code, std::string reason) {
  if (!state || state->aborted || state->closing) co_return;
  state->closing = true;
  // RFC 6455 section 5.5.1: 125 bytes less the code.
  websocket::close_reason why(code);
  const std::string_view cut = CutUtf8(reason, 123);
  why.reason.assign(cut.data(), cut.size());
  (void)co_await io::WithDeadline(CloseStream(state, why), kCloseTimeout, "closing a WebSocket");
  state->Abort();
}

class BeastWebSocket final : public WebSocket {
 public:
  explicit BeastWebSocket(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~BeastWebSocket() override { state_->Abort(); }

  io::Task<Result<std::string>> Read() override { return ReadFrom(state_); }
  io::Task<Result<void>> Write(std::string message) override {
    return WriteTo(state_, std::move(message));
  }
  io::Task<void> Close(uint16_t code, std::string reason) override {
    return http::Close(state_, code, std::move(reason));
  }
  void Abort() override { state_->Abort(); }

 private:
  // Takes memory as bytes arrive, not as a frame header promises.
  static io::Task<Result<std::string>> ReadFrom(std::shared_ptr<State> state) {
    std::string message;
    size_t size = 0;
    do {
      if (message.size() - size < kPieceBytes / 4) {
        message.resize(std::max(size + kPieceBytes / 4, std::min(size * 2, size + 1024 * 1024)));
      }
      auto [error, got] = co_await state->stream.async_read_some(
          asio::buffer(message.data() + size, message.size() - size), io::kTuple);
      if (error) co_return Fail(Lost(error, "reading"));
      size += got;
      // Frames of a message count together; Beast checks this too, from frame headers.
      if (size > state->limits.max_message_bytes) {
        co_await http::Close(state, 1009, "message too long");
        co_return Fail(Lost(websocket::error::message_too_big, ""));
      }
    } while (!state->stream.is_message_done());
    message.resize(size);
    co_return message;
  }

  static io::Task<Result<void>> WriteTo(std::shared_ptr<State> state, std::string message) {
    state->write_timer.expires_after(state->limits.write_timeout);
    state->write_timer.async_wait([weak = std::weak_ptr(state)](const io::error_code& cancelled) {
      if (cancelled) return;
      if (const auto late = weak.lock()) {
        late->write_timed_out = true;
        late->Abort();
      }
    });
    auto [error, put] = co_await state->stream.async_write(asio::buffer(message), io::kTuple);
    state->write_timer.cancel();
    if (error && state->write_timed_out) {
      co_return Fail(Code::kTimeout, "WebSocket: the peer does not read");
    }
    if (error) co_return Fail(Lost(error, "writing"));
    co_return Result<void>();
  }

  std::shared_ptr<State> state_;
};

io::Task<Result<std::shared_ptr<State>>> Connect(WebSocketTarget target, WebSocketLimits limits) {
  const bool is_tls = target.tls != nullptr;
  WireTarget to;
  to.host = target.host;
  to.port = target.port;
  to.tls = target.tls;
  CO_TRY(Wire wire, co_await ConnectWire(std::move(to)));
  auto state = std::make_shared<State>(std::move(wire), limits);
  state->stream.set_option(
      websocket::stream_base::decorator([&target](websocket::request_type& request) {
        request.erase(beast::http::field::user_agent);
        for (const auto& [name, value] : target.headers.fields()) request.set(name, value);
      }));
  std::string host =
      target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]";
  if (target.port != (is_tls ? 443 : 80)) host += ":" + std::to_string(target.port);
  websocket::response_type answer;
  auto [error] = co_await state->stream.async_handshake(answer, host, target.path, io::kTuple);
  state->stream.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
  if (error == websocket::error::upgrade_declined) {
    const unsigned status = answer.result_int();
    const Code code = status == 401   ? Code::kUnauthenticated
                      : status == 403 ? Code::kDenied
                                      : Code::kUnavailable;
    co_return Fail(code, "WebSocket: " + target.host + " answered " + std::to_string(status));
  }
  if (error) co_return Fail(Lost(error, "handshake with " + target.host));
  co_return state;
}

}  // namespace

io::Task<Result<std::unique_ptr<WebSocket>>> ConnectWebSocket(WebSocketTarget target,
                                                              WebSocketLimits limits) {
  for (const auto& [name, value] : target.headers.fields()) {
    if (!IsFieldName(name) || !IsFieldValue(value)) {
      co_return Fail(Code::kInvalid, "'" + name + "' is not a header field");
    }
  }
  if (!target.path.starts_with('/') || target.path.find(' ') != std::string::npos ||
      !IsFieldValue(target.path)) {
    co_return Fail(Code::kInvalid, "'" + target.path + "' is not a path");
  }
  const auto limit = limits.handshake_timeout;
  const std::string doing = "connecting to " + target.host;
  CO_TRY(auto state, co_await io::WithDeadline(Connect(std::move(target), limits), limit, doing));
  co_return std::make_unique<BeastWebSocket>(std::move(state));
}

io::Task<Result<Upgraded>> AcceptWebSocket(Wire wire, Request request, WebSocketLimits limits) {
  auto state = std::make_shared<State>(std::move(wire), limits);
  state->stream.set_option(websocket::stream_base::decorator(
      [id = request.request_id](websocket::response_type& answer) {
        answer.erase(beast::http::field::server);
        answer.set("X-Request-Id", id);
      }));
  beast::http::request<beast::http::empty_body> asked;
  asked.method_string(request.method);
  asked.target(request.target);
  asked.version(11);
  for (const auto& [name, value] : request.headers.fields()) asked.insert(name, value);
  auto [error] = co_await state->stream.async_accept(asked, io::kTuple);
  if (error) co_return Fail(Code::kInvalid, "WebSocket handshake: " + error.message());
  Upgraded out;
  out.socket = std::make_unique<BeastWebSocket>(state);
  std::weak_ptr<State> weak = state;
  out.abort = [weak] {
    if (const auto still = weak.lock()) still->Abort();
  };
  out.close = [weak](uint16_t code, std::string reason) -> io::Task<void> {
    const auto still = weak.lock();
    return Close(still, code, std::move(reason));
  };
  co_return out;
}

}  // namespace mailreeve::http
