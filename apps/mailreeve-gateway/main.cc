// mailreeve-gateway --config FILE: stands beside the mail server. Reads the bootstrap file, builds
// the parts, runs until SIGTERM or SIGINT. Started as `mailreeve-gateway --inspection-cage` it is
// the child that reads mail in the cage.
#include "audit/audit.h"
#include "gateway/api/admin_api.h"
#include "gateway/delivery/log_follower.h"
#include "gateway/enrich/gateway_module.h"
#include "gateway/inspection/inspection_pool.h"
#include "gateway/mailed_reports/mailed_reports.h"
#include "gateway/milter/milter.h"
#include "gateway/pipeline/pipeline.h"
#include "gateway/registration/registration.h"
#include "gateway/remediation/remediator.h"
#include "gateway/remediation/smtp_forwarder.h"
#include "gateway/reporting/reports.h"
#include "gateway/rest/listeners.h"
#include "gateway/rest/rest_api.h"
#include "gateway/tracking/engine.h"
#include "gateway/users/users.h"
#include "http/listen_address.h"
#include "http/server.h"
#include "io/file.h"
#include "log/log.h"
#include "mailbox/imap/imap_store.h"
#include "mailbox/unconfigured.h"
#include "settings/bootstrap.h"
#include "settings/settings.h"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <sys/stat.h>

#include <csignal>
#include <iostream>

namespace {

using namespace mailreeve;
using namespace mailreeve::gateway;

constexpr std::chrono::milliseconds kStopGrace{5000};

struct Config {
  std::string name, state_folder, settings_file, log_file, admin_socket, mta_log, response_ca_file,
      console_url;
  std::vector<std::string> milter;
  mailbox::imap::ImapOptions imap;  // no host: no mail store
  remediation::SmtpOptions smtp;
  rest::ListenOptions rest;
};

Result<Config> ReadConfig(const std::string& path) {
  TRY(auto file, settings::Bootstrap::Load(path));
  Config out;
  TRY(out.name, file.Text("gateway.name"));
  TRY(out.state_folder, file.Path("gateway.state_folder"));
  TRY(out.settings_file, file.Path("gateway.settings_file", ""));
  TRY(out.log_file, file.Path("gateway.log_file", ""));
  TRY(out.admin_socket, file.Path("gateway.admin_socket", "/run/mailreeve/gateway.sock"));
  TRY(out.milter, file.TextList("gateway.milter", {"inet:127.0.0.1:8891"}));
  TRY(out.mta_log, file.Path("gateway.mta_log", ""));
  TRY(out.response_ca_file, file.Path("response.ca_file", ""));
  TRY(out.console_url, file.Text("response.console_url", ""));
  TRY(out.imap.host, file.Text("mailboxes.imap_host", ""));
  TRY(const int64_t imap_port, file.Integer("mailboxes.imap_port", 993, 1, 65535));
  out.imap.port = static_cast<uint16_t>(imap_port);
  TRY(out.imap.ca_file, file.Path("mailboxes.ca_file", ""));
  TRY(out.imap.master_user, file.Text("mailboxes.master_user", ""));
  TRY(const std::string separator, file.Text("mailboxes.master_separator", "*"));
  if (separator.size() != 1)
    return Fail(Code::kInvalid, "mailboxes.master_separator must be one character");
  out.imap.separator = separator[0];
  TRY(out.imap.secret_file, file.Path("mailboxes.master_password_file", ""));
  TRY(out.smtp.host, file.Text("forward.smtp_host", "127.0.0.1"));
  TRY(const int64_t smtp_port, file.Integer("forward.smtp_port", 25, 1, 65535));
  out.smtp.port = static_cast<uint16_t>(smtp_port);
  out.smtp.helo = out.name;
  TRY(out.rest.https, file.Text("rest.https", "127.0.0.1:6443"));
  TRY(out.rest.http, file.Text("rest.http", ""));
  TRY(out.rest.certificate_file, file.Path("rest.certificate_file", ""));
  TRY(out.rest.key_file, file.Path("rest.key_file", ""));
  out.rest.folder = out.state_folder;
  out.rest.name = out.name;
  TRY_VOID(file.RefuseUnread());
  return out;
}

Result<std::unique_ptr<mailbox::MailboxStore>> MakeMailboxes(const Config& config) {
  if (config.imap.host.empty()) return std::make_unique<mailbox::UnconfiguredStore>();
  TRY(std::unique_ptr<mailbox::MailboxStore> store, mailbox::imap::ImapStore::Make(config.imap));
  return store;
}

class CageInspector final : public pipeline::Inspector {
 public:
  explicit CageInspector(inspection::InspectionPool& pool) : pool_(pool) {}
  io::Task<Result<mail::Inspection>> Inspect(std::string message) override {
    return pool_.Inspect(std::move(message));
  }

