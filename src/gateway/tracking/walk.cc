#include "gateway/tracking/walk.h"

#include "gateway/tracking/fold.h"

#include <algorithm>

namespace mailreeve::gateway::tracking {

using segment::Frame;
using segment::Postings;
using segment::Segment;

RowSpan SpanOf(const Segment& segment, const Plan& plan) {
  RowSpan span{0, segment.info().rows};
  const int64_t last = std::min(plan.until, plan.below.received);
  // Blocks are in order of time: the first that ends late enough, the first that begins too late.
  size_t low = 0, high = segment.blocks();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (ToEpochMicros(segment.block(middle).newest) < plan.from) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  span.first = low == segment.blocks() ? segment.info().rows : segment.block(low).first_row;
  high = segment.blocks();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (ToEpochMicros(segment.block(middle).oldest) <= last) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  span.end = low == segment.blocks() ? segment.info().rows : segment.block(low).first_row;
  span.end = std::max(span.first, span.end);
  return span;
}

namespace {

Result<std::optional<uint32_t>> RowOfMid(const Segment& segment, mail::Mid mid) {
  if (mid < segment.info().first_mid || mid > segment.info().last_mid) return std::nullopt;
  for (size_t i = 0; i < segment.blocks(); ++i) {
    const Segment::Block block = segment.block(i);
    if (mid < block.first_mid || mid > block.last_mid) continue;
    TRY(const auto places, segment.Places(i));
    for (uint32_t row = 0; row < places.size(); ++row) {
      if (places[row].mid == mid) return block.first_row + row;
    }
  }
  return std::nullopt;
}

// Whether a folded text is in one of the texts of a column. Most are ASCII with single spaces, for
// which lower case is all that folding does.
bool AnyHolds(const std::vector<std::string_view>& texts, std::string_view needle) {
  std::string lower;
  return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
    lower.resize(text.size());
    unsigned char odd = 0;
    char last = ' ';  // a space at the beginning goes, too
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      odd |=
          static_cast<unsigned char>(c & 0x80) |
          static_cast<unsigned char>((c < ' ' || c == 0x7f || (c == ' ' && last == ' ')) ? 1 : 0);
      lower[i] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      last = c;
    }
    if (odd != 0) return FoldText(text).find(needle) != std::string::npos;
    return lower.find(needle) != std::string::npos;
  });
}

}  // namespace

Result<std::optional<std::vector<GroupRows>>> GroupsOf(const Segment& segment, const Plan& plan) {
  std::vector<GroupRows> out;
  for (const auto& group : plan.groups) {
    if (group.of_events) continue;
    GroupRows rows;
    for (const uint64_t fingerprint : group.fingerprints) {
      if (!segment.MayHold(fingerprint)) continue;
      TRY(auto found, segment.Find(fingerprint));
      if (!found) continue;
      rows.count += found->count;
      rows.postings.push_back(*std::move(found));
    }
    for (const mail::Mid mid : group.mids) {
      TRY(const auto row, RowOfMid(segment, mid));
      if (!row) continue;
      ++rows.count;
      rows.postings.push_back({.count = 1, .rows = {*row}});
    }
    if (rows.count == 0) return std::optional<std::vector<GroupRows>>();
    out.push_back(std::move(rows));
  }
  std::sort(out.begin(), out.end(),
            [](const GroupRows& a, const GroupRows& b) { return a.count < b.count; });
  return std::optional(std::move(out));
}

Result<std::vector<uint32_t>> RowsOf(const Segment& segment, const GroupRows& group) {
  std::vector<uint32_t> out;
  for (const Postings& postings : group.postings) {
    TRY(const auto rows, segment.index().AllRows(postings));
    out.insert(out.end(), rows.begin(), rows.end());
  }
  if (group.postings.size() > 1) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  return out;
}

