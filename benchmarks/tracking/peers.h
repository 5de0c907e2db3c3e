#pragma once

#include "figures.h"
#include "generator.h"
#include "observable/observable.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What others do with the same mail on the same machine: SQLite with the same indexes, RocksDB with
// the same keys, ClickHouse as Debian has it, and a search through the mail log.
//
// Threads: one. A peer lives in a folder of its own and ends its processes when it is destroyed.
namespace mailreeve::bench {

// Messages in one durable write: what the store's own group commit takes at most.
inline constexpr size_t kPeerGroup = 4096;

class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::string name() const = 0;
  // Said beside the figures: what it does otherwise than the store.
  virtual std::string note() const { return ""; }
  // How many lookups are fair to ask of it.
  virtual size_t lookups() const { return 200; }

  // kUnavailable: it is not installed, or does not start.
  virtual Result<void> Open(const std::string& folder) = 0;
  virtual Result<void> Append(std::vector<Made>& messages) = 0;
  // All that it does later, done now.
  virtual Result<void> Settle() = 0;
  // On disk; absent: all that is in its folder.
  virtual std::optional<uint64_t> Bytes() { return std::nullopt; }
  // The newest `limit` messages that show it, each record read and decoded. kUnavailable: it cannot
  // tell.
  virtual Result<std::vector<mail::Mid>> Lookup(const observable::Observable& observable,
                                                size_t limit) = 0;
  virtual Result<uint64_t> CountSubjects(const std::string& folded) = 0;
  // Of incoming mail.
  virtual Result<std::vector<std::pair<std::string, uint64_t>>> TopSenders(Time from, Time until,
                                                                           size_t count) = 0;
};

std::unique_ptr<Peer> MakeSqlitePeer();
std::unique_ptr<Peer> MakeRocksdbPeer();
std::unique_ptr<Peer> MakeClickhousePeer();
std::unique_ptr<Peer> MakeLogPeer();

// Fingerprints of what the message shows, sorted and unique.
std::vector<uint64_t> ShownFingerprints(const mail::MessageRecord& record);

struct PeerPlan {
  uint64_t messages = 1'000'000;
  double seconds = 120;  // of appending; then it holds what it holds
  std::string folder;
  bool keep = false;
};
// Every peer in turn; what is missing is said. Returns how many answers were wrong.
uint64_t MeasurePeers(const Generator& generator, const PeerPlan& plan, Figures& figures);

}  // namespace mailreeve::bench
