#pragma once

#include "audit/audit.h"
#include "base/secret.h"
#include "channel/device_end.h"
#include "gateway/registration/state.h"
#include "io/pool.h"
#include "io/scope.h"
#include "relay/relay.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace mailreeve::gateway::registration {

struct RegistrationOptions {
  std::string state_folder;
  std::string name;     // shown to people; empty: the host name
  std::string version;  // of this program
  std::string serial;
  std::string host_name;  // empty: the system's
  channel::DeviceEndOptions channel;
  std::chrono::milliseconds register_timeout{30000};
  // How long a new identity may take to connect before a registration that replaces another counts
  // as failed.
  std::chrono::milliseconds prove_timeout{20000};
  // The certificate is renewed when less than this part of its life is left.
  double renew_below = 1.0 / 3;
  std::chrono::milliseconds renew_check{3600000};
};

// gateway-api.md 3.2, 3.3.
enum class State { kNotRegistered, kRegistering, kRegistered, kFailed };
std::string_view StateName(State state);  // "not registered", "registering", "registered", "failed"

struct Status {
  State state = State::kNotRegistered;
  std::string last_error;  // of the last try to register; a failed one may leave an older
                           // registration in force
  std::optional<Identity> identity;
  channel::LinkStatus link;
  bool certificate_expired = false;
};
json::object ToJson(const Status& status);

struct Actor {
  std::string kind = "administrator";
  std::string id;
  std::string name;
  std::string channel = "admin-socket";
  std::string address = "local";
};

// The gateway's registration with a platform, and the channel that runs on it.
//
// Threads: one executor. Ownership: module, audit log, clock and logger outlive it; co_await Stop()
// before destroying. Errors: kInvalid url, token or CA file; kDenied, kUnauthenticated, kConflict
// what the platform says of the token; kLimited; kUnavailable platform not reached, with what to do
// about it.
//
//   TRY(auto registration, Registration::Open(options, module, audit, clock, logger, executor));
//   registration->Start();                 // connects when registered, and keeps trying
//   auto done = co_await registration->Register("https://response.example.org", token, ca_file,
//   actor);
class Registration {
 public:
  static Result<std::unique_ptr<Registration>> Open(const RegistrationOptions& options,
                                                    relay::Module& module, audit::Log& audit,
                                                    const Clock& clock, log::Logger& logger,
                                                    const io::Executor& executor);
  ~Registration();

  void Start();
  // Makes a key pair here, has it certified and connects. When a registration is in force, the new
  // one replaces it only after it has connected; otherwise the old one goes on. `ca_file`: trust
  // only this for the platform; empty: the system's trust. One at a time (kConflict).
  io::Task<Result<void>> Register(std::string server_url, Secret token, std::string ca_file,
                                  Actor actor);
  // Forgets identity and key and ends the channel. kNotFound when not registered. The device stays
  // on the platform's list until it is removed there.
  io::Task<Result<void>> Deregister(Actor actor);
  // Asks for a new certificate over the channel now. kUnavailable while not connected.
  io::Task<Result<void>> Renew();

  Status status() const;
  // Null while not registered.
  channel::DeviceEnd* link() const { return end_.get(); }
  io::Task<void> Stop();

 private:
  Registration(const RegistrationOptions& options, relay::Module& module, audit::Log& audit,
               const Clock& clock, log::Logger& logger, const io::Executor& executor);

  io::Task<Result<Identity>> Enrol(std::string server_url, Secret token, std::string ca_file);
  io::Task<Result<void>> RegisterOnce(std::string server_url, Secret token, std::string ca_file,
                                      Actor actor);
  // Connects with `identity` and puts it in force, at once or only when the connection stands.
  io::Task<Result<void>> Replace(Identity identity, bool prove, audit::Entry entry);
  Result<std::unique_ptr<channel::DeviceEnd>> MakeEnd(const Identity& identity);
  io::Task<Result<void>> RenewOnce();
  io::Task<void> RenewLoop();
  audit::Entry EntryFor(const Actor& actor, std::string action, const std::string& device_id,
                        std::string result, std::string message, json::object details) const;

  const RegistrationOptions options_;
  const std::string instance_;
  relay::Module& module_;
  audit::Log& audit_;
  const Clock& clock_;
  log::Logger& logger_;
  io::Executor executor_;
  StateFolder folder_;
  io::Scope scope_;
  io::Event wake_;  // the renewal loop, to stop
  std::optional<Identity> identity_;
  std::unique_ptr<channel::DeviceEnd> end_;
  bool started_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  std::string last_error_;
  io::Pool pool_;  // keys, files, audit
};

}  // namespace mailreeve::gateway::registration
