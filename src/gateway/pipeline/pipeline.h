#pragma once

#include "base/time.h"
#include "gateway/milter/milter.h"
#include "gateway/tracking/store.h"
#include "io/scope.h"
#include "log/log.h"
#include "mail/inspection.h"
#include "settings/settings.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

// The way of a message through the gateway (design.md section 2): inspected in the cage, recorded
// durably, answered.
namespace mailreeve::gateway::pipeline {

// Reads one message. Errors cost that message only: kUnavailable (the reader crashed), kTimeout,
// kLimited (queue full).
class Inspector {
 public:
  virtual ~Inspector() = default;
  virtual io::Task<Result<mail::Inspection>> Inspect(std::string message) = 0;
};

struct Counters {
  uint64_t tracked = 0;              // inspected, recorded, accepted
  uint64_t inspection_failed = 0;    // crash, overrun, queue full
  uint64_t tracking_failed = 0;      // not durable
  uint64_t untracked = 0;            // delivered all the same (milter.on_failure = accept)
  uint64_t temporarily_refused = 0;  // milter.on_failure = tempfail
  uint64_t rejected = 0;             // milter.on_failure = reject
};

// Threads: the scope's one executor. Ownership: everything passed outlives it.
// One settings snapshot is read at the start of a message and kept to its end.
class Pipeline final : public milter::MessageHandler {
 public:
  Pipeline(Inspector& inspector, tracking::Store& store, const settings::Running& settings,
           const Clock& clock, io::Scope& scope, log::Logger& logger);

  io::Task<milter::Decision> OnMessage(milter::MilterMessage message) override;
  void OnAbort(const milter::Abort& abort) override;

  const Counters& counters() const { return counters_; }

 private:
  milter::Decision Failed(const settings::Snapshot& settings, const Error& error,
                          const std::string& queue_id);
  mail::Icid IcidOf(uint64_t connection);
  io::Task<void> RecordLostAnswer(mail::Mid mid);

  Inspector& inspector_;
  tracking::Store& store_;
  const settings::Running& settings_;
  const Clock& clock_;
  io::Scope& scope_;
  log::Logger& logger_;
  Counters counters_;
  std::map<uint64_t, mail::Icid> icids_;  // of the newest connections, by milter serial
};

// Incoming, outgoing or internal: a sender is ours when it is authenticated or its domain is one of
// `internal_domains`; a recipient by its domain. Ours to ours is internal, ours to others outgoing,
// everything else incoming.
mail::Direction DirectionOf(const mail::MessageRecord& record,
                            const std::vector<std::string>& internal_domains);

}  // namespace mailreeve::gateway::pipeline