// One unit's rows that fit, newest first. `key` is above all that is not yet given.
class Walk::Cursor {
 public:
  virtual ~Cursor() = default;
  // Sets `current`, or `done`, or stops the walk.
  virtual void Advance() = 0;
  // Certainly nothing comes after `current`.
  virtual bool Exhausted() = 0;

  Place key;
  std::optional<mail::MessageRecord> current;
  bool done = false;
};

class Walk::SegmentCursor final : public Walk::Cursor {
 public:
  SegmentCursor(Walk& walk, const Segment& segment) : walk_(walk), segment_(segment) {
    key = {ToEpochMicros(segment.info().newest), UINT64_MAX};
  }

  void Advance() override {
    if (!opened_) Open();
    current.reset();
    while (!done) {
      if (next_ < ready_.size()) {
        current = std::move(ready_[next_++]);
        key = PlaceOf(*current);
        return;
      }
      if (walk_.examined_ >= walk_.max_examined_) {
        walk_.stopped_ = true;
        return;
      }
      ready_.clear();
      next_ = 0;
      ReadBatch();
    }
  }

  bool Exhausted() override {
    if (!opened_) Open();
    if (done) return true;
    if (next_ < ready_.size()) return false;
    if (!led_) return below_ <= first_;
    if (lazy_ && rows_.empty()) ReadLazily();
    return rows_.empty();
  }

 private:
  const Plan& plan() const { return walk_.plan_; }

  void Open() {
    opened_ = true;
    const RowSpan span = SpanOf(segment_, plan());
    first_ = span.first;
    below_ = span.end;
    if (first_ == below_) return Skip();
    const auto& info = segment_.info();
    if (plan().mid && (*plan().mid < info.first_mid || *plan().mid > info.last_mid)) return Skip();

    auto groups = GroupsOf(segment_, plan());
    if (!groups) {
      // Without the index every row is looked at: slower, but nothing is missed.
      walk_.health_.Slower(groups.error());
    } else if (!*groups) {
      return Skip();
    } else {
      groups_ = **std::move(groups);
    }
    if (!OpenEvents()) return Skip();
    OpenTexts();
    if (std::find(text_groups_.begin(), text_groups_.end(), true) == text_groups_.end()) {
      return Skip();
    }
    ++walk_.segments_read_;
    if (!groups_.empty()) OpenRows();
  }

  void Skip() {
    ++walk_.segments_skipped_;
    done = true;
  }

  // Event tokens rule a segment out when no row has one and no later event can have added it.
  bool OpenEvents() {
    const auto& info = segment_.info();
    for (const auto& group : plan().groups) {
      if (!group.of_events) continue;
      GroupRows rows;
      for (const uint64_t fingerprint : group.fingerprints) {
        if (!segment_.MayHold(fingerprint)) continue;
        auto found = segment_.Find(fingerprint);
        if (!found) {
          walk_.health_.Slower(found.error());
          return true;
        }
        if (*found) {
          rows.count += (*found)->count;
          rows.postings.push_back(**std::move(found));
        }
      }
      bool later = false;
      for (const auto& other : walk_.units_.segments) {
        if (other->info().first_journal <= info.last_journal) continue;
        const auto& mids = other->later_mids();
        const auto at = std::lower_bound(mids.begin(), mids.end(), info.first_mid);
        later |= at != mids.end() && *at <= info.last_mid;
      }
      for (const auto& head : walk_.units_.heads) later |= head->later_events() > 0;
      if (later) continue;  // the record decides
      if (rows.count == 0) return false;
      groups_.push_back(std::move(rows));
    }
    std::sort(groups_.begin(), groups_.end(),
              [](const GroupRows& a, const GroupRows& b) { return a.count < b.count; });
    return true;
  }

