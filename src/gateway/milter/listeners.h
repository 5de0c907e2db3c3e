#pragma once

#include "base/result.h"
#include "io/asio.h"
#include "log/log.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <sys/types.h>

#include <list>
#include <string>
#include <vector>

// The addresses on which mail servers reach the milter: "inet:ADDRESS:PORT", "inet:[IPV6]:PORT" and
// "unix:/PATH". Internal to this folder.
//
// Threads: one. Ownership: the socket files are its own until RemoveFiles.
// Errors: kInvalid (no such address), kConflict (somebody serves there), kUnavailable.
namespace mailreeve::gateway::milter {

class Listeners {
 public:
  // `unix_mode`: of a socket file.
  Result<void> Open(const std::string& text, mode_t unix_mode, const io::Executor& executor,
                    log::Logger& logger);
  void Close();
  // Those that are still the ones that were made here.
  void RemoveFiles();

  std::list<asio::ip::tcp::acceptor>& tcp() { return tcp_; }
  std::list<asio::local::stream_protocol::acceptor>& local() { return local_; }
  const std::vector<std::string>& addresses() const { return addresses_; }  // with real ports

 private:
  struct SocketFile {
    std::string path;
    ino_t inode;
  };
  std::list<asio::ip::tcp::acceptor> tcp_;
  std::list<asio::local::stream_protocol::acceptor> local_;
  std::vector<std::string> addresses_;
  std::vector<SocketFile> files_;
};

}  // namespace mailreeve::gateway::milter
