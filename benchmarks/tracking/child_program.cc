#include "child_program.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mailreeve::bench {
namespace {

std::vector<char*> Arguments(const std::vector<std::string>& command) {
  std::vector<char*> out;
  for (const auto& each : command) out.push_back(const_cast<char*>(each.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

ChildProgram::~ChildProgram() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 100; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) return;
    ::usleep(100'000);
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Result<void> ChildProgram::Start(const std::vector<std::string>& command, const std::string& log) {
  auto arguments = Arguments(command);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0) return Fail(Code::kUnavailable, "opening '" + log + "': " + std::strerror(errno));
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(out);
  if (pid_ < 0)
    return Fail(Code::kUnavailable, "starting " + command[0] + ": " + std::strerror(errno));
  return {};
}

bool ChildProgram::running() {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

Result<std::string> OutputOf(const std::vector<std::string>& command) {
  auto arguments = Arguments(command);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Fail(Code::kUnavailable, std::strerror(errno));
  const int pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 1);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string out;
  char buffer[65536];
  ssize_t got;
  while ((got = ::read(ends[0], buffer, sizeof buffer)) > 0)
    out.append(buffer, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  if (pid < 0 || ::waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
    return Fail(Code::kUnavailable, command[0] + " did not run to its end");
  return out;
}

bool Installed(const std::string& program) {
  for (const char* folder : {"/usr/bin/", "/usr/sbin/", "/bin/", "/usr/local/bin/"}) {
    if (::access((folder + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

unsigned short FreePort() {
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor acceptor(context);
  boost::system::error_code error;
  acceptor.open(boost::asio::ip::tcp::v4(), error);
  acceptor.bind({boost::asio::ip::address_v4::loopback(), 0}, error);
  return error ? 0 : acceptor.local_endpoint().port();
}

}  // namespace mailreeve::bench
