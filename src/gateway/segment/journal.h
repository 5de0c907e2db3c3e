#pragma once

#include "base/result.h"
#include "io/files.h"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The journal of the tracking store: frames appended to a file, each with its checksum;
// acknowledged when the file is synced. A frame is found again behind damage by its mark.
// docs/tracking-format.md section 2.
//
// Threads: one writer, one thread. Ownership: Files outlives it.
namespace mailreeve::gateway::segment {

enum class FrameType : uint8_t {
  kRecord = 1,  // JournalRecord
  kEvents = 2,  // JournalEvents
  kIds = 3,     // message and connection ids below these may have been given out
  kClosed = 4,  // the store was closed in peace: these ids are the next
};

struct JournalRecord {
  std::vector<uint64_t> fingerprints;  // of what it shows, as it was before privacy settings
  std::string record;                  // mail::Encode
};
// The payload is EncodeHead and then the record.
std::string EncodeHead(const std::vector<uint64_t>& fingerprints);
Result<JournalRecord> DecodeJournalRecord(std::string_view bytes);

struct JournalEvents {
  uint64_t mid = 0;
  std::vector<std::string> events;  // mail::Encode
};
std::string Encode(const JournalEvents& events);
Result<JournalEvents> DecodeJournalEvents(std::string_view bytes);

struct JournalIds {
  uint64_t mid = 0, icid = 0;
};
std::string Encode(const JournalIds& ids);
Result<JournalIds> DecodeJournalIds(std::string_view bytes);

std::string JournalName(uint64_t sequence);
// The sequence of a file name; 0: not a journal's.
uint64_t JournalSequence(std::string_view name);

class JournalWriter {
 public:
  // A new file; durable with its folder when this returns.
  static Result<std::unique_ptr<JournalWriter>> Create(io::Files& files, const std::string& dir,
                                                       uint64_t sequence);
  uint64_t sequence() const { return sequence_; }
  // Bytes that are durable.
  uint64_t size() const { return durable_; }

  // Puts a frame, its payload in parts, into memory.
  void Add(FrameType type, std::initializer_list<std::string_view> payload);
  // Writes and syncs what was added. After an error none of it counts; when `usable` is then false,
  // what the file holds behind `size` is not known, and a new file has to be made.
  Result<void> Commit();
  bool usable() const { return usable_; }

 private:
  JournalWriter() = default;
  void FinishFrame(bool ends_batch);

  std::unique_ptr<io::File> file_;
  uint64_t sequence_ = 0;
  uint64_t durable_ = 0;
  std::string waiting_;
  size_t last_ = 0;  // where the last frame begins in it
  uint64_t batch_ = 1;
  bool usable_ = true;
};

struct JournalDamage {
  uint64_t offset = 0, size = 0;
};
struct JournalReplay {
  uint64_t frames = 0;
  uint64_t bytes = 0;
  uint64_t torn_bytes = 0;             // after the last good frame: what a crash cut off
  std::vector<JournalDamage> damaged;  // before it: acknowledged frames that cannot be read
};
// Gives every good frame to `take`, in order. `take` may stop it by an error. kCorrupt: it is the
// journal of another sequence; kConflict: of a newer version.
Result<JournalReplay> ReplayJournal(
    const io::File& file, uint64_t sequence,
    const std::function<Result<void>(FrameType type, std::string_view payload)>& take);

}  // namespace mailreeve::gateway::segment
