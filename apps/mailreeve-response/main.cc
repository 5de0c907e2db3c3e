// mailreeve-response --config FILE: the threat-response platform. Reads the bootstrap file, builds
// the service, runs until SIGTERM or SIGINT. With a command (check, backup, restore, user, client…)
// it does that and ends.
#include "config.h"
#include "identity_commands.h"
#include "io/file.h"
#include "json/json.h"
#include "log/log.h"
#include "response/api/service.h"
#include "response/storage/backup.h"
#include "response/storage/storage.h"
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

io::Task<void> StopService(response::api::Service& service, asio::io_context& context) {
  co_await service.Stop();
  context.stop();
}

Result<void> Serve(const std::string& config_path) {
  TRY(ResponseConfig config, ReadResponseConfig(config_path));
  TRY(auto snapshot, settings::LoadSnapshot(config.settings_file, "response"));
  const auto logger = log::MakeLogger(config.log_file, log::Level::kInfo);
  const SystemClock clock;
  asio::io_context context(1);
  TRY(auto service, response::api::Service::Start(std::move(config.service), snapshot, clock,
                                                  *logger, context.get_executor()));
  if (!service->first_password().empty()) {
    std::cout << json::Serialize(json::object{{"first_user", "admin"},
                                              {"password", service->first_password().Reveal()}})
              << std::endl;
  }
  asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const io::error_code& error, int) {
    if (error) return;
    logger->Info("stopping", {});
    asio::co_spawn(context, StopService(*service, context), [](std::exception_ptr) {});
  });
  logger->Info("started", {{"port", service->port()}, {"device_port", service->device_port()}});
  context.run();
  return {};
}

// The database of the configuration, for commands beside the server.
Result<sql::Database> OpenDatabase(const ResponseConfig& config) {
  TRY(auto snapshot, settings::LoadSnapshot(config.settings_file, "response"));
  const response::api::ServiceOptions& service = config.service;
  TRY(const auto options,
      response::storage::DatabaseOptions(
          {service.state_folder, service.storage_url, service.storage_password_file}, *snapshot));
  return sql::Database::Open(options);
}

void Say(const response::storage::BackupDone& done) {
  std::cout << json::Serialize(json::object{
                   {"created", FormatTime(done.header.created)},
                   {"tables", done.tables},
                   {"rows", done.rows},
                   {"keys_apart",
                    json::array(done.header.keys_apart.begin(), done.header.keys_apart.end())}})
            << std::endl;
}

Result<void> SaveBackup(const std::string& config_path, const std::string& file) {
  TRY(const ResponseConfig config, ReadResponseConfig(config_path));
  TRY(sql::Database database, OpenDatabase(config));
  const std::string& folder = config.service.state_folder;
  TRY(const auto done,
      response::storage::Backup(
          database, file, SystemClock(),
          {.program = MAILREEVE_VERSION, .keys_apart = response::storage::KeysApart(folder)}));
  Say(done);
  return {};
}

Result<void> BringBack(const std::string& config_path, const std::string& file, bool force) {
  TRY(const ResponseConfig config, ReadResponseConfig(config_path));
  TRY_VOID(io::MakeFolders(config.service.state_folder, 0750));
  TRY(sql::Database database, OpenDatabase(config));
  TRY(const auto done, response::storage::Restore(database, file, {.force = force}));
  Say(done);
  return {};
}

Result<void> RunOnIdentity(const std::string& config_path, const IdentityCommand& command) {
  TRY(const ResponseConfig config, ReadResponseConfig(config_path));
  TRY(const auto snapshot, settings::LoadSnapshot(config.settings_file, "response"));
  const SystemClock clock;
  log::NullLogger logger;
  TRY_VOID(io::MakeFolders(config.service.state_folder, 0750));
  TRY(const auto audit, audit::OpenFileLog(config.service.state_folder + "/audit.jsonl", clock));
  TRY(const auto identity,
      response::api::OpenIdentity(config.service, *snapshot, clock, *audit, logger));
  TRY(const json::value said, command(*identity));
  std::cout << json::Serialize(said) << std::endl;
  return {};
}

Result<void> Check(const std::string& config_path) {
  const auto problems = CheckResponseConfig(config_path);
  std::string text;
  for (const std::string& problem : problems) text += "\n  " + problem;
  if (problems.empty()) return {};
  return Fail(Code::kInvalid,
              std::to_string(problems.size()) + " problems in the configuration:" + text);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Mailreeve response: the threat-response platform that gateways register with.");
  std::string config, file;
  bool check_flag = false, force = false;
  app.add_option("--config", config, "bootstrap file (TOML)")->required();
  app.add_flag("--check-config", check_flag, "the same as the command check");
  app.set_version_flag("--version", "mailreeve-response " MAILREEVE_VERSION);
  app.require_subcommand(0, 1);
  app.fallthrough();
  CLI::App* check = app.add_subcommand(
      "check", "say everything that is wrong with the configuration and what to do, and end");
  CLI::App* backup = app.add_subcommand(
      "backup", "save the database into FILE (….zst); may run beside the server");
  backup->add_option("FILE", file)->required();
  CLI::App* restore = app.add_subcommand(
      "restore", "bring a backup back into an empty database; the server must not run");
  restore->add_option("FILE", file)->required();
  restore->add_flag("--force", force, "drop what the database holds first");
  IdentityCommand on_identity;
  AddIdentityCommands(app, on_identity);
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0027);
  const auto run = [&]() -> Result<void> {
    if (check_flag || check->parsed()) return Check(config);
    if (backup->parsed()) return SaveBackup(config, file);
    if (restore->parsed()) return BringBack(config, file, force);
    if (on_identity) return RunOnIdentity(config, on_identity);
    return Serve(config);
  };
  if (auto done = run(); !done) {
    std::cerr << "mailreeve-response: " << done.error().ToString() << "\n";
    return 1;
  }
  return 0;
}
