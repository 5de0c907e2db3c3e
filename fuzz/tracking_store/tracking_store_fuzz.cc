#include "gateway/segment/checksum.h"
#include "gateway/segment/journal.h"
#include "gateway/segment/segment_layout.h"
#include "gateway/tracking/manifest.h"
#include "gateway/tracking/place.h"
#include "gateway/tracking/plan.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// What the tracking store reads from disk, whole files and the parts behind their checksums, and
// what it is asked; the first byte chooses. Whatever opens can be read, or says what is wrong.
namespace {

using namespace mailreeve;
using namespace mailreeve::gateway;
using namespace mailreeve::gateway::segment;

class MemoryFile final : public io::File {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    if (offset > bytes_.size()) return std::string();
    return bytes_.substr(offset, size);
  }
  Result<size_t> ReadInto(uint64_t offset, char* to, size_t size) const override {
    TRY(const std::string got, ReadAt(offset, size));
    std::memcpy(to, got.data(), got.size());
    return got.size();
  }
  Result<void> WriteAt(uint64_t, std::string_view) override { return Refuse(); }
  Result<void> Sync() override { return Refuse(); }
  Result<void> Truncate(uint64_t) override { return Refuse(); }
  Result<uint64_t> Size() const override { return bytes_.size(); }

 private:
  static Result<void> Refuse() { return Fail(Code::kUnavailable, "read only"); }
  std::string bytes_;
};

// One file, whatever it is called.
class MemoryFiles final : public io::Files {
 public:
  explicit MemoryFiles(std::string_view bytes) : bytes_(bytes) {}
  Result<std::unique_ptr<io::File>> Open(const std::string&, io::OpenMode) override {
    return std::make_unique<MemoryFile>(bytes_);
  }
  Result<void> Rename(const std::string&, const std::string&) override { return Refuse(); }
  Result<void> Remove(const std::string&) override { return Refuse(); }
  Result<std::vector<std::string>> List(const std::string&) override {
    return std::vector<std::string>{SegmentName(1)};
  }
  Result<void> MakeFolders(const std::string&) override { return Refuse(); }
  Result<void> SyncFolder(const std::string&) override { return Refuse(); }
  Result<std::unique_ptr<io::FileLock>> Lock(const std::string&) override {
    return Fail(Code::kUnavailable, "read only");
  }

 private:
  static Result<void> Refuse() { return Fail(Code::kUnavailable, "read only"); }
  std::string bytes_;
};

void ReadSegment(std::string_view bytes) {
  MemoryFiles files(bytes);
  const auto segment = Segment::Open(files, "", 1);
  if (!segment) return;
  (void)(*segment)->LoadFilters();
  (void)(*segment)->Check();
  (void)(*segment)->TextGroups(TextIndex::kSubjects, "invoice");
  for (size_t i = 0; i < (*segment)->blocks(); ++i) {
    const auto block = (*segment)->block(i);
    const std::array<uint32_t, 2> rows = {block.first_row, block.first_row + block.rows - 1};
    (void)(*segment)->Read(i, std::span(rows).first(block.rows > 1 ? 2 : 1));
    (void)(*segment)->Places(i);
  }
  for (const uint64_t mid : (*segment)->later_mids()) (void)(*segment)->LaterEventsOf(mid);
}

void ReadJournal(std::string_view bytes) {
  const MemoryFile file{std::string(bytes)};
  (void)ReplayJournal(file, 1, [](FrameType type, std::string_view payload) -> Result<void> {
    if (type == FrameType::kRecord) (void)DecodeJournalRecord(payload);
    if (type == FrameType::kEvents) (void)DecodeJournalEvents(payload);
    return {};
  });
}

void ReadColumns(std::string_view bytes) {
  Frames columns;
  for (std::string& column : columns) {
    if (bytes.size() < 2) break;
    const size_t size = std::min<size_t>(
        bytes.size() - 2,
        static_cast<uint8_t>(bytes[0]) | static_cast<size_t>(static_cast<uint8_t>(bytes[1])) << 8);
    column = bytes.substr(2, size);
    bytes.remove_prefix(2 + size);
  }
  (void)ReadRows(columns, 8, [](uint32_t row) { return row % 3 == 0; });
  (void)ReadPlaces(columns[0], 8);
}

void ReadIndexPage(std::string_view bytes) {
  std::string section;
  const uint64_t sum = Checksum(bytes, 0);
  section.append(reinterpret_cast<const char*>(&sum), 8);
  section += bytes;
  WireWriter directory;
  directory.Number(kKeyBits);
  directory.Number(1);
  directory.Number(3);
  directory.Number(0);
  directory.Number(section.size());
  const auto index =
      FingerprintIndex::Open(directory.bytes(), 1000, section.size(),
                             [&section](uint64_t offset, size_t size) -> Result<std::string> {
                               if (offset > section.size() || size > section.size() - offset)
                                 return Fail(Code::kCorrupt, "past the end");
                               return section.substr(offset, size);
                             });
  if (!index) return;
  const auto page = index->Page(0);
  if (!page) return;
  for (const auto& postings : *page) (void)index->RowsBelow(postings, 500, 100);
}

void ReadParts(std::string_view bytes) {
  (void)FingerprintIndex::Open(bytes, 1000, 1 << 20, [](uint64_t, size_t) -> Result<std::string> {
    return Fail(Code::kCorrupt, "nothing");
  });
  (void)FuseFilter::Decode(std::string(bytes));
  (void)DecodeSegmentInfo(bytes);
  if (const auto footer = DecodeFooter(bytes, 1 << 20)) {
    (void)DecodeBlocks(CompressWhole(bytes, 1), *footer, 1);
    (void)DecodeBlocks(CompressWhole(bytes, 1), *footer, kSegmentVersion);
    (void)DecodeLaterDirectory(CompressWhole(bytes, 1), *footer);
  }
  (void)tracking::DecodeManifest(bytes);
  std::string manifest("MRMANI01");
  const uint64_t sum = Checksum(bytes);
  manifest.append(reinterpret_cast<const char*>(&sum), 8);
  (void)tracking::DecodeManifest(manifest + std::string(bytes));
}

void Ask(std::string_view bytes) {
  (void)tracking::ParseCursor(bytes);
  tracking::Query query;
  query.client_network = bytes;
  if (const auto plan = tracking::Plan::Make(query, {})) (void)plan->Fits({});
  tracking::Query texts;
  const std::string value(bytes.substr(0, 200));
  for (uint8_t field = 0; field <= static_cast<uint8_t>(tracking::TextCondition::Field::kUrl);
       ++field) {
    texts.text.push_back({static_cast<tracking::TextCondition::Field>(field),
                          static_cast<tracking::TextMatch>(field % 4), value});
  }
  texts.any_of = {{observable::Type::kCiscoMid, value}};
  texts.sender = texts.recipient = texts.queue_id = texts.file_name = value;
  if (const auto plan = tracking::Plan::Make(texts, {})) (void)plan->Fits({});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      ReadSegment(bytes);
      break;
    case 1:
      ReadJournal(bytes);
      break;
    case 2:
      ReadColumns(bytes);
      break;
    case 3:
      ReadIndexPage(bytes);
      break;
    case 4:
      ReadParts(bytes);
      break;
    default:
      Ask(bytes);
  }
  return 0;
}
