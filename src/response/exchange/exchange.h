#pragma once

#include "audit/audit.h"
#include "base/secret.h"
#include "channel/hub.h"
#include "io/pool.h"
#include "io/scope.h"
#include "response/exchange/enroller.h"
#include "response/exchange/store.h"
#include "settings/settings.h"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mailreeve::response::exchange {

struct ExchangeOptions {
  std::chrono::seconds token_lifetime{3600};
  std::chrono::hours certificate_life{24 * 90};
  // After so many unknown tokens from one address (IPv6: /64) within the window, it is refused to
  // the window's end.
  size_t wrong_tokens = 10;
  std::chrono::seconds wrong_window{600};
  size_t max_remembered_addresses = 10000;
  size_t max_devices = 10000;  // of one organisation
  std::string channel_url;     // told to devices: "wss://host:port/device/v1/channel"
  // Name of an organisation by its id, for the answer to a registration.
  std::function<std::string(const std::string&)> organisation_name;
  channel::HubOptions hub;
};

// Settings exchange.* (program response); channel_url, organisation_name and hub.version are the
// caller's.
ExchangeOptions ExchangeOptionsFrom(const settings::Snapshot& snapshot);

// A device as people see it. `state` is "enrolling", "connected", "disconnected" or "removed".
struct Device {
  DeviceRow row;
  std::string state;
  std::string clock_warning;          // empty: none
  std::optional<channel::Link> link;  // while connected
};
json::object ToJson(const Device& device);

struct Token {
  Secret token;  // 32 hex digits; shown once
  std::chrono::seconds expires_in{0};
  Time expires{};
};

struct NewDevice {
  std::string name;
  std::string type = "mailreeve-gateway";
  std::string description;
};
struct DeviceChange {
  std::optional<std::string> name, description;
  bool clear_alert = false;
};

// What a gateway sends to register.
struct RegistrationRequest {
  Secret token;
  std::string request_pem;
  std::string name, type, version, serial, host_name;
  std::optional<int64_t> time_ms;  // the gateway's clock
};
struct Registered {
  std::string device_id;
  Enrolled enrolled;
  std::string organisation_id, organisation_name;
  std::string clock_warning;
};
// `kind`: "token_unknown", "token_used", "token_expired", "token_revoked", "too_many_wrong_tokens",
// "invalid_request", "temporarily_unavailable".
struct RegistrationError {
  std::string kind;
  Error error;
  std::chrono::seconds retry_after{0};
};

// The exchange: who the devices are and how they come in. Gate of the device channel.
//
// Threads: one executor; SQL, certificates and audit run on one pool thread of its own.
// Ownership: enroller, audit log, clock and logger outlive it. Before destroying it: co_await
// Stop(), stop the servers, join their scope. Errors: kNotFound for devices of other organisations
// too; kInvalid with the field; kLimited.
//
//   TRY(auto db, sql::Database::Open({.path = dir + "/exchange.db"}));
//   TRY(auto store, Store::Open(std::move(db)));
//   Exchange exchange(std::move(store), enroller, audit, options, clock, logger, executor);
//   server->OnWebSocket(kChannelPath, channel::WebSocketLimitsFor(…), exchange.hub().Handler());
class Exchange final : public channel::Gate {
 public:
  Exchange(Store store, Enroller& enroller, audit::Log& audit, ExchangeOptions options,
           const Clock& clock, log::Logger& logger, const io::Executor& executor);
  ~Exchange() override;

  // For people. `address` is the asker's, for the audit trail.
  io::Task<Result<std::vector<Device>>> List(relay::Caller caller);
  io::Task<Result<Device>> Get(relay::Caller caller, std::string device_id);
  io::Task<Result<Device>> Create(relay::Caller caller, std::string address, NewDevice device);
  io::Task<Result<Device>> Change(relay::Caller caller, std::string address, std::string device_id,
                                  DeviceChange change);
  // Certificates revoked, tokens revoked, session dropped, before the answer.
  io::Task<Result<Device>> Remove(relay::Caller caller, std::string address, std::string device_id);
  // With a device id: for that device, earlier unused ones are revoked. Without: for a device yet
  // to be made.
  io::Task<Result<Token>> MakeToken(relay::Caller caller, std::string address,
                                    std::optional<std::string> device_id);

  // For devices.
  io::Task<tl::expected<Registered, RegistrationError>> Register(RegistrationRequest request,
                                                                 std::string address,
                                                                 std::string request_id);
  const ExchangeOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }

  // For modules: registered devices of an organisation (empty: all), whether connected or not.
  io::Task<Result<std::vector<Device>>> DevicesOf(std::string organisation_id);
  channel::Hub& hub() { return hub_; }

  // Ends the sessions and waits for what is being written.
  io::Task<void> Stop();

  // channel::Gate
  io::Task<Result<channel::Admission>> Admit(const http::Request& request) override;
  void OnConnected(const channel::Admission& device, const channel::Link& link) override;
  void OnDisconnected(const channel::Link& link, const std::string& why) override;
  void OnClone(const channel::Link& link, const std::string& other_address) override;
  std::unique_ptr<relay::Module> ServeDevice(const channel::Admission& device) override;

 private:
  struct Wrong {
    std::chrono::steady_clock::time_point until;
    size_t count = 0;
  };
  class DeviceService;

  // On the pool thread.
  Result<channel::Admission> AdmitNow(const std::string& sha256, const std::string& common_name);
  tl::expected<Registered, RegistrationError> RegisterNow(const RegistrationRequest& request,
                                                          const std::string& address,
                                                          const std::string& request_id);
  Result<Enrolled> RenewNow(const std::string& device_id, const std::string& request_pem);
  Result<void> NoteNow(const std::string& device_id, const channel::Link& link,
                       std::optional<std::string> alert);
  Result<DeviceRow> FindOwn(const relay::Caller& caller, const std::string& device_id);
  Result<void> Audit(const relay::Caller& caller, const std::string& address, std::string action,
                     const std::string& device_id, std::string result, std::string message,
                     json::object details);
  Result<void> AuditDevice(const std::string& device_id, const std::string& name,
                           const std::string& address, const std::string& channel,
                           const std::string& request_id, std::string action, std::string result,
                           std::string message, json::object details);

  Device View(DeviceRow row) const;
  io::Task<void> Note(std::string device_id, channel::Link link, std::optional<std::string> alert);
  std::optional<std::chrono::seconds> Blocked(const std::string& key);
  void CountWrong(const std::string& key);

  Store store_;
  Enroller& enroller_;
  audit::Log& audit_;
  const ExchangeOptions options_;
  const Clock& clock_;
  log::Logger& logger_;
  io::Scope scope_;
  channel::Hub hub_;
  std::map<std::string, Wrong> wrong_;
  io::Pool pool_;  // last: its thread ends before what it uses
};

}  // namespace mailreeve::response::exchange
