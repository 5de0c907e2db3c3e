#include "gateway/tracking/core_impl.h"
#include "gateway/tracking/fold.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <tuple>

namespace mailreeve::gateway::tracking {

using segment::Segment;
using segment::SegmentInfo;
using segment::SegmentWriter;

namespace {

// Groups of rows are so small that a segment of some size wants dictionaries; one that has none
// keeps more rows together.
constexpr uint32_t kLearnRows = 16384, kLearnMuchRows = 262144;
constexpr size_t kDictionaryBytes = 112640, kLargeDictionaryBytes = 250000;
constexpr uint32_t kRowsWithoutDictionary = 64;
constexpr size_t kSampleGroups = 1000;

segment::SegmentOptions OptionsFor(size_t rows, int level) {
  segment::SegmentOptions options;
  options.compression_level = level;
  if (rows < kLearnRows) {
    options.group_rows = kRowsWithoutDictionary;
  } else {
    options.dictionary_bytes = rows < kLearnMuchRows ? kDictionaryBytes : kLargeDictionaryBytes;
  }
  return options;
}
constexpr Duration kDay = std::chrono::hours(24);

// Event tokens of rows, to be put among the other keys.
class EventRows {
 public:
  void Add(const std::vector<mail::Event>& events, uint32_t row) {
    for (const uint64_t token : EventTokens(events)) rows_[token].push_back(row);
  }
  std::map<uint64_t, std::vector<uint32_t>>& rows() { return rows_; }

 private:
  std::map<uint64_t, std::vector<uint32_t>> rows_;
};

// Rows of a segment, one after the other.
class RowCursor {
 public:
  explicit RowCursor(const Segment& segment) : segment_(segment) {}
  // False at the end.
  Result<bool> Load() {
    if (at_ < records_.size()) return true;
    if (block_ == segment_.blocks()) return false;
    const auto block = segment_.block(block_);
    std::vector<uint32_t> rows(block.rows);
    for (uint32_t i = 0; i < block.rows; ++i) rows[i] = block.first_row + i;
    TRY(records_, segment_.Read(block_, rows));
    ++block_;
    at_ = 0;
    return true;
  }
  mail::MessageRecord& record() { return records_[at_]; }
  void Pop() {
    ++at_;
    ++row_;
  }
  uint32_t row() const { return row_; }

 private:
  const Segment& segment_;
  size_t block_ = 0, at_ = 0;
  uint32_t row_ = 0;
  std::vector<mail::MessageRecord> records_;
};

// Keys of a segment as fingerprints, one after the other.
class KeyCursor {
 public:
  explicit KeyCursor(const Segment& segment) : segment_(segment) {}
  Result<bool> Load() {
    while (at_ == keys_.size()) {
      if (page_ == segment_.index().pages()) return false;
      TRY(keys_, segment_.index().Page(page_));
      ++page_;
      at_ = 0;
    }
    return true;
  }
  uint64_t fingerprint() const { return keys_[at_].key << (64 - segment_.key_bits()); }
  Result<std::vector<uint32_t>> Rows() const { return segment_.index().AllRows(keys_[at_]); }
  void Pop() { ++at_; }

