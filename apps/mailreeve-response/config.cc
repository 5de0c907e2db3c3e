#include "config.h"

#include "base/text.h"
#include "http/listen_address.h"
#include "io/file.h"
#include "io/tls.h"
#include "response/storage/storage.h"
#include "settings/bootstrap.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace mailreeve {
namespace {

using response::storage::Place;

class Problems {
 public:
  void Add(std::string problem) { all_.push_back(std::move(problem)); }
  // Takes the value, or notes the problem.
  template <class T>
  void Take(T& into, Result<T> value) {
    if (value) {
      into = *std::move(value);
    } else {
      Add(value.error().ToString());
    }
  }
  void Check(const Result<void>& done) {
    if (!done) Add(done.error().ToString());
  }
  std::vector<std::string>& all() { return all_; }

 private:
  std::vector<std::string> all_;
};

void Read(settings::Bootstrap& file, ResponseConfig& out, Problems& problems) {
  response::api::ServiceOptions& service = out.service;
  const auto listen = [&](std::string_view key, std::string_view otherwise,
                          http::ListenAddress& into) {
    std::string text;
    problems.Take(text, file.Text(key, std::string(otherwise)));
    if (text.empty()) return;
    Result<http::ListenAddress> address = http::ParseListenAddress(text);
    if (address) {
      into = *std::move(address);
    } else {
      problems.Add(std::string(key) + ": " + address.error().ToString());
    }
  };
  problems.Take(service.state_folder, file.Path("response.state_folder"));
  problems.Take(out.settings_file, file.Path("response.settings_file", ""));
  problems.Take(out.log_file, file.Path("response.log_file", ""));
  listen("response.listen", "127.0.0.1:8443", service.listen);
  listen("response.device_listen", "127.0.0.1:8444", service.device_listen);
  http::ListenAddress operations;
  listen("response.operations_listen", "", operations);
  if (!operations.host.empty() || !operations.unix_path.empty())
    service.operations_listen = operations;
  problems.Take(service.public_url, file.Text("response.public_url"));
  problems.Take(service.device_url, file.Text("response.device_url"));
  problems.Take(service.server_names,
                file.TextList("response.server_names", {"localhost", "127.0.0.1"}));
  problems.Take(service.certificate_file, file.Path("response.certificate_file", ""));
  problems.Take(service.key_file, file.Path("response.key_file", ""));
  problems.Take(service.console_folder, file.Path("response.console_folder", ""));
  problems.Take(service.global_intel_url, file.Text("response.global_intel_url", ""));
  problems.Take(service.feeds_file, file.Path("response.feeds_file", ""));
  problems.Take(service.storage_url, file.Text("storage.url", ""));
  problems.Take(service.storage_password_file, file.Path("storage.password_file", ""));
  problems.Check(file.RefuseUnread());
}

void CheckFolder(const std::string& folder, Problems& problems) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    const auto parent = std::filesystem::path(folder).parent_path();
    if (::access(parent.c_str(), W_OK | X_OK) != 0)
      problems.Add("response.state_folder " + folder +
                   " is not there and cannot be made; make it and give it to the server's user");
    return;
  }
  if (!S_ISDIR(info.st_mode) || ::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    problems.Add("response.state_folder " + folder +
                 " is no folder that this user may write to; chown it to the server's user");
    return;
  }
  for (const char* name :
       {"token-key.pem", "one-time-codes.key", "device-ca.key", "public-ca.key", "server.key"}) {
    const std::string path = folder + "/" + name;
    if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 0077) != 0)
      problems.Add(path +
                   " can be read by others; chmod 600 it, and make a new one if it was seen");
  }
}

void CheckUrls(const response::api::ServiceOptions& service, Problems& problems) {
  if (!service.public_url.empty() &&
      (!service.public_url.starts_with("https://") || service.public_url.ends_with('/')))
    problems.Add("response.public_url must be https://NAME:PORT without a slash at its end");
  if (!service.device_url.empty() && (!service.device_url.starts_with("wss://") ||
                                      !service.device_url.ends_with("/device/v1/channel")))
    problems.Add("response.device_url must be wss://NAME:PORT/device/v1/channel");
}

void CheckFiles(const response::api::ServiceOptions& service, Problems& problems) {
  if (service.certificate_file.empty() != service.key_file.empty()) {
    problems.Add("response.certificate_file and response.key_file belong together; give both");
  } else if (!service.certificate_file.empty()) {
    if (auto tls = io::MakeTlsServer(
            {.certificate_file = service.certificate_file, .key_file = service.key_file});
        !tls)
      problems.Add("response.certificate_file: " + tls.error().ToString());
  }
  if (!service.console_folder.empty() &&
      ::access((service.console_folder + "/index.html").c_str(), R_OK) != 0)
    problems.Add(
        "response.console_folder " + service.console_folder +
        " has no index.html; build the console with tools/build-web, or leave the key out");
}

void CheckDatabase(const response::api::ServiceOptions& service, const settings::Snapshot& snapshot,
                   Problems& problems) {
  const Place place{service.state_folder, service.storage_url, service.storage_password_file};
  Result<sql::OpenOptions> options = response::storage::DatabaseOptions(place, snapshot);
  if (!options) {
    problems.Add(options.error().ToString());
    return;
  }
  std::error_code error;
  if (place.url.empty() && !std::filesystem::exists(options->path, error)) return;  // first start
  options->read_only = true;
  Result<sql::Database> database = sql::Database::Open(*options);
  if (!database) {
    problems.Add("the database cannot be opened (storage.url): " + database.error().ToString());
    return;
  }
  for (const std::string& component : sql::MigratedComponents()) {
    const Result<int64_t> version = database->VersionOf(component);
    if (!version) return;  // empty: the first start makes its tables
    const auto known = static_cast<int64_t>(sql::MigrationsOf(component).size());
    if (*version > known)
      problems.Add("the database has " + component + " schema version " + std::to_string(*version) +
                   ", this program knows up to " + std::to_string(known) +
                   "; install a program at least as new");
  }
}

}  // namespace

Result<ResponseConfig> ReadResponseConfig(const std::string& path) {
  TRY(auto file, settings::Bootstrap::Load(path));
  ResponseConfig out;
  Problems problems;
  Read(file, out, problems);
  if (problems.all().empty()) return out;
  std::string text;
  for (const std::string& problem : problems.all()) text += (text.empty() ? "" : "\n") + problem;
  return Fail(Code::kInvalid, std::move(text));
}

std::vector<std::string> CheckResponseConfig(const std::string& path) {
  Problems problems;
  auto file = settings::Bootstrap::Load(path);
  if (!file) return {file.error().ToString()};
  ResponseConfig config;
  Read(*file, config, problems);
  CheckUrls(config.service, problems);
  if (!config.service.state_folder.empty()) CheckFolder(config.service.state_folder, problems);
  CheckFiles(config.service, problems);
  if (auto snapshot = settings::LoadSnapshot(config.settings_file, "response"); !snapshot) {
    const std::string text = snapshot.error().ToString();
    for (const std::string_view line : Split(text, '\n')) problems.Add(std::string(line));
  } else if (!config.service.state_folder.empty()) {
    CheckDatabase(config.service, **snapshot, problems);
  }
  return std::move(problems.all());
}

}  // namespace mailreeve
