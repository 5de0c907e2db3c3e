#include "gateway/segment/segment.h"

#include "base/check.h"
#include "gateway/segment/checksum.h"
#include "gateway/segment/segment_layout.h"
#include "gateway/segment/trigram_filter.h"

#include <algorithm>
#include <cstring>

namespace mailreeve::gateway::segment {
namespace {

uint64_t Get64(std::string_view from, size_t at) {
  uint64_t value = 0;
  std::memcpy(&value, from.data() + at, 8);
  return value;
}

}  // namespace

struct Segment::Inside {
  std::unique_ptr<io::File> file;
  Footer footer;
  uint32_t version = 0;
  std::vector<BlockEntry> blocks;
  std::vector<OldFrames> old;  // of version 1
  FingerprintIndex index;
  Dictionaries dictionaries;
  LaterDirectory later;

  mutable std::atomic<bool> filters_tried{false};
  mutable std::atomic<bool> trigrams_good{false};
  mutable std::mutex filter_mutex;
  mutable std::atomic<const FuseFilter*> filter{nullptr};
  mutable std::unique_ptr<FuseFilter> filter_owned;

  const Place& At(Section section) const { return footer.sections[static_cast<size_t>(section)]; }

  Result<std::string> Read(uint64_t offset, uint64_t size) const {
    TRY(std::string bytes, file->ReadAt(offset, size));
    if (bytes.size() != size) {
      return Fail(Code::kCorrupt, "it ends before offset " + std::to_string(offset + size));
    }
    return bytes;
  }
  Result<std::string> ReadSection(Section section) const {
    const Place& place = At(section);
    TRY(std::string bytes, Read(place.offset, place.size));
    if (Checksum(bytes) != place.checksum) {
      return Fail(Code::kCorrupt, "the checksum of the section at offset " +
                                      std::to_string(place.offset) + " is wrong");
    }
    return bytes;
  }

