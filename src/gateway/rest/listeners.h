#pragma once

#include "base/time.h"
#include "http/router.h"
#include "http/server.h"
#include "io/scope.h"
#include "log/log.h"
#include "settings/settings.h"

#include <memory>
#include <string>

// The listeners of the REST API, their certificate, and the serial number that clients know the
// gateway by.
//
// Threads: the scope's executor. Ownership: router, scope and logger outlive it. Errors: kInvalid
// (an address, a certificate), kUnavailable (a port that is taken, a file).
namespace mailreeve::gateway::rest {

struct ListenOptions {
  std::string https;             // "127.0.0.1:6443"; empty: no such listener
  std::string http;              // the same, without TLS
  std::string certificate_file;  // PEM; empty: one is made under a root of our own
  std::string key_file;
  std::string folder;  // for rest-ca.pem, rest-server.pem and their keys
  std::string name;    // of the gateway; stands in the certificate
};

class Listeners {
 public:
  static Result<std::unique_ptr<Listeners>> Start(const ListenOptions& options,
                                                  const settings::Snapshot& settings,
                                                  const http::Router& router, const Clock& clock,
                                                  io::Scope& scope, log::Logger& logger);
  io::Task<void> Stop(std::chrono::milliseconds grace);
  uint16_t https_port() const { return https_ ? https_->port() : 0; }  // 0: none
  uint16_t http_port() const { return http_ ? http_->port() : 0; }

 private:
  Listeners() = default;
  std::unique_ptr<http::Server> https_, http_;
};

// "A1B2…" as appliances have it: 20 and 12 hexadecimal digits. Made once and kept in `folder`.
Result<std::string> Serial(const std::string& folder);

}  // namespace mailreeve::gateway::rest
