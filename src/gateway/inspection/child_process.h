#pragma once

#include "io/asio.h"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/types.h>

#include <memory>
#include <string>

// One caged child as its parent holds it: the pipe and the process. Threads: one executor.
namespace mailreeve::gateway::inspection {

class ChildProcess {
 public:
  // kUnavailable when the program cannot be started.
  static Result<std::unique_ptr<ChildProcess>> Start(io::Executor executor,
                                                     const std::string& program, bool keep_stderr);
  // Kills and reaps it when that has not been done.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  asio::local::stream_protocol::socket& pipe() { return pipe_; }
  pid_t pid() const { return pid_; }
  void Kill();
  // Waits until it has ended, killing it after `patience`; the wait status.
  io::Task<int> End(std::chrono::milliseconds patience);

 private:
  ChildProcess(io::Executor executor, pid_t pid, int pidfd, int pipe);
  bool Reap();

  asio::local::stream_protocol::socket pipe_;
  asio::posix::stream_descriptor ended_;  // pidfd
  pid_t pid_;
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace mailreeve::gateway::inspection
