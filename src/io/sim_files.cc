#include "io/sim_files.h"

#include "io/sim_disk.h"

#include <algorithm>

namespace mailreeve::io {
namespace {

using Disk = SimFiles::Disk;
using Fault = SimFiles::Fault;

// No test needs longer files, and an offset read from damaged bytes must not cost memory.
constexpr uint64_t kMaxFile = uint64_t{1} << 30;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

tl::unexpected<Error> Killed(const std::string& path) {
  return Fail(Code::kUnavailable, "simulated kill: '" + path + "' is out of reach");
}
tl::unexpected<Error> Missing(const std::string& path) {
  return Fail(Code::kNotFound, "simulated '" + path + "': No such file or directory");
}
tl::unexpected<Error> Failed(Fault fault, const std::string& path) {
  if (fault == Fault::kNoSpace)
    return Fail(Code::kLimited, "simulated '" + path + "': No space left on device");
  return Fail(Code::kUnavailable, "simulated '" + path + "': Input/output error");
}

class SimFile final : public File {
 public:
  SimFile(Disk& disk, SimNodePtr node, std::string path, bool writable)
      : disk_(disk),
        node_(std::move(node)),
        path_(std::move(path)),
        writable_(writable),
        generation_(disk.generation) {}

  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    const std::lock_guard lock(disk_.mutex);
    TRY_VOID(BeginRead());
    if (offset >= node_->seen.size()) return std::string();
    return node_->seen.substr(offset, size);
  }

  Result<size_t> ReadInto(uint64_t offset, char* to, size_t size) const override {
    const std::lock_guard lock(disk_.mutex);
    TRY_VOID(BeginRead());
    if (offset >= node_->seen.size()) return size_t{0};
    return node_->seen.copy(to, size, offset);
  }

  Result<void> WriteAt(uint64_t offset, std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex);
    if (generation_ != disk_.generation) return Killed(path_);
    if (!writable_) return NotWritable();
    if (offset > kMaxFile || bytes.size() > kMaxFile - offset)
      return Failed(Fault::kNoSpace, path_);
    const auto verdict = disk_.Begin({Fault::kWriteError, Fault::kNoSpace});
    if (verdict.dead && !verdict.done_all_the_same) return Killed(path_);
    SimWrite write;
    write.offset = offset;
    write.bytes = bytes;
    if (verdict.dead || verdict.fault) write.bytes.resize(disk_.Below(bytes.size() + 1));
    Keep(std::move(write));
    if (verdict.dead) return Killed(path_);
    if (verdict.fault) return Failed(*verdict.fault, path_);
    return {};
  }

  Result<void> Sync() override {
    const std::lock_guard lock(disk_.mutex);
    if (generation_ != disk_.generation) return Killed(path_);
    const auto verdict = disk_.Begin({Fault::kSyncError});
    if (verdict.fault) {
      disk_.LoseSome(*node_);
      return Failed(*verdict.fault, path_);
    }
    if (verdict.dead && !verdict.done_all_the_same) return Killed(path_);
    for (const auto& write : node_->pending) ApplyWrite(node_->durable, write);
    node_->pending.clear();
    if (verdict.dead) return Killed(path_);
    return {};
  }

  Result<void> Truncate(uint64_t size) override {
    const std::lock_guard lock(disk_.mutex);
    if (generation_ != disk_.generation) return Killed(path_);
    if (!writable_) return NotWritable();
    if (size > kMaxFile) return Failed(Fault::kNoSpace, path_);
    const auto verdict = disk_.Begin({Fault::kWriteError});
    if (verdict.fault) return Failed(*verdict.fault, path_);
    if (verdict.dead && !verdict.done_all_the_same) return Killed(path_);
    SimWrite write;
    write.truncate = true;
    write.offset = size;
    Keep(std::move(write));
    if (verdict.dead) return Killed(path_);
    return {};
  }

  Result<uint64_t> Size() const override {
    const std::lock_guard lock(disk_.mutex);
    if (generation_ != disk_.generation || disk_.Begin({}).dead) return Killed(path_);
    return node_->seen.size();
  }

