#pragma once

#include "base/time.h"
#include "channel/frame.h"
#include "http/websocket.h"
#include "io/event.h"
#include "io/scope.h"
#include "log/log.h"
#include "relay/relay.h"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace mailreeve::channel {

struct SessionOptions {
  size_t max_body_bytes = 16 * 1024 * 1024;  // of one request or answer, either way
  size_t window_bytes =
      32 * 1024 * 1024;       // bodies under way towards us; at least 4/3 of max_body_bytes
  size_t max_requests = 256;  // the peer's requests at work here at once
  size_t max_waiting = 1024;  // our own asks, waiting or under way
  size_t max_queued_bytes = 64 * 1024 * 1024;  // bodies held here because the peer takes no more
  size_t max_control_frames = 4096;            // small answers to a peer that does not read
  std::chrono::milliseconds hello_timeout{10000};
  std::chrono::milliseconds heartbeat_interval{15000};
  std::chrono::milliseconds heartbeat_timeout{
      10000};  // silence beyond the interval that ends the session
  std::chrono::milliseconds max_deadline{120000};  // longest time a served request gets
  std::chrono::milliseconds cancelled_timeout{
      60000};  // for the answer to a request that was cancelled
  std::chrono::milliseconds close_timeout{2000};
};

// The WebSocket limits that fit the channel's frames.
http::WebSocketLimits WebSocketLimitsFor(const SessionOptions& options);

// One connection of the device channel, after the WebSocket handshake; both sides run the same
// code: each may ask, and each serves a module when it has one. A peer that breaks the rules
// (unknown ids, answers given twice, more than its window, garbage) is sent a Goodbye with the
// reason and dropped.
//
// Threads: one executor. Ownership: made as shared_ptr; Run keeps it alive; module, clock and
// logger outlive Run. Errors of Ask: relay/relay.h; kLimited for a body too long or too many asks.
//
//   auto session = Session::Make(std::move(websocket), Side::kPlatform, hello, options, nullptr,
//   clock, logger, executor); scope.Spawn("session", RunSession(session)); Result<json::value>
//   answer = co_await session->Ask({.route = "/health"});
enum class Side { kDevice, kPlatform };

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `hello` gives instance, info and capabilities; versions, time and limits are filled in here.
  static std::shared_ptr<Session> Make(std::unique_ptr<http::WebSocket> socket, Side side,
                                       Hello hello, const SessionOptions& options,
                                       relay::Module* served, const Clock& clock,
                                       log::Logger& logger, const io::Executor& executor);
  ~Session();

  struct Ended {
    Error error;                    // kCancelled when Run was cancelled or Close called
    std::optional<Reason> goodbye;  // what the peer gave as its reason, when it said goodbye
  };
  // Shakes hands and serves until the connection ends. Once. When cancelled it says goodbye and
  // answers kCancelled (the cancellation is used up: the caller must end by itself).
  io::Task<Ended> Run();
  // Called within Run when the handshake is through.
  void set_on_ready(std::function<void()> ready) { on_ready_ = std::move(ready); }

  io::Task<Result<json::value>> Ask(relay::Call call);

  // Says goodbye and ends. Running asks fail with kUnavailable.
  void Close(Reason reason, std::string text);

  bool ready() const { return ready_ && !closed_; }
  const Hello& peer() const { return peer_; }  // REQUIRES: was ready
  uint64_t version() const { return version_; }
  // The peer's clock minus ours, as its hello came in.
  std::chrono::milliseconds clock_skew() const { return clock_skew_; }
  // Of the last heartbeat; none before the first.
  std::optional<std::chrono::microseconds> rtt() const { return rtt_; }
  Time last_seen() const { return last_seen_; }
  size_t open_requests() const { return asked_.size(); }  // ours at the peer
  size_t serving() const { return serving_.size(); }

 private:
  struct Pending;
  struct Serving;
  struct Outgoing;
  using SteadyTime = std::chrono::steady_clock::time_point;

  Session(std::unique_ptr<http::WebSocket> socket, Side side, Hello hello,
          const SessionOptions& options, relay::Module* served, const Clock& clock,
          log::Logger& logger, const io::Executor& executor);

  io::Task<void> ReadLoop();
  io::Task<void> WriteLoop();
  io::Task<void> Heartbeat();
  io::Task<void> Serve(std::shared_ptr<Serving> serving);

  Result<void> Take(Frame frame);
  Result<void> TakeHello(Hello hello);
  Result<void> TakeRequest(Request request);
  Result<void> TakeRequestData(RequestData data);
  Result<void> TakeResponse(Response response);
  Result<void> TakeResponseData(ResponseData data);
  Result<void> TakeCancel(Cancel cancel);
  Result<void> TakeWindow(Window window);

  void SendHello();
  void Control(Frame frame);
  // Ends the session; the first call counts. With `goodbye` the peer is told.
  void Finish(Error error, std::optional<Goodbye> goodbye);
  void Admit();  // starts waiting asks and answers that now fit
  void Start(const std::shared_ptr<Pending>& pending);
  void Complete(const std::shared_ptr<Pending>& pending, Result<std::string> result);
  void GiveUp(const std::shared_ptr<Pending>& pending);
  void Answer(Serving& serving, Result<json::value> result);
  void BeginServing(const std::shared_ptr<Serving>& serving);
  void Release(size_t bytes);  // credit back to the peer
  std::string NextMessage();
  size_t MaxSend() const;

  const std::unique_ptr<http::WebSocket> socket_;
  const Side side_;
  Hello hello_;
  SessionOptions options_;
  relay::Module* const served_;
  const Clock& clock_;
  log::Logger& logger_;
  io::Executor executor_;
  io::Scope scope_;
  io::Event changed_;   // Run and the writer's end
  io::Event writable_;  // something to write
  std::function<void()> on_ready_;

  bool ready_ = false;
  bool closed_ = false;
  bool writer_done_ = false;
  Ended ended_;
  std::optional<Goodbye> last_words_;
  Hello peer_;
  uint64_t version_ = 0;
  std::chrono::milliseconds clock_skew_{0};
  std::optional<std::chrono::microseconds> rtt_;
  Time last_seen_{};
  SteadyTime heard_;
  uint64_t ping_nonce_ = 0;
  SteadyTime ping_sent_;

  // Our asks.
  uint64_t last_asked_ = 0;
  std::deque<std::shared_ptr<Pending>> waiting_;        // not yet sent, in order
  std::map<uint64_t, std::shared_ptr<Pending>> asked_;  // sent, unanswered (given up ones too)
  size_t waiting_bytes_ = 0;

  // The peer's requests.
  uint64_t last_served_ = 0;
  std::map<uint64_t, std::shared_ptr<Serving>>
      serving_;                        // until the last byte of the answer is written
  std::deque<Outgoing> held_answers_;  // wait for credit, in order
  size_t held_bytes_ = 0;

  // Flow control.
  uint64_t credit_ = 0;   // bodies that we may still send
  size_t incoming_ = 0;   // announced towards us and not yet credited back
  size_t to_return_ = 0;  // of those, done with; credited in lumps

  std::deque<Frame> control_;
  std::deque<Outgoing> sending_;  // bodies under way, by turns
};

}  // namespace mailreeve::channel
