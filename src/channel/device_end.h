#pragma once

#include "channel/session.h"
#include "http/websocket.h"
#include "settings/settings.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace mailreeve::channel {

struct DeviceEndOptions {
  SessionOptions session;
  std::chrono::milliseconds connect_timeout{20000};
  // The wait before try n is random between 0 and first * 2^n, at most max ("full jitter").
  std::chrono::milliseconds backoff_first{1000};
  std::chrono::milliseconds backoff_max{60000};
  std::chrono::milliseconds good_spell{
      30000};  // a session that lasted this long is resumed at once
  std::chrono::milliseconds refused_wait{300000};      // between tries once the platform refused us
  std::chrono::milliseconds clock_skew_limit{300000};  // more is reported
};

// Settings channel.* (program gateway).
DeviceEndOptions DeviceEndOptionsFrom(const settings::Snapshot& snapshot);

enum class LinkState { kStopped, kConnecting, kConnected, kWaiting, kRefused };
std::string_view LinkStateName(LinkState state);  // "stopped", …

struct LinkStatus {
  LinkState state = LinkState::kStopped;
  std::string last_error;  // why the last connection ended or could not be made; empty: none yet
  Time since{};            // of the state
  Time last_connected{};   // start of the last session; zero: never
  uint64_t attempts = 0;   // failed tries since the last session
  std::chrono::milliseconds next_try{0};  // length of the wait, in kWaiting and kRefused
  // While connected:
  std::string platform_version;
  std::chrono::milliseconds clock_skew{0};
  std::string clock_warning;  // empty: within the limit
  std::optional<std::chrono::microseconds> rtt;
};

// The gateway's end of the channel: connects out, serves `module`, connects again whenever the
// connection is lost.
//
// Threads: one executor. Ownership: module, clock and logger outlive Run.
//
//   channel::DeviceEnd end(channel::Connector(target, limits), hello, module, options, clock,
//   logger, executor); scope.Spawn("device_channel", end.Run()); … co_await end.Stop();
class DeviceEnd {
 public:
  using Connect = std::function<io::Task<Result<std::unique_ptr<http::WebSocket>>>()>;

  DeviceEnd(Connect connect, Hello hello, relay::Module& module, const DeviceEndOptions& options,
            const Clock& clock, log::Logger& logger, const io::Executor& executor);
  ~DeviceEnd();

  // Until Stop or cancellation. Once.
  io::Task<void> Run();
  // Says goodbye; returns when Run has ended (at once when it never ran).
  io::Task<void> Stop();
  // Ends a wait and tries now.
  void TryNow();
  LinkStatus status() const;
  // Returns at latest after `limit`; true when connected.
  io::Task<bool> WaitConnected(std::chrono::milliseconds limit);
  // For device -> platform calls; null while not connected.
  std::shared_ptr<Session> session() const { return session_; }
  // Answers a number in [0, 1); tests inject their own.
  void set_random(std::function<double()> random) { random_ = std::move(random); }

 private:
  struct Running;
  io::Task<void> RunMarked(std::unique_ptr<Running> running);
  io::Task<void> Loop();
  io::Task<Result<std::unique_ptr<http::WebSocket>>> ConnectOnce();
  void Enter(LinkState state);
  void OnReady();
  std::chrono::milliseconds NextWait(bool refused);

  const Connect connect_;
  const Hello hello_;
  relay::Module& module_;
  const DeviceEndOptions options_;
  const Clock& clock_;
  log::Logger& logger_;
  io::Executor executor_;
  io::Event changed_;
  std::function<double()> random_;
  std::shared_ptr<Session> session_;
  std::string last_refusal_;  // logged once
  LinkStatus status_;
  bool running_ = false;
  bool stopping_ = false;
  bool try_now_ = false;
};

// Connects to `target` over TLS or plain.
DeviceEnd::Connect Connector(http::WebSocketTarget target, http::WebSocketLimits limits);

}  // namespace mailreeve::channel
