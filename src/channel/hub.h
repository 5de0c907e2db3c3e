#pragma once

#include "channel/session.h"
#include "http/message.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mailreeve::channel {

// Who a certificate belongs to.
struct Admission {
  std::string device_id;
  std::string organisation_id;
  std::string name;
};

// One live session, as seen now.
struct Link {
  std::string device_id;
  std::string instance;
  std::string address;  // IP
  std::string version;  // of the device's program
  std::string host_name;
  std::string serial;
  Time connected_since{};
  Time last_seen{};
  std::optional<std::chrono::microseconds> rtt;
  std::chrono::milliseconds clock_skew{0};
  std::string clock_warning;  // empty: within the limit
  uint64_t protocol = 0;
  std::vector<std::string> capabilities;
};

// What the platform knows of devices; response/exchange implements it. The On… calls must not
// block.
class Gate {
 public:
  virtual ~Gate() = default;
  // By the certificate of the request; an error's text is sent to the device as the reason for its
  // refusal.
  virtual io::Task<Result<Admission>> Admit(const http::Request& request) = 0;
  virtual void OnConnected(const Admission& device, const Link& link) = 0;
  virtual void OnDisconnected(const Link& link, const std::string& why) = 0;
  // Two programs with the identity of `link` take turns in replacing each other.
  virtual void OnClone(const Link& link, const std::string& other_address) = 0;
  // What this device may ask of the platform, for as long as its session lives; null: nothing.
  virtual std::unique_ptr<relay::Module> ServeDevice(const Admission&) { return nullptr; }
};

struct HubOptions {
  SessionOptions session;
  size_t max_sessions = 1000;
  // This many replacements by another program within the window are taken for a cloned identity.
  size_t clone_replacements = 3;
  std::chrono::milliseconds clone_window{600000};
  std::chrono::milliseconds clock_skew_limit{300000};
  std::string version;  // our program's, told to devices
};

// The platform's end of the channel: takes WebSockets of authenticated devices, keeps one live
// session a device, and hands each device out as a relay module.
//
// Threads: one executor. Ownership: gate, clock and logger outlive Stop. Modules may outlive the
// hub and answer kUnavailable then.
//
//   channel::Hub hub(exchange, options, clock, logger, executor);
//   server->OnWebSocket("/device/v1/channel", WebSocketLimitsFor(options.session), hub.Handler());
//   auto answer = co_await hub.ModuleOf(id)->Ask({.route = "/health"});
class Hub {
 public:
  Hub(Gate& gate, const HubOptions& options, const Clock& clock, log::Logger& logger,
      const io::Executor& executor);
  ~Hub();

  // A WebSocketHandler: lives as long as the connection.
  io::Task<void> Accept(http::Request request, std::unique_ptr<http::WebSocket> socket);
  std::function<io::Task<void>(http::Request, std::unique_ptr<http::WebSocket>)> Handler();

  // Answers kUnavailable while the device is not connected. Never null.
  std::shared_ptr<relay::Module> ModuleOf(std::string device_id);

  std::optional<Link> Find(const std::string& device_id) const;
  std::vector<Link> Links() const;
  bool connected(const std::string& device_id) const;

  // Ends the device's sessions at once and tells it why.
  void Drop(const std::string& device_id, Reason reason, const std::string& why);
  // Says goodbye to all; returns when they have ended or after a few seconds.
  io::Task<void> Stop();

 private:
  struct State;
  class DeviceModule;
  static io::Task<void> AcceptOn(std::shared_ptr<State> state, http::Request request,
                                 std::unique_ptr<http::WebSocket> socket);
  std::shared_ptr<State> state_;
};

}  // namespace mailreeve::channel
