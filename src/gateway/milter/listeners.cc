#include "gateway/milter/listeners.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace mailreeve::gateway::milter {
namespace {

struct Address {
  std::string host, path;
  uint16_t port = 0;
  bool is_unix = false;
};

Result<Address> ParseListenAddress(std::string_view text) {
  const auto wrong = [&] {
    return Fail(Code::kInvalid, "milter address '" + std::string(text) +
                                    "': must be inet:ADDRESS:PORT, inet:[IPV6]:PORT or unix:/PATH");
  };
  Address out;
  if (text.starts_with("unix:")) {
    out.is_unix = true;
    out.path = text.substr(5);
    if (out.path.empty() || out.path[0] != '/' || out.path.size() >= sizeof(sockaddr_un::sun_path))
      return wrong();
    return out;
  }
  if (!text.starts_with("inet:")) return wrong();
  std::string_view rest = text.substr(5);
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = rest.substr(0, colon), port = rest.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (port.empty() || port.size() > 5) return wrong();
  uint32_t number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return wrong();
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  if (number > 65535) return wrong();
  out.host = host;
  out.port = static_cast<uint16_t>(number);
  return out;
}

// Removes the socket file of a server that is gone; one that answers is left alone.
Result<void> ClearSocketFile(const std::string& path) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return Fail(Code::kConflict, "'" + path + "' exists and is not a socket");
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const bool answers = probe >= 0 && ::connect(probe, reinterpret_cast<const sockaddr*>(&address),
                                               sizeof(address)) == 0;
  if (probe >= 0) ::close(probe);
  if (answers) return Fail(Code::kConflict, "another process serves on '" + path + "'");
  if (::unlink(path.c_str()) != 0) {
    return Fail(Code::kUnavailable, "cannot replace '" + path + "': " + std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<void> Listeners::Open(const std::string& text, mode_t unix_mode,
                             const io::Executor& executor, log::Logger& logger) {
  TRY(const Address where, ParseListenAddress(text));
  const auto failed = [&](const boost::system::error_code& error) {
    return Fail(Code::kUnavailable, "cannot listen on '" + text + "': " + error.message());
  };
  boost::system::error_code error;
  if (where.is_unix) {
    TRY_VOID(ClearSocketFile(where.path));
    asio::local::stream_protocol::acceptor acceptor(executor);
    acceptor.open(asio::local::stream_protocol(), error);
    if (error) return failed(error);
    acceptor.bind(asio::local::stream_protocol::endpoint(where.path), error);
    if (error) return failed(error);
    if (::chmod(where.path.c_str(), unix_mode) != 0) {
      return failed({errno, boost::system::system_category()});
    }
    acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return failed(error);
    struct stat info = {};
    if (::lstat(where.path.c_str(), &info) == 0) files_.push_back({where.path, info.st_ino});
    addresses_.push_back("unix:" + where.path);
    local_.push_back(std::move(acceptor));
    return {};
  }
  const auto ip = asio::ip::make_address(where.host, error);
  if (error)
    return Fail(Code::kInvalid, "milter address '" + text + "': not an IP address: " + where.host);
  const asio::ip::tcp::endpoint endpoint(ip, where.port);
  asio::ip::tcp::acceptor acceptor(executor);
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed(error);
  acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (error) return failed(error);
  acceptor.bind(endpoint, error);
  if (error) return failed(error);
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error);
  const auto bound = acceptor.local_endpoint(error);
  if (error) return failed(error);
  const std::string host = ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
  addresses_.push_back("inet:" + host + ":" + std::to_string(bound.port()));
  if (!ip.is_loopback()) logger.Warn("milter_not_on_loopback", {{"address", addresses_.back()}});
  tcp_.push_back(std::move(acceptor));
  return {};
}

void Listeners::Close() {
  boost::system::error_code ignored;
  for (auto& acceptor : tcp_) acceptor.close(ignored);
  for (auto& acceptor : local_) acceptor.close(ignored);
}

void Listeners::RemoveFiles() {
  for (const auto& file : files_) {
    struct stat info = {};
    if (::lstat(file.path.c_str(), &info) == 0 && info.st_ino == file.inode)
      ::unlink(file.path.c_str());
  }
}

}  // namespace mailreeve::gateway::milter
