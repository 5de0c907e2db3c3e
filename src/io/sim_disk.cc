#include "io/sim_disk.h"

#include <algorithm>

namespace mailreeve::io {
namespace {

constexpr uint64_t kSector = 512;

void SetName(std::map<std::string, SimNodePtr>& names, const std::string& name,
             const SimNodePtr& node) {
  if (node) {
    names[name] = node;
  } else {
    names.erase(name);
  }
}

// What is left of a write that the power cut caught.
void ApplyTorn(SimFiles::Disk& disk, std::string& image, const SimWrite& write) {
  SimWrite part = write;
  switch (disk.Below(4)) {
    case 0:  // up to a byte
      part.bytes.resize(disk.Below(part.bytes.size() + 1));
      ApplyWrite(image, part);
      return;
    case 1: {  // up to a sector of the disk
      const uint64_t end = write.offset + disk.Below(write.bytes.size() + 1);
      const uint64_t whole = end / kSector * kSector;
      part.bytes.resize(whole > write.offset ? whole - write.offset : 0);
      ApplyWrite(image, part);
      return;
    }
    case 2: {  // some sectors, in any order; the file is as long as the last of them makes it
      for (uint64_t at = 0; at < write.bytes.size();) {
        const uint64_t next = std::min<uint64_t>(
            write.bytes.size(), ((write.offset + at) / kSector + 1) * kSector - write.offset);
        if (disk.Chance(2)) {
          SimWrite sector;
          sector.offset = write.offset + at;
          sector.bytes = write.bytes.substr(at, next - at);
          ApplyWrite(image, sector);
        }
        at = next;
      }
      return;
    }
    default:  // the length, but not the bytes
      if (image.size() < write.offset + write.bytes.size())
        image.resize(write.offset + write.bytes.size(), '\0');
      return;
  }
}

void ForgetLost(SimNode& node) {
  if (!node.shows_lost) return;
  node.shows_lost = false;
  node.seen = node.durable;
  for (const auto& write : node.pending) ApplyWrite(node.seen, write);
}

}  // namespace

void ApplyWrite(std::string& image, const SimWrite& write) {
  if (write.truncate) {
    image.resize(write.offset, '\0');
    return;
  }
  if (write.bytes.empty()) return;
  if (image.size() < write.offset + write.bytes.size())
    image.resize(write.offset + write.bytes.size(), '\0');
  image.replace(write.offset, write.bytes.size(), write.bytes);
}

SimFiles::Disk::Verdict SimFiles::Disk::Begin(std::initializer_list<Fault> possible) {
  Verdict verdict;
  if (killed) {
    verdict.dead = true;
    return verdict;
  }
  const uint64_t number = operations++;
  if (kill_at && number >= *kill_at) {
    killed = true;
    verdict.dead = true;
    verdict.done_all_the_same = Chance(2);
    return verdict;
  }
  for (auto& plan : planned) {
    if (plan.left == 0 || number < plan.operation) continue;
    if (std::find(possible.begin(), possible.end(), plan.fault) == possible.end()) continue;
    --plan.left;
    ++faults_met;
    verdict.fault = plan.fault;
    break;
  }
  return verdict;
}

void SimFiles::Disk::Change(const std::string& folder,
                            std::vector<std::pair<std::string, SimNodePtr>> names) {
  for (const auto& [name, node] : names) SetName(seen, name, node);
  pending.push_back({folder, std::move(names)});
}

void SimFiles::Disk::SyncNames(const std::string& folder) {
  for (const auto& change : pending) {
    if (change.folder != folder) continue;
    for (const auto& [name, node] : change.names) SetName(durable, name, node);
  }
  std::erase_if(pending, [&](const auto& change) { return change.folder == folder; });
}

void SimFiles::Disk::LoseSome(SimNode& node) {
  for (const auto& write : node.pending) {
    if (Chance(2)) ApplyWrite(node.durable, write);
  }
  node.pending.clear();
  // The cache may have thrown away what it could not write.
  node.shows_lost = true;
  if (Chance(4)) ForgetLost(node);
}

void SimFiles::Disk::KillProcess() {
  for (const auto& [name, node] : seen) ForgetLost(*node);
}

void SimFiles::Disk::CutPower() {
  // Names: as a journalling file system does it (up to some point), or each by itself.
  const bool ordered = Chance(2);
  const size_t kept = Below(pending.size() + 1);
  for (size_t i = 0; i < pending.size(); ++i) {
    if (ordered ? i >= kept : Chance(2)) continue;
    for (const auto& [name, node] : pending[i].names) SetName(durable, name, node);
  }
  pending.clear();
  std::set<SimNode*> done;
  for (const auto& [name, node] : durable) {
    if (!done.insert(node.get()).second) continue;
    // All writes up to some point with the next one torn, or each by itself.
    const bool in_order = Chance(2);
    const size_t whole = Below(node->pending.size() + 1);
    for (size_t i = 0; i < node->pending.size(); ++i) {
      const auto& write = node->pending[i];
      if (in_order) {
        if (i < whole) ApplyWrite(node->durable, write);
        if (i == whole && !write.truncate) ApplyTorn(*this, node->durable, write);
      } else if (Chance(2)) {
        ApplyWrite(node->durable, write);
      } else if (!write.truncate && Chance(2)) {
        ApplyTorn(*this, node->durable, write);
      }
    }
    node->pending.clear();
    node->shows_lost = false;
    node->seen = node->durable;
  }
  seen = durable;
}

}  // namespace mailreeve::io
