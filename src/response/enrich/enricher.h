#pragma once

#include "base/time.h"
#include "io/scope.h"
#include "log/log.h"
#include "observable/observable.h"
#include "response/enrich/answer.h"
#include "response/modules/registry.h"
#include "settings/settings.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// One question to many modules, and one answer out of theirs (threat-response-api.md 2.2, 2.3).
//
// Threads: one executor, any number of questions at once. Ownership: borrows registry, scope,
// clock, logger; asking of modules runs in `scope`, which must be joined before the Enricher goes.
// Errors: kInvalid the question, kLimited too many questions at once, kNotFound a module that was
// named, kUnavailable the list of modules. A module that fails is no error of ours: it is named in
// "errors".
//
//   Enricher enricher(registry, scope, clock, logger, FromSettings(snapshot));
//   CO_TRY(json::object answer, co_await enricher.Enrich(Verb::kObserve, observables, {}, caller));
namespace mailreeve::response::enrich {

struct Part;

struct Options {
  std::chrono::milliseconds timeout{20000};  // of each module for one question
  std::chrono::milliseconds health_timeout{5000};
  std::chrono::milliseconds trigger_timeout{90000};
  size_t concurrency = 256;    // modules asked at once for one question
  size_t max_questions = 200;  // worked on at once
  size_t max_observables = 1000;
  size_t max_observable_bytes = 64 * 1024;
  AnswerLimits answer;
  // Told of each module's part when it is there: for counting.
  std::function<void(const Part& part)> on_part;
};
Options FromSettings(const settings::Snapshot& snapshot);

enum class Verb { kDeliberate, kObserve, kRefer };

// Which modules are asked; empty lists do not count.
struct Filter {
  std::vector<std::string> module_instance_ids;
  std::vector<std::string> flags;               // of the type
  std::vector<std::string> product_categories;  // of the type
};

// One module's part in a question, before it is put into words.
struct Part {
  modules::ModuleInstance instance;
  Answer answer;
  bool answered = false;  // an envelope came, whatever was in it
  Time asked{};
  std::chrono::milliseconds took{0};
};

// Sees the parts of a question as they come, on the enricher's executor, within the call.
struct Watcher {
  std::function<void(const std::vector<Part>& asked)> started;
  std::function<void(const Part& part, size_t answered, size_t asked)> answered;
};

// Where sightings that are stored can be read; defined here, implemented by who stores them.
class SightingReader {
 public:
  virtual ~SightingReader() = default;
  // The CTIM document that the caller may see under this short or long id. kNotFound.
  virtual io::Task<Result<json::object>> ReadSighting(std::string id, relay::Caller caller) = 0;
};

// [{"type","value"}, …] from a request. kInvalid with the path of the first thing that is wrong
// ("[3].type: …"). Equal ones are dropped, the order is kept, type is in lower case.
Result<std::vector<observable::Observable>> ReadObservables(const json::value& from,
                                                            const Options& options);
json::array ToJson(const std::vector<observable::Observable>& observables);

class Enricher {
 public:
  Enricher(const modules::Registry& registry, io::Scope& scope, const Clock& clock,
           log::Logger& logger, Options options);

  // {"data","errors","coverage"}. Who gives up waiting ends the calls that still run.
  io::Task<Result<json::object>> Enrich(Verb verb, std::vector<observable::Observable> observables,
                                        Filter filter, relay::Caller caller, Watcher watcher = {});
  // The same as observe, with nothing but sightings that name targets and lie within the span.
  io::Task<Result<json::object>> ObserveTargets(std::vector<observable::Observable> observables,
                                                std::optional<Time> from, std::optional<Time> until,
                                                Filter filter, relay::Caller caller);
  // {"data":{"reputation"?,"data","errors"},"errors","coverage"}: what the modules' verdicts on one
  // observable come to. The lowest disposition counts (Clean before Malicious before Suspicious, as
  // CTIM orders judgements of equal priority), of equal ones the youngest.
  io::Task<Result<json::object>> Reputation(observable::Observable observable, Filter filter,
                                            relay::Caller caller);
  // {"data","errors","coverage"}: actions with their relative url.
  io::Task<Result<json::object>> Actions(std::vector<observable::Observable> observables,
                                         Filter filter, relay::Caller caller);
  // {"data":[HealthStatus],"errors"}. An instance that failed is listed with status "error".
  io::Task<Result<json::object>> Health(relay::Caller caller);
  // {"data":HealthStatus,"errors"}. kNotFound.
  io::Task<Result<json::object>> HealthOf(std::string module_instance_id, relay::Caller caller);
  // {"data":{"status"},"errors"}. `query` are the request's parameters: observable_type,
  // observable_value and what else the module asked for. kNotFound.
  io::Task<Result<json::object>> Trigger(std::string module_instance_id, std::string action_id,
                                         std::vector<std::pair<std::string, std::string>> query,
                                         relay::Caller caller);

  // For our own routes. Every part of the instances of `filter` whose type supports `api` (empty:
  // all); `bodies` gives single instances a body of their own by id.
  io::Task<Result<std::vector<Part>>> AskAll(std::string api, std::string route, json::value body,
                                             Shape shape, std::chrono::milliseconds timeout,
                                             Filter filter, relay::Caller caller,
                                             std::map<std::string, json::value> bodies = {},
                                             Watcher watcher = {});
  // kNotFound: no such instance, or it is disabled.
  io::Task<Result<Part>> AskOne(std::string module_instance_id, std::string route, json::value body,
                                Shape shape, std::chrono::milliseconds timeout,
                                relay::Caller caller);

  const Options& options() const { return options_; }
  const modules::Registry& registry() const { return registry_; }

 private:
  struct Round;
  io::Task<Result<std::vector<Part>>> Ask(std::vector<modules::ModuleInstance> instances,
                                          std::string route, json::value body,
                                          std::map<std::string, json::value> bodies, Shape shape,
                                          std::chrono::milliseconds timeout, relay::Caller caller,
                                          Watcher watcher);
  static io::Task<void> Work(std::shared_ptr<Round> round);

  const modules::Registry& registry_;
  io::Scope& scope_;
  const Clock& clock_;
  log::Logger& logger_;
  const Options options_;
  size_t questions_ = 0;
};

// {"module","module_instance_id","module_type_id","module_instance_state"}
json::object ModuleKeys(const modules::ModuleInstance& instance);
json::array ErrorsOf(const std::vector<Part>& parts);
json::array CoverageOf(const std::vector<Part>& parts);
// {"data":[{…module keys…,"data"}],"errors","coverage"}
json::object Aggregate(std::vector<Part> parts);

}  // namespace mailreeve::response::enrich
