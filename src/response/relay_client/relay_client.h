#pragma once

#include "log/log.h"
#include "outbound/outbound.h"
#include "response/modules/registry.h"
#include "response/relay_client/authorization.h"
#include "response/relay_client/breaker.h"
#include "response/relay_client/verdict_cache.h"
#include "settings/settings.h"

#include <map>
#include <memory>
#include <string>

// Relay modules over HTTP(S): what the registry opens for module instances of posted types and of
// Custom relay (docs/modules.md).
//
// Threads: one executor; any number of calls at once. Ownership: borrows fetcher, clock and logger;
// an opened module may outlive the client's knowledge of it, not the borrowed ones.
// Errors: kInvalid settings or an answer that is no JSON; kUnavailable connection, an error of the
// server, or an open breaker; kTimeout; kLimited too long, or too many calls wait; kNotFound,
// kUnauthenticated as the relay's status says. What it says in its envelope is an answer.
//
//   RelayClient client(guard, {.signer = …}, clock, logger, OptionsFrom(snapshot));
//   Registry registry(sources, &catalogue, {&client});
namespace mailreeve::response::relay_client {

struct Options {
  std::chrono::milliseconds timeout{20000};  // of a call; the call's own when that is shorter
  size_t concurrency = 8;                    // calls of one module at once
  size_t max_waiting = 200;                  // more are refused
  size_t max_answer_bytes = 16 * 1024 * 1024;
  size_t max_modules = 10000;  // remembered: breakers and caches
  std::chrono::seconds token_life{300};
  BreakerOptions breaker;
  VerdictCacheOptions cache;
};
Options OptionsFrom(const settings::Snapshot& snapshot);

class RelayClient final : public modules::ModuleOpener {
 public:
  struct Signing {
    Signer signer;
    std::string jwks_host;  // "response.example.org:8443"
  };
  RelayClient(outbound::Fetcher& fetcher, Signing signing, const Clock& clock, log::Logger& logger,
              Options options);
  ~RelayClient() override;

  bool Opens(std::string_view record) const override { return record == modules::kRelayRecord; }
  // Settings of the instance "timeout-ms", "concurrency" and "cache-seconds" narrow the options
  // for it.
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance& instance) override;

 private:
  struct World;
  struct Known;
  class Module;

  std::shared_ptr<const World> world_;
  std::map<std::string, std::shared_ptr<Known>> known_;  // by organisation and instance
};

}  // namespace mailreeve::response::relay_client