  void OpenTexts() {
    text_groups_.assign(
        (segment_.info().rows + segment::kTextGroupRows - 1) / segment::kTextGroupRows, true);
    for (const auto& text : plan().texts) {
      if (!text.index) continue;
      std::string_view needle = text.condition.value;
      if (needle.starts_with('.') && text.condition.field == TextCondition::Field::kSenderDomain) {
        needle.remove_prefix(1);
      }
      const auto groups = segment_.TextGroups(*text.index, needle);
      if (!groups) {
        walk_.health_.Slower(groups.error());
        continue;
      }
      for (size_t i = 0; i < text_groups_.size(); ++i) {
        text_groups_[i] = text_groups_[i] && (*groups)[i];
      }
    }
  }

  // The rows of the rarest group, joined with the others that are not much longer. One long list is
  // read from its end, as far as it is needed.
  void OpenRows() {
    constexpr uint64_t kReadAtOnce = 8192;
    led_ = true;
    if (groups_[0].count > kReadAtOnce && groups_[0].postings.size() == 1) {
      lazy_ = true;
    } else if (auto rows = RowsOf(segment_, groups_[0])) {
      rows_ = *std::move(rows);
    } else {
      walk_.health_.Slower(rows.error());
      led_ = false;
      return;
    }
    for (size_t i = 1; i < groups_.size(); ++i) {
      if (!lazy_ && groups_[i].count > 256 * groups_[0].count + 65536) break;
      auto rows = RowsOf(segment_, groups_[i]);
      if (!rows) {
        walk_.health_.Slower(rows.error());
        continue;
      }
      joined_.push_back(*std::move(rows));
    }
    if (!lazy_) FilterRows();
  }

  void FilterRows() {
    std::erase_if(rows_,
                  [this](uint32_t row) { return row < first_ || row >= below_ || !Left(row); });
  }
  bool Left(uint32_t row) const {
    if (!text_groups_[row / segment::kTextGroupRows]) return false;
    return std::all_of(joined_.begin(), joined_.end(), [row](const auto& rows) {
      return std::binary_search(rows.begin(), rows.end(), row);
    });
  }

  // More rows of a long list into rows_, ascending.
  void ReadLazily() {
    constexpr size_t kAtOnce = 4096;
    while (rows_.empty() && below_ > first_) {
      auto rows = segment_.index().RowsBelow(groups_[0].postings[0], below_, kAtOnce);
      if (!rows) {
        walk_.LeftOut(rows.error(), below_ - first_);
        below_ = first_;
        return;
      }
      const uint32_t above = below_;
      below_ = rows->size() < kAtOnce ? first_ : std::max(first_, rows->back());
      const uint32_t lowest = first_;
      rows_.assign(rows->rbegin(), rows->rend());
      std::erase_if(rows_,
                    [&](uint32_t row) { return row < lowest || row >= above || !Left(row); });
    }
  }

  // Reads the rows of one block.
  void ReadBatch() {
    std::vector<uint32_t> rows;  // ascending
    size_t block = 0;
    if (led_) {
      if (lazy_ && rows_.empty()) ReadLazily();
      if (rows_.empty()) {
        done = true;
        return;
      }
      block = segment_.BlockOf(rows_.back());
      const uint32_t block_first = segment_.block(block).first_row;
      const auto from = std::lower_bound(rows_.begin(), rows_.end(), block_first);
      rows.assign(from, rows_.end());
      rows_.erase(from, rows_.end());
    } else {
      while (true) {
        if (below_ <= first_) {
          done = true;
          return;
        }
        block = segment_.BlockOf(below_ - 1);
        const Segment::Block at = segment_.block(block);
        const uint32_t end = below_;
        below_ = std::max(first_, at.first_row);
        if (!BlockMayFit(block, at)) continue;
        for (uint32_t row = below_; row < end; ++row) {
          if (text_groups_[row / segment::kTextGroupRows]) rows.push_back(row);
        }
        if (!rows.empty()) break;
      }
    }
    auto records = segment_.Read(block, rows);
    walk_.examined_ += rows.size();
    if (!records) {
      const Segment::Block at = segment_.block(block);
      walk_.health_.Unreadable(segment_.info().id, block, at.rows, records.error());
      walk_.LeftOut(records.error(), rows.size());
      key = std::min(key, Place{ToEpochMicros(at.oldest), 0});
      return;
    }
    for (size_t i = records->size(); i-- > 0;) {
      mail::MessageRecord& record = (*records)[i];
      if (!(PlaceOf(record) < walk_.plan_.below)) continue;
      if (i == 0) last_ = PlaceOf(record);
      if (auto added = walk_.units_.AddLaterEvents(record, segment_.info().last_journal); !added) {
        walk_.health_.UnreadableEvents(added.error());
        walk_.LeftOut(added.error(), 0);
      }
      if (plan().Fits(record)) ready_.push_back(std::move(record));
    }
    if (!records->empty() && ready_.empty()) key = std::min(key, last_);
  }

