#include "base/check.h"
#include "gateway/segment/checksum.h"
#include "gateway/segment/segment_layout.h"
#include "gateway/segment/trigram_filter.h"

#include <algorithm>
#include <memory>

namespace mailreeve::gateway::segment {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;  // buffered before they are written
constexpr size_t kLargeGroupBytes = size_t{128} << 10;

// What a record takes in columns, about.
size_t RoughBytes(const mail::MessageRecord& record) {
  const mail::Inspection& i = record.inspection;
  size_t bytes = 400 + i.subject.size() + i.subject_raw.size() + 48 * record.recipients.size() +
                 96 * i.addresses.size() + 40 * i.domains.size() + 200 * i.attachments.size() +
                 64 * i.references.size() + 100 * record.events.size();
  for (const auto& url : i.urls) bytes += url.url.size() + url.raw.size();
  return bytes;
}

}  // namespace

struct SegmentWriter::State {
  io::Files& files;
  std::string dir;
  std::string path;
  Footer footer;
  SegmentOptions options;
  Fold fold;
  std::unique_ptr<io::File> file;

  std::string buffer;
  uint64_t written = 0;  // of the file

  std::vector<Frames> samples;
  Dictionaries dictionaries;
  bool learned = false;

  std::vector<mail::MessageRecord> rows;
  size_t rough_bytes = 0;
  uint32_t done_rows = 0;
  std::vector<BlockEntry> blocks;
  TrigramBuilder subjects, others;

  std::unique_ptr<FingerprintIndexBuilder> index;
  std::vector<uint64_t> filter_keys;
  uint64_t last_key = 0;
  std::vector<uint32_t> key_rows;

  uint64_t offset() const { return written + buffer.size(); }

  Result<void> Put(std::string_view bytes) {
    buffer += bytes;
    return buffer.size() >= kWriteBytes ? Flush() : Result<void>();
  }
  Result<void> Flush() {
    TRY_VOID(file->WriteAt(written, buffer));
    written += buffer.size();
    buffer.clear();
    return {};
  }
  Place& At(Section section) { return footer.sections[static_cast<size_t>(section)]; }
  Result<void> PutSection(Section section, std::string_view bytes) {
    At(section) = {offset(), bytes.size(), Checksum(bytes)};
    return Put(bytes);
  }

  void Learned() {
    if (learned) return;
    learned = true;
    if (options.dictionary_bytes > 0 && !samples.empty()) {
      dictionaries =
          Dictionaries(Train(samples, options.dictionary_bytes), options.compression_level);
    }
    samples.clear();
  }

  void IndexTexts(const mail::MessageRecord& record, uint32_t row) {
    const uint32_t group = row / kTextGroupRows;
    const mail::Inspection& i = record.inspection;
    subjects.Add(group, fold(i.subject));
    for (const auto& text : i.other_subjects) subjects.Add(group, fold(text));
    others.Add(group, fold(record.envelope_from));
    for (const auto& recipient : record.recipients) others.Add(group, fold(recipient.address));
    for (const auto& address : i.addresses) others.Add(group, fold(address.address));
    for (const auto& attachment : i.attachments) {
      for (const auto& name : attachment.names) others.Add(group, fold(name));
    }
  }

