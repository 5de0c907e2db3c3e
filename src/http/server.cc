#include "http/server.h"

#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "http/upgrade.h"
#include "http/wire.h"
#include "io/event.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <list>

namespace mailreeve::http {
namespace {

namespace beast = boost::beast;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;
using SteadyClock = std::chrono::steady_clock;
using Parser = beast::http::request_parser<beast::http::string_body>;

constexpr size_t kReadBytes = 32 * 1024;
constexpr size_t kWriteBytes = 256 * 1024;
// After an early refusal the rest of the request is read and dropped for this long, so that the
// answer is not lost to a reset (RFC 9112 section 9.6).
constexpr std::chrono::seconds kLinger{2};
constexpr size_t kLingerBytes = 1024 * 1024;
constexpr std::chrono::seconds kTlsGoodbye{1};
// For handlers that were cancelled to notice it.
constexpr std::chrono::seconds kAbortGrace{5};

struct Route101 {
  std::string path;
  WebSocketLimits limits;
  WebSocketHandler handler;
};

class Connection;

// Shared by the Server, its accept loop and its connections.
struct State {
  State(io::TlsContext context, const Router& routes, const ServerLimits& limit, io::Scope& tasks,
        log::Logger& log)
      : tls(std::move(context)),
        router(routes),
        limits(limit),
        scope(tasks),
        logger(log),
        changed(tasks.executor()) {}

  void CloseListener() {
    io::error_code ignored;
    if (tcp_acceptor) tcp_acceptor->close(ignored);
    if (unix_acceptor && unix_acceptor->is_open()) {
      unix_acceptor->close(ignored);
      ::unlink(unix_path.c_str());
    }
  }
  void AbortAll();
  std::string_view DateNow();

  io::TlsContext tls;
  const Router& router;
  ServerLimits limits;
  io::Scope& scope;
  log::Logger& logger;
  std::unique_ptr<tcp::acceptor> tcp_acceptor;
  std::unique_ptr<Local::acceptor> unix_acceptor;
  std::string unix_path;
  std::vector<Route101> upgrades;
  Headers default_headers;
  Server::Refuse refuse;
  Server::RequestIds request_ids;
  std::list<Connection*> connections;
  io::Event changed;  // a connection ended
  ServerCounts counts;
  bool stopping = false;
  std::time_t date_second = 0;
  std::string date;
};

// RFC 9110 section 5.6.7, made once a second.
std::string_view State::DateNow() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second) {
    constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[64];
    std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                  utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                  utc.tm_sec);
    date = text;
    date_second = now;
  }
  return date;
}

// It goes into logs and back into a header.
bool IsRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool HasToken(std::string_view list, std::string_view token) {
  for (const std::string_view piece : Split(list, ',')) {
    if (AsciiEqualFold(TrimSpace(piece), token)) return true;
  }
  return false;
}

bool AsksForWebSocket(const Request& request) {
  return request.method == "GET" && AsciiEqualFold(request.headers.Get("Upgrade"), "websocket") &&
         HasToken(request.headers.Get("Connection"), "upgrade");
}