 private:
  const Segment& segment_;
  size_t page_ = 0, at_ = 0;
  std::vector<segment::Postings> keys_;
};

using KeyAndRow = std::pair<uint64_t, uint32_t>;

// Fingerprints are spread evenly: put into many small heaps first, they are sorted in the
// processor's cache.
std::vector<KeyAndRow> Sorted(std::vector<KeyAndRow> pairs) {
  constexpr unsigned kBits = 12;
  const auto heap = [](const KeyAndRow& pair) { return pair.first >> (64 - kBits); };
  std::vector<size_t> begin((size_t{1} << kBits) + 1, 0);
  for (const auto& pair : pairs) ++begin[heap(pair) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<KeyAndRow> out(pairs.size());
  std::vector<size_t> next(begin.begin(), begin.end() - 1);
  for (const auto& pair : pairs) out[next[heap(pair)]++] = pair;
  for (size_t i = 0; i + 1 < begin.size(); ++i) {
    std::sort(out.begin() + static_cast<std::ptrdiff_t>(begin[i]),
              out.begin() + static_cast<std::ptrdiff_t>(begin[i + 1]));
  }
  return out;
}

std::vector<segment::LaterEvents> Collected(std::map<uint64_t, std::vector<mail::Event>> later) {
  std::vector<segment::LaterEvents> out;
  for (auto& [mid, events] : later) out.push_back({mid, std::move(events)});
  return out;
}

Result<std::string> MergedCounters(const std::vector<std::string>& encoded, size_t max_keys) {
  if (encoded.size() == 1) return encoded.front();
  std::vector<std::unique_ptr<counters::Reader>> readers;
  std::vector<const counters::Reader*> each;
  for (const std::string& table : encoded) {
    TRY(readers.emplace_back(),
        counters::Reader::Open(
            [&table](uint64_t offset, size_t size) -> Result<std::string> {
              return offset > table.size() || size > table.size() - offset
                         ? Result<std::string>(Fail(Code::kCorrupt, "report counters end early"))
                         : Result<std::string>(table.substr(offset, size));
            },
            table.size()));
    each.push_back(readers.back().get());
  }
  return counters::MergeTables(each, max_keys);
}

}  // namespace

Result<void> StoreCore::GoOn() const {
  if (stop_maintenance_) return Fail(Code::kCancelled, "the tracking store is being closed");
  return {};
}

Result<void> StoreCore::SealMeanwhile(uint32_t step) {
  constexpr uint32_t kEvery = 1024;
  if (step % kEvery != 0 || !HasFrozen()) return {};
  return SealFrozen().map([](bool) {});
}

Result<bool> StoreCore::Maintain() {
  const std::lock_guard lock(maintain_mutex_);
  {
    // An old head is sealed, however small: its journal would be replayed at every start.
    const std::lock_guard commit(commit_mutex_);
    const auto age = clock_.Now() - active_since_;
    if (active_->rows() > 0 && age >= std::chrono::seconds(options_.seal_seconds)) {
      TRY_VOID(Rotate());
    }
  }
  TRY(const bool sealed, SealFrozen());
  if (sealed) return true;
  TRY(const bool dropped, DropOld());
  if (dropped) return true;
  return Compact();
}

Result<void> StoreCore::Seal() {
  const std::lock_guard lock(maintain_mutex_);
  {
    const std::lock_guard commit(commit_mutex_);
    if (active_->rows() > 0 || active_->later_events() > 0) TRY_VOID(Rotate());
  }
  while (true) {
    TRY(const bool sealed, SealFrozen());
    if (!sealed) return {};
  }
}

// The manifest is what is true after a crash: written before units change and files go.
Result<void> StoreCore::Publish(Manifest manifest, std::shared_ptr<const Units> units) {
  manifest.reserved_mid = reserved_mid_;
  manifest.reserved_icid = reserved_icid_;
  manifest.lost = health_.lost();
  TRY_VOID(WriteManifest(files_, options_.dir, manifest));
  manifest_ = std::move(manifest);
  // Heads may have come meanwhile; those that are gone are named by the manifest's first journal.
  const std::lock_guard lock(units_mutex_);
  auto changed = std::make_shared<Units>(*units);
  changed->heads = units_->heads;
  std::erase_if(changed->heads,
                [this](const auto& head) { return head->journal() < manifest_.first_journal; });
  units_ = std::move(changed);
  return {};
}

Result<bool> StoreCore::SealFrozen() {
  const auto now = units();
  std::vector<std::shared_ptr<Head>> heads;
  size_t rows = 0, later = 0;
  for (const auto& head : now->heads) {
    if (head == now->heads.back()) break;
    if (rows >= options_.seal_records && head->journal() >= replayed_until_) break;
    heads.push_back(head);
    rows += head->rows();
    later += head->later_events();
  }
  if (heads.empty()) return false;
  Manifest manifest = manifest_;
  auto changed = std::make_shared<Units>(*now);
  if (rows > 0 || later > 0) {
    SegmentInfo info;
    // Never again, even when this fails: a manifest that was said to have failed may be on disk and
    // name a segment of this id.
    info.id = manifest_.next_segment++;
    manifest.next_segment = manifest_.next_segment;
    info.first_journal = heads.front()->journal();
    info.last_journal = heads.back()->journal();
    SegmentInfo made;
    TRY_VOID(WriteSealed(heads, info, made));
    TRY(auto segment, Segment::Open(files_, options_.dir, info.id));
    if (auto loaded = segment->LoadFilters(); !loaded) health_.Slower(loaded.error());
    manifest.segments.push_back(made);
    changed->segments.push_back(std::move(segment));
  }
  const uint64_t first = manifest.first_journal;
  manifest.first_journal = heads.back()->journal() + 1;
  TRY_VOID(Publish(std::move(manifest), changed));
  for (uint64_t sequence = first; sequence < manifest_.first_journal; ++sequence) {
    if (auto removed = files_.Remove(options_.dir + "/" + segment::JournalName(sequence));
        !removed && removed.error().code != Code::kNotFound) {
      logger_.Warn("tracking_leftover", {{"error", removed.error().ToString()}});
    }
  }
  return true;
}

Result<void> StoreCore::WriteSealed(const std::vector<std::shared_ptr<Head>>& heads,
                                    SegmentInfo info, SegmentInfo& made) {
  struct From {
    Place place;
    uint32_t head, row;
  };
  std::vector<From> order;
  Units among;  // later events of one head for messages of another
  for (uint32_t i = 0; i < heads.size(); ++i) {
    among.heads.push_back(heads[i]);
    for (const uint32_t row : heads[i]->RowsInOrder()) {
      const auto [mid, received] = heads[i]->WhoIs(row);
      order.push_back({{ToEpochMicros(received), mid}, i, row});
    }
  }
  if (heads.size() > 1) {
    std::sort(order.begin(), order.end(),
              [](const From& a, const From& b) { return a.place < b.place; });
  }
  constexpr int kFast = 1;  // compaction packs them better
  const segment::SegmentOptions options = OptionsFor(order.size(), kFast);
  TRY(auto writer, SegmentWriter::Create(files_, options_.dir, info, options,
                                         static_cast<uint32_t>(order.size()), FoldText));
  if (options.dictionary_bytes > 0) {
    const size_t groups = order.size() / options.group_rows;
    const size_t step = std::max<size_t>(1, groups / kSampleGroups);
    std::vector<mail::MessageRecord> sample;
    for (size_t group = 0; group < groups; group += step) {
      sample.clear();
      for (size_t i = 0; i < options.group_rows; ++i) {
        const From& from = order[group * options.group_rows + i];
        TRY(sample.emplace_back(), heads[from.head]->LoadRow(from.row));
      }
      writer->Learn(sample);
    }
  }
  std::vector<std::vector<uint32_t>> new_rows(heads.size());
  for (size_t i = 0; i < heads.size(); ++i) new_rows[i].resize(heads[i]->rows());
  EventRows events;
  for (uint32_t row = 0; row < order.size(); ++row) {
    const From& from = order[row];
    TRY_VOID(GoOn());
    new_rows[from.head][from.row] = row;
    TRY(mail::MessageRecord record, heads[from.head]->LoadRow(from.row));
    if (heads.size() > 1) TRY_VOID(among.AddLaterEvents(record, heads[from.head]->journal()));
    events.Add(record.events, row);
    TRY_VOID(writer->AddRow(std::move(record)));
  }
  std::vector<KeyAndRow> pairs;
  for (size_t i = 0; i < heads.size(); ++i) {
    heads[i]->ForFingerprints([&](uint64_t fingerprint, uint32_t row) {
      pairs.emplace_back(fingerprint, new_rows[i][row]);
    });
  }
  for (const auto& [token, rows] : events.rows()) {
    for (const uint32_t row : rows) pairs.emplace_back(token, row);
  }
  pairs = Sorted(std::move(pairs));
  std::vector<uint32_t> rows;
  for (size_t at = 0; at < pairs.size();) {
    const uint64_t fingerprint = pairs[at].first;
    rows.clear();
    for (; at < pairs.size() && pairs[at].first == fingerprint; ++at) {
      rows.push_back(pairs[at].second);
    }
    TRY_VOID(writer->AddKey(fingerprint, rows));
  }
  std::map<uint64_t, std::vector<mail::Event>> later;
  std::vector<std::string> tables;
  for (size_t i = 0; i < heads.size(); ++i) {
    tables.push_back(heads[i]->counters().Encode(options_.max_counter_keys));
    for (const uint64_t mid : heads[i]->LaterMids()) {
      const bool here = std::any_of(heads.begin(), heads.begin() + static_cast<ptrdiff_t>(i),
                                    [mid](const auto& head) { return head->Has(mid); });
      if (here) continue;  // folded in above
      auto more = heads[i]->LaterEventsOf(mid);
      auto& to = later[mid];
      to.insert(to.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
    }
  }
  TRY(const std::string table, MergedCounters(tables, options_.max_counter_keys));
  TRY(made, writer->Finish(table, Collected(std::move(later))));
  return {};
}

Result<bool> StoreCore::DropOld() {
  if (options_.keep_days == 0 && options_.max_store_bytes == 0) return false;
  const Time now = clock_.Now();
  const auto held = units();
  if (last_look_ != Time{} && now - last_look_ < std::chrono::minutes(1) && now >= last_look_) {
    return false;
  }
  // A clock that jumps ahead would make all mail old at once. After a jump, and at a start long
  // after the last mail, nothing is dropped for a day, in which people can mend it.
  const Coverage coverage = CoverageOf(*held);
  const Time before = last_look_ != Time{} ? last_look_ : coverage.newest.value_or(now);
  if (now - before > kDay || now < before - kDay) {
    held_until_ = now + kDay;
    logger_.Warn("tracking_clock_jump", {{"before", FormatTime(before)}, {"now", FormatTime(now)}});
  }
  last_look_ = now;
  if (held_until_ && now < *held_until_ && now >= *held_until_ - 2 * kDay) return false;
  held_until_.reset();

  std::vector<std::shared_ptr<const Segment>> oldest_first = held->segments;
  std::stable_sort(oldest_first.begin(), oldest_first.end(), [](const auto& a, const auto& b) {
    return a->info().newest < b->info().newest;
  });
  uint64_t bytes = 0;
  for (const auto& segment : oldest_first) bytes += segment->info().file_bytes;
  std::unordered_set<uint64_t> gone;
  const Time cutoff = now - kDay * static_cast<int64_t>(options_.keep_days);
  for (const auto& segment : oldest_first) {
    const bool old = options_.keep_days > 0 && segment->info().newest < cutoff;
    const bool too_much = options_.max_store_bytes > 0 && bytes > options_.max_store_bytes;
    if (!old && !too_much) break;
    // It goes when the messages have gone that its later events belong to.
    const bool needed =
        std::any_of(segment->later_mids().begin(), segment->later_mids().end(), [&](uint64_t mid) {
          return std::any_of(oldest_first.begin(), oldest_first.end(), [&](const auto& other) {
            return !gone.contains(other->info().id) && other != segment &&
                   other->info().last_journal < segment->info().first_journal &&
                   mid >= other->info().first_mid && mid <= other->info().last_mid;
          });
        });
    if (needed) continue;
    bytes -= segment->info().file_bytes;
    gone.insert(segment->info().id);
  }
  Manifest manifest = manifest_;
  // What is missing anyway stops being missed when its time is over.
  for (const auto& missing : held->missing) {
    if (options_.keep_days > 0 && missing.info.newest < cutoff) gone.insert(missing.info.id);
  }
  if (gone.empty()) return false;
  std::erase_if(manifest.segments,
                [&gone](const SegmentInfo& info) { return gone.contains(info.id); });
  auto changed = std::make_shared<Units>(*held);
  std::erase_if(changed->segments,
                [&gone](const auto& segment) { return gone.contains(segment->info().id); });
  std::erase_if(changed->missing,
                [&gone](const auto& missing) { return gone.contains(missing.info.id); });
  TRY_VOID(Publish(std::move(manifest), changed));
  for (const uint64_t id : gone) {
    logger_.Info("tracking_segment_dropped", {{"file", segment::SegmentName(id)}});
    (void)files_.Remove(options_.dir + "/" + segment::SegmentName(id));
  }
  return true;
}

Result<bool> StoreCore::Compact() {
  const auto now = units();
  // A segment is dropped as a whole: one must not hold much more time than others.
  const Duration span =
      options_.keep_days > 0
          ? std::max<Duration>(kDay, kDay * static_cast<int64_t>(options_.keep_days) / 10)
          : kDay * 366;
  std::vector<std::shared_ptr<const Segment>> run, chosen;
  size_t rows = 0;
  Time oldest, newest;
  const auto consider = [&] {
    if (rows >= options_.compact_records) {
      chosen = run;
    } else if (run.size() >= options_.compact_segments) {
      // The newest that are alike. (Classes of fixed bounds would part those of a full head, some
      // of which have a few rows more than others.)
      size_t alike = 1;
      const uint64_t most = uint64_t{run.back()->info().rows} * 3;
      while (alike < run.size() && run[run.size() - 1 - alike]->info().rows <= most) ++alike;
      if (alike >= options_.compact_segments)
        chosen.assign(run.end() - static_cast<ptrdiff_t>(alike), run.end());
    }
  };
  for (const auto& segment : now->segments) {
    const SegmentInfo& info = segment->info();
    const bool follows = run.empty() || run.back()->info().last_journal + 1 == info.first_journal;
    const bool small = info.rows < options_.compact_records - options_.compact_records / 8 &&
                       !spoiled_.contains(info.id);
    const Time from = run.empty() ? info.oldest : std::min(oldest, info.oldest);
    const Time to = run.empty() ? info.newest : std::max(newest, info.newest);
    if (!run.empty() && (!follows || !small || to - from > span)) {
      consider();
      run.clear();
      rows = 0;
      if (!chosen.empty()) break;
    }
    if (!small) continue;
    oldest = run.empty() ? info.oldest : from;
    newest = run.empty() ? info.newest : to;
    run.push_back(segment);
    rows += info.rows;
    if (rows >= options_.compact_records) break;
  }
  if (chosen.empty() && !run.empty()) consider();
  if (chosen.size() < 2) return false;

  SegmentInfo info;
  info.id = manifest_.next_segment++;  // as in SealFrozen
  info.first_journal = chosen.front()->info().first_journal;
  info.last_journal = chosen.back()->info().last_journal;
  SegmentInfo made;
  auto written = WriteCompacted(chosen, info, made);
  if (!written) {
    if (written.error().code != Code::kCorrupt) return Fail(std::move(written).error());
    // Left as they are: what can be read of them goes on being read.
    for (const auto& segment : chosen) {
      const auto wrong = segment->Check();
      if (!wrong || !wrong->empty()) spoiled_.insert(segment->info().id);
    }
    if (std::none_of(chosen.begin(), chosen.end(), [this](const auto& segment) {
          return spoiled_.contains(segment->info().id);
        })) {
      spoiled_.insert(chosen.front()->info().id);
    }
    health_.Slower(written.error());
    return true;
  }
  TRY(auto segment, Segment::Open(files_, options_.dir, info.id));
  if (auto loaded = segment->LoadFilters(); !loaded) health_.Slower(loaded.error());
  // Full heads may have been sealed meanwhile.
  Manifest manifest = manifest_;
  auto changed = std::make_shared<Units>(*units());
  const auto is_input = [&chosen](uint64_t id) {
    return std::any_of(chosen.begin(), chosen.end(),
                       [id](const auto& input) { return input->info().id == id; });
  };
  const auto at = std::find_if(changed->segments.begin(), changed->segments.end(),
                               [&](const auto& each) { return is_input(each->info().id); });
  const auto place = at - changed->segments.begin();
  std::erase_if(changed->segments, [&](const auto& each) { return is_input(each->info().id); });
  changed->segments.insert(changed->segments.begin() + place, std::move(segment));
  const auto named = std::find_if(manifest.segments.begin(), manifest.segments.end(),
                                  [&](const auto& each) { return is_input(each.id); });
  const auto named_place = named - manifest.segments.begin();
  std::erase_if(manifest.segments, [&](const auto& each) { return is_input(each.id); });
  manifest.segments.insert(manifest.segments.begin() + named_place, made);
  TRY_VOID(Publish(std::move(manifest), changed));
  // Readers that still have them open go on reading them.
  for (const auto& input : chosen) {
    (void)files_.Remove(options_.dir + "/" + segment::SegmentName(input->info().id));
  }
  return true;
}

Result<void> StoreCore::WriteCompacted(const std::vector<std::shared_ptr<const Segment>>& inputs,
                                       SegmentInfo info, SegmentInfo& made) {
  Units among;
  among.segments = inputs;
  uint64_t rows = 0;
  size_t blocks = 0;
  for (const auto& input : inputs) {
    rows += input->info().rows;
    blocks += input->blocks();
  }
  if (rows > UINT32_MAX) return Fail(Code::kLimited, "too many messages for one segment");
  const segment::SegmentOptions options = OptionsFor(rows, options_.compression_level);
  TRY(auto writer, SegmentWriter::Create(files_, options_.dir, info, options,
                                         static_cast<uint32_t>(rows), FoldText));
  if (options.dictionary_bytes > 0) {
    const size_t step = std::max<size_t>(1, blocks / (kSampleGroups / 4));
    size_t index = 0;
    for (const auto& input : inputs) {
      for (size_t i = 0; i < input->blocks(); ++i, ++index) {
        if (index % step != 0) continue;
        const auto block = input->block(i);
        std::vector<uint32_t> some(std::min(block.rows, 4 * options.group_rows));
        for (uint32_t row = 0; row < some.size(); ++row) some[row] = block.first_row + row;
        TRY(const auto records, input->Read(i, some));
        const std::span<const mail::MessageRecord> all(records);
        for (size_t at = 0; at < all.size(); at += options.group_rows) {
          writer->Learn(all.subspan(at, std::min<size_t>(options.group_rows, all.size() - at)));
        }
      }
    }
  }

  std::vector<RowCursor> cursors;
  std::vector<std::vector<uint32_t>> new_rows(inputs.size());
  using Next = std::tuple<Place, size_t>;
  std::priority_queue<Next, std::vector<Next>, std::greater<>> queue;
  for (size_t i = 0; i < inputs.size(); ++i) {
    cursors.emplace_back(*inputs[i]);
    new_rows[i].resize(inputs[i]->info().rows);
    TRY(const bool more, cursors[i].Load());
    if (more) queue.emplace(PlaceOf(cursors[i].record()), i);
  }
  EventRows events;
  std::unordered_set<uint64_t> folded;
  for (uint32_t row = 0; !queue.empty(); ++row) {
    TRY_VOID(GoOn());
    TRY_VOID(SealMeanwhile(row));
    const size_t i = std::get<1>(queue.top());
    queue.pop();
    new_rows[i][cursors[i].row()] = row;
    mail::MessageRecord record = std::move(cursors[i].record());
    cursors[i].Pop();
    if (among.HasLaterEvents(record.mid, inputs[i]->info().last_journal)) {
      TRY_VOID(among.AddLaterEvents(record, inputs[i]->info().last_journal));
      folded.insert(record.mid);
    }
    events.Add(record.events, row);
    TRY_VOID(writer->AddRow(std::move(record)));
    TRY(const bool more, cursors[i].Load());
    if (more) queue.emplace(PlaceOf(cursors[i].record()), i);
  }

  std::vector<KeyCursor> keys;
  using NextKey = std::pair<uint64_t, size_t>;
  std::priority_queue<NextKey, std::vector<NextKey>, std::greater<>> key_queue;
  for (size_t i = 0; i < inputs.size(); ++i) {
    keys.emplace_back(*inputs[i]);
    TRY(const bool more, keys[i].Load());
    if (more) key_queue.emplace(keys[i].fingerprint(), i);
  }
  const unsigned drop = 64 - segment::kKeyBits;
  auto token = events.rows().begin();
  const auto event_keys = [&] {
    std::unordered_set<uint64_t> out;
    for (unsigned kind = 0; kind <= mail::kMaxEventKind; ++kind) {
      out.insert(EventToken(static_cast<mail::EventKind>(kind)) >> drop);
    }
    return out;
  }();
  for (uint32_t key = 0; !key_queue.empty() || token != events.rows().end(); ++key) {
    TRY_VOID(GoOn());
    TRY_VOID(SealMeanwhile(key));
    if (key_queue.empty() ||
        (token != events.rows().end() && token->first >> drop < key_queue.top().first >> drop)) {
      TRY_VOID(writer->AddKey(token->first, token->second));
      ++token;
      continue;
    }
    const auto [fingerprint, i] = key_queue.top();
    key_queue.pop();
    // Events have changed: their tokens are made anew.
    if (!event_keys.contains(fingerprint >> drop)) {
      TRY(auto of_key, keys[i].Rows());
      for (uint32_t& row : of_key) {
        if (row >= new_rows[i].size()) return Fail(Code::kCorrupt, "a row that is not there");
        row = new_rows[i][row];
      }
      TRY_VOID(writer->AddKey(fingerprint, of_key));
    }
    keys[i].Pop();
    TRY(const bool more, keys[i].Load());
    if (more) key_queue.emplace(keys[i].fingerprint(), i);
  }

  std::map<uint64_t, std::vector<mail::Event>> later;
  std::vector<std::string> tables;
  for (const auto& input : inputs) {
    TRY(tables.emplace_back(), input->ReadCounters(0, input->counters_size()));
    for (const uint64_t mid : input->later_mids()) {
      if (folded.contains(mid)) continue;
      TRY(auto more, input->LaterEventsOf(mid));
      auto& to = later[mid];
      to.insert(to.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
    }
  }
  auto table = MergedCounters(tables, options_.max_counter_keys);
  if (!table) return Fail(std::move(table).error());
  TRY(made, writer->Finish(*table, Collected(std::move(later))));
  return {};
}

}  // namespace mailreeve::gateway::tracking