  Result<void> FlushBlock() {
    if (rows.empty()) return {};
    Learned();
    BlockEntry entry;
    Segment::Block& block = entry.block;
    block = {done_rows,
             static_cast<uint32_t>(rows.size()),
             rows.front().received,
             rows.back().received,
             UINT64_MAX,
             0,
             UINT64_MAX,
             0};
    for (const auto& record : rows) {
      block.first_mid = std::min(block.first_mid, record.mid);
      block.last_mid = std::max(block.last_mid, record.mid);
      block.first_icid = std::min(block.first_icid, record.connection.icid);
      block.last_icid = std::max(block.last_icid, record.connection.icid);
    }
    std::vector<PackedGroup> groups;
    const std::span<const mail::MessageRecord> all(rows);
    for (size_t at = 0; at < all.size();) {
      // A message with thousands of recipients stands alone, so that its neighbours are read fast.
      size_t count = 1;
      size_t bytes = RoughBytes(all[at]);
      while (count < options.group_rows && at + count < all.size() && bytes < kLargeGroupBytes) {
        const size_t more = RoughBytes(all[at + count]);
        if (more >= kLargeGroupBytes) break;
        bytes += more;
        ++count;
      }
      const auto some = all.subspan(at, count);
      groups.push_back({static_cast<uint32_t>(count),
                        Compress(Transpose(some), dictionaries, options.compression_level)});
      at += count;
    }
    entry.offset = offset();
    TRY_VOID(Put(EncodeBlock(groups, entry)));
    SegmentInfo& info = footer.info;
    if (blocks.empty()) info.oldest = block.oldest;
    info.newest = block.newest;
    info.first_mid = blocks.empty() ? block.first_mid : std::min(info.first_mid, block.first_mid);
    info.last_mid = std::max(info.last_mid, block.last_mid);
    blocks.push_back(entry);
    done_rows += static_cast<uint32_t>(rows.size());
    rows.clear();
    rough_bytes = 0;
    return {};
  }

  Result<void> EndBlocks() {
    if (index) return {};
    TRY_VOID(FlushBlock());
    CHECK(done_rows == footer.info.rows);
    Place& place = At(Section::kBlocks);
    place.size = offset() - place.offset;
    At(Section::kIndex).offset = offset();
    index = std::make_unique<FingerprintIndexBuilder>(
        kKeyBits, footer.info.rows, [this](std::string_view bytes) { return Put(bytes); });
    return {};
  }

  Result<void> FlushKey() {
    if (key_rows.empty()) return {};
    std::sort(key_rows.begin(), key_rows.end());
    key_rows.erase(std::unique(key_rows.begin(), key_rows.end()), key_rows.end());
    TRY_VOID(index->Add(last_key, key_rows));
    filter_keys.push_back(last_key);
    key_rows.clear();
    return {};
  }
};

SegmentWriter::SegmentWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SegmentWriter::~SegmentWriter() = default;

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(io::Files& files,
                                                             const std::string& dir,
                                                             SegmentInfo info,
                                                             SegmentOptions options, uint32_t rows,
                                                             Fold fold) {
  const unsigned subject_bits = SlotBits(TextIndex::kSubjects, rows);
  const unsigned other_bits = SlotBits(TextIndex::kOthers, rows);
  const uint32_t groups = TextGroupCount(rows);
  auto state = std::unique_ptr<State>(new State{.files = files,
                                                .dir = dir,
                                                .path = dir + "/" + SegmentName(info.id) + ".tmp",
                                                .options = options,
                                                .fold = std::move(fold),
                                                .subjects = TrigramBuilder(subject_bits, groups),
                                                .others = TrigramBuilder(other_bits, groups)});
  state->footer.info = info;
  state->footer.info.rows = rows;
  state->footer.key_bits = kKeyBits;
  state->footer.subject_slot_bits = subject_bits;
  state->footer.other_slot_bits = other_bits;
  TRY(state->file, files.Open(state->path, io::OpenMode::kTruncate));
  std::string head(kSegmentMagic);
  for (const uint64_t value : {uint64_t{kSegmentVersion}, uint64_t{0}}) {
    for (size_t i = 0; i < 4; ++i) head.push_back(static_cast<char>(value >> (8 * i)));
  }
  const uint64_t sum = Checksum(head);
  for (size_t i = 0; i < 8; ++i) head.push_back(static_cast<char>(sum >> (8 * i)));
  TRY_VOID(state->Put(head));
  state->At(Section::kBlocks).offset = state->offset();
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(state)));
}

void SegmentWriter::Learn(std::span<const mail::MessageRecord> sample) {
  if (!sample.empty() && state_->options.dictionary_bytes > 0) {
    state_->samples.push_back(Transpose(sample));
  }
}