  bool BlockMayFit(size_t block, const Segment::Block& at) {
    if (plan().mid && (*plan().mid < at.first_mid || *plan().mid > at.last_mid)) return false;
    if (plan().icid && (*plan().icid < at.first_icid || *plan().icid > at.last_icid)) return false;
    bool group = false;
    for (uint32_t row = at.first_row; row < at.first_row + at.rows && !group;
         row = (row / segment::kTextGroupRows + 1) * segment::kTextGroupRows) {
      group = text_groups_[row / segment::kTextGroupRows];
    }
    const uint32_t last_group = (at.first_row + at.rows - 1) / segment::kTextGroupRows;
    if (!group && !text_groups_[last_group]) return false;
    // The texts of the class are read before the records.
    for (const auto& text : plan().texts) {
      const auto match = text.condition.match;
      if (match == TextMatch::kIsEmpty) continue;
      std::optional<Frame> frame;
      switch (text.condition.field) {
        case TextCondition::Field::kSubject:
          frame = Frame::kSubjects;
          break;
        case TextCondition::Field::kFileName:
          frame = Frame::kNames;
          break;
        case TextCondition::Field::kUrl:
          frame = Frame::kUrls;
          break;
        case TextCondition::Field::kMessageId:
          frame = Frame::kIds;
          break;
        default:
          frame = Frame::kAddresses;
      }
      std::string keep;
      const auto texts = segment_.Texts(block, *frame, keep);
      if (!texts) return true;  // the record's read will tell
      std::string_view needle = text.condition.value;
      if (text.condition.field == TextCondition::Field::kSenderDomain && needle.starts_with('.')) {
        needle.remove_prefix(1);
      }
      walk_.examined_ += texts->size() / 64;  // far cheaper than records
      const bool any = AnyHolds(*texts, needle);
      if (!any) return false;
    }
    return true;
  }

  Walk& walk_;
  const Segment& segment_;
  bool opened_ = false;
  bool led_ = false, lazy_ = false;
  uint32_t first_ = 0, below_ = 0;
  std::vector<GroupRows> groups_;
  std::vector<std::vector<uint32_t>> joined_;
  std::vector<bool> text_groups_;
  std::vector<uint32_t> rows_;  // ascending; taken from the end
  std::vector<mail::MessageRecord> ready_;
  size_t next_ = 0;
  Place last_;
};

class Walk::HeadCursor final : public Walk::Cursor {
 public:
  HeadCursor(Walk& walk, const Head& head, const Place& newest) : walk_(walk), head_(head) {
    key = {newest.received, UINT64_MAX};
    position_ = walk.plan_.below;
  }

