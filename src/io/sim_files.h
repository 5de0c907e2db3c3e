#pragma once

#include "io/files.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// A file system in memory that fails as disks and machines do, all of it decided by a seed: for
// tests of what stores promise. It keeps two images: the one that calls see, and the one that a
// power cut leaves. Bytes move to the second by File::Sync, names (made, renamed, removed) by
// Files::SyncFolder. Folders are durable when made; Rename works within one folder only (kInvalid).
//
// Threads: safe for concurrent calls; runs repeat only when the calls come in the same order.
// Ownership: outlives what it opened. Errors: those of files.h; kUnavailable for all calls after
// the kill and for files opened before the last crash.
//
//   io::SimFiles files(seed);
//   files.KillAt(files.operations() + 17);
//   Work(files);
//   files.Crash(io::SimFiles::Cut::kPower);
//   Check(files);
namespace mailreeve::io {

class SimFiles final : public Files {
 public:
  explicit SimFiles(uint64_t seed);
  ~SimFiles() override;

  // Calls on files and folders so far.
  uint64_t operations() const;

  // The call of that number fails, done or not done by the seed, and so do all after it, until
  // Crash.
  void KillAt(uint64_t operation);
  bool killed() const;

  enum class Fault : uint8_t {
    kReadError,   // EIO: reads, lists and openings to read
    kWriteError,  // EIO: writes (a part may be there), truncations, renames, removals, files made
    kNoSpace,     // ENOSPC: writes (a part may be there) and files made
    kSyncError,   // EIO: Sync. Each write since the last good one is either on disk or lost for
                  // good: the next Sync is well and does not bring it back, and calls may see it or
                  // not. SyncFolder: names are as durable as before, and the next one can succeed.
  };
  // The next `count` calls that the fault can hit, from that number on, fail.
  void FailAt(uint64_t operation, Fault fault, uint64_t count = 1);
  // No fault is left to come; a kill is.
  void ClearFaults();
  // Faults that hit since the last ClearFaults.
  uint64_t faults_met() const;

  enum class Cut : uint8_t {
    kProcess,  // kill -9: calls see after it what they saw before it, but for what a failed Sync
               // lost
    // (that the cache may go on showing it is more than a program can find out)
    kPower,  // what was not synced is kept, dropped, torn or kept while older writes are not
  };
  // Starts the machine again: faults and kill are over, locks are free, open files are dead.
  void Crash(Cut cut);

  // Flips `count` bits of a file at rest, in both images; returns their byte offsets. kInvalid: the
  // file is empty.
  Result<std::vector<uint64_t>> FlipBits(const std::string& path, size_t count);

  // Paths of all files that calls see, sorted.
  std::vector<std::string> Paths() const;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<void> Rename(const std::string& from, const std::string& to) override;
  Result<void> Remove(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder) override;
  Result<void> MakeFolders(const std::string& path) override;
  Result<void> SyncFolder(const std::string& folder) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

  struct Disk;  // of the files it opened

 private:
  std::unique_ptr<Disk> disk_;
};

}  // namespace mailreeve::io
