#pragma once

#include "base/time.h"
#include "ctim/ids.h"
#include "relay/relay.h"
#include "response/intel/store.h"

#include <string>

// Answers the relay protocol from an intelligence store, with what the call's user may see.
//
// Threads: one executor. Ownership: borrows store and clock. Errors: those of the store; kNotFound
// for a route that it does not serve.
//
//   auto module = std::make_shared<IntelModule>(store, IntelModule::Options{…}, clock);
//   CO_TRY(json::value envelope, co_await module->Ask({.route = "/observe/observables", …}));
namespace mailreeve::response::intel_module {

class IntelModule final : public relay::Module {
 public:
  struct Options {
    std::string base_url;           // of ids: "https://response.example.org"
    std::string console_url;        // of links; empty: base_url
    int64_t max_documents = 1000;   // of each kind in one answer
    size_t max_observables = 1000;  // in one question
  };
  IntelModule(intel::Store& store, Options options, const Clock& clock)
      : store_(store), options_(std::move(options)), ids_(options_.base_url), clock_(clock) {}

  io::Task<Result<json::value>> Ask(relay::Call call) override;

 private:
  intel::Store& store_;
  const Options options_;
  const ctim::IdSpace ids_;
  const Clock& clock_;
};

}  // namespace mailreeve::response::intel_module