Response Refusal(int status, std::string_view error, std::string_view description) {
  return Response::Json(status, {{"error", error}, {"error_description", description}});
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<State> state, Wire wire)
      : state_(std::move(state)), wire_(std::move(wire)), timer_(wire_->get_executor()) {
    place_ = state_->connections.insert(state_->connections.end(), this);
    ++state_->counts.open;
  }
  ~Connection() {
    state_->connections.erase(place_);
    --state_->counts.open;
    state_->changed.Notify();
  }

  static io::Task<void> Run(std::shared_ptr<Connection> self) {
    co_await self->Serve();
    self->Disarm();
  }

  // Ends everything now.
  void Abort() {
    aborted_ = true;
    if (wire_) wire_->Close();
    if (upgraded_abort_) upgraded_abort_();
    CancelHandler();
  }
  // Ends it when nothing runs.
  void StopSoon() {
    if (wire_ && phase_ == Phase::kIdle) wire_->Close();
    if (upgraded_close_) {
      state_->scope.Spawn("http_websocket_close", upgraded_close_(1001, "the server stops"));
    }
  }

 private:
  enum class Phase { kIdle, kRead, kHandler, kWrite };

  // From now on the phase may take `limit`. One timer a connection, moved only when it would fire
  // too late.
  void Arm(Phase phase, SteadyClock::duration limit) {
    phase_ = phase;
    timed_out_ = false;
    deadline_ = SteadyClock::now() + limit;
    if (deadline_ < armed_until_) Wait();
  }
  void CancelHandler() {
    // On the executor, since co_spawn of Boost 1.81 otherwise passes on a bare pointer; and only
    // while the handler runs, since afterwards its slot points to what is gone.
    asio::dispatch(state_->scope.executor(), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->handler_runs_) {
        self->cancel_handler_->emit(asio::cancellation_type::terminal);
      }
    });
  }
  void Disarm() {
    deadline_ = SteadyClock::time_point::max();
    armed_until_ = SteadyClock::time_point::max();
    timer_.cancel();
  }
  void Wait() {
    armed_until_ = deadline_;
    timer_.expires_at(deadline_);
    timer_.async_wait([weak = weak_from_this()](const io::error_code& cancelled) {
      if (cancelled) return;
      if (const auto self = weak.lock()) self->OnTimer();
    });
  }
  void OnTimer() {
    armed_until_ = SteadyClock::time_point::max();
    if (deadline_ == SteadyClock::time_point::max()) return;
    if (SteadyClock::now() < deadline_) {
      Wait();
      return;
    }
    timed_out_ = true;
    switch (phase_) {
      case Phase::kRead:
        if (wire_) wire_->Cancel();
        break;
      case Phase::kHandler:
        CancelHandler();
        break;
      case Phase::kIdle:
      case Phase::kWrite:
        if (wire_) wire_->Close();
        break;
    }
  }

  io::Task<void> Serve() {
    remote_address_ = wire_->RemoteAddress();
    if (wire_->is_tls()) {
      Arm(Phase::kRead, state_->limits.header_timeout);
      auto [error] =
          co_await wire_->tls().async_handshake(asio::ssl::stream_base::server, io::kTuple);
      if (error) {
        ++state_->counts.failed_handshakes;
        state_->logger.Debug("http_tls_failed",
                             {{"remote", remote_address_}, {"error", error.message()}});
        co_return;
      }
      identity_ = IdentityOf(*wire_);
    }
    buffer_.reserve(kReadBytes);
    while (!aborted_) {
      Parser parser;
      const std::optional<Response> refused = co_await ReadRequest(parser);
      if (ended_) break;
      ++state_->counts.requests;
      std::string id = RandomUuid();
      if (refused) {
        if (co_await Write(*refused, id, false, false)) co_await Linger();
        break;
      }
      Request request = Take(parser);
      if (state_->request_ids) {
        if (std::string given = state_->request_ids(request); IsRequestId(given))
          id = std::move(given);
      }
      request.request_id = id;
      bool keep_alive = parser.get().keep_alive();
      const bool is_head = request.method == "HEAD";
      Response response;
      if (auto parsed = ParseTarget(request); !parsed) {
        response = Refuse(StatusOf(parsed.error().code), CodeName(parsed.error().code),
                          parsed.error().message);
      } else if (const Route101* upgrade = FindUpgrade(request); upgrade != nullptr) {
        if (buffer_.size() == 0) {
          co_await Upgrade(std::move(request), *upgrade);
          co_return;
        }
        response = Refuse(400, "invalid", "bytes after a request for an upgrade");
        keep_alive = false;
      } else {
        response = co_await Handle(std::move(request));
      }
      if (aborted_) break;
      if (response.stream) {
        if (co_await WriteStream(response, id, is_head)) break;
        co_return;
      }
      keep_alive = keep_alive && !state_->stopping;
      if (!co_await Write(response, id, is_head, keep_alive) || !keep_alive) break;
    }
    if (!aborted_ && !ended_) co_await SayGoodbye();
  }

  // Reads up to the end of one request. An answer: the request is refused with it. `ended_`: there
  // is no request.
  io::Task<std::optional<Response>> ReadRequest(Parser& parser) {
    const ServerLimits& limits = state_->limits;
    parser.eager(true);
    parser.header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
    parser.body_limit(limits.max_body_bytes);
    bool header_checked = false;
    if (buffer_.size() > 0) {
      Arm(Phase::kRead, limits.header_timeout);
    } else if (state_->stopping) {
      ended_ = true;
      co_return std::nullopt;
    } else {
      Arm(Phase::kIdle, limits.idle_timeout);
    }
    while (true) {
      if (buffer_.size() > 0) {
        beast::error_code error;
        size_t used = 0;
        do {
          used = parser.put(buffer_.data(), error);
          buffer_.consume(used);
        } while (!error && used > 0 && buffer_.size() > 0 && !parser.is_done());
        if (error && error != beast::http::error::need_more) co_return Malformed(error);
        if (parser.is_header_done() && !header_checked) {
          header_checked = true;
          if (auto refused = CheckHeader(parser)) co_return refused;
          Arm(Phase::kRead, limits.body_timeout);
          if (!parser.is_done() && AsciiEqualFold(parser.get()["Expect"], "100-continue")) {
            constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
            auto [failed, put] =
                co_await asio::async_write(*wire_, asio::buffer(kContinue), io::kTuple);
            if (failed) {
              ended_ = true;
              co_return std::nullopt;
            }
          }
        }
        if (parser.is_done()) co_return std::nullopt;
      }
      auto [error, got] = co_await wire_->async_read_some(buffer_.prepare(kReadBytes), io::kTuple);
      if (timed_out_ && phase_ == Phase::kRead) {
        co_return Refuse(408, "timeout", "the request took too long to arrive");
      }
      if (error) {
        // The end between two requests and in the middle of one: nobody is left to answer.
        ended_ = true;
        co_return std::nullopt;
      }
      buffer_.commit(got);
      if (phase_ == Phase::kIdle) Arm(Phase::kRead, limits.header_timeout);
    }
  }

  Response Refuse(int status, std::string_view error, std::string_view description) const {
    return state_->refuse ? state_->refuse(status, error, description)
                          : Refusal(status, error, description);
  }

  Response Malformed(const beast::error_code& error) {
    if (error == beast::http::error::header_limit) {
      return Refuse(
          431, "limited",
          "the header has more than " + std::to_string(state_->limits.max_header_bytes) + " bytes");
    }
    if (error == beast::http::error::body_limit) {
      return Refuse(
          413, "limited",
          "the body has more than " + std::to_string(state_->limits.max_body_bytes) + " bytes");
    }
    if (error == beast::http::error::bad_version) {
      return Refuse(505, "invalid", "the server speaks HTTP/1.1");
    }
    return Refuse(400, "invalid", "not an HTTP request: " + error.message());
  }

  // RFC 9112 sections 3.2 and 6: what lets two servers read one byte stream as different requests.
  std::optional<Response> CheckHeader(Parser& parser) {
    const auto& message = parser.get();
    const auto count = [&](beast::http::field name) {
      const auto range = message.equal_range(name);
      return std::distance(range.first, range.second);
    };
    const auto hosts = count(beast::http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
      return Refuse(400, "invalid", "the request needs one Host field");
    }
    const auto codings = count(beast::http::field::transfer_encoding);
    if (codings > 0) {
      if (message.version() < 11 || count(beast::http::field::content_length) > 0) {
        return Refuse(400, "invalid", "Transfer-Encoding is not allowed here");
      }
      if (codings > 1 ||
          !AsciiEqualFold(message[beast::http::field::transfer_encoding], "chunked")) {
        return Refuse(501, "invalid", "the only transfer coding is chunked");
      }
    }
    const std::string_view expect = message[beast::http::field::expect];
    if (!expect.empty() && !AsciiEqualFold(expect, "100-continue")) {
      return Refuse(417, "invalid", "the only expectation is 100-continue");
    }
    return std::nullopt;
  }

  Request Take(Parser& parser) {
    auto& message = parser.get();
    Request out;
    out.method = std::string(message.method_string());
    out.target = std::string(message.target());
    for (const auto& field : message) {
      out.headers.Add(std::string(field.name_string()), std::string(field.value()));
    }
    out.body = std::move(message.body());
    out.remote_address = remote_address_;
    out.peer_certificate_sha256 = identity_.certificate_sha256;
    out.peer_certificate_subject_cn = identity_.subject_cn;
    return out;
  }

  const Route101* FindUpgrade(const Request& request) {
    if (state_->upgrades.empty() || !AsksForWebSocket(request)) return nullptr;
    std::string path;
    for (const std::string& segment : request.segments) path += "/" + segment;
    for (const Route101& upgrade : state_->upgrades) {
      if (upgrade.path == path) return &upgrade;
    }
    return nullptr;
  }

  // A coroutine of its own, so that it can be cancelled alone.
  io::Task<Response> Handle(Request request) {
    const std::string id = request.request_id, method = request.method;
    Arm(Phase::kHandler, state_->limits.handler_timeout);
    cancel_handler_.emplace();
    handler_runs_ = true;
    auto [thrown, response] =
        co_await asio::co_spawn(wire_->get_executor(), state_->router.Dispatch(std::move(request)),
                                asio::bind_cancellation_slot(cancel_handler_->slot(), io::kTuple));
    handler_runs_ = false;
    const bool too_slow = timed_out_;
    Arm(Phase::kWrite, state_->limits.write_timeout);
    if (too_slow) {
      state_->logger.Warn("http_handler_slow", {{"request_id", id}, {"method", method}});
      co_return Refuse(503, "timeout", "the request took too long; try again later");
    }
    if (thrown) {
      if (!aborted_) LogThrown(thrown, id, method);
      co_return Refuse(500, "internal",
                       "the server failed; its log has details under the request id");
    }
    co_return std::move(response);
  }

  void LogThrown(const std::exception_ptr& thrown, const std::string& id,
                 const std::string& method) {
    std::string what = "not a std::exception";
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      what = error.what();
    } catch (...) {
    }
    state_->logger.Error("http_handler_failed",
                         {{"request_id", id}, {"method", method}, {"error", what}});
  }

  io::Task<void> Upgrade(Request request, const Route101& route) {
    Disarm();
    Wire wire = std::move(*wire_);
    wire_.reset();
    auto upgraded = co_await AcceptWebSocket(std::move(wire), request, route.limits);
    if (!upgraded) {
      state_->logger.Debug("http_upgrade_failed",
                           {{"remote", remote_address_}, {"error", upgraded.error().ToString()}});
      co_return;
    }
    upgraded_abort_ = std::move(upgraded->abort);
    upgraded_close_ = std::move(upgraded->close);
    if (aborted_) co_return;
    if (state_->stopping) StopSoon();
    const std::string id = request.request_id;
    cancel_handler_.emplace();
    handler_runs_ = true;
    auto [thrown] = co_await asio::co_spawn(
        state_->scope.executor(), route.handler(std::move(request), std::move(upgraded->socket)),
        asio::bind_cancellation_slot(cancel_handler_->slot(), io::kTuple));
    handler_runs_ = false;
    if (thrown && !aborted_) LogThrown(thrown, id, "WEBSOCKET");
  }

  // Status line and fields but those of the body's length.
  std::string HeadOf(const Response& response, const std::string& request_id) {
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
    head.reserve(512);
    head += ReasonOf(response.status);
    head += "\r\n";
    const auto put = [&](std::string_view name, std::string_view value) {
      head.append(name).append(": ").append(value).append("\r\n");
    };
    const auto put_checked = [&](const std::pair<std::string, std::string>& field) {
      for (const std::string_view ours : {"Content-Length", "Transfer-Encoding", "Connection",
                                          "Date", "X-Request-Id", "X-Content-Type-Options"}) {
        if (AsciiEqualFold(field.first, ours)) return;
      }
      if (IsFieldName(field.first) && IsFieldValue(field.second)) {
        put(field.first, field.second);
      } else {
        // A line break in a value would let a stranger's text write the rest of the answer.
        state_->logger.Error("http_response_header_refused",
                             {{"request_id", request_id}, {"header", field.first}});
      }
    };
    for (const auto& field : response.headers.fields()) put_checked(field);
    for (const auto& field : state_->default_headers.fields()) {
      if (!response.headers.Has(field.first)) put_checked(field);
    }
    put("Date", state_->DateNow());
    put("X-Content-Type-Options", "nosniff");
    put("X-Request-Id", request_id);
    return head;
  }

  // False when the connection is lost.
  io::Task<bool> Write(const Response& response, const std::string& request_id, bool is_head,
                       bool keep_alive) {
    const bool has_body =
        response.status >= 200 && response.status != 204 && response.status != 304;
    std::string head = HeadOf(response, request_id);
    if (has_body) head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    if (!keep_alive) head += "Connection: close\r\n";
    head += "\r\n";

    std::string_view rest =
        has_body && !is_head ? std::string_view(response.body) : std::string_view();
    std::string_view first = head;
    do {
      const std::string_view piece = rest.substr(0, kWriteBytes);
      rest.remove_prefix(piece.size());
      Arm(Phase::kWrite, state_->limits.write_timeout);
      const std::array<asio::const_buffer, 2> buffers = {asio::buffer(first), asio::buffer(piece)};
      first = {};
      auto [error, done] = co_await asio::async_write(*wire_, buffers, io::kTuple);
      if (error) {
        ended_ = true;
        co_return false;
      }
    } while (!rest.empty());
    co_return true;
  }

  class ChunkWriter final : public BodyWriter {
   public:
    explicit ChunkWriter(Connection& connection) : connection_(connection) {}
    io::Task<Result<void>> Write(std::string bytes) override {
      if (bytes.empty()) co_return Result<void>();
      char size[32];
      std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
      co_return co_await connection_.WriteAll(size + bytes + "\r\n");
    }

   private:
    Connection& connection_;
  };

  io::Task<Result<void>> WriteAll(std::string bytes) {
    Arm(Phase::kWrite, state_->limits.write_timeout);
    auto [error, done] = co_await asio::async_write(*wire_, asio::buffer(bytes), io::kTuple);
    // Until the next piece: what makes it may take as long as a handler.
    Arm(Phase::kWrite, state_->limits.handler_timeout);
    if (error) co_return Fail(io::FromSystem(error, "answering"));
    co_return Result<void>();
  }

  // Never throws: a branch of || that throws leaves the other one running.
  io::Task<bool> RunStream(const Response& response, const std::string& request_id) {
    ChunkWriter writer(*this);
    try {
      co_await response.stream(writer);
      co_return true;
    } catch (const boost::system::system_error& error) {
      if (error.code() != asio::error::operation_aborted) {
        LogThrown(std::current_exception(), request_id, "STREAM");
      }
    } catch (...) {
      LogThrown(std::current_exception(), request_id, "STREAM");
    }
    co_return false;
  }

  // Ends when the client leaves. What it sends meanwhile is dropped: the connection ends after this
  // answer.
  io::Task<void> WatchForEnd() {
    std::string dropped(4096, '\0');
    while (true) {
      auto [error, got] = co_await wire_->async_read_some(asio::buffer(dropped), io::kTuple);
      if (error) co_return;
    }
  }

  // False when the connection is lost.
  io::Task<bool> WriteStream(const Response& response, const std::string& request_id,
                             bool is_head) {
    using namespace asio::experimental::awaitable_operators;
    std::string head = HeadOf(response, request_id);
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    if (const auto sent = co_await WriteAll(std::move(head)); !sent) co_return false;
    if (is_head) co_return true;
    auto first = co_await (RunStream(response, request_id) || WatchForEnd());
    // A body that was not finished must not look as if it were.
    if (first.index() != 0 || !std::get<0>(first)) {
      if (wire_) wire_->Close();
      co_return false;
    }
    const auto ended = co_await WriteAll("0\r\n\r\n");
    co_return ended.has_value();
  }

  io::Task<void> Linger() {
    Arm(Phase::kWrite, kLinger);
    if (!wire_->is_tls()) wire_->ShutdownSend();
    size_t dropped = 0;
    while (dropped < kLingerBytes) {
      buffer_.clear();
      auto [error, got] = co_await wire_->async_read_some(buffer_.prepare(kReadBytes), io::kTuple);
      if (error) break;
      dropped += got;
    }
  }

  io::Task<void> SayGoodbye() {
    if (!wire_ || !wire_->is_tls()) co_return;
    Arm(Phase::kWrite, kTlsGoodbye);
    (void)co_await wire_->tls().async_shutdown(io::kTuple);
  }

  std::shared_ptr<State> state_;
  std::optional<Wire> wire_;  // gone once upgraded
  std::list<Connection*>::iterator place_;
  asio::steady_timer timer_;
  SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
  SteadyClock::time_point armed_until_ = SteadyClock::time_point::max();
  Phase phase_ = Phase::kRead;
  bool timed_out_ = false;
  bool aborted_ = false;
  bool ended_ = false;  // lost or left
  beast::flat_buffer buffer_;
  std::string remote_address_;
  PeerIdentity identity_;
  std::optional<asio::cancellation_signal> cancel_handler_;  // a new one for each handler
  bool handler_runs_ = false;
  std::function<void()> upgraded_abort_;
  std::function<io::Task<void>(uint16_t, std::string)> upgraded_close_;
};

