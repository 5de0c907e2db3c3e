#include "audit/audit.h"

#include "base/random.h"
#include "base/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace mailreeve::audit {

json::object ToJson(const Entry& given) {
  // Names come from outside; one ill-formed byte would make the line unreadable.
  Entry entry = given;
  for (std::string* text : {&entry.actor.kind, &entry.actor.id, &entry.actor.name,
                            &entry.origin.address, &entry.origin.channel, &entry.origin.request_id,
                            &entry.object.type, &entry.object.id, &entry.message}) {
    *text = ToValidUtf8(*text);
  }
  json::object out;
  out["id"] = entry.id;
  out["time"] = FormatTime(entry.time);
  out["actor"] = {{"kind", entry.actor.kind}, {"id", entry.actor.id}, {"name", entry.actor.name}};
  out["origin"] = {{"address", entry.origin.address},
                   {"channel", entry.origin.channel},
                   {"request_id", entry.origin.request_id}};
  out["action"] = entry.action;
  out["object"] = {{"type", entry.object.type}, {"id", entry.object.id}};
  out["result"] = entry.result;
  out["message"] = entry.message;
  out["details"] = entry.details;
  return out;
}

namespace {

class FileLog final : public Log {
 public:
  FileLog(int fd, std::string path, const Clock& clock, bool torn)
      : fd_(fd), path_(std::move(path)), clock_(clock), torn_(torn) {}
  ~FileLog() override { ::close(fd_); }

  Result<void> Append(Entry entry) override {
    if (entry.id.empty()) entry.id = RandomUuid();
    if (entry.time == Time{}) entry.time = clock_.Now();
    std::string line = json::Serialize(ToJson(entry)) + "\n";
    std::lock_guard lock(mutex_);
    // What a crash or a full disk left of a line must not take this one with it.
    if (torn_) line.insert(0, "\n");
    torn_ = true;
    size_t done = 0;
    while (done < line.size()) {
      const ssize_t put = ::write(fd_, line.data() + done, line.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Failed("cannot write");
      done += static_cast<size_t>(put);
    }
    torn_ = false;
    if (::fdatasync(fd_) != 0) return Failed("cannot sync");
    return {};
  }

 private:
  tl::unexpected<Error> Failed(const char* doing) {
    return Fail(Code::kUnavailable,
                std::string(doing) + " audit log '" + path_ + "': " + std::strerror(errno));
  }

  const int fd_;
  const std::string path_;
  const Clock& clock_;
  std::mutex mutex_;
  bool torn_;  // the file does not end with a line break
};

bool EndsInsideLine(int fd) {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  char last = '\n';
  return end > 0 && ::pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

}  // namespace

Result<std::unique_ptr<Log>> OpenFileLog(const std::string& path, const Clock& clock) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0)
    return Fail(Code::kUnavailable,
                "cannot open audit log '" + path + "': " + std::strerror(errno));
  return std::make_unique<FileLog>(fd, path, clock, EndsInsideLine(fd));
}

}  // namespace mailreeve::audit