  void Advance() override {
    current.reset();
    while (!done) {
      if (next_ == candidates_.size()) {
        if (read_ && (candidates_.size() < kAtOnce || by_groups_)) {
          done = true;
          return;
        }
        read_ = true;
        by_groups_ = walk_.plan_.mid.has_value() ||
                     std::any_of(walk_.plan_.groups.begin(), walk_.plan_.groups.end(),
                                 [](const auto& group) { return !group.of_events; });
        candidates_ = head_.Candidates(walk_.plan_, position_, kAtOnce, [this](mail::Mid mid) {
          return walk_.units_.HasLaterEvents(mid, head_.journal());
        });
        next_ = 0;
        if (candidates_.empty()) {
          done = true;
          return;
        }
        continue;
      }
      if (walk_.examined_ >= walk_.max_examined_) {
        walk_.stopped_ = true;
        return;
      }
      const Head::Candidate candidate = candidates_[next_++];
      position_ = candidate.place;
      key = std::min(key, candidate.place);
      ++walk_.examined_;
      auto record = head_.LoadRow(candidate.row);
      if (!record) {
        walk_.LeftOut(record.error(), 1);
        continue;
      }
      if (auto added = walk_.units_.AddLaterEvents(*record, head_.journal()); !added) {
        walk_.health_.UnreadableEvents(added.error());
        walk_.LeftOut(added.error(), 0);
      }
      if (!walk_.plan_.Fits(*record)) continue;
      current = *std::move(record);
      return;
    }
  }

  bool Exhausted() override {
    return done ||
           (read_ && next_ == candidates_.size() && (candidates_.size() < kAtOnce || by_groups_));
  }

 private:
  static constexpr size_t kAtOnce = 4096;
  Walk& walk_;
  const Head& head_;
  Place position_;
  bool read_ = false, by_groups_ = false;
  std::vector<Head::Candidate> candidates_;
  size_t next_ = 0;
};

Walk::Walk(const Units& units, const Plan& plan, Health& health, size_t max_examined)
    : units_(units), plan_(plan), health_(health), max_examined_(max_examined) {
  if (plan.nothing) {
    segments_skipped_ = units.segments.size();
    return;
  }
  for (const auto& segment : units.segments) {
    if (ToEpochMicros(segment->info().newest) < plan.from ||
        ToEpochMicros(segment->info().oldest) >= plan.until ||
        ToEpochMicros(segment->info().oldest) > plan.below.received) {
      ++segments_skipped_;
      continue;
    }
    cursors_.push_back(std::make_unique<SegmentCursor>(*this, *segment));
  }
  for (const auto& head : units.heads) {
    const auto span = head->Span();
    if (!span || span->second.received < plan.from || span->first.received >= plan.until) continue;
    cursors_.push_back(std::make_unique<HeadCursor>(*this, *head, span->second));
  }
  std::stable_sort(cursors_.begin(), cursors_.end(),
                   [](const auto& a, const auto& b) { return b->key < a->key; });
}

Walk::~Walk() = default;

void Walk::LeftOut(const Error& error, uint64_t rows) {
  unreadable_ += rows;
  if (why_.empty()) why_ = error.ToString();
}

std::optional<mail::MessageRecord> Walk::Next() {
  while (!cursors_.empty() && !stopped_) {
    // Few units are open at a time, and they stand in order of time but for clock jumps.
    auto newest = std::max_element(cursors_.begin(), cursors_.end(),
                                   [](const auto& a, const auto& b) { return a->key < b->key; });
    Cursor& cursor = **newest;
    if (cursor.current) {
      std::optional<mail::MessageRecord> out = std::move(cursor.current);
      cursor.current.reset();
      return out;
    }
    cursor.Advance();
    if (cursor.done) cursors_.erase(newest);
  }
  if (stopped_) {
    resume_ = {INT64_MIN, 0};
    for (const auto& cursor : cursors_) {
      Place place = cursor->key;
      if (cursor->current) ++place.mid;  // found, not given: the next page has it
      resume_ = std::max(resume_, place);
    }
    resume_ = std::min(resume_, plan_.below);  // a page never goes back
  }
  return std::nullopt;
}

bool Walk::MayHaveMore() {
  return std::any_of(cursors_.begin(), cursors_.end(), [](const auto& cursor) {
    return cursor->current.has_value() || !cursor->Exhausted();
  });
}

}  // namespace mailreeve::gateway::tracking
