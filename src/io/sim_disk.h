#pragma once

#include "io/sim_files.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

// The two images of io::SimFiles and what may happen to them. Private to sim_files.cc and
// sim_disk.cc.
//
// Threads: every member with `mutex` held.
namespace mailreeve::io {

// A change of a file's bytes that no good Sync followed yet.
struct SimWrite {
  bool truncate = false;
  uint64_t offset = 0;  // or the new size
  std::string bytes;
};

struct SimNode {
  std::string seen;               // what calls read
  std::string durable;            // what is on the platter
  std::vector<SimWrite> pending;  // between the two, oldest first
  bool shows_lost = false;        // a failed Sync lost some of what calls still see
};
using SimNodePtr = std::shared_ptr<SimNode>;

// A change of a folder that no SyncFolder followed yet: the name now stands for `node`, or for
// nothing.
struct SimNameChange {
  std::string folder;
  std::vector<std::pair<std::string, SimNodePtr>> names;  // both names of a rename
};

struct SimFiles::Disk {
  explicit Disk(uint64_t seed) : random(seed) {}

  mutable std::mutex mutex;
  std::mt19937_64 random;
  uint64_t operations = 0;
  uint64_t generation = 0;  // crashes so far
  std::optional<uint64_t> kill_at;
  bool killed = false;
  struct PlannedFault {
    uint64_t operation;
    Fault fault;
    uint64_t left;
  };
  std::vector<PlannedFault> planned;
  uint64_t faults_met = 0;

  std::map<std::string, SimNodePtr> seen, durable;
  std::vector<SimNameChange> pending;  // oldest first
  std::set<std::string> folders{"", "/", "."};
  std::set<std::string> locked;

  uint64_t Below(uint64_t end) { return end == 0 ? 0 : random() % end; }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }

  // What becomes of the call that begins now.
  struct Verdict {
    bool dead = false;               // it and all later ones fail
    bool done_all_the_same = false;  // the kill came after its work
    std::optional<Fault> fault;
  };
  Verdict Begin(std::initializer_list<Fault> possible);

  void Change(const std::string& folder, std::vector<std::pair<std::string, SimNodePtr>> names);
  void SyncNames(const std::string& folder);
  // What a Sync that failed leaves of a file.
  void LoseSome(SimNode& node);
  void KillProcess();
  void CutPower();
};

void ApplyWrite(std::string& image, const SimWrite& write);

}  // namespace mailreeve::io
