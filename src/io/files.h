#pragma once

#include "base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The file system as the stores see it: the seam behind which a simulator crashes, tears writes,
// fills the disk and flips bits (io/sim_files.h). Blocking.
//
// Threads: Files is safe for concurrent calls; of one File, ReadAt is safe beside anything, the
// rest belongs to one thread at a time. Ownership: Files outlives what it opened. Errors: kNotFound
// (no such file), kLimited (no space left: what was written of the call may be there in part),
// kConflict (lock held by another), kUnavailable (anything else of the system). A failed Sync means
// that what was written since the last good one may be lost, even when a later Sync succeeds: never
// trust the file's tail again.
namespace mailreeve::io {

class File {
 public:
  virtual ~File() = default;
  // Up to `size` bytes; fewer only at the end of the file.
  virtual Result<std::string> ReadAt(uint64_t offset, size_t size) const = 0;
  // Into memory of the caller; returns how many bytes were there.
  virtual Result<size_t> ReadInto(uint64_t offset, char* to, size_t size) const = 0;
  virtual Result<void> WriteAt(uint64_t offset, std::string_view bytes) = 0;
  // What was written before it is on stable storage when it returns (fdatasync).
  virtual Result<void> Sync() = 0;
  virtual Result<void> Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() const = 0;
};

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,     // must exist
  kCreate,   // read and write; made when it is not there, kept when it is
  kTruncate  // read and write; made, or emptied
};

class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Atomic; replaces `to`. Durable after SyncFolder of its folder.
  virtual Result<void> Rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> Remove(const std::string& path) = 0;
  // Names (not paths) of the files in a folder, sorted; kNotFound when there is no such folder.
  virtual Result<std::vector<std::string>> List(const std::string& folder) = 0;
  virtual Result<void> MakeFolders(const std::string& path) = 0;
  // Makes names created, renamed and removed in the folder durable.
  virtual Result<void> SyncFolder(const std::string& folder) = 0;
  // An exclusive lock on a file of that name, made when it is not there; kConflict when another
  // process or another object of this one holds it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The machine's own. Lives as long as the program.
Files& PosixFiles();

// Whole files through the seam. ReadWhole: kLimited when longer than `max_bytes`. ReplaceWhole:
// readers and a crash see the old or the new file, never a part.
Result<std::string> ReadWhole(Files& files, const std::string& path, size_t max_bytes);
Result<void> ReplaceWhole(Files& files, const std::string& path, std::string_view bytes);

}  // namespace mailreeve::io
