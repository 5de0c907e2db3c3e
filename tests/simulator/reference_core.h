#pragma once

#include "simulator/simulation.h"

// A tracking store of the plainest kind, one that keeps its journal's promises and does nothing
// else; and versions of it that each make one mistake that stores have made. The simulator must
// pass the first and catch every other.
namespace mailreeve::simulator {

enum class Mistake : uint8_t {
  kNone,
  kSkipsSync,           // acknowledges what is only in the cache
  kIgnoresFailedSync,   // acknowledges although the sync failed
  kTrustsFailedFile,    // after a failed sync it appends to the same file
  kKeepsTornTail,       // appends behind what a crash left of the last write
  kSkipsFolderSync,     // the name of its file may be lost
  kTrustsCacheAtStart,  // what it reads at the start may not be on disk
  kForgetsIds,          // ids are not reserved
  kTakesEventTwice,     // does not look for dedup keys when it replays
};

// As a Subject that only keeps.
Subject Reference(Mistake mistake);

}  // namespace mailreeve::simulator
