#pragma once

#include "base/wire.h"
#include "gateway/segment/segment.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

// What stands where in a segment file. Internal to this folder; docs/tracking-format.md section 3
// is the definition.
namespace mailreeve::gateway::segment {

inline constexpr std::string_view kSegmentMagic = "MRSEGM01";
inline constexpr size_t kSegmentHead = 24;  // magic, version, 4 bytes of 0, checksum
inline constexpr size_t kSegmentTail = 24;  // size of the footer, its checksum, magic
inline constexpr size_t kMaxFrameBytes = size_t{256} << 20;  // decompressed
inline constexpr size_t kLaterChunk = 256;                   // mids in one chunk of later events

enum class Section : uint8_t {
  kBlocks,
  kBlockDirectory,
  kIndex,
  kIndexDirectory,
  kFilter,
  kSubjectTrigrams,
  kOtherTrigrams,
  kDictionaries,
  kLaterEvents,
  kLaterDirectory,
  kCounters,
};
inline constexpr size_t kSections = 11;

struct Place {
  uint64_t offset = 0, size = 0, checksum = 0;
};

struct Footer {
  SegmentInfo info;
  std::array<Place, kSections> sections{};
  unsigned key_bits = 64;
  unsigned subject_slot_bits = 0, other_slot_bits = 0;
  uint64_t keys = 0;
};
std::string Encode(const Footer& footer);
Result<Footer> DecodeFooter(std::string_view bytes, uint64_t file_bytes);

struct BlockEntry {
  Segment::Block block;
  uint64_t offset = 0;     // in the file
  uint32_t size = 0;       // of all
  uint32_t lead_size = 0;  // of the head and the parts that are looked through
  uint64_t checksum = 0;   // of the head
};
// Of version 1: a block is one group of rows, each frame a part of its own.
struct OldFrames {
  std::array<uint32_t, kFrames> sizes{};
  std::array<uint64_t, kFrames> checksums{};
};
struct BlockDirectory {
  std::vector<BlockEntry> entries;
  std::vector<OldFrames> old;  // of version 1, one for each entry
};
std::string Encode(const std::vector<BlockEntry>& blocks);
Result<BlockDirectory> DecodeBlocks(std::string_view bytes, const Footer& footer, uint32_t version);

// What stands where in a block: groups of rows that are read alone, and parts, which are read and
// proved as a whole.
struct BlockHead {
  struct Part {
    uint64_t offset = 0;  // in the block
    uint32_t size = 0;
    uint64_t checksum = 0;
  };
  struct Piece {
    uint32_t part = 0;
    uint32_t offset = 0, size = 0;  // in the part
  };
  struct Group {
    uint32_t rows = 0;
    std::array<Piece, kFrames> frames{};
  };
  std::vector<Part> parts;
  std::vector<Group> groups;
};
// Frames of groups of rows as the bytes of a block; sets size, lead_size and checksum.
struct PackedGroup {
  uint32_t rows = 0;
  Frames frames;
};
std::string EncodeBlock(const std::vector<PackedGroup>& groups, BlockEntry& entry);
// `lead` begins with the head; proves it.
Result<BlockHead> DecodeBlockHead(std::string_view lead, const BlockEntry& entry);
BlockHead HeadOf(const BlockEntry& entry, const OldFrames& old);

struct LaterChunk {
  uint64_t offset = 0, size = 0, checksum = 0;  // offset in the file
};
struct LaterDirectory {
  std::vector<uint64_t> mids;
  std::vector<LaterChunk> chunks;  // of kLaterChunk mids each
};
std::string Encode(const LaterDirectory& directory);
Result<LaterDirectory> DecodeLaterDirectory(std::string_view bytes, const Footer& footer);

// The number of slots grows with the rows, so that small segments stay small.
inline unsigned SlotBits(TextIndex index, uint32_t rows) {
  const unsigned most = index == TextIndex::kSubjects ? 16 : 17;
  return rows < 512 ? most - 6 : rows < 16384 ? most - 2 : most;
}
inline uint32_t TextGroupCount(uint32_t rows) {
  return (rows + kTextGroupRows - 1) / kTextGroupRows;
}

std::string CompressWhole(std::string_view bytes, int level);
Result<std::string> DecompressWhole(std::string_view bytes, const char* what);

}  // namespace mailreeve::gateway::segment
