#pragma once

#include "base/secret.h"
#include "outbound/outbound.h"
#include "response/modules/registry.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>

// Opens instances of the built-in type "Email gateway over the REST API".
//
// Threads: one executor; any number of calls at once. Ownership: borrows fetcher and clock.
// Errors of a call: kUnauthenticated user or password, kDenied the user's role, others as the
// fetcher's. An observable that could not be looked for is an error in the answer, the others stay.
//
//   ApplianceOpener appliances(guard, clock, {});
//   Registry registry(sources, &catalogue, {&relays, &appliances});
namespace mailreeve::response::appliance {

struct Options {
  size_t page = 100;                    // rows a request; the API's most
  size_t max_sightings = 100;           // of one observable, unless the instance says less
  size_t look_back_days = 30;           // unless the instance says otherwise
  std::chrono::minutes token_life{20};  // shorter than the API's half hour
  size_t max_answer_bytes = 16 * 1024 * 1024;
};

class ApplianceOpener final : public modules::ModuleOpener {
 public:
  ApplianceOpener(outbound::Fetcher& fetcher, const Clock& clock, Options options)
      : fetcher_(fetcher), clock_(clock), options_(options) {}
  bool Opens(std::string_view record) const override { return record == modules::kApplianceRecord; }
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance& instance) override;

 private:
  class Module;
  // Of one instance under one set of settings.
  struct Session {
    Time updated{};
    Secret token;
    Time until{};
  };

  outbound::Fetcher& fetcher_;
  const Clock& clock_;
  const Options options_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;
};

}  // namespace mailreeve::response::appliance
