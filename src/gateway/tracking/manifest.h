#pragma once

#include "base/result.h"
#include "gateway/segment/segment.h"
#include "io/files.h"

#include <cstdint>
#include <string>
#include <vector>

// Which segments and journals make up the store: one small file that is replaced whole. Internal to
// this folder. docs/tracking-format.md section 1.
namespace mailreeve::gateway::tracking {

// Acknowledged frames of a journal that were damaged: remembered after the journal has gone, since
// no answer is complete any more.
struct LostFrames {
  std::string file;
  uint64_t offset = 0, bytes = 0;
  auto operator<=>(const LostFrames&) const = default;
};

struct Manifest {
  uint64_t next_segment = 1;
  uint64_t first_journal = 1;                    // earlier ones are in segments
  uint64_t reserved_mid = 1, reserved_icid = 1;  // first ids that were never given out
  std::vector<segment::SegmentInfo> segments;    // in order of their journals
  std::vector<LostFrames> lost;
};
inline constexpr const char* kManifestName = "MANIFEST";

std::string Encode(const Manifest& manifest);
Result<Manifest> DecodeManifest(std::string_view bytes);
// kNotFound: there is none.
Result<Manifest> ReadManifest(io::Files& files, const std::string& dir);
Result<void> WriteManifest(io::Files& files, const std::string& dir, const Manifest& manifest);

}  // namespace mailreeve::gateway::tracking