void State::AbortAll() {
  // Aborting resumes nothing at once, so the list stays whole.
  for (Connection* connection : connections) connection->Abort();
}

void Accepted(const std::shared_ptr<State>& state, Wire::Socket socket) {
  ++state->counts.accepted;
  if (state->stopping || state->connections.size() >= state->limits.max_connections) {
    ++state->counts.refused;
    return;
  }
  Wire wire = state->tls ? Wire(std::move(socket), state->tls) : Wire(std::move(socket));
  auto connection = std::make_shared<Connection>(state, std::move(wire));
  state->scope.Spawn("http_connection", Connection::Run(std::move(connection)));
}

template <class Acceptor>
io::Task<void> AcceptLoop(std::shared_ptr<State> state, Acceptor& acceptor) {
  // Also when the scope cancels us: the handlers of our connections wait for a signal of ours.
  struct Leave {
    State& state;
    ~Leave() {
      if (!state.stopping) state.AbortAll();
    }
  } leave{*state};
  while (true) {
    auto [error, socket] = co_await acceptor.async_accept(io::kTuple);
    if (!acceptor.is_open() || error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors, most likely: without a pause this would spin.
      state->logger.Warn("http_accept_failed", {{"error", error.message()}});
      co_await io::Sleep(std::chrono::milliseconds(100));
      continue;
    }
    if constexpr (std::is_same_v<Acceptor, tcp::acceptor>) {
      io::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
    }
    Accepted(state, Wire::Socket(std::move(socket)));
  }
}

