#include "io/file.h"

#include "base/random.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mailreeve::io {
namespace {

tl::unexpected<Error> Failed(std::string_view doing, const std::string& path) {
  const int error = errno;
  return Fail(error == ENOENT ? Code::kNotFound : Code::kUnavailable,
              std::string(doing) + " '" + path + "': " + std::strerror(error));
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return Failed("cannot open", path);
  std::string bytes;
  char buffer[65536];
  while (true) {
    const ssize_t got = ::read(file.fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("cannot read", path);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
    if (bytes.size() > max_bytes) {
      return Fail(Code::kLimited,
                  "file '" + path + "' is longer than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

Result<void> WriteFileAtomically(const std::string& path, std::string_view bytes, mode_t mode) {
  const std::string beside = path + ".new-" + RandomToken(6);
  {
    Descriptor file{::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
    if (file.fd < 0) return Failed("cannot make", beside);
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::write(file.fd, bytes.data() + done, bytes.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        auto failed = Failed("cannot write", beside);
        ::unlink(beside.c_str());
        return failed;
      }
      done += static_cast<size_t>(put);
    }
    if (::fsync(file.fd) != 0) {
      auto failed = Failed("cannot sync", beside);
      ::unlink(beside.c_str());
      return failed;
    }
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    auto failed = Failed("cannot put in place", path);
    ::unlink(beside.c_str());
    return failed;
  }
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  Descriptor parent{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parent.fd < 0 || ::fsync(parent.fd) != 0) return Failed("cannot sync folder", folder);
  return {};
}

Result<void> MakeFolders(const std::string& path, mode_t mode) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
      return Failed("cannot make folder", part);
    if (slash == std::string::npos) break;
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Failed("cannot use folder", path);
  if (!S_ISDIR(info.st_mode)) {
    errno = ENOTDIR;
    return Failed("cannot make folder", path);
  }
  return {};
}

}  // namespace mailreeve::io
