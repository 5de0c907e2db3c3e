#include "gateway/segment/segment_layout.h"

#include <zstd.h>

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
    for (const uint32_t size : entry.sizes) writer.Number(size);
    for (const uint64_t checksum : entry.checksums) writer.Number(checksum);
  }
  return CompressWhole(writer.bytes(), 1);
}
Result<std::vector<BlockEntry>> DecodeBlocks(std::string_view bytes, const Footer& footer) {
  TRY(const std::string plain, DecompressWhole(bytes, "block directory"));
  WireReader reader(plain);
  const Place& blocks = footer.sections[static_cast<size_t>(Section::kBlocks)];
  std::vector<BlockEntry> out(reader.Count());
  uint64_t offset = 0, rows = 0;
  int64_t time = 0;
  uint64_t mid = 0, icid = 0;
  bool good = true;
  const auto add = [](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  };
  for (BlockEntry& entry : out) {
    if (!reader.ok()) break;
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
    for (uint32_t& size : entry.sizes) size = static_cast<uint32_t>(reader.NumberUpTo(UINT32_MAX));
    for (uint64_t& checksum : entry.checksums) checksum = reader.Number();
    good &= entry.block.rows > 0 && rows <= footer.info.rows && entry.offset >= blocks.offset &&
            Inside(entry.offset - blocks.offset, entry.size(), blocks.size);
  }
  TRY_VOID(reader.Finish("block directory"));
  if (!good || rows != footer.info.rows) {
    return Fail(Code::kCorrupt, "its block directory does not make sense");
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
