#pragma once

#include "base/time.h"
#include "gateway/enrich/actions.h"
#include "gateway/enrich/message_json.h"
#include "gateway/enrich/sightings.h"
#include "gateway/tracking/store.h"
#include "relay/body.h"
#include "relay/relay.h"
#include "settings/settings.h"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

// The gateway as a relay module: answers the platform's questions from tracked mail and hands its
// orders to remediation. Routes and bodies: docs/relay.md; threat-response-api.md 2.4,
// gateway-api.md 7.
//
// Threads: one executor; calls may overlap. Ownership: what is passed outlives the calls.
// Errors: in the envelope, as the protocol has it. A Result error only for kTimeout (the call's
// deadline passed) and kNotFound (unknown route).
//
//   enrich::GatewayModule module({.name = "gateway-1", .version = "0.1.0"}, store, remediator,
//   clock); CO_TRY(json::value answer, co_await module.Ask({.route = "/observe/observables", .body
//   = observables}));
namespace mailreeve::gateway::enrich {

struct Options {
  std::string name;  // of this gateway
  std::string version;
  std::string fqdn;                  // empty: name
  std::string console_url;           // links to people's pages start with it; empty: relative
  bool mailboxes_configured = true;  // false: no action is offered

  // Settings (schema/settings/enrich.json and remediation.forward_address).
  std::chrono::hours look_back{30 * 24};           // of sightings
  size_t max_sightings = 100;                      // of one observable
  size_t max_observables = 200;                    // of one call
  std::string forward_address;                     // empty: the order must name one
  size_t max_trigger_messages = 1000;              // that one order acts on
  size_t max_answer_bytes = 15 * 1024 * 1024;      // below the channel's bound of 16 MiB
  size_t max_targets = 1000, max_relations = 500;  // of one sighting
  MessageLimits message_limits;
};
// The settings part; the caller fills in name, version and console_url.
Options FromSettings(const settings::Snapshot& snapshot);

class GatewayModule final : public relay::Module {
 public:
  GatewayModule(Options options, tracking::Store& store, remediation::Remediator& remediator,
                const Clock& clock);
  GatewayModule(Options options, tracking::Store& store, Actions& actions, const Clock& clock);

  io::Task<Result<json::value>> Ask(relay::Call call) override;

 private:
  struct Found;  // messages that show one of the observables of a call

  io::Task<Result<json::value>> Answer(relay::Call call);
  io::Task<Result<json::value>> Health(relay::Call call);
  io::Task<Result<json::value>> Version(relay::Call call);
  io::Task<Result<json::value>> Deliberate(relay::Call call);
  io::Task<Result<json::value>> Observe(relay::Call call);
  io::Task<Result<json::value>> Refer(relay::Call call);
  io::Task<Result<json::value>> RespondObservables(relay::Call call);
  io::Task<Result<json::value>> Trigger(relay::Call call);
  io::Task<Result<json::value>> Tiles(relay::Call call);
  io::Task<Result<json::value>> Tile(relay::Call call);
  io::Task<Result<json::value>> TileData(relay::Call call);
  io::Task<Result<json::value>> Messages(relay::Call call);
  io::Task<Result<json::value>> Message(relay::Call call);
  io::Task<Result<json::value>> Plan(relay::Call call);
  io::Task<Result<json::value>> Execute(relay::Call call);
  io::Task<Result<json::value>> BatchState(relay::Call call);

  Result<relay::AskedObservables> ReadSupported(const json::value& body,
                                                json::object& envelope) const;
  io::Task<Result<Found>> Find(std::vector<relay::AskedObservable> asked);
  io::Task<Result<std::vector<mail::Mid>>> MidsOf(observable::Observable observable);
  // Plan and execution of an order; answers the batch's id.
  io::Task<Result<std::string>> Start(remediation::Action action, observable::Observable observable,
                                      std::string forward_to, std::string key,
                                      relay::Caller caller);
  std::string Link(const observable::Observable& observable) const {
    return SearchLink(options_.console_url, observable);
  }

  const Options options_;
  tracking::Store& store_;
  std::unique_ptr<Actions> own_actions_;
  Actions& actions_;
  const Clock& clock_;
  // Orders by the key their sender gave them, so that a repeat finds its batch; the oldest go
  // first.
  std::map<std::string, std::string> batches_;
  std::deque<std::string> batch_keys_;
};

}  // namespace mailreeve::gateway::enrich
