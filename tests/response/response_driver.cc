// response_driver FOLDER CONSOLE: the response API on a free loopback port, over plain HTTP, for
// tests/response.
//
// Its modules are files: FOLDER/modules/<id>/<route, "/" as "_">.json is what module <id> answers,
// {"route": body} of each call is appended to FOLDER/modules/<id>/calls.jsonl. A module without the
// file is unreachable; one whose file says "sleep" answers too late. Prints
// {"port","user","password"} and ends at the end of standard input.
#include "crypto/x509.h"
#include "http/server.h"
#include "http/static_files.h"
#include "io/event.h"
#include "io/file.h"
#include "response/api/api.h"
#include "response/api/dashboard_routes.h"
#include "response/api/enrich_stream.h"
#include "response/api/integration_routes.h"
#include "response/api/module_system.h"
#include "response/exchange/routes.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

namespace {

using namespace mailreeve;
using namespace mailreeve::response;

class FileModule final : public relay::Module {
 public:
  explicit FileModule(std::string folder) : folder_(std::move(folder)) {}
  io::Task<Result<json::value>> Ask(relay::Call call) override {
    std::ofstream(folder_ + "/calls.jsonl", std::ios::app)
        << json::Serialize(json::object{{call.route, call.body}}) << "\n";
    std::string name = call.route;
    std::replace(name.begin(), name.end(), '/', '_');
    Result<std::string> text = io::ReadFile(folder_ + "/" + name + ".json", 64 * 1024 * 1024);
    if (!text) co_return Fail(Code::kUnavailable, "the gateway is not connected");
    if (*text == "sleep") co_await io::Sleep(std::chrono::hours(1));
    // As a transport does with bytes that are no JSON.
    Result<json::value> answer = json::Parse(*text, {.max_bytes = 64 * 1024 * 1024});
    if (!answer) co_return Fail(Code::kInvalid, "the answer is no JSON");
    co_return answer;
  }

 private:
  std::string folder_;
};

class FileSource final : public modules::ModuleSource {
 public:
  FileSource(std::string folder, std::string org_id)
      : folder_(std::move(folder)), org_id_(std::move(org_id)) {}
  const modules::ModuleType& type() const override { return modules::EmailGatewayType(); }
  io::Task<Result<std::vector<modules::ModuleInstance>>> List(std::string org_id) override {
    std::vector<modules::ModuleInstance> out;
    if (org_id != org_id_ || !std::filesystem::exists(folder_)) co_return out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      modules::ModuleInstance instance;
      instance.id = instance.name = entry.path().filename();
      instance.org_id = org_id_;
      instance.type_id = std::string(modules::kEmailGatewayTypeId);
      instance.reachable = true;
      out.push_back(std::move(instance));
    }
    co_return out;
  }
  std::shared_ptr<relay::Module> Open(const modules::ModuleInstance& instance) override {
    return std::make_shared<FileModule>(folder_ + "/" + instance.id);
  }

 private:
  std::string folder_, org_id_;
};

io::Task<void> WaitForEndOfInput(asio::io_context& context) {
  asio::posix::stream_descriptor input(context, ::dup(STDIN_FILENO));
  char byte[64];
  while (true) {
    const auto [error, count] = co_await input.async_read_some(asio::buffer(byte), io::kTuple);
    if (error || count == 0) break;
  }
  context.stop();
}

