#pragma once

#include "base/time.h"
#include "gateway/segment/fingerprint_index.h"
#include "gateway/segment/fuse_filter.h"
#include "gateway/segment/record_block.h"
#include "io/files.h"
#include "mail/message_record.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A segment: an immutable file of tracked messages, rows in order of (received, mid), with what
// finds them. docs/tracking-format.md.
//
// Threads: a Segment is safe from any; a writer belongs to one. Ownership: Files outlives it.
// Errors: kCorrupt names file and offset; kNotFound: no such file; kConflict: written by a newer
// program.
namespace mailreeve::gateway::segment {

inline constexpr uint32_t kSegmentVersion = 2;

// What is known of a segment without opening it; also kept in the manifest.
struct SegmentInfo {
  uint64_t id = 0;
  uint64_t first_journal = 0, last_journal = 0;  // whose frames it holds
  uint32_t rows = 0;
  uint64_t file_bytes = 0;
  Time oldest, newest;  // received
  uint64_t first_mid = 0, last_mid = 0;
  bool operator==(const SegmentInfo&) const = default;
};
std::string SegmentName(uint64_t id);
uint64_t SegmentId(std::string_view name);  // 0: not a segment's name
std::string Encode(const SegmentInfo& info);
Result<SegmentInfo> DecodeSegmentInfo(std::string_view bytes);

// Events of messages that are in earlier segments.
struct LaterEvents {
  uint64_t mid = 0;
  std::vector<mail::Event> events;
};

// Which texts of a record the two trigram filters hold; folded by the function given.
enum class TextIndex : uint8_t { kSubjects, kOthers };
inline constexpr size_t kTextIndexes = 2;
inline constexpr uint32_t kTextGroupRows = 4096;
// The high bits of a fingerprint that index and filter keep: a hunt of a million in a hundred
// million messages then expects one wrong hit in a hundred hunts.
inline constexpr unsigned kKeyBits = 56;

struct SegmentOptions {
  int compression_level = 1;
  size_t dictionary_bytes = 0;  // of each class; 0: no dictionaries
  uint32_t block_rows = 128;
  uint32_t group_rows = 16;  // of a block, that are compressed together and read alone
  size_t block_bytes =
      size_t{1} << 20;  // of columns before they are compressed; a block ends early
};

class SegmentWriter {
 public:
  // Folds a text for the trigram filters.
  using Fold = std::function<std::string(std::string_view)>;
  // Writes to a file of that name with ".tmp" behind it.
  static Result<std::unique_ptr<SegmentWriter>> Create(io::Files& files, const std::string& dir,
                                                       SegmentInfo info, SegmentOptions options,
                                                       uint32_t rows, Fold fold);
  ~SegmentWriter();

  // First the samples, if there are to be dictionaries; then the rows, in order; then the keys, in
  // order; then Finish.
  void Learn(std::span<const mail::MessageRecord> sample);
  Result<void> AddRow(mail::MessageRecord record);
  // `fingerprint`: its kKeyBits high bits count; ascending. Rows ascending.
  Result<void> AddKey(uint64_t fingerprint, std::span<const uint32_t> rows);
  // `events` by mid. The file is durable under its name when this returns.
  Result<SegmentInfo> Finish(std::string_view counters, std::vector<LaterEvents> events);

 private:
  struct State;
  explicit SegmentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Segment {
 public:
  static Result<std::shared_ptr<Segment>> Open(io::Files& files, const std::string& dir,
                                               uint64_t id);
  ~Segment();
  const SegmentInfo& info() const { return info_; }
  const std::string& path() const { return path_; }

  // Reads the membership filter into memory and proves the trigram filters. Until then, and when
  // they are damaged, MayHold and TextGroups rule nothing out: slower, but nothing is missed.
  Result<void> LoadFilters() const;
  bool filters_loaded() const;  // or tried in vain
  bool MayHold(uint64_t fingerprint) const;
  unsigned key_bits() const;

  Result<std::optional<Postings>> Find(uint64_t fingerprint) const;
  const FingerprintIndex& index() const;

  struct Block {
    uint32_t first_row, rows;
    Time oldest, newest;
    uint64_t first_mid, last_mid;
    uint64_t first_icid, last_icid;
  };
  size_t blocks() const;
  Block block(size_t index) const;
  size_t BlockOf(uint32_t row) const;
  // The records of some rows of a block, ascending; `rows` are of the segment.
  Result<std::vector<mail::MessageRecord>> Read(size_t block, std::span<const uint32_t> rows) const;
  Result<std::vector<RowPlace>> Places(size_t block) const;
  // The different texts of a class in a block; `keep` holds their bytes.
  Result<std::vector<std::string_view>> Texts(size_t block, Frame frame, std::string& keep) const;
  // Groups of kTextGroupRows rows that may hold a folded text: bit by group; all when it is short.
  Result<std::vector<bool>> TextGroups(TextIndex index, std::string_view folded) const;

  // Events of a message in an earlier segment; empty when there are none.
  bool HasLaterEvents(uint64_t mid) const;
  Result<std::vector<mail::Event>> LaterEventsOf(uint64_t mid) const;
  const std::vector<uint64_t>& later_mids() const;  // sorted

  // The report counters, as they were given.
  uint64_t counters_size() const;
  Result<std::string> ReadCounters(uint64_t offset, size_t size) const;

  // Every checksum of the file: the offsets that are wrong.
  // kCancelled as soon as `stop` says so.
  Result<std::vector<uint64_t>> Check(const std::function<bool()>& stop = {}) const;
  size_t memory_bytes() const;

 private:
  struct Inside;
  Segment();
  Error Annotate(Error error) const;

  SegmentInfo info_;
  std::string path_;
  std::unique_ptr<Inside> inside_;
};

}  // namespace mailreeve::gateway::segment
