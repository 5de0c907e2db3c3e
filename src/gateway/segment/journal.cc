#include "gateway/segment/journal.h"

#include "base/wire.h"
#include "gateway/segment/checksum.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mailreeve::gateway::segment {
namespace {

constexpr std::string_view kMagic = "MRJRNL01";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadSize = 28;  // magic, version, sequence, checksum
constexpr std::string_view kMark = "MRjf";
// Mark; type, whether it ends its batch, and number of the batch; payload size; checksum of all but
// the mark.
constexpr size_t kFrameHead = 24;
constexpr size_t kSumAt = 16;
constexpr uint64_t kEndOfBatch = 0x80;
constexpr size_t kMaxPayload = size_t{1} << 30;
constexpr size_t kReadAhead = size_t{4} << 20;

void Put(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
uint64_t Get(std::string_view from, size_t at, size_t bytes) {
  uint64_t value = 0;
  std::memcpy(&value, from.data() + at, bytes);
  return value;
}

// The checksum of a frame: of type, size and payload, at its place in its file.
uint64_t Sum(std::string_view size_and_type, std::string_view payload, uint64_t where) {
  return Checksum(payload, Checksum(size_and_type, where));
}

std::string Head(uint64_t sequence) {
  std::string head(kMagic);
  Put(head, kVersion, 4);
  Put(head, sequence, 8);
  Put(head, Checksum(head), 8);
  return head;
}

}  // namespace

std::string EncodeHead(const std::vector<uint64_t>& fingerprints) {
  std::string out;
  Put(out, fingerprints.size(), 4);
  out.append(reinterpret_cast<const char*>(fingerprints.data()), fingerprints.size() * 8);
  return out;
}
Result<JournalRecord> DecodeJournalRecord(std::string_view bytes) {
  if (bytes.size() < 4 || Get(bytes, 0, 4) > (bytes.size() - 4) / 8) {
    return Fail(Code::kCorrupt, "journal: a record frame does not make sense");
  }
  JournalRecord out;
  out.fingerprints.resize(Get(bytes, 0, 4));
  std::memcpy(out.fingerprints.data(), bytes.data() + 4, out.fingerprints.size() * 8);
  out.record = bytes.substr(4 + out.fingerprints.size() * 8);
  return out;
}

std::string Encode(const JournalEvents& events) {
  WireWriter writer;
  writer.Number(events.mid);
  writer.Number(events.events.size());
  for (const auto& event : events.events) writer.String(event);
  return writer.Take();
}
Result<JournalEvents> DecodeJournalEvents(std::string_view bytes) {
  WireReader reader(bytes);
  JournalEvents out;
  out.mid = reader.Number();
  out.events.resize(reader.Count());
  for (auto& event : out.events) event = reader.String();
  TRY_VOID(reader.Finish("journal frame of events"));
  return out;
}

std::string Encode(const JournalIds& ids) {
  WireWriter writer;
  writer.Number(ids.mid);
  writer.Number(ids.icid);
  return writer.Take();
}
Result<JournalIds> DecodeJournalIds(std::string_view bytes) {
  WireReader reader(bytes);
  JournalIds out;
  out.mid = reader.Number();
  out.icid = reader.Number();
  TRY_VOID(reader.Finish("journal frame of ids"));
  return out;
}

std::string JournalName(uint64_t sequence) {
  std::string digits = std::to_string(sequence);
  if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
  return "journal-" + digits + ".log";
}
uint64_t JournalSequence(std::string_view name) {
  if (!name.starts_with("journal-") || !name.ends_with(".log")) return 0;
  const std::string_view digits = name.substr(8, name.size() - 12);
  uint64_t out = 0;
  const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return got.ec == std::errc() && got.ptr == digits.data() + digits.size() ? out : 0;
}

Result<std::unique_ptr<JournalWriter>> JournalWriter::Create(io::Files& files,
                                                             const std::string& dir,
                                                             uint64_t sequence) {
  std::unique_ptr<JournalWriter> out(new JournalWriter);
  TRY(out->file_, files.Open(dir + "/" + JournalName(sequence), io::OpenMode::kTruncate));
  out->sequence_ = sequence;
  const std::string head = Head(sequence);
  TRY_VOID(out->file_->WriteAt(0, head));
  TRY_VOID(out->file_->Sync());
  TRY_VOID(files.SyncFolder(dir));
  out->durable_ = head.size();
  return out;
}

void JournalWriter::Add(FrameType type, std::initializer_list<std::string_view> payload) {
  FinishFrame(false);
  last_ = waiting_.size();
  waiting_ += kMark;
  Put(waiting_, static_cast<uint64_t>(type) | batch_ << 8, 8);
  size_t size = 0;
  for (const std::string_view part : payload) size += part.size();
  Put(waiting_, size, 4);
  Put(waiting_, 0, 8);
  for (const std::string_view part : payload) waiting_ += part;
}

// Marks and sums up the frame that was added last.
void JournalWriter::FinishFrame(bool ends_batch) {
  if (waiting_.empty()) return;
  if (ends_batch) {
    waiting_[last_ + 4] =
        static_cast<char>(static_cast<uint8_t>(waiting_[last_ + 4]) | kEndOfBatch);
  }
  const std::string_view frame = std::string_view(waiting_).substr(last_);
  const uint64_t sum = Sum(frame.substr(4, kSumAt - 4), frame.substr(kFrameHead), durable_ + last_);
  std::memcpy(waiting_.data() + last_ + kSumAt, &sum, 8);
}

Result<void> JournalWriter::Commit() {
  if (waiting_.empty()) return {};
  FinishFrame(true);
  auto written = file_->WriteAt(durable_, waiting_);
  if (!written) {
    waiting_.clear();
    // What was written in part must not stand before the next frames.
    if (!file_->Truncate(durable_)) usable_ = false;
    return written;
  }
  auto synced = file_->Sync();
  if (!synced) {
    waiting_.clear();
    usable_ = false;
    return synced;
  }
  // A batch that failed leaves its number to the next: a gap would look as if one had been
  // acknowledged and lost.
  ++batch_;
  durable_ += waiting_.size();
  waiting_.clear();
  return {};
}

Result<JournalReplay> ReplayJournal(
    const io::File& file, uint64_t sequence,
    const std::function<Result<void>(FrameType type, std::string_view payload)>& take) {
  JournalReplay out;
  TRY(const uint64_t size, file.Size());
  TRY(const std::string head, file.ReadAt(0, kHeadSize));
  if (head.size() < kHeadSize) {
    // Made, but the crash came before it was durable: it never held anything.
    out.torn_bytes = head.size();
    return out;
  }
  if (!head.starts_with(kMagic) || Get(head, 20, 8) != Checksum(head.substr(0, 20))) {
    // Every frame has a checksum of its own and its place in it: they can be trusted all the same.
    if (size > kHeadSize) out.damaged.push_back({0, kHeadSize});
  } else {
    if (Get(head, 8, 4) > kVersion) return Fail(Code::kConflict, "a newer program wrote it");
    if (Get(head, 12, 8) != sequence) return Fail(Code::kCorrupt, "it is another file, renamed");
  }

  std::string buffer;
  uint64_t start = kHeadSize;  // of the buffer in the file
  size_t at = 0;               // in the buffer
  uint64_t bad_from = 0;       // where bytes that are no good frame begin; 0: none
  uint64_t batch = 0;          // of the last good frame
  bool ended = true;           // and whether it ended its batch
  // Bytes that may belong to the last batch, which was not acknowledged then.
  struct Doubt {
    JournalDamage where;
    uint64_t batch;
  };
  std::vector<Doubt> doubts;
  // Reads on until `need` bytes from `at` are there, or the file ends.
  const auto fill = [&](size_t need) -> Result<bool> {
    if (buffer.size() - at >= need) return true;
    buffer.erase(0, at);
    start += at;
    at = 0;
    const uint64_t from = start + buffer.size();
    TRY(std::string more,
        file.ReadAt(from, std::min<uint64_t>(std::max(kReadAhead, need - buffer.size()),
                                             size - std::min(size, from))));
    buffer += more;
    return buffer.size() >= need;
  };
  while (true) {
    TRY(const bool has_head, fill(kFrameHead));
    const uint64_t where = start + at;
    if (!has_head) {
      if (where < size && bad_from == 0) bad_from = where;
      break;
    }
    bool good = false;
    size_t payload_size = 0;
    if (std::string_view(buffer).substr(at, 4) == kMark) {
      payload_size = Get(buffer, at + 12, 4);
      if (payload_size <= kMaxPayload && payload_size <= size - where - kFrameHead) {
        TRY(const bool whole, fill(kFrameHead + payload_size));
        const std::string_view view(buffer);
        good = whole &&
               Get(view, at + kSumAt, 8) == Sum(view.substr(at + 4, kSumAt - 4),
                                                view.substr(at + kFrameHead, payload_size), where);
      }
    }
    if (!good) {
      if (bad_from == 0) bad_from = where;
      // The next mark, in what is here; or all but a possible beginning of one.
      const size_t next = buffer.find(kMark, at + 1);
      at = next == std::string::npos ? std::max(at + 1, buffer.size() - kMark.size() + 1) : next;
      continue;
    }
    const uint64_t tag = Get(buffer, at + 4, 8);
    if (bad_from != 0) {
      const JournalDamage damage{bad_from, where - bad_from};
      if (tag >> 8 == batch + (ended ? 1 : 0)) {
        doubts.push_back({damage, tag >> 8});
      } else {
        out.damaged.push_back(damage);
      }
      bad_from = 0;
    }
    batch = tag >> 8;
    ended = (tag & kEndOfBatch) != 0;
    const auto type = static_cast<FrameType>(tag & (kEndOfBatch - 1));
    TRY_VOID(take(type, std::string_view(buffer).substr(at + kFrameHead, payload_size)));
    ++out.frames;
    at += kFrameHead + payload_size;
    out.bytes = start + at;
  }
  if (bad_from != 0) out.torn_bytes += size - bad_from;
  for (const Doubt& doubt : doubts) {
    // A batch is written only after the one before it is durable.
    if (doubt.batch == batch) {
      out.torn_bytes += doubt.where.size;
    } else {
      out.damaged.push_back(doubt.where);
    }
  }
  return out;
}

}  // namespace mailreeve::gateway::segment
