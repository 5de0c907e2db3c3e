#pragma once

#include "base/result.h"
#include "io/asio.h"
#include "io/pool.h"
#include "json/json.h"
#include "log/log.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Where log lines come from: a file (rotated or not), or the systemd journal.
namespace mailreeve::gateway::delivery {

struct RawLine {
  std::string text;  // of a file: the whole line; of the journal: the message
  // Of the journal only.
  std::string tag;
  std::optional<int64_t> time_us;
};

struct Batch {
  std::vector<RawLine> lines;
  // Where to go on after these lines: what Begin of the same kind of source takes.
  json::object position;
  uint64_t lines_too_long = 0;
};

// Threads: one executor. Errors: the source cannot be read now; the caller waits and calls again.
class LogSource {
 public:
  virtual ~LogSource() = default;
  // Goes to where an earlier run was; an empty or foreign position: as the source's options say.
  // Called once, first.
  virtual void Begin(json::object position) = 0;
  // The next lines; an empty batch when there are none within `wait`.
  virtual io::Task<Result<Batch>> Read(std::chrono::milliseconds wait) = 0;
};

struct FileOptions {
  std::string path;
  size_t max_line_bytes = 64 << 10;  // longer ones are passed over and counted
  size_t read_bytes = 256 << 10;     // at a time
  // With no position from before: read at most so much of what is there already.
  uint64_t first_read_bytes = 64 << 20;
  // How long a renamed file is still read before the new one is begun: the writer goes on until it
  // is told.
  std::chrono::milliseconds rotation_grace = std::chrono::seconds(5);
  std::chrono::milliseconds poll_interval = std::chrono::milliseconds(200);
};
// Follows rename-and-create and copytruncate; finds a file that was renamed while nobody looked,
// beside the path, and reads it to its end first. The file need not exist yet.
std::unique_ptr<LogSource> MakeFileSource(const FileOptions& options, io::Pool& pool);

struct JournalOptions {
  std::string program = "journalctl";
  std::vector<std::string> matches = {"SYSLOG_FACILITY=2"};  // mail
  size_t max_line_bytes = 64 << 10;
  std::chrono::milliseconds restart_delay = std::chrono::seconds(5);
};
// Reads `journalctl --follow --output=json`, a child process that ends with the source. Chosen over
// libsystemd: one pipe instead of a large library in a process that reads mail.
std::unique_ptr<LogSource> MakeJournalSource(const JournalOptions& options, io::Executor executor,
                                             log::Logger& logger);

}  // namespace mailreeve::gateway::delivery
