#include "response/api/service.h"

#include "audit/witness.h"
#include "base/check.h"
#include "channel/session.h"
#include "crypto/x509.h"
#include "http/static_files.h"
#include "io/file.h"
#include "response/api/api.h"
#include "response/api/dashboard_routes.h"
#include "response/api/device_source.h"
#include "response/api/enrich_stream.h"
#include "response/api/feed_system.h"
#include "response/api/integration_routes.h"
#include "response/api/intel_source.h"
#include "response/api/module_system.h"
#include "response/api/operations.h"
#include "response/exchange/routes.h"
#include "response/module_store/key_file.h"
#include "response/storage/storage.h"

namespace mailreeve::response::api {
namespace {

// Our own root for servers that have no certificate of a public authority.
Result<crypto::CertificateAuthority> LoadOrMakeServerAuthority(const std::string& folder,
                                                               Time now) {
  const std::string certificate_path = folder + "/public-ca.pem",
                    key_path = folder + "/public-ca.key";
  Result<std::string> certificate = io::ReadFile(certificate_path, 64 * 1024);
  Result<std::string> key = io::ReadFile(key_path, 64 * 1024);
  if (certificate && key) return crypto::CertificateAuthority::FromPem(*certificate, *key);
  const auto absent = [](const Result<std::string>& file) {
    return !file && file.error().code == Code::kNotFound;
  };
  if (!absent(certificate) || !absent(key)) {
    // A new root would cut off every gateway and client that trusts the old one.
    return Fail(Code::kCorrupt,
                "of " + certificate_path + " and its .key one is missing or cannot be read");
  }
  TRY(crypto::CertificateAuthority made,
      crypto::CertificateAuthority::Create("Mailreeve response root", now, 20));
  TRY_VOID(io::WriteFileAtomically(key_path, made.key_pem(), 0600));
  TRY_VOID(io::WriteFileAtomically(certificate_path, made.certificate_pem(), 0644));
  return made;
}

// Keys and withdrawn tokens, also those that a command of another process changed.
io::Task<void> MaintainIdentity(identity::Identity& identity, log::Logger& logger,
                                std::chrono::seconds interval) {
  while (true) {
    co_await io::Sleep(interval);
    if (auto done = co_await identity.Maintain(); !done)
      logger.Error("identity_maintenance_failed", {{"error", done.error().ToString()}});
  }
}

}  // namespace

// In order of making; they go the other way round.
struct Service::Parts {
  Parts(const Clock& c, log::Logger& l, const io::Executor& e) : clock(c), logger(l), scope(e, l) {}

