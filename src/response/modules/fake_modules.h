#pragma once

#include "io/event.h"
#include "response/modules/registry.h"

#include <functional>

// Modules that answer what a test tells them. One executor.
namespace mailreeve::response::modules {

class FakeModule final : public relay::Module {
 public:
  using Answer = std::function<Result<json::value>(const relay::Call&)>;
  explicit FakeModule(Answer answer) : answer_(std::move(answer)) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override {
    calls.push_back(call);
    ++running;
    most_running = std::max(most_running, running);
    if (delay.count() > 0) {
      try {
        co_await io::Sleep(delay);
      } catch (...) {
        --running;
        throw;
      }
    }
    --running;
    co_return answer_(call);
  }

  std::vector<relay::Call> calls;
  std::chrono::milliseconds delay{0};
  static inline int running = 0, most_running = 0;

 private:
  Answer answer_;
};

class FakeSource final : public ModuleSource {
 public:
  const ModuleType& type() const override { return EmailGatewayType(); }
  io::Task<Result<std::vector<ModuleInstance>>> List(std::string org_id) override {
    if (error) co_return Fail(*error);
    std::vector<ModuleInstance> out;
    for (const ModuleInstance& instance : instances) {
      if (instance.org_id == org_id) out.push_back(instance);
    }
    co_return out;
  }
  std::shared_ptr<relay::Module> Open(const ModuleInstance& instance) override {
    return modules.at(instance.id);
  }

  std::shared_ptr<FakeModule> Add(std::string id, std::string name, FakeModule::Answer answer) {
    ModuleInstance instance;
    instance.id = id;
    instance.org_id = org_id;
    instance.name = std::move(name);
    instance.type_id = std::string(kEmailGatewayTypeId);
    instance.reachable = true;
    instances.push_back(instance);
    return modules[id] = std::make_shared<FakeModule>(std::move(answer));
  }

  std::string org_id = "org";
  std::vector<ModuleInstance> instances;
  std::map<std::string, std::shared_ptr<FakeModule>> modules;
  std::optional<Error> error;
};

}  // namespace mailreeve::response::modules
