#pragma once

#include "base/result.h"

#include <string>
#include <vector>

// Programs that are measured beside the store.
namespace mailreeve::bench {

// A program that runs until the object goes. Its output goes to `log`.
class ChildProgram {
 public:
  ChildProgram() = default;
  ChildProgram(const ChildProgram&) = delete;
  ~ChildProgram();
  // kUnavailable: it cannot be started.
  Result<void> Start(const std::vector<std::string>& command, const std::string& log);
  bool running();

 private:
  int pid_ = -1;
};

// Runs to the end; what it writes to standard output. Status 0 and 1 are fine (grep says 1 for
// nothing).
Result<std::string> OutputOf(const std::vector<std::string>& command);

bool Installed(const std::string& program);  // on the path, or in sbin

// A TCP port of the loopback interface that nobody has just now; 0: none.
unsigned short FreePort();

}  // namespace mailreeve::bench