  const Clock& clock;
  log::Logger& logger;
  io::Scope scope;
  metrics::Registry metrics;
  std::chrono::seconds stop_grace{10};
  std::unique_ptr<audit::Log> audit_file;
  std::unique_ptr<audit::Witness> audit;
  std::unique_ptr<identity::Identity> identity;
  std::unique_ptr<exchange::AuthorityEnroller> enroller;
  std::unique_ptr<exchange::Exchange> exchange;
  std::unique_ptr<intel::Store> private_intel, global_intel;
  std::unique_ptr<FeedSystem> feeds;
  std::unique_ptr<IntelSource> intel_source;
  std::unique_ptr<DeviceSource> devices;
  std::unique_ptr<ModuleSystem> modules;
  std::unique_ptr<enrich::Enricher> enricher;
  std::unique_ptr<intel_api::IntelApi> intel;
  std::unique_ptr<Api> api;
  std::unique_ptr<IntegrationRoutes> integration_routes;
  std::unique_ptr<dashboard::Dashboard> dashboard;
  std::unique_ptr<DashboardRoutes> dashboard_routes;
  std::unique_ptr<EnrichStream> enrich_stream;
  http::Router device_router;
  std::unique_ptr<Operations> operations;
  std::unique_ptr<http::Server> server, device_server, operations_server;
  Secret first_password;
};

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Service::~Service() = default;

Result<std::unique_ptr<identity::Identity>> OpenIdentity(const ServiceOptions& options,
                                                         const settings::Snapshot& snapshot,
                                                         const Clock& clock, audit::Log& audit,
                                                         log::Logger& logger) {
  identity::Options identity_options = identity::FromSettings(snapshot);
  const storage::Place place{options.state_folder, options.storage_url,
                             options.storage_password_file};
  TRY(identity_options.database, storage::DatabaseOptions(place, snapshot));
  if (place.url.empty()) TRY_VOID(storage::AdoptOlderFiles(options.state_folder));
  identity_options.key_path = options.state_folder + "/token-key.pem";
  return identity::Identity::Open(std::move(identity_options), clock, audit, logger);
}

Result<std::unique_ptr<Service>> Service::Start(ServiceOptions options,
                                                std::shared_ptr<const settings::Snapshot> snapshot,
                                                const Clock& clock, log::Logger& logger,
                                                io::Executor executor) {
  auto owned = std::make_unique<Parts>(clock, logger, executor);
  Parts& parts = *owned;
  const std::string& folder = options.state_folder;
  TRY_VOID(io::MakeFolders(folder, 0750));
  TRY(parts.audit_file, audit::OpenFileLog(folder + "/audit.jsonl", clock));
  parts.audit = std::make_unique<audit::Witness>(*parts.audit_file);
  parts.stop_grace = std::chrono::seconds(snapshot->Integer("operations.stop_grace"));

  const identity::Options identity_options = identity::FromSettings(*snapshot);
  const storage::Place place{folder, options.storage_url, options.storage_password_file};
  TRY(const sql::OpenOptions database_options, storage::DatabaseOptions(place, *snapshot));
  TRY(parts.identity, OpenIdentity(options, *snapshot, clock, *parts.audit, logger));
  parts.scope.Spawn("identity maintenance",
                    MaintainIdentity(*parts.identity, logger, identity_options.reload_interval));
  TRY(parts.first_password,
      parts.identity->CreateFirstUser(options.first_user, options.first_user_email));

  TRY(crypto::CertificateAuthority device_authority,
      exchange::LoadOrCreateDeviceAuthority(folder + "/device-ca.pem", folder + "/device-ca.key",
                                            clock.Now()));
  parts.enroller = std::make_unique<exchange::AuthorityEnroller>(std::move(device_authority));
  TRY(sql::Database database, sql::Database::Open(database_options));
  TRY(exchange::Store store, exchange::Store::Open(std::move(database)));
  exchange::ExchangeOptions exchange_options = exchange::ExchangeOptionsFrom(*snapshot);
  exchange_options.channel_url = options.device_url;
  exchange_options.hub.version = options.version;
  exchange_options.organisation_name = [identity = parts.identity.get()](const std::string& id) {
    return identity->FindOrganisation(id).name;
  };
  const channel::SessionOptions session = exchange_options.hub.session;
  parts.exchange =
      std::make_unique<exchange::Exchange>(std::move(store), *parts.enroller, *parts.audit,
                                           std::move(exchange_options), clock, logger, executor);

  intel::StoreOptions intel_options = intel::FromSettings(*snapshot);
  intel_options.database = database_options;
  TRY(parts.private_intel, intel::Store::Open(intel_options));
  // SQLite has one writer a file: feeds must not keep people waiting.
  if (!sql::IsPostgresqlUrl(database_options.path))
    intel_options.database.path = folder + "/global-intel.db";
  intel_options.prefix = "global_intel_";
  intel_options.visibility = intel::Visibility::kEveryone;
  TRY(parts.global_intel, intel::Store::Open(intel_options));
  TRY(parts.feeds,
      FeedSystem::Open({.feeds_file = options.feeds_file, .state_folder = folder + "/feeds"},
                       *snapshot, *parts.global_intel, clock, logger));
  parts.intel_source =
      std::make_unique<IntelSource>(*parts.private_intel, options.public_url, clock);

  parts.devices = std::make_unique<DeviceSource>(*parts.exchange);
  TRY(const http::UrlParts public_url, http::SplitUrl(options.public_url));
  TRY(parts.modules,
      ModuleSystem::Open(
          {.database = database_options,
           .key_path = folder + "/module-keys.json",
           .signing = {.signer =
                           [identity = parts.identity.get()](const json::object& claims) {
                             return identity->SignJwt(claims);
                           },
                       .jwks_host = public_url.authority}},
          *snapshot, {parts.devices.get(), parts.intel_source.get()}, clock, logger));
  enrich::Options enrich_options = enrich::FromSettings(*snapshot);
  enrich_options.on_part = [&metrics = parts.metrics](const enrich::Part& part) {
    const std::string_view type = part.instance.type_id;
    metrics.Add("mailreeve_module_questions_total", "Questions to modules, by type and outcome.",
                {{"type", type}, {"outcome", part.answered ? "answered" : "failed"}});
    metrics.Observe("mailreeve_module_seconds", "Time of modules to answer.", {{"type", type}},
                    part.took);
  };
  parts.enricher = std::make_unique<enrich::Enricher>(parts.modules->registry(), parts.scope, clock,
                                                      logger, std::move(enrich_options));
  Options api_options;
  api_options.public_url = options.public_url;
  api_options.version = options.version;
  api_options.metrics = &parts.metrics;
  api_options.witness = parts.audit.get();
  api_options.log_requests = snapshot->Bool("operations.log_requests");
  api_options.oauth = oauth::FromSettings(*snapshot);
  parts.api = std::make_unique<Api>(*parts.identity, *parts.enricher, clock, logger,
                                    std::move(api_options));
  parts.integration_routes = std::make_unique<IntegrationRoutes>(
      *parts.api, parts.modules->registry(), parts.modules->catalogue());
  parts.dashboard = std::make_unique<dashboard::Dashboard>(*parts.enricher, clock,
                                                           dashboard::FromSettings(*snapshot));
  parts.dashboard_routes = std::make_unique<DashboardRoutes>(*parts.api, *parts.dashboard);
  parts.enrich_stream = std::make_unique<EnrichStream>(
      *parts.api, *parts.enricher,
      std::chrono::milliseconds(snapshot->Integer("enrich.stream_keep_alive")));
  for (exchange::AuthorisedRoute& route : exchange::ApiRoutes(*parts.exchange)) {
    // The table decides; the two must not drift apart.
    const RouteRule* rule = FindRule(route.method, route.pattern);
    CHECK(rule != nullptr && rule->scopes == route.scope);
    parts.api->Add(route.method, route.pattern, WithRelayCaller(std::move(route.handler)));
  }
  http::Router registration;
  exchange::AddRegistrationRoute(registration, *parts.exchange);
  for (const http::Route& route : registration.routes()) {
    parts.api->AddPublic(route.method, route.pattern, route.handler);
  }
  intel_api::Options intel_api_options = intel_api::FromSettings(*snapshot);
  intel_api_options.public_url = options.public_url;
  intel_api_options.global_url = options.global_intel_url;
  intel_api_options.build = options.version;
  TRY(crypto::SealingKeys feed_keys,
      module_store::LoadOrMakeKeys(folder + "/intel-keys.json", clock.Now(),
                                   std::chrono::hours(24 * snapshot->Integer("modules.key_days"))));
  intel_api_options.feed_keys = std::make_shared<const crypto::SealingKeys>(std::move(feed_keys));
  parts.intel = std::make_unique<intel_api::IntelApi>(
      *parts.private_intel, parts.global_intel.get(), clock, logger, std::move(intel_api_options));
  parts.api->AddIntel(*parts.intel);
  CHECK(parts.api->Unserved().empty());
  if (!options.console_folder.empty())
    parts.api->set_files(http::ServeFolder(options.console_folder));

  if (options.certificate_file.empty()) {
    TRY(const crypto::CertificateAuthority authority,
        LoadOrMakeServerAuthority(folder, clock.Now()));
    TRY(const auto made,
        authority.IssueServer(options.server_names, clock.Now(), std::chrono::hours(24 * 397)));
    options.certificate_file = folder + "/server.pem";
    options.key_file = folder + "/server.key";
    TRY_VOID(io::WriteFileAtomically(options.key_file, made.key_pem, 0600));
    TRY_VOID(io::WriteFileAtomically(options.certificate_file,
                                     made.certificate_pem + authority.certificate_pem(), 0644));
  }
  TRY(io::TlsContext tls, io::MakeTlsServer({.certificate_file = options.certificate_file,
                                             .key_file = options.key_file}));
  TRY(io::TlsContext device_tls, io::MakeTlsServer({.certificate_file = options.certificate_file,
                                                    .key_file = options.key_file,
                                                    .client_ca_file = folder + "/device-ca.pem"}));
  TRY(parts.server, http::Server::Listen(options.listen, std::move(tls), parts.api->router(),
                                         options.limits, parts.scope, logger));
  parts.server->set_default_headers(Api::SecurityHeaders(options.version, true));
  parts.server->set_request_ids(
      [proxies = snapshot->TextList("operations.trusted_proxies")](const http::Request& request) {
        const bool trusted =
            std::find(proxies.begin(), proxies.end(), request.remote_address) != proxies.end();
        return trusted ? std::string(request.headers.Get("X-Request-Id")) : std::string();
      });
  TRY(parts.device_server,
      http::Server::Listen(options.device_listen, std::move(device_tls), parts.device_router,
                           options.limits, parts.scope, logger));
  parts.device_server->OnWebSocket(std::string(exchange::kChannelPath),
                                   channel::WebSocketLimitsFor(session),
                                   parts.exchange->hub().Handler());
  if (options.operations_listen) {
    parts.operations = std::make_unique<Operations>(
        Operations::Options{.database = database_options}, parts.metrics, logger);
    parts.metrics.OnRender(metrics::CollectProcess);
    parts.metrics.OnRender([&parts](metrics::Registry& registry) { Collect(parts, registry); });
    TRY(parts.operations_server,
        http::Server::Listen(*options.operations_listen, nullptr, parts.operations->router(),
                             options.limits, parts.scope, logger));
  }
  parts.feeds->Start(parts.scope);
  logger.Info("response_started", {{"version", options.version},
                                   {"port", parts.server->port()},
                                   {"device_port", parts.device_server->port()}});
  return std::unique_ptr<Service>(new Service(std::move(owned)));
}

const Secret& Service::first_password() const { return parts_->first_password; }
uint16_t Service::port() const { return parts_->server->port(); }
uint16_t Service::device_port() const { return parts_->device_server->port(); }

uint16_t Service::operations_port() const {
  return parts_->operations_server ? parts_->operations_server->port() : 0;
}

// What other parts count, told when somebody asks.
void Service::Collect(const Parts& parts, metrics::Registry& registry) {
  const auto listener = [&](std::string_view name, const http::Server& server) {
    const http::ServerCounts counts = server.counts();
    const metrics::Labels labels = {{"listener", name}};
    registry.Set("mailreeve_connections", "Open connections.", labels,
                 static_cast<double>(counts.open));
    registry.Set("mailreeve_connections_total", "Connections taken.", labels,
                 static_cast<double>(counts.accepted));
    registry.Set("mailreeve_connections_refused_total", "Connections closed: too many.", labels,
                 static_cast<double>(counts.refused));
    registry.Set("mailreeve_tls_failures_total", "TLS handshakes that failed.", labels,
                 static_cast<double>(counts.failed_handshakes));
  };
  listener("api", *parts.server);
  listener("device", *parts.device_server);
  registry.Set("mailreeve_channels", "Devices that are connected.", {},
               static_cast<double>(parts.exchange->hub().Links().size()));
  registry.Set("mailreeve_build_info", "Version of the program.", {{"version", MAILREEVE_VERSION}},
               1);
}

io::Task<void> Service::Stop() {
  Parts& parts = *parts_;
  if (parts.operations) parts.operations->SetStopping();
  co_await parts.server->Stop(parts.stop_grace);
  co_await parts.exchange->Stop();
  co_await parts.device_server->Stop(std::chrono::seconds(1));
  if (parts.operations_server) co_await parts.operations_server->Stop(std::chrono::seconds(1));
  parts.scope.Cancel();
  co_await parts.scope.Join();
  parts.logger.Info("response_stopped");
}

}  // namespace mailreeve::response::api