Result<void> Run(const std::string& folder, const std::string& console) {
  asio::io_context context(1);
  const SystemClock clock;
  const auto logger = log::MakeLogger(folder + "/driver.log", log::Level::kInfo);
  TRY(const auto audit, audit::OpenFileLog(folder + "/audit.jsonl", clock));
  identity::Options options;
  options.database.path = folder + "/identity.db";
  options.key_path = folder + "/token-key.pem";
  options.password_cost = {.memory_kib = 1024, .passes = 1, .lanes = 1};
  TRY(const auto identity, identity::Identity::Open(options, clock, *audit, *logger));
  TRY(const Secret password, identity->CreateFirstUser("admin", "admin@example.org"));
  TRY_VOID(identity->CreateUser("reader", "reader@example.org", identity::Role::kReadOnly,
                                Secret("password of the reader")));

  TRY(auto authority, crypto::CertificateAuthority::Create("test devices", clock.Now(), 1));
  exchange::AuthorityEnroller enroller(std::move(authority));
  TRY(auto database, sql::Database::Open({.path = folder + "/exchange.db"}));
  TRY(auto store, exchange::Store::Open(std::move(database)));
  exchange::Exchange exchange(std::move(store), enroller, *audit, {}, clock, *logger,
                              context.get_executor());

  io::Scope scope(context.get_executor(), *logger);
  FileSource source(folder + "/modules", identity->organisation().id);
  // Relays of the tests listen on loopback.
  TRY(const auto snapshot,
      settings::Snapshot::FromJson(
          settings::Schema::Builtin(), "response",
          json::object{{"values", {{"outbound.allowed_hosts", {"127.0.0.0/8"}}}}}));
  TRY(const auto modules,
      api::ModuleSystem::Open({.database = {.path = folder + "/modules.db"},
                               .key_path = folder + "/module-keys.json",
                               .signing = {.signer =
                                               [&identity](const json::object& claims) {
                                                 return identity->SignJwt(claims);
                                               },
                                           .jwks_host = "response.example"}},
                              *snapshot, {&source}, clock, *logger));
  enrich::Options enrich_options;
  enrich_options.timeout = enrich_options.health_timeout = enrich_options.trigger_timeout =
      std::chrono::seconds(10);
  enrich_options.answer.max_bytes = 1024 * 1024;
  enrich::Enricher enricher(modules->registry(), scope, clock, *logger, enrich_options);
  api::Api api(*identity, enricher, clock, *logger, {.public_url = "http://response.example"});
  api::IntegrationRoutes integration_routes(api, modules->registry(), modules->catalogue());
  dashboard::Dashboard dashboard(enricher, clock, {});
  api::DashboardRoutes dashboard_routes(api, dashboard);
  api::EnrichStream enrich_stream(api, enricher, std::chrono::seconds(1));
  for (auto& route : exchange::ApiRoutes(exchange)) {
    api.Add(route.method, route.pattern, api::WithRelayCaller(std::move(route.handler)));
  }
  http::Router registration;
  exchange::AddRegistrationRoute(registration, exchange);
  for (const http::Route& route : registration.routes())
    api.AddPublic(route.method, route.pattern, route.handler);
  intel::StoreOptions store_options;
  store_options.database.path = folder + "/intel.db";
  TRY(const auto private_intel, intel::Store::Open(store_options));
  store_options.database.path = folder + "/global-intel.db";
  store_options.prefix = "global_intel_";
  store_options.visibility = intel::Visibility::kEveryone;
  TRY(const auto global_intel, intel::Store::Open(store_options));
  intel_api::Options intel_options;
  intel_options.public_url = "http://response.example";
  intel_options.feed_keys =
      std::make_shared<const crypto::SealingKeys>(crypto::SealingKeys::Make());
  intel_options.global_url = "http://intel.response.example";
  intel_api::IntelApi intel_api(*private_intel, global_intel.get(), clock, *logger, intel_options);
  api.AddIntel(intel_api);
  api.set_files(http::ServeFolder(console));

  TRY(const auto server,
      http::Server::Listen({.host = "127.0.0.1"}, nullptr, api.router(), {}, scope, *logger));
  server->set_default_headers(api::Api::SecurityHeaders("test", false));
  std::cout << json::Serialize(json::object{
                   {"port", server->port()}, {"user", "admin"}, {"password", password.Reveal()}})
            << std::endl;
  scope.Spawn("standard input", WaitForEndOfInput(context));
  context.run();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (auto done = Run(argv[1], argv[2]); !done) {
    std::cerr << done.error().ToString() << "\n";
    return 1;
  }
  return 0;
}