class BeastServer final : public Server {
 public:
  explicit BeastServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~BeastServer() override {
    state_->stopping = true;
    state_->CloseListener();
    state_->AbortAll();
  }

  void OnWebSocket(std::string path, WebSocketLimits limits, WebSocketHandler handler) override {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (path == "/") path.clear();
    state_->upgrades.push_back({std::move(path), limits, std::move(handler)});
  }
  void set_default_headers(Headers headers) override {
    state_->default_headers = std::move(headers);
  }
  void set_refusal(Refuse refuse) override { state_->refuse = std::move(refuse); }
  void set_request_ids(RequestIds ids) override { state_->request_ids = std::move(ids); }
  uint16_t port() const override { return port_; }
  ServerCounts counts() const override { return state_->counts; }

  io::Task<void> Stop(std::chrono::milliseconds grace) override {
    const auto state = state_;
    state->stopping = true;
    state->CloseListener();
    for (Connection* connection : state->connections) connection->StopSoon();
    co_await WaitUntilEmpty(*state, grace);
    state->AbortAll();
    co_await WaitUntilEmpty(*state, kAbortGrace);
    if (!state->connections.empty()) {
      state->logger.Warn("http_stop_incomplete", {{"connections", state->connections.size()}});
    }
  }

  uint16_t port_ = 0;

