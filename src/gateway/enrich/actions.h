#pragma once

#include "gateway/remediation/remediator.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace mailreeve::gateway::enrich {

// What the module needs of remediation; methods mean what remediation::Remediator's do.
// Threads: one executor.
class Actions {
 public:
  virtual ~Actions() = default;
  virtual io::Task<Result<remediation::Plan>> MakePlan(remediation::Action action,
                                                       std::vector<mail::Mid> mids,
                                                       relay::Caller caller) = 0;
  virtual io::Task<Result<std::string>> Execute(std::string plan_id, std::string plan_hash,
                                                std::string idempotency_key, std::string forward_to,
                                                std::string name, relay::Caller caller) = 0;
  virtual io::Task<Result<remediation::Batch>> GetBatch(std::string batch_id) = 0;
  virtual io::Task<Result<remediation::Batch>> WaitBatch(std::string batch_id,
                                                         std::chrono::milliseconds deadline) = 0;
};

// The real one. Ownership: `remediator` outlives it.
class RemediatorActions final : public Actions {
 public:
  explicit RemediatorActions(remediation::Remediator& remediator) : remediator_(remediator) {}
  io::Task<Result<remediation::Plan>> MakePlan(remediation::Action action,
                                               std::vector<mail::Mid> mids,
                                               relay::Caller caller) override {
    return remediator_.MakePlan(action, std::move(mids), std::move(caller));
  }
  io::Task<Result<std::string>> Execute(std::string plan_id, std::string plan_hash,
                                        std::string idempotency_key, std::string forward_to,
                                        std::string name, relay::Caller caller) override {
    return remediator_.Execute(std::move(plan_id), std::move(plan_hash), std::move(idempotency_key),
                               std::move(forward_to), std::move(name), std::move(caller));
  }
  io::Task<Result<remediation::Batch>> GetBatch(std::string batch_id) override {
    return remediator_.GetBatch(std::move(batch_id));
  }
  io::Task<Result<remediation::Batch>> WaitBatch(std::string batch_id,
                                                 std::chrono::milliseconds deadline) override {
    return remediator_.WaitBatch(std::move(batch_id), deadline);
  }

 private:
  remediation::Remediator& remediator_;
};

}  // namespace mailreeve::gateway::enrich
