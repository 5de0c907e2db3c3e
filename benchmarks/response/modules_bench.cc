// bench_response_modules [--quick]: questions to many modules, and inspect.
//
// Relays are simulated by one HTTP server in this process, so the figures hold both sides. One JSON
// line a figure; a missed goal is printed, an answer that lacks or misnames a module ends with
// status 1.
#include "http/server.h"
#include "io/event.h"
#include "observable/observable.h"
#include "response/api/module_system.h"
#include "response/enrich/enricher.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace {

using namespace mailreeve;
using namespace mailreeve::response;
using SteadyClock = std::chrono::steady_clock;

bool all_right = true;

double Milliseconds(SteadyClock::duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}
double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * values.size()))];
}
void Figure(std::string_view name, double value, double goal, std::string_view unit) {
  std::cout << json::Serialize(json::object{{"bench", "response"},
                                            {"figure", name},
                                            {"value", value},
                                            {"unit", unit},
                                            {"goal", goal},
                                            {"met", value <= goal}})
            << std::endl;
}
void Wrong(std::string_view what) {
  std::cerr << "bench_response_modules: " << what << "\n";
  all_right = false;
}

// Answers at once.
class QuickSource final : public modules::ModuleSource {
 public:
  class Quick final : public relay::Module {
   public:
    io::Task<Result<json::value>> Ask(relay::Call) override {
      co_return *json::Parse(R"({"data":{"verdicts":{"count":1,"docs":[{"type":"verdict",
        "disposition":2,"disposition_name":"Malicious","observable":{"type":"ip","value":"192.0.2.7"},
        "valid_time":{"start_time":"2026-01-01T00:00:00.000Z"}}]}}})");
    }
  };
  const modules::ModuleType& type() const override { return modules::EmailGatewayType(); }
  io::Task<Result<std::vector<modules::ModuleInstance>>> List(std::string org_id) override {
    modules::ModuleInstance instance;
    instance.id = instance.name = "quick";
    instance.org_id = std::move(org_id);
    instance.type_id = std::string(modules::kEmailGatewayTypeId);
    co_return std::vector<modules::ModuleInstance>{instance};
  }
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance&) override { return quick_; }

 private:
  std::shared_ptr<Quick> quick_ = std::make_shared<Quick>();
};

// Relay n of each ten: 0 hangs, 1 fails, the others answer.
io::Task<http::Response> Simulate(http::Request request) {
  const std::string n(request.Param("n"));
  if (n.ends_with('0')) co_await io::Sleep(std::chrono::hours(1));
  if (n.ends_with('1')) co_return http::Response::Json(500, {{"code", 500}, {"message", "boom"}});
  co_return http::Response::Json(
      200, *json::Parse(R"({"data":{"sightings":{"count":1,"docs":[{"type":"sighting",
        "id":"transient:sighting-1"}]}}})"));
}

struct World {
  std::string folder;
  asio::io_context context{1};
  log::NullLogger logger;
  SystemClock clock;
  io::Scope scope{context.get_executor(), logger};
  http::Router router;
  std::unique_ptr<http::Server> server;
  QuickSource quick;
  std::unique_ptr<api::ModuleSystem> modules;
  std::chrono::milliseconds timeout{2000};

  World() {
    std::string pattern = "/tmp/mailreeve-bench-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~World() {
    scope.Cancel();
    context.restart();
    context.run();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  template <class T>
  T Get(io::Task<T> task) {
    std::optional<T> out;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      out = std::move(value);
    });
    context.restart();
    while (!out && context.run_one() > 0) {
    }
    return *std::move(out);
  }
};

relay::Caller Me() {
  relay::Caller caller;
  caller.org_id = "org";
  caller.user_id = "me";
  return caller;
}

Result<void> Open(World& world, bool with_quick) {
  TRY(const auto snapshot,
      settings::Snapshot::FromJson(
          settings::Schema::Builtin(), "response",
          json::object{{"values", {{"outbound.allowed_hosts", {"127.0.0.1"}}}}}));
  std::vector<modules::ModuleSource*> sources;
  if (with_quick) sources.push_back(&world.quick);
  TRY(world.modules,
      api::ModuleSystem::Open({.database = {.path = world.folder + "/modules.db"},
                               .key_path = world.folder + "/keys.json"},
                              *snapshot, std::move(sources), world.clock, world.logger));
  return {};
}