 private:
  static io::Task<void> WaitUntilEmpty(State& state, SteadyClock::duration limit) {
    const auto until = SteadyClock::now() + limit;
    while (!state.connections.empty()) {
      const auto left = until - SteadyClock::now();
      if (left <= SteadyClock::duration::zero()) co_return;
      (void)co_await state.changed.WaitFor(left);
    }
  }

  std::shared_ptr<State> state_;
};

Result<void> ListenTcp(State& state, const ListenAddress& address) {
  io::error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  if (error) return Fail(Code::kInvalid, "'" + address.host + "' is not an IP address");
  const tcp::endpoint endpoint(ip, address.port);
  auto acceptor = std::make_unique<tcp::acceptor>(state.scope.executor());
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && ip.is_v6()) acceptor->set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Fail(Code::kUnavailable, "cannot listen on " + address.host + " port " +
                                        std::to_string(address.port) + ": " + error.message());
  }
  state.tcp_acceptor = std::move(acceptor);
  return {};
}

// A socket file that a dead program left behind is taken away; one that somebody serves is not.
Result<void> ClearStaleSocket(const std::string& path, io::Scope& scope) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) {
    return Fail(Code::kUnavailable, "'" + path + "' exists and is not a socket");
  }
  Local::socket probe(scope.executor());
  io::error_code error;
  probe.connect(Local::endpoint(path), error);
  if (error != asio::error::connection_refused) {
    return Fail(Code::kUnavailable, "'" + path + "' is in use by another program");
  }
  ::unlink(path.c_str());
  return {};
}

