#include "gateway/segment/segment_layout.h"

#include "gateway/segment/checksum.h"

#include <zstd.h>

#include <algorithm>
#include <charconv>

namespace mailreeve::gateway::segment {
namespace {

bool Inside(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

void Put(WireWriter& writer, Time time) { writer.Signed(ToEpochMicros(time)); }
Time GetTime(WireReader& reader) { return FromEpochMicros(reader.Signed()); }

void Put(WireWriter& writer, const SegmentInfo& info) {
  writer.Number(info.id);
  writer.Number(info.first_journal);
  writer.Number(info.last_journal);
  writer.Number(info.rows);
  writer.Number(info.file_bytes);
  Put(writer, info.oldest);
  Put(writer, info.newest);
  writer.Number(info.first_mid);
  writer.Number(info.last_mid);
}
SegmentInfo GetInfo(WireReader& reader) {
  SegmentInfo info;
  info.id = reader.Number();
  info.first_journal = reader.Number();
  info.last_journal = reader.Number();
  info.rows = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
  info.file_bytes = reader.Number();
  info.oldest = GetTime(reader);
  info.newest = GetTime(reader);
  info.first_mid = reader.Number();
  info.last_mid = reader.Number();
  return info;
}

}  // namespace

std::string SegmentName(uint64_t id) {
  std::string digits = std::to_string(id);
  if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
  return "segment-" + digits + ".seg";
}
uint64_t SegmentId(std::string_view name) {
  if (!name.starts_with("segment-") || !name.ends_with(".seg")) return 0;
  const std::string_view digits = name.substr(8, name.size() - 12);
  uint64_t out = 0;
  const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return got.ec == std::errc() && got.ptr == digits.data() + digits.size() ? out : 0;
}

std::string Encode(const SegmentInfo& info) {
  WireWriter writer;
  Put(writer, info);
  return writer.Take();
}
Result<SegmentInfo> DecodeSegmentInfo(std::string_view bytes) {
  WireReader reader(bytes);
  SegmentInfo info = GetInfo(reader);
  TRY_VOID(reader.Finish("segment description"));
  return info;
}

std::string Encode(const Footer& footer) {
  WireWriter writer;
  Put(writer, footer.info);
  for (const Place& place : footer.sections) {
    writer.Number(place.offset);
    writer.Number(place.size);
    writer.Number(place.checksum);
  }
  writer.Number(footer.key_bits);
  writer.Number(footer.subject_slot_bits);
  writer.Number(footer.other_slot_bits);
  writer.Number(footer.keys);
  return writer.Take();
}
Result<Footer> DecodeFooter(std::string_view bytes, uint64_t file_bytes) {
  WireReader reader(bytes);
  Footer out;
  out.info = GetInfo(reader);
  bool good = true;
  for (Place& place : out.sections) {
    place.offset = reader.Number();
    place.size = reader.Number();
    place.checksum = reader.Number();
    good &= Inside(place.offset, place.size, file_bytes);
  }
  out.key_bits = static_cast<unsigned>(reader.NumberUpTo(64));
  out.subject_slot_bits = static_cast<unsigned>(reader.NumberUpTo(24));
  out.other_slot_bits = static_cast<unsigned>(reader.NumberUpTo(24));
  out.keys = reader.Number();
  TRY_VOID(reader.Finish("segment footer"));
  if (!good || out.key_bits != kKeyBits)
    return Fail(Code::kCorrupt, "its footer does not make sense");
  return out;
}

std::string Encode(const std::vector<BlockEntry>& blocks) {
  WireWriter writer;
  writer.Number(blocks.size());
  uint64_t offset = 0;
  int64_t time = 0;
  uint64_t mid = 0, icid = 0;
  for (const BlockEntry& entry : blocks) {
    writer.Number(entry.offset - offset);
    offset = entry.offset;
    writer.Number(entry.block.rows);
    writer.Signed(ToEpochMicros(entry.block.oldest) - time);
    time = ToEpochMicros(entry.block.oldest);
    writer.Signed(ToEpochMicros(entry.block.newest) - time);
    writer.Signed(static_cast<int64_t>(entry.block.first_mid - mid));
    mid = entry.block.first_mid;
    writer.Number(entry.block.last_mid - mid);
    writer.Signed(static_cast<int64_t>(entry.block.first_icid - icid));
    icid = entry.block.first_icid;
    writer.Number(entry.block.last_icid - icid);
    writer.Number(entry.size);
    writer.Number(entry.lead_size);
    writer.Number(entry.checksum);
  }
  return CompressWhole(writer.bytes(), 1);
}
Result<BlockDirectory> DecodeBlocks(std::string_view bytes, const Footer& footer,
                                    uint32_t version) {
  TRY(const std::string plain, DecompressWhole(bytes, "block directory"));
  WireReader reader(plain);
  const Place& blocks = footer.sections[static_cast<size_t>(Section::kBlocks)];
  BlockDirectory out;
  out.entries.resize(reader.Count());
  if (version == 1) out.old.resize(out.entries.size());
  uint64_t offset = 0, rows = 0;
  int64_t time = 0;
  uint64_t mid = 0, icid = 0;
  bool good = true;
  const auto add = [](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  };
  for (size_t i = 0; i < out.entries.size(); ++i) {
    if (!reader.ok()) break;
    BlockEntry& entry = out.entries[i];
    entry.offset = offset += reader.Number();
    entry.block.first_row = static_cast<uint32_t>(rows);
    entry.block.rows = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
    rows += entry.block.rows;
    time = add(time, reader.Signed());
    entry.block.oldest = FromEpochMicros(time);
    entry.block.newest = FromEpochMicros(add(time, reader.Signed()));
    entry.block.first_mid = mid += static_cast<uint64_t>(reader.Signed());
    entry.block.last_mid = mid + reader.Number();
    entry.block.first_icid = icid += static_cast<uint64_t>(reader.Signed());
    entry.block.last_icid = icid + reader.Number();
    if (version == 1) {
      OldFrames& old = out.old[i];
      uint64_t size = 0;
      for (uint32_t& each : old.sizes) {
        each = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
        size += each;
      }
      for (uint64_t& checksum : old.checksums) checksum = reader.Number();
      good &= size <= UINT32_MAX;
      entry.size = static_cast<uint32_t>(size);
    } else {
      entry.size = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
      entry.lead_size = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
      entry.checksum = reader.Number();
      good &= entry.lead_size <= entry.size;
    }
    good &= entry.block.rows > 0 && rows <= footer.info.rows && entry.offset >= blocks.offset &&
            Inside(entry.offset - blocks.offset, entry.size, blocks.size);
  }
  TRY_VOID(reader.Finish("block directory"));
  if (!good || rows != footer.info.rows) {
    return Fail(Code::kCorrupt, "its block directory does not make sense");
  }
  return out;
}

namespace {

// Parts that are looked through without reading records: the frames of one class of all groups.
constexpr std::array<Frame, 2> kLookedThrough = {Frame::kSubjects, Frame::kNames};
bool IsLookedThrough(size_t frame) {
  return std::find(kLookedThrough.begin(), kLookedThrough.end(), static_cast<Frame>(frame)) !=
         kLookedThrough.end();
}

}  // namespace

std::string EncodeBlock(const std::vector<PackedGroup>& groups, BlockEntry& entry) {
  std::vector<std::string> parts;
  for (const Frame frame : kLookedThrough) {
    std::string& part = parts.emplace_back();
    for (const PackedGroup& group : groups) part += group.frames[static_cast<size_t>(frame)];
  }
  for (const PackedGroup& group : groups) {
    std::string& part = parts.emplace_back();
    for (size_t frame = 0; frame < kFrames; ++frame) {
      if (!IsLookedThrough(frame)) part += group.frames[frame];
    }
  }
  WireWriter head;
  head.Number(groups.size());
  for (const PackedGroup& group : groups) {
    head.Number(group.rows);
    for (const std::string& frame : group.frames) head.Number(frame.size());
  }
  for (const std::string& part : parts) head.Number(Checksum(part));
  std::string bytes;
  const uint64_t size = head.bytes().size();
  bytes.push_back(static_cast<char>(size));
  bytes.push_back(static_cast<char>(size >> 8));
  bytes.push_back(static_cast<char>(size >> 16));
  bytes += head.bytes();
  entry.checksum = Checksum(bytes);
  for (size_t i = 0; i < parts.size(); ++i) {
    bytes += parts[i];
    if (i + 1 == kLookedThrough.size()) entry.lead_size = static_cast<uint32_t>(bytes.size());
  }
  entry.size = static_cast<uint32_t>(bytes.size());
  return bytes;
}

Result<BlockHead> DecodeBlockHead(std::string_view lead, const BlockEntry& entry) {
  const auto broken = [&entry] {
    return Fail(Code::kCorrupt,
                "the head of the block at offset " + std::to_string(entry.offset) + " is damaged");
  };
  if (lead.size() < 3) return broken();
  size_t size = 3;
  for (size_t i = 0; i < 3; ++i) size += size_t{static_cast<uint8_t>(lead[i])} << (8 * i);
  if (size > lead.size() || Checksum(lead.substr(0, size)) != entry.checksum) return broken();
  WireReader reader(lead.substr(3, size - 3));
  BlockHead out;
  out.groups.resize(reader.Count());
  uint64_t rows = 0, all = size;
  for (BlockHead::Group& group : out.groups) {
    group.rows = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
    rows += group.rows;
    for (BlockHead::Piece& piece : group.frames) {
      piece.size = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
      all += piece.size;
    }
  }
  // Sizes add up to the whole block, so that none can be larger than it is.
  if (!reader.ok() || rows != entry.block.rows || all != entry.size) return broken();
  uint64_t offset = size;
  const auto take = [&](BlockHead::Piece& piece) {
    BlockHead::Part& part = out.parts.back();
    piece.part = static_cast<uint32_t>(out.parts.size() - 1);
    piece.offset = part.size;
    part.size += piece.size;
    offset += piece.size;
  };
  const auto begin = [&] { out.parts.push_back({offset, 0, reader.Number()}); };
  for (const Frame frame : kLookedThrough) {
    begin();
    for (BlockHead::Group& group : out.groups) take(group.frames[static_cast<size_t>(frame)]);
  }
  if (offset != entry.lead_size) return broken();
  for (BlockHead::Group& group : out.groups) {
    begin();
    for (size_t frame = 0; frame < kFrames; ++frame) {
      if (!IsLookedThrough(frame)) take(group.frames[frame]);
    }
  }
  if (!reader.Finish("block")) return broken();
  return out;
}

BlockHead HeadOf(const BlockEntry& entry, const OldFrames& old) {
  BlockHead out;
  BlockHead::Group& group = out.groups.emplace_back();
  group.rows = entry.block.rows;
  uint64_t offset = 0;
  for (size_t frame = 0; frame < kFrames; ++frame) {
    group.frames[frame] = {static_cast<uint32_t>(frame), 0, old.sizes[frame]};
    out.parts.push_back({offset, old.sizes[frame], old.checksums[frame]});
    offset += old.sizes[frame];
  }
  return out;
}

std::string Encode(const LaterDirectory& directory) {
  WireWriter writer;
  writer.Number(directory.mids.size());
  uint64_t last = 0;
  for (const uint64_t mid : directory.mids) {
    writer.Number(mid - last);
    last = mid;
  }
  for (const LaterChunk& chunk : directory.chunks) {
    writer.Number(chunk.offset);
    writer.Number(chunk.size);
    writer.Number(chunk.checksum);
  }
  return CompressWhole(writer.bytes(), 1);
}
Result<LaterDirectory> DecodeLaterDirectory(std::string_view bytes, const Footer& footer) {
  TRY(const std::string plain, DecompressWhole(bytes, "directory of later events"));
  WireReader reader(plain);
  const Place& events = footer.sections[static_cast<size_t>(Section::kLaterEvents)];
  LaterDirectory out;
  out.mids.resize(reader.Count());
  uint64_t last = 0;
  bool good = true;
  for (uint64_t& mid : out.mids) {
    const uint64_t more = reader.Number();
    good &= more > 0 && last + more > last;
    mid = last += more;
  }
  out.chunks.resize((out.mids.size() + kLaterChunk - 1) / kLaterChunk);
  for (LaterChunk& chunk : out.chunks) {
    chunk.offset = reader.Number();
    chunk.size = reader.Number();
    chunk.checksum = reader.Number();
    good &= chunk.offset >= events.offset &&
            Inside(chunk.offset - events.offset, chunk.size, events.size);
  }
  TRY_VOID(reader.Finish("directory of later events"));
  if (!good) return Fail(Code::kCorrupt, "its directory of later events does not make sense");
  return out;
}

std::string CompressWhole(std::string_view bytes, int level) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level));
  return out;
}
Result<std::string> DecompressWhole(std::string_view bytes, const char* what) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN &&
      size <= kMaxFrameBytes) {
    std::string out(size, '\0');
    const size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
    if (!ZSTD_isError(got) && got == size) return out;
  }
  return Fail(Code::kCorrupt, "the " + std::string(what) + " cannot be decompressed");
}

}  // namespace mailreeve::gateway::segment
