#include "gateway/inspection/child_process.h"

#include "base/check.h"
#include "gateway/inspection/cage.h"
#include "io/event.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace mailreeve::gateway::inspection {

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(io::Executor executor,
                                                          const std::string& program,
                                                          bool keep_stderr) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Fail(Code::kUnavailable, std::string("making the cage's pipe: ") + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  if (!keep_stderr) posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  // dup2 onto itself keeps close-on-exec off only since glibc 2.29, which all supported systems
  // have.
  posix_spawn_file_actions_adddup2(&actions, ends[1], kCageDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, kCageDescriptor + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  sigdelset(&all, SIGKILL);
  sigdelset(&all, SIGSTOP);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = "mailreeve-inspection";
  std::string argument(kCageArgument);
  char* argv[] = {name.data(), argument.data(), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return Fail(Code::kUnavailable, "starting " + program + ": " + std::strerror(error));
  }
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    const std::string why = std::strerror(errno);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    close(ends[0]);
    return Fail(Code::kUnavailable, "watching the inspection child: " + why);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(std::move(executor), pid, pidfd, ends[0]));
}

ChildProcess::ChildProcess(io::Executor executor, pid_t pid, int pidfd, int pipe)
    : pipe_(executor, asio::local::stream_protocol(), pipe), ended_(executor, pidfd), pid_(pid) {}

ChildProcess::~ChildProcess() {
  if (reaped_) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
}

void ChildProcess::Kill() {
  if (!reaped_) kill(pid_, SIGKILL);
}

bool ChildProcess::Reap() {
  if (!reaped_ && waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  return reaped_;
}

io::Task<int> ChildProcess::End(std::chrono::milliseconds patience) {
  io::error_code ignored;
  pipe_.close(ignored);
  if (Reap()) co_return status_;
  asio::steady_timer timer(ended_.get_executor());
  timer.expires_after(patience);
  // `this` outlives the timer's handler: it is cancelled below before the coroutine ends, and tests
  // its error first.
  timer.async_wait([this](io::error_code error) {
    if (!error) Kill();
  });
  while (!Reap()) {
    const auto [error] =
        co_await ended_.async_wait(asio::posix::stream_descriptor::wait_read, io::kTuple);
    if (error) break;
  }
  timer.cancel();
  if (!reaped_) {
    Kill();
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
  }
  co_return status_;
}

}  // namespace mailreeve::gateway::inspection
