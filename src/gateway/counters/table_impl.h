#pragma once

#include "base/time.h"
#include "gateway/counters/counters.h"
#include "gateway/counters/group.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

// What a Table is made of; for the encoder and the merger.
namespace mailreeve::gateway::counters {

// Hours since 1970.
int64_t HourOf(Time time);
Time TimeOfHour(int64_t hour);

// A key is at most this long; what is cut ends in "…" and is no observable any more.
inline constexpr size_t kMaxKeyBytes = 512;
// New keys of one dimension that one message may bring; what it has above them is in "others".
inline constexpr size_t kMaxNewKeysPerMessage = 1000;
// Rows of a table in memory; above it the least are dropped into "others".
inline constexpr size_t kMaxTableRows = 3'000'000;

// Times outside these years count in the first or last hour of them: an imported date may be
// anything, and the hours of a table must fit into one frame.
inline constexpr int64_t kFirstHour = 175'320;   // 1990-01-01
inline constexpr int64_t kLastHour = 1'139'567;  // the last of 2099
static_assert(kLastHour - kFirstHour < (1 << 20));

struct Hour {
  Group<uint64_t> all;  // bytes of an hour need the room
  std::array<std::unique_ptr<Group<uint32_t>>, kDimensions> by;
  Group<uint32_t>& Of(Dimension dimension) {
    auto& group = by[static_cast<size_t>(dimension)];
    if (!group) group = std::make_unique<Group<uint32_t>>();
    return *group;
  }
};

struct Table::Impl {
  Shapes shapes;
  std::map<int64_t, Hour> hours;
  size_t rows = 0;
  size_t max_rows = kMaxTableRows;
  size_t prune_at = kMaxTableRows;

  Hour& At(int64_t hour) {
    hour = std::clamp(hour, kFirstHour, kLastHour);
    if (last == nullptr || last_hour != hour) {
      last = &hours[hour];
      last_hour = hour;
    }
    return *last;
  }
  // True when this connection was not seen among the last ones.
  bool FirstOf(mail::Icid icid) {
    if (icid == 0) return false;
    mail::Icid& slot = connections[icid % connections.size()];
    if (slot == icid) return false;
    slot = icid;
    return true;
  }
  void PruneWhenFull();

  // What a message adds waits here until all of it is known: then the rows that it touches are
  // fetched from memory side by side and not one after the other.
  struct Pending {
    Group<uint32_t>* group = nullptr;
    std::string_view key;
    uint64_t hash = 0;
    uint32_t shape = 0, values_at = 0, row = 0;
    uint8_t dimension = 0;
  };
  static constexpr size_t kMaxPending = 256;
  std::vector<Pending> pending;
  std::vector<uint64_t> pending_values;
  std::array<size_t, kDimensions> new_keys{};  // that this message has brought
  void Apply();
  // Text that lives until Apply.
  std::string_view Keep(std::string_view text);

  int64_t last_hour = 0;
  Hour* last = nullptr;
  std::array<mail::Icid, 4096> connections{};
  // Room that is used again by each message.
  std::string key, kept;
  std::vector<std::string> composed;
  std::vector<std::string_view> views;
};

}  // namespace mailreeve::gateway::counters