  // A block being read: its head, and the parts that were asked for.
  struct Opened {
    BlockHead head;
    std::string lead;                // bytes from the block's begin on
    std::vector<std::string> parts;  // those that were read
    std::vector<bool> proved;
  };
  Result<Opened> OpenBlock(size_t block) const {
    const BlockEntry& entry = blocks[block];
    Opened out;
    if (version == 1) {
      out.head = HeadOf(entry, old[block]);
    } else {
      TRY(out.lead, Read(entry.offset, entry.lead_size));
      TRY(out.head, DecodeBlockHead(out.lead, entry));
    }
    out.parts.resize(out.head.parts.size());
    out.proved.resize(out.head.parts.size());
    return out;
  }
  // Reads all at once what is to be read whole.
  Result<void> ReadAhead(size_t block, Opened& opened) const {
    TRY(opened.lead, Read(blocks[block].offset, blocks[block].size));
    return {};
  }
  Result<std::string_view> PartOf(size_t block, Opened& opened, size_t index) const {
    const BlockHead::Part& part = opened.head.parts[index];
    const uint64_t offset = blocks[block].offset + part.offset;
    std::string_view bytes;
    if (part.offset + part.size <= opened.lead.size()) {
      bytes = std::string_view(opened.lead).substr(part.offset, part.size);
    } else {
      if (!opened.proved[index]) {
        TRY(opened.parts[index], Read(offset, part.size));
      }
      bytes = opened.parts[index];
    }
    if (!opened.proved[index] && Checksum(bytes) != part.checksum) {
      return Fail(Code::kCorrupt, "the checksum of the part of a block at offset " +
                                      std::to_string(offset) + " is wrong");
    }
    opened.proved[index] = true;
    return bytes;
  }
  Result<std::string> ReadFrame(size_t block, Opened& opened, size_t group, size_t frame) const {
    const BlockHead::Piece& piece = opened.head.groups[group].frames[frame];
    TRY(const std::string_view part, PartOf(block, opened, piece.part));
    return Decompress(static_cast<Frame>(frame), part.substr(piece.offset, piece.size),
                      dictionaries, kMaxFrameBytes);
  }
};

Segment::Segment() : inside_(std::make_unique<Inside>()) {}
Segment::~Segment() = default;

Error Segment::Annotate(Error error) const {
  return std::move(error).Note("segment '" + path_ + "'");
}

#define SEGMENT_TRY(decl, ...) \
  TRY(decl, (__VA_ARGS__).map_error([this](Error error) { return Annotate(std::move(error)); }))
#define SEGMENT_TRY_VOID(...) \
  TRY_VOID((__VA_ARGS__).map_error([this](Error error) { return Annotate(std::move(error)); }))

Result<std::shared_ptr<Segment>> Segment::Open(io::Files& files, const std::string& dir,
                                               uint64_t id) {
  std::shared_ptr<Segment> out(new Segment);
  out->path_ = dir + "/" + SegmentName(id);
  const auto open = [&]() -> Result<void> {
    Inside& s = *out->inside_;
    TRY(s.file, files.Open(out->path_, io::OpenMode::kRead));
    TRY(const uint64_t size, s.file->Size());
    if (size < kSegmentHead + kSegmentTail) return Fail(Code::kCorrupt, "it is too short");
    TRY(const std::string head, s.Read(0, kSegmentHead));
    if (!head.starts_with(kSegmentMagic) || Checksum(head.substr(0, 16)) != Get64(head, 16)) {
      return Fail(Code::kCorrupt, "its head, at offset 0, is damaged");
    }
    s.version = static_cast<uint32_t>(Get64(head, 8));
    if (s.version > kSegmentVersion) return Fail(Code::kConflict, "a newer program wrote it");
    TRY(const std::string tail, s.Read(size - kSegmentTail, kSegmentTail));
    const uint64_t footer_size = Get64(tail, 0);
    if (!tail.ends_with(kSegmentMagic) || footer_size > size - kSegmentHead - kSegmentTail) {
      return Fail(Code::kCorrupt,
                  "its end, at offset " + std::to_string(size - kSegmentTail) + ", is damaged");
    }
    TRY(const std::string footer, s.Read(size - kSegmentTail - footer_size, footer_size));
    if (Checksum(footer) != Get64(tail, 8)) {
      return Fail(Code::kCorrupt, "its footer, at offset " +
                                      std::to_string(size - kSegmentTail - footer_size) +
                                      ", is damaged");
    }
    TRY(s.footer, DecodeFooter(footer, size));
    if (s.footer.info.id != id) return Fail(Code::kCorrupt, "it is another segment, renamed");
    out->info_ = s.footer.info;
    out->info_.file_bytes = size;
    TRY(const std::string blocks, s.ReadSection(Section::kBlockDirectory));
    TRY(BlockDirectory directory_of_blocks, DecodeBlocks(blocks, s.footer, s.version));
    s.blocks = std::move(directory_of_blocks.entries);
    s.old = std::move(directory_of_blocks.old);
    TRY(const std::string packed, s.ReadSection(Section::kIndexDirectory));
    TRY(const std::string directory, DecompressWhole(packed, "index directory"));
    const Place index = s.At(Section::kIndex);
    const Inside* inside = &s;
    TRY(s.index, FingerprintIndex::Open(
                     directory, s.footer.info.rows, index.size,
                     [inside, index](uint64_t offset, size_t bytes) -> Result<std::string> {
                       return inside->Read(index.offset + offset, bytes);
                     }));
    TRY(const std::string texts, s.ReadSection(Section::kDictionaries));
    WireReader reader(texts);
    Frames dictionaries;
    for (std::string& text : dictionaries) text = reader.String();
    TRY_VOID(reader.Finish("dictionaries"));
    s.dictionaries = Dictionaries(std::move(dictionaries), 0);
    TRY(const std::string later, s.ReadSection(Section::kLaterDirectory));
    TRY(s.later, DecodeLaterDirectory(later, s.footer));
    return {};
  };
  if (auto opened = open(); !opened) return Fail(out->Annotate(std::move(opened).error()));
  return out;
}

Result<void> Segment::LoadFilters() const {
  const std::lock_guard lock(inside_->filter_mutex);
  if (inside_->filters_tried.exchange(true)) return {};
  SEGMENT_TRY(std::string bytes, inside_->ReadSection(Section::kFilter));
  SEGMENT_TRY(FuseFilter filter, FuseFilter::Decode(std::move(bytes)));
  inside_->filter_owned = std::make_unique<FuseFilter>(std::move(filter));
  inside_->filter.store(inside_->filter_owned.get(), std::memory_order_release);
  SEGMENT_TRY([[maybe_unused]] const std::string subjects,
              inside_->ReadSection(Section::kSubjectTrigrams));
  SEGMENT_TRY([[maybe_unused]] const std::string others,
              inside_->ReadSection(Section::kOtherTrigrams));
  inside_->trigrams_good.store(true);
  return {};
}

bool Segment::filters_loaded() const { return inside_->filters_tried.load(); }

bool Segment::MayHold(uint64_t fingerprint) const {
  const FuseFilter* filter = inside_->filter.load(std::memory_order_acquire);
  return filter == nullptr || filter->MayHold(KeyOf(fingerprint, kKeyBits));
}

unsigned Segment::key_bits() const { return inside_->footer.key_bits; }

Result<std::optional<Postings>> Segment::Find(uint64_t fingerprint) const {
  SEGMENT_TRY(auto found, inside_->index.Find(KeyOf(fingerprint, inside_->footer.key_bits)));
  return found;
}

const FingerprintIndex& Segment::index() const { return inside_->index; }

size_t Segment::blocks() const { return inside_->blocks.size(); }
Segment::Block Segment::block(size_t index) const { return inside_->blocks[index].block; }

size_t Segment::BlockOf(uint32_t row) const {
  const auto after = std::upper_bound(
      inside_->blocks.begin(), inside_->blocks.end(), row,
      [](uint32_t r, const BlockEntry& entry) { return r < entry.block.first_row; });
  return static_cast<size_t>(after - inside_->blocks.begin()) - 1;
}

Result<std::vector<mail::MessageRecord>> Segment::Read(size_t block,
                                                       std::span<const uint32_t> rows) const {
  const BlockEntry& entry = inside_->blocks[block];
  SEGMENT_TRY(Inside::Opened opened, inside_->OpenBlock(block));
  const auto& groups = opened.head.groups;
  if (rows.size() * groups.size() >= entry.block.rows) {
    SEGMENT_TRY_VOID(inside_->ReadAhead(block, opened));
  }
  std::vector<mail::MessageRecord> out;
  out.reserve(rows.size());
  uint32_t first = entry.block.first_row;
  size_t next = 0;
  for (size_t group = 0; group < groups.size() && next < rows.size();
       first += groups[group].rows, ++group) {
    size_t end = next;
    while (end < rows.size() && rows[end] - first < groups[group].rows) ++end;
    if (end == next) continue;
    Frames columns;
    for (size_t frame = 0; frame < kFrames; ++frame) {
      SEGMENT_TRY(columns[frame], inside_->ReadFrame(block, opened, group, frame));
    }
    // What stands behind the last one wanted need not be decoded.
    const uint32_t last = rows[end - 1] - first + 1;
    SEGMENT_TRY(auto records, ReadRows(columns, last, [&](uint32_t row) {
                  if (next == end || rows[next] != first + row) return false;
                  ++next;
                  return true;
                }));
    std::move(records.begin(), records.end(), std::back_inserter(out));
  }
  return out;
}

Result<std::vector<RowPlace>> Segment::Places(size_t block) const {
  SEGMENT_TRY(Inside::Opened opened, inside_->OpenBlock(block));
  if (opened.head.groups.size() > 1) SEGMENT_TRY_VOID(inside_->ReadAhead(block, opened));
  std::vector<RowPlace> out;
  out.reserve(inside_->blocks[block].block.rows);
  for (size_t group = 0; group < opened.head.groups.size(); ++group) {
    SEGMENT_TRY(const std::string structure,
                inside_->ReadFrame(block, opened, group, static_cast<size_t>(Frame::kStructure)));
    SEGMENT_TRY(const auto places, ReadPlaces(structure, opened.head.groups[group].rows));
    out.insert(out.end(), places.begin(), places.end());
  }
  return out;
}

Result<std::vector<std::string_view>> Segment::Texts(size_t block, Frame frame,
                                                     std::string& keep) const {
  const auto index = static_cast<size_t>(frame);
  SEGMENT_TRY(Inside::Opened opened, inside_->OpenBlock(block));
  const auto& groups = opened.head.groups;
  if (groups.size() > 1 && groups[0].frames[index].part != groups[1].frames[index].part) {
    SEGMENT_TRY_VOID(inside_->ReadAhead(block, opened));
  }
  std::vector<size_t> sizes;
  keep.clear();
  for (size_t group = 0; group < groups.size(); ++group) {
    SEGMENT_TRY(const std::string column, inside_->ReadFrame(block, opened, group, index));
    keep += column;
    sizes.push_back(column.size());
  }
  std::vector<std::string_view> out;
  size_t at = 0;
  for (const size_t size : sizes) {
    SEGMENT_TRY(const auto texts, TextsOf(std::string_view(keep).substr(at, size)));
    out.insert(out.end(), texts.begin(), texts.end());
    at += size;
  }
  return out;
}

Result<std::vector<bool>> Segment::TextGroups(TextIndex index, std::string_view folded) const {
  constexpr size_t kMaxSlots = 48;  // more would hardly rule out more
  const Footer& footer = inside_->footer;
  const uint32_t groups = TextGroupCount(footer.info.rows);
  const bool subjects = index == TextIndex::kSubjects;
  const unsigned bits = subjects ? footer.subject_slot_bits : footer.other_slot_bits;
  const Place& place = inside_->At(subjects ? Section::kSubjectTrigrams : Section::kOtherTrigrams);
  const size_t line = LineBytes(groups);
  std::vector<bool> out(groups, true);
  if (!inside_->trigrams_good.load() || place.size != (uint64_t{1} << bits) * line) return out;
  for (const uint32_t slot : TrigramSlots(folded, bits, kMaxSlots)) {
    SEGMENT_TRY(const std::string bytes, inside_->Read(place.offset + uint64_t{slot} * line, line));
    for (uint32_t group = 0; group < groups; ++group) {
      if ((static_cast<uint8_t>(bytes[group / 8]) >> (group % 8) & 1) == 0) out[group] = false;
    }
  }
  return out;
}

bool Segment::HasLaterEvents(uint64_t mid) const {
  const auto& mids = inside_->later.mids;
  return !mids.empty() && mid >= mids.front() && mid <= mids.back() &&
         std::binary_search(mids.begin(), mids.end(), mid);
}

const std::vector<uint64_t>& Segment::later_mids() const { return inside_->later.mids; }

Result<std::vector<mail::Event>> Segment::LaterEventsOf(uint64_t mid) const {
  const auto& mids = inside_->later.mids;
  const auto found = std::lower_bound(mids.begin(), mids.end(), mid);
  if (found == mids.end() || *found != mid) return std::vector<mail::Event>();
  const auto index = static_cast<size_t>(found - mids.begin());
  const LaterChunk& chunk = inside_->later.chunks[index / kLaterChunk];
  SEGMENT_TRY(const std::string bytes, inside_->Read(chunk.offset, chunk.size));
  if (Checksum(bytes) != chunk.checksum) {
    return Fail(Annotate({Code::kCorrupt, "the checksum of the later events at offset " +
                                              std::to_string(chunk.offset) + " is wrong"}));
  }
  SEGMENT_TRY(const std::string plain, DecompressWhole(bytes, "chunk of later events"));
  WireReader reader(plain);
  std::vector<mail::Event> out;
  for (size_t i = index / kLaterChunk * kLaterChunk; i <= index; ++i) {
    const size_t count = reader.Count();
    for (size_t j = 0; j < count; ++j) {
      const std::string encoded = reader.String();
      if (i < index || !reader.ok()) continue;
      SEGMENT_TRY(out.emplace_back(), mail::DecodeEvent(encoded));
    }
  }
  if (!reader.ok()) {
    return Fail(Annotate({Code::kCorrupt, "the later events at offset " +
                                              std::to_string(chunk.offset) + " make no sense"}));
  }
  return out;
}

uint64_t Segment::counters_size() const { return inside_->At(Section::kCounters).size; }
Result<std::string> Segment::ReadCounters(uint64_t offset, size_t size) const {
  const Place& place = inside_->At(Section::kCounters);
  if (offset > place.size || size > place.size - offset) {
    return Fail(Code::kCorrupt, "the report counters end before they should");
  }
  SEGMENT_TRY(std::string bytes, inside_->Read(place.offset + offset, size));
  return bytes;
}

Result<std::vector<uint64_t>> Segment::Check(const std::function<bool()>& stop) const {
  std::vector<uint64_t> wrong;
  const Error cancelled(Code::kCancelled, "the check was cancelled");
  for (const Section section :
       {Section::kBlockDirectory, Section::kIndexDirectory, Section::kFilter,
        Section::kSubjectTrigrams, Section::kOtherTrigrams, Section::kDictionaries,
        Section::kLaterDirectory, Section::kCounters}) {
    const auto read = inside_->ReadSection(section);
    if (!read && read.error().code != Code::kCorrupt) return Fail(Annotate(read.error()));
    if (!read) wrong.push_back(inside_->At(section).offset);
  }
  for (size_t block = 0; block < inside_->blocks.size(); ++block) {
    if (stop && stop()) return Fail(cancelled);
    const uint64_t offset = inside_->blocks[block].offset;
    auto opened = inside_->OpenBlock(block);
    if (!opened) {
      if (opened.error().code != Code::kCorrupt) return Fail(Annotate(opened.error()));
      wrong.push_back(offset);
      continue;
    }
    for (size_t part = 0; part < opened->head.parts.size(); ++part) {
      const auto read = inside_->PartOf(block, *opened, part);
      if (!read && read.error().code != Code::kCorrupt) return Fail(Annotate(read.error()));
      if (!read) wrong.push_back(offset + opened->head.parts[part].offset);
    }
  }
  for (size_t page = 0; page < inside_->index.pages(); ++page) {
    if (stop && stop()) return Fail(cancelled);
    const auto offset = [&] {
      return inside_->At(Section::kIndex).offset + inside_->index.page_offset(page);
    };
    const auto keys = inside_->index.Page(page);
    if (!keys) {
      if (keys.error().code != Code::kCorrupt) return Fail(Annotate(keys.error()));
      wrong.push_back(offset());
      continue;
    }
    for (const Postings& postings : *keys) {
      if (postings.list_size == 0) continue;
      const auto rows = inside_->index.AllRows(postings);
      if (!rows && rows.error().code != Code::kCorrupt) return Fail(Annotate(rows.error()));
      if (!rows) wrong.push_back(inside_->At(Section::kIndex).offset + postings.list_offset);
    }
  }
  for (const LaterChunk& chunk : inside_->later.chunks) {
    SEGMENT_TRY(const std::string bytes, inside_->Read(chunk.offset, chunk.size));
    if (Checksum(bytes) != chunk.checksum) wrong.push_back(chunk.offset);
  }
  return wrong;
}

size_t Segment::memory_bytes() const {
  const FuseFilter* filter = inside_->filter.load();
  return inside_->blocks.size() * sizeof(BlockEntry) + inside_->old.size() * sizeof(OldFrames) +
         inside_->index.memory_bytes() + inside_->later.mids.size() * 8 +
         (filter == nullptr ? 0 : filter->memory_bytes());
}

#undef SEGMENT_TRY
#undef SEGMENT_TRY_VOID

}  // namespace mailreeve::gateway::segment