 private:
  Result<void> BeginRead() const {
    if (generation_ != disk_.generation) return Killed(path_);
    const auto verdict = disk_.Begin({Fault::kReadError});
    if (verdict.dead) return Killed(path_);
    if (verdict.fault) return Failed(*verdict.fault, path_);
    return {};
  }
  tl::unexpected<Error> NotWritable() const {
    return Fail(Code::kUnavailable, "simulated '" + path_ + "': opened for reading only");
  }
  void Keep(SimWrite write) {
    ApplyWrite(node_->seen, write);
    node_->pending.push_back(std::move(write));
  }

  Disk& disk_;
  const SimNodePtr node_;
  const std::string path_;
  const bool writable_;
  const uint64_t generation_;
};

class SimLock final : public FileLock {
 public:
  SimLock(Disk& disk, std::string path)
      : disk_(disk), path_(std::move(path)), generation_(disk.generation) {}
  ~SimLock() override {
    const std::lock_guard lock(disk_.mutex);
    if (generation_ == disk_.generation) disk_.locked.erase(path_);
  }

 private:
  Disk& disk_;
  const std::string path_;
  const uint64_t generation_;
};

}  // namespace

SimFiles::SimFiles(uint64_t seed) : disk_(std::make_unique<Disk>(seed)) {}
SimFiles::~SimFiles() = default;

uint64_t SimFiles::operations() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->operations;
}
void SimFiles::KillAt(uint64_t operation) {
  const std::lock_guard lock(disk_->mutex);
  disk_->kill_at = operation;
}
bool SimFiles::killed() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->killed;
}
void SimFiles::FailAt(uint64_t operation, Fault fault, uint64_t count) {
  const std::lock_guard lock(disk_->mutex);
  disk_->planned.push_back({operation, fault, count});
}
void SimFiles::ClearFaults() {
  const std::lock_guard lock(disk_->mutex);
  disk_->planned.clear();
  disk_->faults_met = 0;
}
uint64_t SimFiles::faults_met() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->faults_met;
}

void SimFiles::Crash(Cut cut) {
  const std::lock_guard lock(disk_->mutex);
  ++disk_->generation;
  disk_->kill_at.reset();
  disk_->killed = false;
  disk_->planned.clear();
  disk_->locked.clear();
  if (cut == Cut::kPower) {
    disk_->CutPower();
  } else {
    disk_->KillProcess();
  }
}

Result<std::vector<uint64_t>> SimFiles::FlipBits(const std::string& path, size_t count) {
  const std::lock_guard lock(disk_->mutex);
  const auto found = disk_->seen.find(path);
  if (found == disk_->seen.end()) return Missing(path);
  auto& node = *found->second;
  if (node.seen.empty()) return Fail(Code::kInvalid, "simulated '" + path + "' is empty");
  std::vector<uint64_t> flipped;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t offset = disk_->Below(node.seen.size());
    const char bit = static_cast<char>(1u << disk_->Below(8));
    node.seen[offset] = static_cast<char>(node.seen[offset] ^ bit);
    if (offset < node.durable.size())
      node.durable[offset] = static_cast<char>(node.durable[offset] ^ bit);
    for (auto& write : node.pending) {
      if (write.truncate || offset < write.offset || offset - write.offset >= write.bytes.size())
        continue;
      char& byte = write.bytes[offset - write.offset];
      byte = static_cast<char>(byte ^ bit);
    }
    flipped.push_back(offset);
  }
  return flipped;
}

std::vector<std::string> SimFiles::Paths() const {
  const std::lock_guard lock(disk_->mutex);
  std::vector<std::string> paths;
  for (const auto& [path, node] : disk_->seen) paths.push_back(path);
  return paths;
}

