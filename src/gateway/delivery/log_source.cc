#include "gateway/delivery/log_source.h"

#include "base/bytes.h"
#include "io/event.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mailreeve::gateway::delivery {
namespace {

constexpr size_t kHeadBytes = 256;

uint64_t Fnv(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

uint64_t NumberOf(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return 0;
  boost::system::error_code error;
  const auto number = value->to_number<uint64_t>(error);
  return error ? 0 : number;
}

class File {
 public:
  File() = default;
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  // Regular files only: a pipe or device in the log's place would block or never end.
  static File Open(const std::string& path) {
    File file;
    file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info = {};
    if (file.fd_ >= 0 && (::fstat(file.fd_, &info) != 0 || !S_ISREG(info.st_mode))) {
      ::close(std::exchange(file.fd_, -1));
      errno = EINVAL;
    }
    return file;
  }
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool Stat(struct stat& info) const { return ::fstat(fd_, &info) == 0; }
  std::string Head(size_t bytes) const {
    std::string head(bytes, '\0');
    const ssize_t got = ::pread(fd_, head.data(), head.size(), 0);
    head.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return head;
  }

 private:
  int fd_ = -1;
};

int64_t Nanos(const timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

class FileSource final : public LogSource {
 public:
  FileSource(const FileOptions& options, io::Pool& pool) : options_(options), pool_(pool) {}

  void Begin(json::object position) override { begin_ = std::move(position); }

  io::Task<Result<Batch>> Read(std::chrono::milliseconds wait) override {
    const auto end = std::chrono::steady_clock::now() + wait;
    while (true) {
      // Reads of a disk may block. The work ends before this wait does, even when it is cancelled.
      auto batch = co_await pool_.Run([this] { return ReadNow(); });
      if (!batch || !batch->lines.empty() || batch->lines_too_long > 0) co_return batch;
      const auto left = end - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) co_return batch;
      co_await io::Sleep(std::min<std::chrono::nanoseconds>(left, options_.poll_interval));
    }
  }

 private:
  Result<Batch> ReadNow() {
    Batch batch;
    // Twice: the second time in the file that a rotation has put in place.
    for (int round = 0; round < 2 && batch.lines.empty(); ++round) {
      if (!file_.open()) {
        TRY_VOID(OpenFirst());
        if (!file_.open()) break;
      }
      struct stat info = {};
      if (!file_.Stat(info)) return Failed("cannot examine");
      const uint64_t size = static_cast<uint64_t>(info.st_size);
      if (size < read_to_ ||
          (size > read_to_ && head_bytes_ > 0 && Fnv(file_.Head(head_bytes_)) != head_hash_)) {
        StartAt(0);  // copytruncate
      }
      TRY(const bool more, ReadSome(batch));
      if (more) continue;
      if (!SwitchFile(info, batch)) break;
    }
    batch.position = Position();
    return batch;
  }

  Result<bool> ReadSome(Batch& batch) {
    buffer_.resize(options_.read_bytes);
    const ssize_t got =
        ::pread(file_.fd(), buffer_.data(), buffer_.size(), static_cast<off_t>(read_to_));
    if (got < 0) return Failed("cannot read");
    if (got == 0) return false;
    read_to_ += static_cast<uint64_t>(got);
    std::string_view rest(buffer_.data(), static_cast<size_t>(got));
    while (!rest.empty()) {
      const size_t newline = rest.find('\n');
      const std::string_view piece = rest.substr(0, newline);
      if (!skipping_) partial_ += piece;
      if (partial_.size() > options_.max_line_bytes) {
        partial_.clear();
        skipping_ = true;
        ++batch.lines_too_long;
      }
      if (newline == std::string_view::npos) break;
      if (!skipping_ && !partial_.empty())
        batch.lines.push_back({std::exchange(partial_, {}), {}, {}});
      partial_.clear();
      skipping_ = false;
      rest.remove_prefix(newline + 1);
    }
    if (head_bytes_ < kHeadBytes) {
      head_bytes_ = std::min<uint64_t>(kHeadBytes, read_to_);
      head_hash_ = Fnv(file_.Head(head_bytes_));
    }
    return true;
  }

  // At the end of the file: true when another one is now open.
  bool SwitchFile(const struct stat& current, Batch& batch) {
    struct stat at_path = {};
    if (::stat(options_.path.c_str(), &at_path) != 0) return false;
    if (at_path.st_ino == current.st_ino && at_path.st_dev == current.st_dev) {
      renamed_since_.reset();
      return false;
    }
    const auto now = std::chrono::steady_clock::now();
    if (!renamed_since_) renamed_since_ = now;
    const auto age = std::chrono::system_clock::now().time_since_epoch() -
                     std::chrono::nanoseconds(Nanos(current.st_mtim));
    if (now - *renamed_since_ < options_.rotation_grace && age < options_.rotation_grace)
      return false;
    File next = File::Open(NextAfter(current));
    if (!next.open()) return false;
    if (!partial_.empty() && !skipping_)
      batch.lines.push_back({partial_, {}, {}});  // the writer died in the middle
    file_ = std::move(next);
    StartAt(0);
    return true;
  }

  // Of the files beside the path, those whose name is the path's and more, but for compressed ones.
  std::vector<std::string> Siblings() const {
    const size_t slash = options_.path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : options_.path.substr(0, slash + 1);
    const std::string name =
        slash == std::string::npos ? options_.path : options_.path.substr(slash + 1);
    std::vector<std::string> found;
    DIR* open = ::opendir(folder.c_str());
    if (open == nullptr) return found;
    while (const dirent* entry = ::readdir(open)) {
      const std::string_view file = entry->d_name;
      if (file == name || !file.starts_with(name)) continue;
      if (file.ends_with(".gz") || file.ends_with(".xz") || file.ends_with(".bz2") ||
          file.ends_with(".zst"))
        continue;
      found.push_back(folder + "/" + std::string(file));
    }
    ::closedir(open);
    return found;
  }

  // The file written next after `current`: more than one rotation may have passed while nobody
  // looked.
  std::string NextAfter(const struct stat& current) const {
    std::string best = options_.path;
    int64_t best_time = INT64_MAX;
    for (const std::string& sibling : Siblings()) {
      struct stat info = {};
      if (::stat(sibling.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
          info.st_ino == current.st_ino)
        continue;
      const int64_t time = Nanos(info.st_mtim);
      if (time > Nanos(current.st_mtim) && time < best_time) {
        best = sibling;
        best_time = time;
      }
    }
    struct stat at_path = {};
    if (::stat(options_.path.c_str(), &at_path) == 0 && Nanos(at_path.st_mtim) <= best_time)
      return options_.path;
    return best;
  }

  Result<void> OpenFirst() {
    const uint64_t inode = NumberOf(begin_, "inode"), offset = NumberOf(begin_, "offset"),
                   head_bytes = std::min<uint64_t>(NumberOf(begin_, "head_bytes"), kHeadBytes);
    const json::value* hash = begin_.if_contains("head_hash");
    const bool known = hash != nullptr && hash->is_string() && inode != 0;
    if (known) {
      std::vector<std::string> candidates = Siblings();
      candidates.insert(candidates.begin(), options_.path);
      for (const std::string& candidate : candidates) {
        File file = File::Open(candidate);
        struct stat info = {};
        if (!file.open() || !file.Stat(info) || info.st_ino != inode ||
            static_cast<uint64_t>(info.st_size) < offset)
          continue;
        if (std::to_string(Fnv(file.Head(head_bytes))) != std::string_view(hash->get_string()))
          continue;
        file_ = std::move(file);
        StartAt(offset);
        head_bytes_ = head_bytes;
        head_hash_ = Fnv(file_.Head(head_bytes));
        begin_.clear();
        return {};
      }
    }
    File file = File::Open(options_.path);
    if (!file.open()) {
      if (errno == ENOENT) return {};
      return Failed("cannot open");
    }
    file_ = std::move(file);
    StartAt(0);
    struct stat info = {};
    if (!known && file_.Stat(info) &&
        static_cast<uint64_t>(info.st_size) > options_.first_read_bytes) {
      StartAt(static_cast<uint64_t>(info.st_size) - options_.first_read_bytes);
      skipping_ = true;  // the first line is cut
    }
    begin_.clear();
    return {};
  }

  void StartAt(uint64_t offset) {
    read_to_ = offset;
    partial_.clear();
    skipping_ = false;
    renamed_since_.reset();
    head_bytes_ = 0;
    head_hash_ = 0;
  }

  json::object Position() const {
    struct stat info = {};
    if (!file_.open() || !file_.Stat(info)) return {};
    return {{"inode", static_cast<uint64_t>(info.st_ino)},
            {"offset", read_to_ - partial_.size()},
            {"head_bytes", head_bytes_},
            {"head_hash", std::to_string(head_hash_)}};
  }

  tl::unexpected<Error> Failed(std::string_view doing) const {
    return Fail(Code::kUnavailable, std::string(doing) + " the mail log '" + options_.path +
                                        "': " + std::strerror(errno));
  }

  const FileOptions options_;
  io::Pool& pool_;
  json::object begin_;
  File file_;
  uint64_t read_to_ = 0;
  std::string partial_;  // of the line that has no end yet
  bool skipping_ = false;
  uint64_t head_bytes_ = 0, head_hash_ = 0;
  std::optional<std::chrono::steady_clock::time_point> renamed_since_;
  std::string buffer_;
};

}  // namespace

std::unique_ptr<LogSource> MakeFileSource(const FileOptions& options, io::Pool& pool) {
  return std::make_unique<FileSource>(options, pool);
}

}  // namespace mailreeve::gateway::delivery