Result<void> ListenUnix(State& state, const ListenAddress& address) {
  const std::string& path = address.unix_path;
  if (path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return Fail(Code::kInvalid, "'" + path + "' is too long for a socket's path");
  }
  TRY_VOID(ClearStaleSocket(path, state.scope));
  auto acceptor = std::make_unique<Local::acceptor>(state.scope.executor());
  io::error_code error;
  acceptor->open(Local(), error);
  // Nobody else may connect, not even between bind and chmod.
  const mode_t before = ::umask(0177);
  if (!error) acceptor->bind(Local::endpoint(path), error);
  ::umask(before);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Fail(Code::kUnavailable, "cannot listen on '" + path + "': " + error.message());
  }
  state.unix_path = path;
  state.unix_acceptor = std::move(acceptor);
  return {};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Listen(const ListenAddress& address, io::TlsContext tls,
                                               const Router& router, const ServerLimits& limits,
                                               io::Scope& scope, log::Logger& logger) {
  auto state = std::make_shared<State>(std::move(tls), router, limits, scope, logger);
  auto server = std::make_unique<BeastServer>(state);
  if (!address.unix_path.empty()) {
    TRY_VOID(ListenUnix(*state, address));
    scope.Spawn("http_accept", AcceptLoop(state, *state->unix_acceptor));
  } else {
    TRY_VOID(ListenTcp(*state, address));
    server->port_ = state->tcp_acceptor->local_endpoint().port();
    scope.Spawn("http_accept", AcceptLoop(state, *state->tcp_acceptor));
  }
  return server;
}

}  // namespace mailreeve::http
