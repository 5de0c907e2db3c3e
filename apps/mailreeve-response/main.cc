// mailreeve-response --config FILE: the threat-response platform. Reads the bootstrap file, builds
// the service, runs until SIGTERM or SIGINT.
#include "http/listen_address.h"
#include "json/json.h"
#include "log/log.h"
#include "response/api/service.h"
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

struct Config {
  response::api::ServiceOptions service;
  std::string settings_file;
  std::string log_file;
};

Result<Config> ReadConfig(const std::string& path) {
  TRY(auto file, settings::Bootstrap::Load(path));
  Config out;
  TRY(out.service.state_folder, file.Path("response.state_folder"));
  TRY(out.settings_file, file.Path("response.settings_file", ""));
  TRY(out.log_file, file.Path("response.log_file", ""));
  TRY(const std::string listen, file.Text("response.listen", "127.0.0.1:8443"));
  TRY(out.service.listen, http::ParseListenAddress(listen));
  TRY(const std::string device_listen, file.Text("response.device_listen", "127.0.0.1:8444"));
  TRY(out.service.device_listen, http::ParseListenAddress(device_listen));
  TRY(out.service.public_url, file.Text("response.public_url"));
  TRY(out.service.device_url, file.Text("response.device_url"));
  TRY(out.service.server_names, file.TextList("response.server_names", {"localhost", "127.0.0.1"}));
  TRY(out.service.certificate_file, file.Path("response.certificate_file", ""));
  TRY(out.service.key_file, file.Path("response.key_file", ""));
  TRY(out.service.console_folder, file.Path("response.console_folder", ""));
  TRY_VOID(file.RefuseUnread());
  return out;
}

io::Task<void> StopService(response::api::Service& service, asio::io_context& context) {
  co_await service.Stop();
  context.stop();
}

Result<void> Serve(const std::string& config_path, bool check_only) {
  TRY(Config config, ReadConfig(config_path));
  TRY(auto snapshot, settings::LoadSnapshot(config.settings_file, "response"));
  if (check_only) return {};
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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Mailreeve response: the threat-response platform that gateways register with.");
  std::string config;
  bool check = false;
  app.add_option("--config", config, "bootstrap file (TOML)")->required();
  app.add_flag("--check-config", check,
               "read bootstrap file and settings, say what is wrong, and end");
  app.set_version_flag("--version", "mailreeve-response " MAILREEVE_VERSION);
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0027);
  if (auto done = Serve(config, check); !done) {
    std::cerr << "mailreeve-response: " << done.error().ToString() << "\n";
    return 1;
  }
  return 0;
}
