#include "io/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace mailreeve::io {
namespace {

tl::unexpected<Error> Failed(std::string_view doing, const std::string& path, int error) {
  std::string text = std::string(doing) + " '" + path + "': " + std::strerror(error);
  switch (error) {
    case ENOENT:
      return Fail(Code::kNotFound, std::move(text));
    case ENOSPC:
      return Fail(Code::kLimited, std::move(text) + "; make room on that disk");
    case EDQUOT:
      return Fail(Code::kLimited, std::move(text) + "; raise the quota or make room");
    default:
      return Fail(Code::kUnavailable, std::move(text));
  }
}

tl::unexpected<Error> TooFar(std::string_view doing, const std::string& path, uint64_t offset) {
  return Fail(Code::kInvalid, std::string(doing) + " '" + path + "' at offset " +
                                  std::to_string(offset) + ": no file is that long");
}

bool Reachable(uint64_t offset, size_t size) {
  constexpr uint64_t kEnd = std::numeric_limits<off_t>::max();
  return offset <= kEnd && size <= kEnd - offset;
}

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

int OpenRetrying(const std::string& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    // A wrong length must not cost memory that the file could not fill.
    constexpr size_t kUnchecked = 1 << 16;
    if (size > kUnchecked) {
      TRY(const uint64_t length, Size());
      size = offset >= length ? 0 : static_cast<size_t>(std::min<uint64_t>(size, length - offset));
    }
    std::string bytes(size, '\0');
    TRY(const size_t got, ReadInto(offset, bytes.data(), size));
    bytes.resize(got);
    return bytes;
  }

  Result<size_t> ReadInto(uint64_t offset, char* to, size_t size) const override {
    if (!Reachable(offset, size)) return TooFar("cannot read", path_, offset);
    size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(descriptor_.fd, to + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Failed("cannot read", path_, errno);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<void> WriteAt(uint64_t offset, std::string_view bytes) override {
    if (!Reachable(offset, bytes.size())) return TooFar("cannot write", path_, offset);
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::pwrite(descriptor_.fd, bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Failed("cannot write", path_, errno);
      done += static_cast<size_t>(put);
    }
    return {};
  }

  Result<void> Sync() override {
    // Never tried again after EIO: the kernel has dropped what it could not write, and the second
    // call would say that all is well.
    int failed;
    do {
      failed = ::fdatasync(descriptor_.fd);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) return Failed("cannot sync", path_, errno);
    return {};
  }

  Result<void> Truncate(uint64_t size) override {
    if (!Reachable(size, 0)) return TooFar("cannot truncate", path_, size);
    int failed;
    do {
      failed = ::ftruncate(descriptor_.fd, static_cast<off_t>(size));
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) return Failed("cannot truncate", path_, errno);
    return {};
  }

  Result<uint64_t> Size() const override {
    struct stat info {};
    if (::fstat(descriptor_.fd, &info) != 0) return Failed("cannot look at", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  Descriptor descriptor_;
  std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it ends the lock
};

class PosixFilesOfMachine final : public Files {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const int flags = mode == OpenMode::kRead     ? O_RDONLY
                      : mode == OpenMode::kCreate ? O_RDWR | O_CREAT
                                                  : O_RDWR | O_CREAT | O_TRUNC;
    Descriptor file(OpenRetrying(path, flags, 0600));
    if (file.fd < 0) return Failed("cannot open", path, errno);
    struct stat info {};
    if (::fstat(file.fd, &info) != 0) return Failed("cannot look at", path, errno);
    if (S_ISDIR(info.st_mode)) return Failed("cannot open", path, EISDIR);
    return std::make_unique<PosixFile>(std::move(file), path);
  }

  Result<void> Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return Failed("cannot rename '" + from + "' to", to, errno);
    return {};
  }

  Result<void> Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return Failed("cannot remove", path, errno);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& folder) override {
    struct Close {
      void operator()(DIR* open) const { ::closedir(open); }
    };
    const std::unique_ptr<DIR, Close> open(::opendir(folder.c_str()));
    if (!open) return Failed("cannot list folder", folder, errno);
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(open.get());
      if (!entry) {
        if (errno != 0) return Failed("cannot list folder", folder, errno);
        break;
      }
      if (entry->d_type == DT_UNKNOWN) {
        struct stat info {};
        if (::fstatat(::dirfd(open.get()), entry->d_name, &info, 0) != 0) {
          if (errno == ENOENT) continue;  // removed meanwhile
          return Failed("cannot look at", folder + "/" + entry->d_name, errno);
        }
        if (S_ISDIR(info.st_mode)) continue;
      } else if (entry->d_type == DT_DIR) {
        continue;
      }
      names.emplace_back(entry->d_name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> MakeFolders(const std::string& path) override {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
      const std::string part = path.substr(0, slash);
      if (::mkdir(part.c_str(), 0700) == 0) {
        TRY_VOID(SyncFolder(FolderOf(part)));
      } else if (errno != EEXIST) {
        return Failed("cannot make folder", part, errno);
      }
      if (slash == std::string::npos || slash + 1 == path.size()) break;
    }
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return Failed("cannot use folder", path, errno);
    if (!S_ISDIR(info.st_mode)) return Failed("cannot make folder", path, ENOTDIR);
    return {};
  }

  Result<void> SyncFolder(const std::string& folder) override {
    Descriptor open(OpenRetrying(folder, O_RDONLY | O_DIRECTORY, 0));
    if (open.fd < 0) return Failed("cannot open folder", folder, errno);
    int failed;
    do {
      failed = ::fsync(open.fd);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) return Failed("cannot sync folder", folder, errno);
    return {};
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    Descriptor file(OpenRetrying(path, O_RDWR | O_CREAT, 0600));
    if (file.fd < 0) return Failed("cannot open lock", path, errno);
    // flock, not fcntl: it belongs to the open file, so it excludes other objects of this process
    // too, and closing another descriptor of the file does not drop it.
    int failed;
    do {
      failed = ::flock(file.fd, LOCK_EX | LOCK_NB);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0 && errno == EWOULDBLOCK) {
      return Fail(Code::kConflict, "'" + path +
                                       "' is locked: another process, or another part of this one, "
                                       "uses what it guards; stop that one first");
    }
    if (failed != 0) return Failed("cannot lock", path, errno);
    return std::make_unique<PosixLock>(std::move(file));
  }
};

}  // namespace

Files& PosixFiles() {
  static PosixFilesOfMachine files;
  return files;
}

Result<std::string> ReadWhole(Files& files, const std::string& path, size_t max_bytes) {
  TRY(const auto file, files.Open(path, OpenMode::kRead));
  TRY(const uint64_t size, file->Size());
  if (size > max_bytes) {
    return Fail(Code::kLimited, "file '" + path + "' has " + std::to_string(size) +
                                    " bytes; at most " + std::to_string(max_bytes) + " are read");
  }
  return file->ReadAt(0, static_cast<size_t>(size));
}

Result<void> ReplaceWhole(Files& files, const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".new";
  const auto write = [&]() -> Result<void> {
    TRY(const auto file, files.Open(beside, OpenMode::kTruncate));
    TRY_VOID(file->WriteAt(0, bytes));
    TRY_VOID(file->Sync());
    return files.Rename(beside, path);
  };
  if (auto written = write(); !written) {
    (void)files.Remove(beside);
    return written;
  }
  return files.SyncFolder(FolderOf(path));
}

}  // namespace mailreeve::io
