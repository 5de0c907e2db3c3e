#include "gateway/tracking/core.h"

#include "base/check.h"
#include "gateway/tracking/core_impl.h"

#include <algorithm>
#include <set>

namespace mailreeve::gateway::tracking {

using segment::Segment;
using segment::SegmentInfo;

Result<std::unique_ptr<Core>> Core::Open(CoreOptions options, io::Files& files, log::Logger& logger,
                                         const Clock& clock) {
  TRY(auto core, StoreCore::Open(std::move(options), files, logger, clock));
  return std::unique_ptr<Core>(std::move(core));
}

Result<std::unique_ptr<StoreCore>> StoreCore::Open(CoreOptions options, io::Files& files,
                                                   log::Logger& logger, const Clock& clock) {
  std::unique_ptr<StoreCore> core(new StoreCore(std::move(options), files, logger, clock));
  if (auto recovered = core->Recover(); !recovered) {
    return Fail(std::move(recovered).error().Note("tracking store '" + core->options_.dir + "'"));
  }
  return core;
}

StoreCore::~StoreCore() {
  // No id is out that is not used: the next start goes on from here instead of from what was
  // reserved.
  if (journal_ && journal_->usable()) {
    journal_->Add(segment::FrameType::kClosed,
                  {segment::Encode(segment::JournalIds{next_mid_, next_icid_})});
    (void)journal_->Commit();
  }
}

Result<void> StoreCore::Recover() {
  TRY_VOID(files_.MakeFolders(options_.dir));
  TRY(lock_, files_.Lock(options_.dir + "/LOCK"));
  SetUnits(std::make_shared<Units>());
  TRY_VOID(ReadOrRebuildManifest());
  TRY_VOID(RemoveLeftovers());
  TRY_VOID(OpenSegments());
  TRY_VOID(ReplayJournals());
  if (!closed_well_) {
    reserved_mid_ = std::max<uint64_t>(manifest_.reserved_mid, reserved_mid_);
    reserved_icid_ = std::max<uint64_t>(manifest_.reserved_icid, reserved_icid_);
  }
  if (journal_doubt_) {
    // A frame that reserved ids may be among what cannot be read.
    reserved_mid_ = std::max<uint64_t>(reserved_mid_, max_mid_) + 2 * options_.id_block;
    reserved_icid_ = reserved_icid_ + 2 * options_.id_block;
  }
  next_mid_ = reserved_mid_ = std::max<uint64_t>({1, reserved_mid_, max_mid_ + 1});
  next_icid_ = reserved_icid_ = std::max<uint64_t>(1, reserved_icid_);
  // New mail goes into a new file: the tail of an old one may be torn.
  {
    const std::lock_guard lock(commit_mutex_);
    TRY_VOID(Rotate());
  }
  Commit({});  // reserves ids
  return {};
}

Result<void> StoreCore::ReadOrRebuildManifest() {
  auto manifest = ReadManifest(files_, options_.dir);
  if (manifest) {
    manifest_ = *std::move(manifest);
    for (const LostFrames& lost : manifest_.lost) health_.Lost(lost);
    return {};
  }
  if (manifest.error().code != Code::kNotFound && manifest.error().code != Code::kCorrupt) {
    return Fail(std::move(manifest).error());
  }
  // Segments describe themselves: those that no wider one covers are the store.
  std::vector<SegmentInfo> found;
  TRY(const auto names, files_.List(options_.dir));
  for (const auto& name : names) {
    const uint64_t id = segment::SegmentId(name);
    if (id == 0) continue;
    manifest_.next_segment = std::max(manifest_.next_segment, id + 1);
    if (const auto opened = Segment::Open(files_, options_.dir, id)) {
      found.push_back((*opened)->info());
    } else {
      logger_.Error("tracking_segment_damaged",
                    {{"file", name}, {"error", opened.error().ToString()}});
    }
  }
  const bool had_manifest = manifest.error().code == Code::kCorrupt;
  if (had_manifest || !found.empty()) {
    logger_.Warn("tracking_manifest_rebuilt",
                 {{"why", manifest.error().ToString()}, {"segments", found.size()}});
  }
  for (const SegmentInfo& info : found) {
    const bool covered = std::any_of(found.begin(), found.end(), [&info](const SegmentInfo& other) {
      return other.id != info.id && other.first_journal <= info.first_journal &&
             other.last_journal >= info.last_journal &&
             (other.first_journal < info.first_journal || other.last_journal > info.last_journal ||
              other.id > info.id);
    });
    if (covered) continue;
    manifest_.segments.push_back(info);
    manifest_.first_journal = std::max(manifest_.first_journal, info.last_journal + 1);
    manifest_.reserved_mid = std::max(manifest_.reserved_mid, info.last_mid + options_.id_block);
  }
  std::sort(
      manifest_.segments.begin(), manifest_.segments.end(),
      [](const SegmentInfo& a, const SegmentInfo& b) { return a.first_journal < b.first_journal; });
  if (!found.empty()) {
    // Connection ids of a lost manifest are not known: go far past what a box uses.
    for (const SegmentInfo& info : manifest_.segments) {
      if (const auto opened = Segment::Open(files_, options_.dir, info.id)) {
        for (size_t i = 0; i < (*opened)->blocks(); ++i) {
          manifest_.reserved_icid =
              std::max(manifest_.reserved_icid, (*opened)->block(i).last_icid + options_.id_block);
        }
      }
    }
  }
  return WriteManifest(files_, options_.dir, manifest_);
}

// What a crash left between writing a file and naming it in the manifest, or the other way round.
Result<void> StoreCore::RemoveLeftovers() {
  std::set<std::string> named;
  for (const SegmentInfo& info : manifest_.segments) named.insert(segment::SegmentName(info.id));
  TRY(const auto names, files_.List(options_.dir));
  for (const auto& name : names) {
    const uint64_t sequence = segment::JournalSequence(name);
    const bool sealed = sequence != 0 && sequence < manifest_.first_journal;
    // A segment that the manifest does not name holds what others or journals hold as well: its
    // journals are removed only after it is named.
    const bool unnamed = segment::SegmentId(name) != 0 && !named.contains(name);
    if (!name.ends_with(".tmp") && !sealed && !unnamed) continue;
    if (auto removed = files_.Remove(options_.dir + "/" + name); !removed) {
      logger_.Warn("tracking_leftover", {{"file", name}, {"error", removed.error().ToString()}});
    }
  }
  return {};
}

Result<void> StoreCore::OpenSegments() {
  auto units = std::make_shared<Units>();
  for (const SegmentInfo& info : manifest_.segments) {
    max_mid_ = std::max<uint64_t>(max_mid_, info.last_mid);
    auto opened = Segment::Open(files_, options_.dir, info.id);
    if (opened) {
      units->segments.push_back(*std::move(opened));
      continue;
    }
    if (opened.error().code == Code::kConflict) return Fail(std::move(opened).error());
    const std::string why = opened.error().code == Code::kNotFound
                                ? "the file " + segment::SegmentName(info.id) + " is not there"
                                : opened.error().ToString();
    logger_.Error("tracking_segment_missing", {{"file", segment::SegmentName(info.id)},
                                               {"messages", info.rows},
                                               {"from", FormatTime(info.oldest)},
                                               {"until", FormatTime(info.newest)},
                                               {"error", why}});
    units->missing.push_back({info, why});
  }
  SetUnits(std::move(units));
  return {};
}

Result<void> StoreCore::ReplayJournals() {
  TRY(const auto names, files_.List(options_.dir));
  std::vector<uint64_t> sequences;
  for (const auto& name : names) {
    if (const uint64_t sequence = segment::JournalSequence(name);
        sequence >= manifest_.first_journal) {
      sequences.push_back(sequence);
    }
  }
  std::sort(sequences.begin(), sequences.end());
  next_journal_ = manifest_.first_journal;
  for (const uint64_t sequence : sequences) {
    TRY_VOID(Replay(sequence));
    next_journal_ = sequence + 1;
  }
  replayed_until_ = next_journal_;
  replayed_keys_.clear();
  return files_.SyncFolder(options_.dir);
}

Result<void> StoreCore::Replay(uint64_t sequence) {
  const std::string name = segment::JournalName(sequence);
  TRY(const auto file, files_.Open(options_.dir + "/" + name, io::OpenMode::kRead));
  auto head = std::make_shared<Head>(sequence);
  active_ = head;
  auto with_head = std::make_shared<Units>(*units());
  with_head->heads.push_back(head);
  SetUnits(with_head);

  uint64_t undecodable = 0;
  const auto take = [&](segment::FrameType type, std::string_view payload) -> Result<void> {
    // A frame whose checksum is right and that makes no sense is a fault of ours, or of a newer
    // program: told, and passed over.
    const auto skip = [&](const Error& error) -> Result<void> {
      ++undecodable;
      logger_.Error("tracking_journal_frame", {{"file", name}, {"error", error.ToString()}});
      return {};
    };
    switch (type) {
      case segment::FrameType::kRecord: {
        auto frame = segment::DecodeJournalRecord(payload);
        if (!frame) return skip(frame.error());
        auto record = mail::DecodeMessageRecord(frame->record);
        if (!record) return skip(record.error());
        Appended item;
        item.fingerprints = std::move(frame->fingerprints);
        item.encoded = std::move(frame->record);
        item.record = *std::move(record);
        item.texts = HeadTextsOf(*item.record);
        // Written again, after a batch that was not acknowledged and may be here all the same.
        const auto now = units();
        if (std::any_of(now->heads.begin(), now->heads.end(),
                        [&](const auto& each) { return each->Has(item.record->mid); })) {
          return {};
        }
        for (const auto& event : item.record->events) {
          if (!event.dedup_key.empty()) replayed_keys_.emplace(item.record->mid, event.dedup_key);
        }
        Apply(item);
        return {};
      }
      case segment::FrameType::kEvents: {
        auto frame = segment::DecodeJournalEvents(payload);
        if (!frame) return skip(frame.error());
        Appended item;
        item.mid = frame->mid;
        for (const auto& bytes : frame->events) {
          auto event = mail::DecodeEvent(bytes);
          if (!event) return skip(event.error());
          if (!event->dedup_key.empty() &&
              !replayed_keys_.emplace(frame->mid, event->dedup_key).second) {
            continue;  // the same
          }
          item.events.push_back(*std::move(event));
        }
        Apply(item);
        return {};
      }
      case segment::FrameType::kClosed: {
        const auto frame = segment::DecodeJournalIds(payload);
        if (!frame) return skip(frame.error());
        closed_well_ = true;
        reserved_mid_ = frame->mid;
        reserved_icid_ = frame->icid;
        return {};
      }
      case segment::FrameType::kIds: {
        const auto frame = segment::DecodeJournalIds(payload);
        if (!frame) return skip(frame.error());
        closed_well_ = false;
        reserved_mid_ = std::max<uint64_t>(reserved_mid_, frame->mid);
        reserved_icid_ = std::max<uint64_t>(reserved_icid_, frame->icid);
        return {};
      }
    }
    return skip({Code::kCorrupt, "a frame of an unknown type"});
  };
  auto replayed = segment::ReplayJournal(*file, sequence, take);
  if (!replayed) return Fail(std::move(replayed).error().Note(name));
  // A process that was killed may have left it in the cache alone; what is shown from here on must
  // stay.
  TRY_VOID(file->Sync());
  for (const auto& damage : replayed->damaged) {
    health_.Lost({name, damage.offset, damage.size});
  }
  if (undecodable > 0) health_.Lost({name, 0, undecodable});
  torn_bytes_ += replayed->torn_bytes;
  journal_doubt_ |= replayed->torn_bytes > 0 || !replayed->damaged.empty();
  if (replayed->torn_bytes > 0) {
    logger_.Warn("tracking_journal_torn", {{"file", name}, {"bytes", replayed->torn_bytes}});
  }
  return {};
}

mail::Mid StoreCore::Next(std::atomic<uint64_t>& next, const std::atomic<uint64_t>& reserved) {
  uint64_t id = next.load();
  do {
    if (id >= reserved.load()) return 0;
  } while (!next.compare_exchange_weak(id, id + 1));
  return id;
}

Result<CheckReport> CheckStore(io::Files& files, const std::string& dir,
                               const std::function<bool()>& stop) {
  CheckReport report;
  TRY(const auto names, files.List(dir));
  auto manifest = ReadManifest(files, dir);
  if (!manifest) {
    if (manifest.error().code == Code::kNotFound) {
      return Fail(Code::kNotFound, "there is no tracking store in '" + dir + "'");
    }
    report.damaged.push_back({kManifestName, 0, manifest.error().ToString()});
  }
  std::set<uint64_t> ids;
  for (const auto& name : names) {
    if (const uint64_t id = segment::SegmentId(name)) ids.insert(id);
  }
  if (manifest) {
    for (const SegmentInfo& info : manifest->segments) {
      if (!ids.contains(info.id)) report.missing.push_back(segment::SegmentName(info.id));
    }
  }
  for (const uint64_t id : ids) {
    ++report.files;
    const std::string name = segment::SegmentName(id);
    const auto opened = Segment::Open(files, dir, id);
    if (!opened) {
      if (opened.error().code == Code::kNotFound) continue;  // compacted meanwhile
      report.damaged.push_back({name, 0, opened.error().ToString()});
      continue;
    }
    report.bytes += (*opened)->info().file_bytes;
    report.records += (*opened)->info().rows;
    TRY(const auto wrong, (*opened)->Check(stop));
    for (const uint64_t offset : wrong) {
      report.damaged.push_back({name, offset, "its checksum is wrong"});
    }
  }
  for (const auto& name : names) {
    const uint64_t sequence = segment::JournalSequence(name);
    if (sequence == 0 || (manifest && sequence < manifest->first_journal)) continue;
    if (stop && stop()) return Fail(Code::kCancelled, "the check was cancelled");
    const auto file = files.Open(dir + "/" + name, io::OpenMode::kRead);
    if (!file) continue;  // sealed meanwhile
    ++report.files;
    auto replayed = segment::ReplayJournal(
        **file, sequence, [&](segment::FrameType type, std::string_view) -> Result<void> {
          if (type == segment::FrameType::kRecord) ++report.records;
          return {};
        });
    if (!replayed) {
      report.damaged.push_back({name, 0, replayed.error().ToString()});
      continue;
    }
    report.bytes += replayed->bytes;
    report.torn_bytes += replayed->torn_bytes;
    for (const auto& damage : replayed->damaged) {
      report.damaged.push_back(
          {name, damage.offset, std::to_string(damage.size) + " bytes of frames are damaged"});
    }
  }
  return report;
}

}  // namespace mailreeve::gateway::tracking
