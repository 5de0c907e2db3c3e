#include "gateway/tracking/core_impl.h"

#include <algorithm>

namespace mailreeve::gateway::tracking {

using segment::FrameType;

namespace {
// What JSON readers can hold exactly.
constexpr mail::Mid kMaxMid = mail::Mid{1} << 53;
}  // namespace

// What the items of one batch know of each other.
struct StoreCore::Batch {
  std::unordered_map<mail::Mid, std::unordered_set<std::string>>
      keys;  // dedup keys of records, events
  std::unordered_set<mail::Mid> records;
};

void StoreCore::Prepare(Appended& item) const {
  if (!item.record || !item.encoded.empty()) return;
  mail::MessageRecord& record = *item.record;
  DropFields(record, options_.privacy);
  item.fingerprints =
      FingerprintsOf(record, {options_.max_indexed_per_class, options_.max_indexed_recipients});
  HashFields(record, options_.privacy);
  item.texts = HeadTextsOf(record);
  item.encoded = mail::Encode(record);
}

Result<bool> StoreCore::IsHeld(const Units& units, mail::Mid mid) const {
  if (mid > max_mid_) return false;
  for (const auto& head : units.heads) {
    if (head->Has(mid)) return true;
  }
  for (const auto& segment : units.segments) {
    if (mid < segment->info().first_mid || mid > segment->info().last_mid) continue;
    for (size_t i = 0; i < segment->blocks(); ++i) {
      const auto block = segment->block(i);
      if (mid < block.first_mid || mid > block.last_mid) continue;
      const auto places = segment->Places(i);
      if (!places && places.error().code == Code::kCorrupt) continue;  // told by whoever reads it
      if (!places) return Fail(places.error());
      if (std::any_of(places->begin(), places->end(),
                      [mid](const auto& place) { return place.mid == mid; })) {
        return true;
      }
    }
  }
  return false;
}

void StoreCore::CheckRecord(const Units& units, Appended& item, Batch& batch) const {
  Prepare(item);
  const mail::MessageRecord& record = *item.record;
  if (record.mid == 0) {
    item.result = Fail(Code::kUnavailable,
                       "no message id can be reserved: the disk refuses the tracking journal");
  } else if (record.mid > kMaxMid) {
    item.result = Fail(Code::kInvalid, "MID " + std::to_string(record.mid) +
                                           " is larger than any that is given out");
  } else if (item.encoded.size() > options_.max_record_bytes) {
    item.result =
        Fail(Code::kInvalid, "tracking record of " + std::to_string(item.encoded.size()) +
                                 " bytes; at most " + std::to_string(options_.max_record_bytes) +
                                 " are taken");
  } else if (const auto held = IsHeld(units, record.mid); !held) {
    item.result =
        Fail(Code::kUnavailable, "whether MID " + std::to_string(record.mid) +
                                     " is tracked cannot be read: " + held.error().message);
  } else if (*held || batch.records.contains(record.mid)) {
    item.result =
        Fail(Code::kConflict, "MID " + std::to_string(record.mid) + " is tracked already");
  } else {
    batch.records.insert(record.mid);
    auto& keys = batch.keys[record.mid];
    for (const auto& event : record.events) {
      if (!event.dedup_key.empty()) keys.insert(event.dedup_key);
    }
  }
}

void StoreCore::CheckEvents(const Units& units, Appended& item, Batch& batch) const {
  auto [keys, is_new] = batch.keys.try_emplace(item.mid);
  if (is_new) {
    auto record = Load(units, item.mid);
    if (!record && record.error().code != Code::kCorrupt) {
      batch.keys.erase(keys);
      item.result = Fail(std::move(record).error());
      return;
    }
    // Of a damaged record the keys are not known: an event too many is better than one lost.
    if (record) {
      for (const auto& event : record->events) {
        if (!event.dedup_key.empty()) keys->second.insert(event.dedup_key);
      }
    }
  }
  std::erase_if(item.events, [&keys = keys->second](const mail::Event& event) {
    return !event.dedup_key.empty() && !keys.insert(event.dedup_key).second;
  });
}

void StoreCore::Commit(std::span<Appended> batch) {
  const std::lock_guard lock(commit_mutex_);
  if (auto ready = ReadyJournal(); !ready) {
    for (Appended& item : batch) item.result = ready;
    return;
  }
  const auto now = units();
  Batch known;
  for (Appended& item : batch) {
    item.result = {};
    if (item.record) {
      CheckRecord(*now, item, known);
    } else {
      CheckEvents(*now, item, known);
    }
    if (!item.result) continue;
    if (item.record) {
      journal_->Add(FrameType::kRecord, {segment::EncodeHead(item.fingerprints), item.encoded});
    } else if (!item.events.empty()) {
      segment::JournalEvents events{item.mid, {}};
      for (const auto& event : item.events) events.events.push_back(mail::Encode(event));
      journal_->Add(FrameType::kEvents, {segment::Encode(events)});
    }
  }
  ReserveIds();
  if (auto committed = journal_->Commit(); !committed) {
    const Error& error = committed.error();
    logger_.Error("tracking_append_failed", {{"error", error.ToString()}});
    const Error told(Code::kUnavailable,
                     error.code == Code::kLimited
                         ? "the disk of the tracking store is full; make room: " + error.message
                         : "the tracking store cannot write: " + error.message);
    for (Appended& item : batch) {
      // One that repeats another of this batch is no more there than that.
      const bool repeats = item.record && known.records.contains(item.record->mid);
      if (item.result || repeats) item.result = Fail(told);
    }
    return;
  }
  if (reserving_mid_ != 0) {
    reserved_mid_ = reserving_mid_;
    reserved_icid_ = reserving_icid_;
  }
  for (Appended& item : batch) {
    if (!item.result) continue;
    if (watch_ && item.record) {
      for (const uint64_t fingerprint : item.fingerprints) watch_->Prefetch(fingerprint);
      for (const uint64_t fingerprint : item.fingerprints) {
        if (watch_->Holds(fingerprint)) {
          item.watched.push_back({fingerprint, item.record->mid, item.record->received});
        }
      }
    }
    Apply(item);
  }
  if (HeadIsFull()) {
    // Not this batch's trouble: it is durable. The next one tries again.
    if (auto frozen = Rotate(); !frozen) {
      logger_.Warn("tracking_rotate_failed", {{"error", frozen.error().ToString()}});
    }
  }
}

// Puts into memory what is durable.
void StoreCore::Apply(Appended& item) {
  if (item.record) {
    mail::MessageRecord& record = *item.record;
    max_mid_ = std::max<uint64_t>(max_mid_, record.mid);
    // An import may bring ids that are ahead of ours.
    for (uint64_t next = next_mid_; next <= record.mid;) {
      if (next_mid_.compare_exchange_weak(next, record.mid + 1)) break;
    }
    active_->Count(record);
    active_->Add({record.mid, record.connection.icid, record.received, std::move(record.events),
                  std::move(item.encoded), std::move(item.fingerprints), std::move(item.texts)});
    return;
  }
  if (item.events.empty()) return;
  if (const auto before = Load(*units(), item.mid)) active_->Count(*before, item.events);
  active_->AddEvents(item.mid, std::move(item.events));
}

bool StoreCore::HeadIsFull() const {
  return active_->rows() + active_->later_events() >= options_.seal_records ||
         journal_->size() >= options_.seal_bytes;
}

Result<void> StoreCore::ReadyJournal() {
  if (journal_ && journal_->usable()) return {};
  return Rotate();
}

// A new journal and a head for it; the head before is sealed by Maintain.
Result<void> StoreCore::Rotate() {
  auto made = segment::JournalWriter::Create(files_, options_.dir, next_journal_);
  if (!made) {
    return Fail(Code::kUnavailable,
                "the tracking store cannot begin a journal: " + made.error().ToString());
  }
  ++next_journal_;
  journal_ = *std::move(made);
  active_ = std::make_shared<Head>(journal_->sequence());
  active_since_ = clock_.Now();
  const std::lock_guard lock(units_mutex_);
  auto changed = std::make_shared<Units>(*units_);
  // A head that holds nothing has nothing to seal, but its journal has to go with its neighbours'.
  changed->heads.push_back(active_);
  units_ = std::move(changed);
  return {};
}

bool StoreCore::IdsRunLow() const {
  const auto left = [](uint64_t next, uint64_t reserved) {
    return reserved > next ? reserved - next : 0;
  };
  return left(std::max<uint64_t>(next_mid_, max_mid_ + 1), reserved_mid_) < options_.id_block / 2 ||
         left(next_icid_, reserved_icid_) < options_.id_block / 2;
}

void StoreCore::ReserveIds() {
  reserving_mid_ = reserving_icid_ = 0;
  if (!IdsRunLow()) return;
  const uint64_t block = options_.id_block;
  const uint64_t mid = std::max<uint64_t>(next_mid_, max_mid_ + 1);
  reserving_mid_ = std::max<uint64_t>(reserved_mid_, mid) + block;
  reserving_icid_ = std::max<uint64_t>(reserved_icid_, next_icid_) + block;
  journal_->Add(FrameType::kIds,
                {segment::Encode(segment::JournalIds{reserving_mid_, reserving_icid_})});
}

void StoreCore::Watch(std::vector<uint64_t> fingerprints) {
  std::shared_ptr<const WatchList> list;
  if (!fingerprints.empty()) list = std::make_shared<WatchList>(fingerprints);
  const std::lock_guard lock(commit_mutex_);
  watch_ = std::move(list);
}

}  // namespace mailreeve::gateway::tracking