Result<void> SegmentWriter::AddRow(mail::MessageRecord record) {
  State& s = *state_;
  s.IndexTexts(record, s.done_rows + static_cast<uint32_t>(s.rows.size()));
  s.rough_bytes += RoughBytes(record);
  s.rows.push_back(std::move(record));
  if (s.rows.size() >= s.options.block_rows || s.rough_bytes >= s.options.block_bytes) {
    return s.FlushBlock();
  }
  return {};
}

Result<void> SegmentWriter::AddKey(uint64_t fingerprint, std::span<const uint32_t> rows) {
  State& s = *state_;
  TRY_VOID(s.EndBlocks());
  const uint64_t key = KeyOf(fingerprint, kKeyBits);
  if (!s.key_rows.empty() && key != s.last_key) TRY_VOID(s.FlushKey());
  s.last_key = key;
  s.key_rows.insert(s.key_rows.end(), rows.begin(), rows.end());
  return {};
}

Result<SegmentInfo> SegmentWriter::Finish(std::string_view counters,
                                          std::vector<LaterEvents> events) {
  State& s = *state_;
  TRY_VOID(s.EndBlocks());
  TRY_VOID(s.FlushKey());
  TRY(const std::string index_directory, s.index->Finish());
  s.At(Section::kIndex).size = s.offset() - s.At(Section::kIndex).offset;
  s.footer.keys = s.index->keys();
  TRY_VOID(s.PutSection(Section::kIndexDirectory, CompressWhole(index_directory, 1)));
  TRY_VOID(s.PutSection(Section::kFilter, FuseFilter::Build(s.filter_keys).Encode()));
  s.filter_keys = {};
  TRY_VOID(s.PutSection(Section::kSubjectTrigrams, s.subjects.bytes()));
  TRY_VOID(s.PutSection(Section::kOtherTrigrams, s.others.bytes()));
  WireWriter texts;
  for (const std::string& text : s.dictionaries.texts()) texts.String(text);
  TRY_VOID(s.PutSection(Section::kDictionaries, texts.bytes()));
  TRY_VOID(s.PutSection(Section::kBlockDirectory, Encode(s.blocks)));

  LaterDirectory later;
  Place& place = s.At(Section::kLaterEvents);
  place.offset = s.offset();
  for (size_t at = 0; at < events.size(); at += kLaterChunk) {
    WireWriter writer;
    for (size_t i = at; i < std::min(at + kLaterChunk, events.size()); ++i) {
      CHECK(later.mids.empty() || later.mids.back() < events[i].mid);
      later.mids.push_back(events[i].mid);
      writer.Number(events[i].events.size());
      for (const auto& event : events[i].events) writer.String(mail::Encode(event));
    }
    const std::string chunk = CompressWhole(writer.bytes(), 3);
    later.chunks.push_back({s.offset(), chunk.size(), Checksum(chunk)});
    TRY_VOID(s.Put(chunk));
  }
  place.size = s.offset() - place.offset;
  TRY_VOID(s.PutSection(Section::kLaterDirectory, Encode(later)));
  TRY_VOID(s.PutSection(Section::kCounters, counters));

  // The size is part of the footer, whose own size depends on it by a few bytes: tell it with the
  // size before the footer.
  s.footer.info.file_bytes = s.offset();
  const std::string footer = Encode(s.footer);
  TRY_VOID(s.Put(footer));
  std::string tail;
  for (const uint64_t value : {uint64_t{footer.size()}, Checksum(footer)}) {
    for (size_t i = 0; i < 8; ++i) tail.push_back(static_cast<char>(value >> (8 * i)));
  }
  TRY_VOID(s.Put(tail));
  TRY_VOID(s.Put(kSegmentMagic));
  TRY_VOID(s.Flush());
  TRY_VOID(s.file->Sync());
  s.file.reset();
  TRY_VOID(s.files.Rename(s.path, s.dir + "/" + SegmentName(s.footer.info.id)));
  TRY_VOID(s.files.SyncFolder(s.dir));
  SegmentInfo info = s.footer.info;
  info.file_bytes = s.written;
  return info;
}

}  // namespace mailreeve::gateway::segment
