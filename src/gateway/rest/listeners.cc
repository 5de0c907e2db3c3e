#include "gateway/rest/listeners.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "gateway/rest/rest_api.h"
#include "http/listen_address.h"
#include "io/file.h"
#include "io/tls.h"

#include <algorithm>

namespace mailreeve::gateway::rest {
namespace {

constexpr size_t kMaxPem = 64 * 1024;
constexpr std::chrono::hours kLife{24 * 825};  // what clients accept at most
constexpr std::chrono::hours kRenew{24 * 30};  // before its end, at a start

Result<crypto::CertificateAuthority> LoadOrMakeRoot(const std::string& folder, Time now) {
  const std::string certificate_path = folder + "/rest-ca.pem", key_path = folder + "/rest-ca.key";
  auto certificate = io::ReadFile(certificate_path, kMaxPem);
  auto key = io::ReadFile(key_path, kMaxPem);
  if (certificate && key) return crypto::CertificateAuthority::FromPem(*certificate, *key);
  for (const auto* file : {&certificate, &key}) {
    if (*file || file->error().code != Code::kNotFound) {
      // A new root would cut off every client that trusts the old one.
      return Fail(Code::kCorrupt, "of " + certificate_path +
                                      " and its .key one is missing or cannot be read; restore "
                                      "it, or remove both to have a new root made");
    }
  }
  TRY(auto made, crypto::CertificateAuthority::Create("Mailreeve gateway root", now, 20));
  TRY_VOID(io::WriteFileAtomically(key_path, made.key_pem(), 0600));
  TRY_VOID(io::WriteFileAtomically(certificate_path, made.certificate_pem(), 0644));
  return made;
}

bool IsHostName(const std::string& name) {
  return !name.empty() && name.size() <= 253 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; });
}

// Makes the certificate when there is none, or when it ends soon.
Result<void> EnsureCertificate(const ListenOptions& options, const std::string& host, Time now,
                               const std::string& certificate_path, const std::string& key_path) {
  const auto certificate = io::ReadFile(certificate_path, kMaxPem);
  const auto key = io::ReadFile(key_path, kMaxPem);
  if (certificate && key) {
    const auto info = crypto::ReadCertificate(*certificate);
    if (info && info->not_after > now + kRenew) return {};
  }
  TRY(const auto root, LoadOrMakeRoot(options.folder, now));
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  if (IsHostName(options.name)) names.insert(names.begin(), options.name);
  if (host != "0.0.0.0" && host != "::" &&
      std::find(names.begin(), names.end(), host) == names.end())
    names.push_back(host);
  TRY(const auto made, root.IssueServer(names, now, kLife));
  TRY_VOID(io::WriteFileAtomically(key_path, made.key_pem, 0600));
  return io::WriteFileAtomically(certificate_path, made.certificate_pem, 0644);
}

http::ServerLimits LimitsFrom(const settings::Snapshot& settings) {
  http::ServerLimits limits;
  limits.max_connections = static_cast<size_t>(settings.Integer("rest.max_connections"));
  limits.max_body_bytes = 1024 * 1024;
  return limits;
}

}  // namespace

Result<std::unique_ptr<Listeners>> Listeners::Start(const ListenOptions& options,
                                                    const settings::Snapshot& settings,
                                                    const http::Router& router, const Clock& clock,
                                                    io::Scope& scope, log::Logger& logger) {
  std::unique_ptr<Listeners> out(new Listeners);
  const auto listen = [&](const std::string& where,
                          io::TlsContext tls) -> Result<std::unique_ptr<http::Server>> {
    TRY(const http::ListenAddress address, http::ParseListenAddress(where));
    TRY(auto server,
        http::Server::Listen(address, std::move(tls), router, LimitsFrom(settings), scope, logger));
    server->set_default_headers(RestApi::CommonHeaders());
    server->set_refusal([](int status, std::string_view, std::string_view description) {
      return RestApi::Refusal(status, description);
    });
    return server;
  };
  if (!options.https.empty()) {
    TRY(const http::ListenAddress address, http::ParseListenAddress(options.https));
    io::TlsServerOptions tls_options{options.certificate_file, options.key_file, ""};
    if (options.certificate_file.empty() != options.key_file.empty())
      return Fail(Code::kInvalid, "rest.certificate_file and rest.key_file: give both or neither");
    if (options.certificate_file.empty()) {
      tls_options.certificate_file = options.folder + "/rest-server.pem";
      tls_options.key_file = options.folder + "/rest-server.key";
      TRY_VOID(EnsureCertificate(options, address.host, clock.Now(), tls_options.certificate_file,
                                 tls_options.key_file));
    }
    TRY(auto tls, io::MakeTlsServer(tls_options));
    TRY(out->https_, listen(options.https, std::move(tls)));
  }
  if (!options.http.empty()) {
    TRY(out->http_, listen(options.http, nullptr));
  }
  return out;
}

io::Task<void> Listeners::Stop(std::chrono::milliseconds grace) {
  if (https_) co_await https_->Stop(grace);
  if (http_) co_await http_->Stop(grace);
}

Result<std::string> Serial(const std::string& folder) {
  const std::string path = folder + "/serial";
  auto read = io::ReadFile(path, 256);
  if (read) {
    std::string text(TrimSpace(*read));
    if (text.size() < 8 || !std::all_of(text.begin(), text.end(), [](unsigned char c) {
          return std::isalnum(c) != 0 || c == '-';
        })) {
      return Fail(Code::kCorrupt, path + ": is no serial number; remove it to have one made");
    }
    return text;
  }
  if (read.error().code != Code::kNotFound) return Fail(std::move(read).error());
  std::string digits = HexEncode(RandomBytes(16));
  for (char& c : digits) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  const std::string made = digits.substr(0, 20) + "-" + digits.substr(20, 12);
  TRY_VOID(io::WriteFileAtomically(path, made + "\n", 0644));
  return made;
}

}  // namespace mailreeve::gateway::rest