Result<void> FanOut(size_t relays) {
  World world;
  TRY_VOID(Open(world, false));
  world.router.Add("POST", "/m/{n}/observe/observables", Simulate);
  TRY(world.server, http::Server::Listen({.host = "127.0.0.1"}, nullptr, world.router, {},
                                         world.scope, world.logger));
  for (size_t n = 0; n < relays; ++n) {
    const json::object body{{"name", "relay " + std::to_string(n)},
                            {"module_type_id", modules::kCustomRelayTypeId},
                            {"visibility", "org"},
                            {"settings",
                             {{"url", "http://127.0.0.1:" + std::to_string(world.server->port()) +
                                          "/m/" + std::to_string(n)},
                              {"supported-apis", {"observe/observables"}}}}};
    TRY_VOID(world.Get(world.modules->catalogue().MakeInstance(
        {.org_id = "org", .user_id = "me", .client_id = "c", .sees_secrets = true}, body)));
  }
  enrich::Options options;
  options.timeout = world.timeout;
  enrich::Enricher enricher(world.modules->registry(), world.scope, world.clock, world.logger,
                            options);
  const auto started = SteadyClock::now();
  TRY(const json::object answer,
      world.Get(enricher.Enrich(enrich::Verb::kObserve, {{observable::Type::kIp, "192.0.2.7"}}, {},
                                Me())));
  const double took = Milliseconds(SteadyClock::now() - started);
  const size_t good = answer.at("data").as_array().size();
  const size_t failed = answer.at("errors").as_array().size();
  if (good != relays * 8 / 10) Wrong(std::to_string(good) + " relays answered");
  if (failed != relays * 2 / 10) Wrong(std::to_string(failed) + " failures are named");
  for (const json::value& error : answer.at("errors").as_array()) {
    const std::string name(error.at("module").as_string());
    const bool hangs = name.ends_with('0');
    if (!hangs && !name.ends_with('1')) Wrong(name + " is named and did not fail");
    if (error.at("code") != (hangs ? "timeout" : "connection error")) Wrong(name + ": wrong code");
  }
  Figure("answer of " + std::to_string(relays) + " relays, 10 % hang, 10 % fail, over the deadline",
         took - Milliseconds(world.timeout), 100, "ms");
  return {};
}

Result<void> OneModule(int rounds) {
  World world;
  TRY_VOID(Open(world, true));
  enrich::Enricher enricher(world.modules->registry(), world.scope, world.clock, world.logger, {});
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    const auto started = SteadyClock::now();
    TRY(const json::object answer,
        world.Get(enricher.Enrich(enrich::Verb::kDeliberate, {{observable::Type::kIp, "192.0.2.7"}},
                                  {}, Me())));
    took.push_back(Milliseconds(SteadyClock::now() - started));
    if (answer.at("data").as_array().size() != 1) Wrong("the module's answer is missing");
  }
  Figure("enrich with one module in process, p50", Percentile(took, 0.5), 5, "ms");
  Figure("enrich with one module in process, p99", Percentile(took, 0.99), 5, "ms");
  return {};
}

void Inspect(std::string_view name, size_t bytes, int rounds, double goal) {
  const std::string piece =
      "On Monday 192.0.2.7 sent hxxps://login[.]bad-example[.]com/verify?id=77 to ann@corp.example "
      "with 10745318f9dd601ab76f029cbc41c7e13c9754f87eb2c85948734b2b0b148140 (invoice.pdf); see "
      "2001:db8::7 and the words of an ordinary report that go on for a while. ";
  std::string text;
  while (text.size() < bytes) text += piece;
  text.resize(bytes);
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    const auto started = SteadyClock::now();
    const observable::Recognised found = observable::Recognise(text);
    took.push_back(Milliseconds(SteadyClock::now() - started));
    if (found.observables.size() < 5) Wrong("inspect finds too little");
  }
  Figure("inspect of " + std::string(name) + ", p99", Percentile(took, 0.99), goal, "ms");
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  observable::Prepare();
  for (const auto& done : {FanOut(200), OneModule(quick ? 1000 : 10000)}) {
    if (!done) {
      std::cerr << "bench_response_modules: " << done.error().ToString() << "\n";
      return 1;
    }
  }
  Inspect("1 KB", 1024, quick ? 1000 : 10000, 2);
  Inspect("1 MB", 1024 * 1024, quick ? 20 : 100, 50);
  return all_right ? 0 : 1;
}