 private:
  inspection::InspectionPool& pool_;
};

io::Task<Result<json::value>> RunReport(
    reporting::Reports& reports, std::string report, std::string counter,
    std::vector<std::pair<std::string, std::string>> parameters) {
  CO_TRY(auto request, reporting::ReadRequest(report, counter, parameters));
  co_return co_await reports.Run(std::move(request));
}

Result<void> Serve(const std::string& config_path, bool check_only) {
  TRY(const Config config, ReadConfig(config_path));
  TRY(auto snapshot, settings::LoadSnapshot(config.settings_file, "gateway"));
  TRY(mailed_reports::Options mailed_options, mailed_reports::FromSettings(*snapshot));
  if (check_only) return {};
  const auto logger = log::MakeLogger(config.log_file, log::Level::kInfo);
  const SystemClock clock;
  settings::Running running(snapshot);
  TRY_VOID(io::MakeFolders(config.state_folder, 0750));
  TRY(auto audit, audit::OpenFileLog(config.state_folder + "/audit.jsonl", clock));

  asio::io_context context(1);
  const io::Executor executor = context.get_executor();
  io::Scope scope(executor, *logger);

  tracking::EngineOptions tracking_options = tracking::FromSettings(*snapshot);
  tracking_options.core.dir = config.state_folder + "/tracking";
  if (tracking_options.core.privacy.any()) {
    TRY(tracking_options.core.privacy.key,
        tracking::PrivacyKey(io::PosixFiles(), config.state_folder + "/tracking-privacy.key"));
  }
  TRY(auto store,
      tracking::OpenStore(tracking_options, io::PosixFiles(), executor, *logger, clock));

  inspection::InspectionPool inspectors(executor, *logger, inspection::FromSettings(*snapshot));
  inspectors.Start();
  CageInspector inspector(inspectors);
  pipeline::Pipeline pipeline(inspector, *store, running, clock, scope, *logger);
  milter::Options milter_options = milter::Options::FromSettings(*snapshot);
  milter_options.listen = config.milter;

  TRY(auto mailboxes, MakeMailboxes(config));
  TRY(auto forwarder, remediation::SmtpForwarder::Make(config.smtp));
  remediation::Options remediation_options = remediation::FromSettings(*snapshot);
  remediation_options.journal_path = config.state_folder + "/remediation.db";
  remediation_options.gateway_name = config.name;
  TRY(auto remediator, remediation::Remediator::Open(remediation_options, *store, *mailboxes,
                                                     *forwarder, *audit, clock, scope, *logger));

  enrich::Options enrich_options = enrich::FromSettings(*snapshot);
  enrich_options.name = config.name;
  enrich_options.version = MAILREEVE_VERSION;
  enrich_options.console_url = config.console_url;
  enrich_options.mailboxes_configured = !config.imap.host.empty();
  enrich::GatewayModule module(enrich_options, *store, *remediator, clock);

  registration::RegistrationOptions registration_options;
  registration_options.state_folder = config.state_folder + "/registration";
  registration_options.name = config.name;
  registration_options.version = MAILREEVE_VERSION;
  registration_options.channel = channel::DeviceEndOptionsFrom(*snapshot);
  TRY(auto registration, registration::Registration::Open(registration_options, module, *audit,
                                                          clock, *logger, executor));

  io::Pool log_pool("mail server log", 1, 64);
  delivery::Options delivery_options = delivery::Options::FromSettings(*snapshot);
  delivery_options.file.path = config.mta_log;
  delivery_options.position_file = config.state_folder + "/delivery-position.json";
  delivery::LogFollower follower(delivery_options, *store, log_pool, clock, *logger);

  mailed_options.gateway_name = config.name;
  mailed_options.smtp.helo = config.name;
  mailed_options.marks_file = config.state_folder + "/mailed-reports.json";
  TRY(auto mailed, mailed_reports::MailedReports::Make(mailed_options, *store, clock, *logger));

  users::Options user_options = users::FromSettings(*snapshot);
  user_options.folder = config.state_folder;
  TRY(auto users, users::Users::Open(user_options, clock, *audit, *logger));
  reporting::Reports reports(*store);
  TRY(const std::string serial, rest::Serial(config.state_folder));
  rest::RestApi rest_api(
      {.name = config.name, .serial = serial, .version = MAILREEVE_VERSION}, *store, *users,
      [&reports](std::string report, std::string counter,
                 std::vector<std::pair<std::string, std::string>> parameters) {
        return RunReport(reports, std::move(report), std::move(counter), std::move(parameters));
      },
      running, clock, *logger);
  TRY(auto rest_listeners,
      rest::Listeners::Start(config.rest, *snapshot, rest_api.router(), clock, scope, *logger));

  TRY(auto milter, milter::Server::Listen(milter_options, pipeline, scope, *logger));
  api::AdminApi admin({.name = config.name,
                       .version = MAILREEVE_VERSION,
                       .tracking_folder = tracking_options.core.dir},
                      module, *store, pipeline, *milter, &follower, *registration, *users, reports,
                      running, clock, scope);
  TRY(const http::ListenAddress admin_address,
      http::ParseListenAddress("unix:" + config.admin_socket));
  TRY(auto admin_server,
      http::Server::Listen(admin_address, nullptr, admin.router(),
                           // As long as one line of history may be.
                           http::ServerLimits{.max_body_bytes = 64 << 20}, scope, *logger));

  scope.Spawn("mail server log", follower.Run());
  scope.Spawn("mailed reports", mailed->Run());
  scope.Spawn("resume remediation",
              [](remediation::Remediator& r, log::Logger& log) -> io::Task<void> {
                if (auto resumed = co_await r.Resume(); !resumed) {
                  log.Error("remediation_not_resumed", {{"error", resumed.error().ToString()}});
                }
              }(*remediator, *logger));
  registration->Start();

  asio::signal_set signals(context, SIGTERM, SIGINT);
  const auto stop = [&]() -> io::Task<void> {
    milter->StopAccepting();
    co_await rest_listeners->Stop(kStopGrace);
    co_await admin_server->Stop(kStopGrace);
    co_await registration->Stop();
    scope.Cancel();
    co_await scope.Join();
    co_await inspectors.Stop();
    context.stop();
  };
  signals.async_wait([&](const io::error_code& error, int) {
    if (error) return;
    logger->Info("stopping");
    asio::co_spawn(context, stop, [](std::exception_ptr) {});
  });
  logger->Info("started", {{"name", config.name},
                           {"milter", milter->addresses().front()},
                           {"rest_https", rest_listeners->https_port()},
                           {"rest_http", rest_listeners->http_port()}});
  context.run();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == inspection::kCageArgument) {
    return inspection::RunCageChild(argc, argv);
  }
  CLI::App app(
      "Mailreeve gateway: inspects and tracks mail beside the mail server, and takes it back out "
      "of mailboxes.");
  std::string config;
  bool check = false;
  app.add_option("--config", config, "bootstrap file (TOML)")->required();
  app.add_flag("--check-config", check,
               "read bootstrap file and settings, say what is wrong, and end");
  app.set_version_flag("--version", "mailreeve-gateway " MAILREEVE_VERSION);
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0027);
  if (auto done = Serve(config, check); !done) {
    std::cerr << "mailreeve-gateway: " << done.error().ToString() << "\n";
    return 1;
  }
  return 0;
}
