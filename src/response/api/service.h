#pragma once

#include "base/secret.h"
#include "base/time.h"
#include "http/server.h"
#include "io/asio.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "response/identity/identity.h"
#include "settings/settings.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// The whole program but its flags: state, identity, exchange, modules, API and the two listeners,
// wired.
//
// Threads: everything on `executor`'s one thread; Start is called on it and blocks while files are
// made and opened. Ownership: snapshot is shared; clock and logger outlive the service. co_await
// Stop() before destroying it. Errors: kUnavailable for addresses and files, kDenied for keys that
// others may read, kCorrupt for damaged state.
//
//   TRY(auto service, Service::Start(options, snapshot, clock, logger, context.get_executor()));
//   if (!service->first_password().empty()) …  // print it, once
//   context.run();                             // a signal handler spawns service->Stop()
namespace mailreeve::response::api {

struct ServiceOptions {
  // Holds response.db, token-key.pem, intel-keys.json, device-ca.{pem,key}, public-ca.{pem,key},
  // server.{pem,key}, audit.jsonl. Made when it is not there.
  std::string state_folder;
  // Another database than response.db: storage/storage.h.
  std::string storage_url, storage_password_file;
  http::ListenAddress listen;         // HTTPS: console, API, device registration
  http::ListenAddress device_listen;  // mutual TLS: the device channel
  // Plain HTTP for /health, /ready and /metrics; nothing there asks for a token. None: off.
  std::optional<http::ListenAddress> operations_listen;
  std::string public_url;  // "https://response.example.org"; what clients and people use
  std::string device_url;  // "wss://response.example.org:8444/device/v1/channel"; told to devices
  // "https://intel.example.org": requests to this host ask the global intelligence store. Empty: it
  // is read through the private one only.
  std::string global_intel_url;
  std::string feeds_file;                 // docs/feeds.md; empty: no feeds are taken
  std::vector<std::string> server_names;  // DNS names and IP addresses of the made certificate
  // Certificate chain and key of both listeners. Empty: made, under public-ca.pem, at each start.
  std::string certificate_file, key_file;
  std::string console_folder;  // built web application; empty: none is served
  std::string version = "0.1.0";
  std::string first_user = "admin";
  std::string first_user_email = "admin@localhost";
  http::ServerLimits limits;
};

// The identity of this state alone, for commands beside the server. Blocking.
Result<std::unique_ptr<identity::Identity>> OpenIdentity(const ServiceOptions& options,
                                                         const settings::Snapshot& snapshot,
                                                         const Clock& clock, audit::Log& audit,
                                                         log::Logger& logger);

class Service {
 public:
  static Result<std::unique_ptr<Service>> Start(ServiceOptions options,
                                                std::shared_ptr<const settings::Snapshot> snapshot,
                                                const Clock& clock, log::Logger& logger,
                                                io::Executor executor);
  ~Service();

  // Of the administrator made by this start; empty when there was a user already.
  const Secret& first_password() const;
  uint16_t port() const;
  uint16_t device_port() const;
  uint16_t operations_port() const;  // 0: off
  // Not ready any more, no new requests; what runs may end (operations.stop_grace); then channels,
  // then the rest.
  io::Task<void> Stop();

 private:
  struct Parts;
  static void Collect(const Parts& parts, metrics::Registry& registry);
  explicit Service(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace mailreeve::response::api