Result<std::unique_ptr<File>> SimFiles::Open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(disk_->mutex);
  if (mode == OpenMode::kRead) {
    const auto verdict = disk_->Begin({Fault::kReadError});
    if (verdict.dead) return Killed(path);
    if (verdict.fault) return Failed(*verdict.fault, path);
    const auto found = disk_->seen.find(path);
    if (found == disk_->seen.end()) return Missing(path);
    return std::make_unique<SimFile>(*disk_, found->second, path, false);
  }
  const auto verdict = disk_->Begin({Fault::kWriteError, Fault::kNoSpace});
  if (verdict.fault) return Failed(*verdict.fault, path);
  if (verdict.dead && !verdict.done_all_the_same) return Killed(path);
  if (!disk_->folders.contains(FolderOf(path))) return Missing(path);
  auto found = disk_->seen.find(path);
  if (found == disk_->seen.end()) {
    disk_->Change(FolderOf(path), {{path, std::make_shared<SimNode>()}});
    found = disk_->seen.find(path);
  } else if (mode == OpenMode::kTruncate) {
    SimWrite write;
    write.truncate = true;
    ApplyWrite(found->second->seen, write);
    found->second->pending.push_back(std::move(write));
  }
  if (verdict.dead) return Killed(path);
  return std::make_unique<SimFile>(*disk_, found->second, path, true);
}

Result<void> SimFiles::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(disk_->mutex);
  const auto verdict = disk_->Begin({Fault::kWriteError});
  if (verdict.fault) return Failed(*verdict.fault, to);
  if (verdict.dead && !verdict.done_all_the_same) return Killed(to);
  if (FolderOf(from) != FolderOf(to))
    return Fail(Code::kInvalid,
                "simulated rename of '" + from + "' to '" + to + "': both must be in one folder");
  const auto found = disk_->seen.find(from);
  if (found == disk_->seen.end()) return Missing(from);
  if (from != to) {
    const SimNodePtr node = found->second;
    disk_->Change(FolderOf(to), {{to, node}, {from, nullptr}});
  }
  if (verdict.dead) return Killed(to);
  return {};
}

Result<void> SimFiles::Remove(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  const auto verdict = disk_->Begin({Fault::kWriteError});
  if (verdict.fault) return Failed(*verdict.fault, path);
  if (verdict.dead && !verdict.done_all_the_same) return Killed(path);
  if (!disk_->seen.contains(path)) return Missing(path);
  disk_->Change(FolderOf(path), {{path, nullptr}});
  if (verdict.dead) return Killed(path);
  return {};
}

Result<std::vector<std::string>> SimFiles::List(const std::string& folder) {
  const std::lock_guard lock(disk_->mutex);
  const auto verdict = disk_->Begin({Fault::kReadError});
  if (verdict.dead) return Killed(folder);
  if (verdict.fault) return Failed(*verdict.fault, folder);
  if (!disk_->folders.contains(folder)) return Missing(folder);
  std::vector<std::string> names;
  for (const auto& [path, node] : disk_->seen) {
    if (FolderOf(path) == folder) names.push_back(path.substr(path.rfind('/') + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> SimFiles::MakeFolders(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  const auto verdict = disk_->Begin({Fault::kWriteError, Fault::kNoSpace});
  if (verdict.fault) return Failed(*verdict.fault, path);
  if (verdict.dead && !verdict.done_all_the_same) return Killed(path);
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (disk_->seen.contains(part))
      return Fail(Code::kUnavailable, "simulated '" + part + "': is a file");
    disk_->folders.insert(part);
    if (slash == std::string::npos) break;
  }
  if (verdict.dead) return Killed(path);
  return {};
}

Result<void> SimFiles::SyncFolder(const std::string& folder) {
  const std::lock_guard lock(disk_->mutex);
  const auto verdict = disk_->Begin({Fault::kSyncError});
  if (verdict.fault) return Failed(*verdict.fault, folder);
  if (verdict.dead && !verdict.done_all_the_same) return Killed(folder);
  if (!disk_->folders.contains(folder)) return Missing(folder);
  disk_->SyncNames(folder);
  if (verdict.dead) return Killed(folder);
  return {};
}

Result<std::unique_ptr<FileLock>> SimFiles::Lock(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  const auto verdict = disk_->Begin({Fault::kWriteError, Fault::kNoSpace});
  if (verdict.dead) return Killed(path);
  if (verdict.fault) return Failed(*verdict.fault, path);
  if (!disk_->folders.contains(FolderOf(path))) return Missing(path);
  if (!disk_->locked.insert(path).second)
    return Fail(Code::kConflict, "simulated '" + path + "' is locked by another");
  if (!disk_->seen.contains(path))
    disk_->Change(FolderOf(path), {{path, std::make_shared<SimNode>()}});
  return std::make_unique<SimLock>(*disk_, path);
}

}  // namespace mailreeve::io
