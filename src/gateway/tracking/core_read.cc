#include "gateway/tracking/core_impl.h"
#include "gateway/tracking/walk.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace mailreeve::gateway::tracking {

using segment::Segment;

namespace {

void Explain(std::string& why, const std::string& more) {
  if (more.empty()) return;
  if (!why.empty()) why += "; ";
  why += more;
}

// The rows of a segment that are in [from, until).
Result<RowSpan> ExactSpan(const Segment& segment, const Plan& plan) {
  RowSpan span = SpanOf(segment, plan);
  const auto bound = [&](size_t block, int64_t time) -> Result<uint32_t> {
    TRY(const auto places, segment.Places(block));
    const auto at = std::lower_bound(
        places.begin(), places.end(), time,
        [](const auto& place, int64_t t) { return ToEpochMicros(place.received) < t; });
    return segment.block(block).first_row + static_cast<uint32_t>(at - places.begin());
  };
  if (span.first < span.end && plan.from != INT64_MIN) {
    TRY(span.first, bound(segment.BlockOf(span.first), plan.from));
  }
  if (span.first < span.end && plan.until != INT64_MAX) {
    const size_t block = segment.BlockOf(span.end - 1);
    TRY(const uint32_t end, bound(block, plan.until));
    span.end = std::max(span.first, end);
  }
  return span;
}

// Bits for the classes of Totals.
enum : uint8_t { kDelivered = 1, kRefused = 2, kQuarantined = 4, kBounced = 8, kRemediated = 16 };
uint8_t TotalsOf(mail::EventKind kind) {
  switch (kind) {
    case mail::EventKind::kDelivered:
      return kDelivered;
    case mail::EventKind::kRejected:
    case mail::EventKind::kTemporarilyRefused:
    case mail::EventKind::kDiscarded:
      return kRefused;
    case mail::EventKind::kQuarantined:
      return kQuarantined;
    case mail::EventKind::kBounced:
    case mail::EventKind::kExpired:
      return kBounced;
    case mail::EventKind::kRemoved:
    case mail::EventKind::kMovedFollowed:
      return kRemediated;
    default:
      return 0;
  }
}
void Add(Totals& totals, uint8_t bits) {
  ++totals.messages;
  totals.delivered += (bits & kDelivered) != 0;
  totals.refused += (bits & kRefused) != 0;
  totals.quarantined += (bits & kQuarantined) != 0;
  totals.bounced += (bits & kBounced) != 0;
  totals.remediated += (bits & kRemediated) != 0;
}
uint8_t TotalsOf(const std::vector<mail::Event>& events) {
  uint8_t bits = 0;
  for (const auto& event : events) bits |= TotalsOf(event.kind);
  return bits;
}

}  // namespace

Coverage StoreCore::CoverageOf(const Units& units) const {
  Coverage out;
  const auto span = [&out](Time oldest, Time newest) {
    out.oldest = out.oldest ? std::min(*out.oldest, oldest) : oldest;
    out.newest = out.newest ? std::max(*out.newest, newest) : newest;
  };
  for (const auto& segment : units.segments) {
    if (segment->info().rows == 0) continue;
    out.records_held += segment->info().rows;
    span(segment->info().oldest, segment->info().newest);
  }
  for (const auto& head : units.heads) {
    const auto held = head->Span();
    if (!held) continue;
    out.records_held += head->rows();
    span(FromEpochMicros(held->first.received), FromEpochMicros(held->second.received));
  }
  out.records_unreadable = health_.unreadable_rows();
  for (const auto& missing : units.missing) {
    ++out.segments_missing;
    out.records_unreadable += missing.info.rows;
    if (out.segments_missing <= 5) {
      Explain(out.why, std::to_string(missing.info.rows) + " messages of " +
                           FormatTime(missing.info.oldest) + " to " +
                           FormatTime(missing.info.newest) + " cannot be read: " + missing.why);
    }
  }
  if (out.segments_missing > 5) {
    Explain(out.why, "and " + std::to_string(out.segments_missing - 5) + " more segments");
  }
  Explain(out.why, health_.Told());
  out.complete = out.why.empty();
  return out;
}

Coverage StoreCore::Held() const { return CoverageOf(*units()); }

Result<Page> StoreCore::Search(const Query& query) const {
  TRY(const Plan plan, Plan::Make(query, options_));
  const auto now = units();
  Walk walk(*now, plan, health_, options_.max_examined);
  Page page;
  const size_t limit = std::clamp<size_t>(query.limit, 1, kMaxPage);
  size_t bytes = 0;
  while (page.records.size() < limit && bytes < options_.max_page_bytes) {
    auto record = walk.Next();
    if (!record) break;
    // Sizes in memory are near enough to those encoded.
    bytes += 512 + record->inspection.size / 64 + 64 * record->recipients.size() +
             128 * record->inspection.urls.size() + 128 * record->events.size();
    page.records.push_back(*std::move(record));
  }
  page.coverage = CoverageOf(*now);
  if (walk.stopped()) {
    page.next_cursor = CursorOf(walk.resume());
    page.coverage.complete = false;
    Explain(page.coverage.why, "stopped after looking at " + std::to_string(walk.examined()) +
                                   " messages; go on with the cursor, or ask for less");
  } else if (!page.records.empty() &&
             (page.records.size() == limit || bytes >= options_.max_page_bytes) &&
             walk.MayHaveMore()) {
    page.next_cursor = CursorOf(PlaceOf(page.records.back()));
  }
  page.coverage.segments_read = walk.segments_read();
  page.coverage.segments_skipped = walk.segments_skipped();
  if (!walk.why().empty()) {
    page.coverage.complete = false;
    Explain(page.coverage.why,
            std::to_string(walk.unreadable()) +
                " messages that may fit are damaged and are not shown: " + walk.why());
  }
  return page;
}

Result<mail::MessageRecord> StoreCore::Load(const Units& units, mail::Mid mid) const {
  std::string damage;
  for (auto head = units.heads.rbegin(); head != units.heads.rend(); ++head) {
    if (!(*head)->Has(mid)) continue;
    TRY(mail::MessageRecord record, (*head)->Load(mid));
    TRY_VOID(units.AddLaterEvents(record, (*head)->journal()));
    return record;
  }
  for (auto each = units.segments.rbegin(); each != units.segments.rend(); ++each) {
    const Segment& segment = **each;
    if (mid < segment.info().first_mid || mid > segment.info().last_mid) continue;
    for (size_t i = segment.blocks(); i-- > 0;) {
      const auto block = segment.block(i);
      if (mid < block.first_mid || mid > block.last_mid) continue;
      const auto places = segment.Places(i);
      if (!places) {
        health_.Unreadable(segment.info().id, i, block.rows, places.error());
        // A disk that fails for a moment is no damage: whoever asks may ask again.
        if (places.error().code != Code::kCorrupt) {
          return Fail(Error(places.error()).Note("MID " + std::to_string(mid)));
        }
        damage = places.error().ToString();
        continue;
      }
      for (uint32_t row = 0; row < places->size(); ++row) {
        if ((*places)[row].mid != mid) continue;
        const std::array<uint32_t, 1> wanted = {block.first_row + row};
        auto records = segment.Read(i, wanted);
        if (!records) {
          health_.Unreadable(segment.info().id, i, block.rows, records.error());
          return Fail(std::move(records).error().Note("MID " + std::to_string(mid)));
        }
        TRY_VOID(units.AddLaterEvents(records->front(), segment.info().last_journal));
        return std::move(records->front());
      }
    }
  }
  for (const auto& missing : units.missing) {
    if (mid >= missing.info.first_mid && mid <= missing.info.last_mid) damage = missing.why;
  }
  if (!damage.empty()) {
    return Fail(Code::kCorrupt,
                "MID " + std::to_string(mid) + " is not readable, or not tracked: " + damage);
  }
  return Fail(Code::kNotFound, "MID " + std::to_string(mid) + " is not tracked");
}

Result<mail::MessageRecord> StoreCore::Get(mail::Mid mid) const { return Load(*units(), mid); }

Result<mail::MessageRecord> StoreCore::FindByQueueId(const std::string& queue_id,
                                                     Time not_after) const {
  const auto none = [&] { return Fail(Code::kNotFound, "no message had queue id " + queue_id); };
  if (queue_id.empty()) return none();
  Query query;
  query.queue_id = queue_id;
  query.until = not_after + Duration(1);
  query.limit = 1;
  TRY(Page page, Search(query));
  if (page.records.empty()) return none();
  return std::move(page.records.front());
}

Result<Matches> StoreCore::CountMatches(const Query& query) const {
  Query all = query;
  all.cursor.clear();
  TRY(const Plan plan, Plan::Make(all, options_));
  const auto now = units();
  Matches out;
  out.coverage = CoverageOf(*now);
  const auto left_out = [&out](const std::string& why) {
    out.exact = false;
    out.coverage.complete = false;
    Explain(out.coverage.why, why);
  };
  if (plan.nothing) return out;

  // What the index cannot decide is counted by looking; heads are small.
  Units looked_at = *now;
  if (plan.index_decides) {
    looked_at.segments.clear();
    for (const auto& segment : now->segments) {
      const auto count = [&]() -> Result<uint64_t> {
        TRY(const RowSpan span, ExactSpan(*segment, plan));
        if (span.first >= span.end) return 0;
        if (plan.groups.empty()) return span.end - span.first;
        TRY(const auto groups, GroupsOf(*segment, plan));
        if (!groups) return 0;
        const bool whole = span.first == 0 && span.end == segment->info().rows;
        if (whole && groups->size() == 1 && (*groups)[0].postings.size() == 1) {
          return (*groups)[0].count;
        }
        TRY(std::vector<uint32_t> rows, RowsOf(*segment, (*groups)[0]));
        for (size_t i = 1; i < groups->size() && !rows.empty(); ++i) {
          TRY(const auto more, RowsOf(*segment, (*groups)[i]));
          std::vector<uint32_t> both;
          std::set_intersection(rows.begin(), rows.end(), more.begin(), more.end(),
                                std::back_inserter(both));
          rows = std::move(both);
        }
        return static_cast<uint64_t>(std::lower_bound(rows.begin(), rows.end(), span.end) -
                                     std::lower_bound(rows.begin(), rows.end(), span.first));
      };
      const auto counted = count();
      ++out.coverage.segments_read;
      if (counted) {
        out.count += *counted;
      } else {
        left_out(counted.error().ToString());
      }
    }
  }
  Walk walk(looked_at, plan, health_, options_.max_counted);
  while (walk.Next()) ++out.count;
  out.coverage.segments_read += walk.segments_read();
  out.coverage.segments_skipped += walk.segments_skipped();
  if (walk.stopped()) {
    out.exact = false;
    Explain(out.coverage.why, "counted to " + std::to_string(walk.examined()) +
                                  " messages looked at; there may be more");
  }
  if (!walk.why().empty()) left_out(walk.why());
  if (out.coverage.segments_missing > 0) out.exact = false;
  return out;
}

Result<Totals> StoreCore::Count(Time from, Time until) const {
  Query query;
  query.from = from;
  query.until = until;
  TRY(const Plan plan, Plan::Make(query, options_));
  const auto now = units();
  Totals out;
  for (const auto& segment : now->segments) {
    const auto& info = segment->info();
    if (info.rows == 0 || info.newest < from || info.oldest >= until) continue;
    TRY(const RowSpan span, ExactSpan(*segment, plan));
    if (span.first >= span.end) continue;
    std::vector<uint8_t> bits(span.end - span.first, 0);
    for (unsigned kind = 0; kind <= mail::kMaxEventKind; ++kind) {
      const auto each = static_cast<mail::EventKind>(kind);
      if (TotalsOf(each) == 0 || !segment->MayHold(EventToken(each))) continue;
      TRY(const auto found, segment->Find(EventToken(each)));
      if (!found) continue;
      TRY(const auto rows, segment->index().AllRows(*found));
      for (auto row = std::lower_bound(rows.begin(), rows.end(), span.first);
           row != rows.end() && *row < span.end; ++row) {
        bits[*row - span.first] |= TotalsOf(each);
      }
    }
    // Events that came later, by message id.
    std::unordered_map<uint64_t, uint8_t> later;
    const auto add_later = [&](uint64_t mid, const std::vector<mail::Event>& events) {
      if (const uint8_t more = TotalsOf(events)) later[mid] |= more;
    };
    for (const auto& other : now->segments) {
      if (other->info().first_journal <= info.last_journal) continue;
      const auto& mids = other->later_mids();
      for (auto mid = std::lower_bound(mids.begin(), mids.end(), info.first_mid);
           mid != mids.end() && *mid <= info.last_mid; ++mid) {
        TRY(const auto events, other->LaterEventsOf(*mid));
        add_later(*mid, events);
      }
    }
    for (const auto& head : now->heads) {
      for (const uint64_t mid : head->LaterMids()) {
        if (mid >= info.first_mid && mid <= info.last_mid) {
          add_later(mid, head->LaterEventsOf(mid));
        }
      }
    }
    for (size_t i = 0; i < segment->blocks() && !later.empty(); ++i) {
      const auto block = segment->block(i);
      const bool touched = std::any_of(later.begin(), later.end(), [&block](const auto& each) {
        return each.first >= block.first_mid && each.first <= block.last_mid;
      });
      if (!touched) continue;
      TRY(const auto places, segment->Places(i));
      for (uint32_t row = 0; row < places.size(); ++row) {
        const uint32_t index = block.first_row + row;
        const auto found = later.find(places[row].mid);
        if (found != later.end() && index >= span.first && index < span.end) {
          bits[index - span.first] |= found->second;
        }
      }
    }
    for (const uint8_t each : bits) Add(out, each);
  }
  Units heads;
  heads.heads = now->heads;
  Walk walk(heads, plan, health_, SIZE_MAX);
  while (const auto record = walk.Next()) Add(out, TotalsOf(record->events));
  return out;
}

Result<counters::Answer> StoreCore::Counters(const counters::Question& question) const {
  const auto now = units();
  counters::Merger merger(question);
  std::string why;
  for (const auto& segment : now->segments) {
    const Segment* read_from = segment.get();
    const auto reader = counters::Reader::Open(
        [read_from](uint64_t offset, size_t size) { return read_from->ReadCounters(offset, size); },
        segment->counters_size());
    const auto add = [&]() -> Result<void> {
      if (!reader) return Fail(reader.error());
      if ((*reader)->until() <= question.from || (*reader)->from() >= question.until) return {};
      return merger.Add(**reader);
    };
    if (const auto added = add(); !added) {
      Explain(why, "the report counters of '" + segment->path() +
                       "' cannot be read: " + added.error().ToString());
    }
  }
  for (const auto& head : now->heads) head->AddCounters(merger);
  counters::Answer answer = merger.Finish();
  const Coverage coverage = CoverageOf(*now);
  if (coverage.segments_missing > 0) Explain(why, coverage.why);
  answer.complete = why.empty();
  answer.why = std::move(why);
  return answer;
}

Result<HuntStep> StoreCore::Hunt(const std::vector<uint64_t>& wanted,
                                 const std::string& resume) const {
  uint64_t below = UINT64_MAX;
  if (!resume.empty()) {
    const auto got = std::from_chars(resume.data(), resume.data() + resume.size(), below);
    if (got.ec != std::errc() || got.ptr != resume.data() + resume.size()) {
      return Fail(Code::kInvalid, "resume: not one that a hunt of this store handed out");
    }
  }
  const auto now = units();
  HuntStep step;
  step.coverage = CoverageOf(*now);
  step.messages_total = step.coverage.records_held;
  const auto finish = [&](uint64_t journal) {
    for (const auto& segment : now->segments) {
      if (segment->info().first_journal >= journal) step.messages_done += segment->info().rows;
    }
    for (const auto& head : now->heads) {
      if (head->journal() >= journal) step.messages_done += head->rows();
    }
    bool more = std::any_of(now->segments.begin(), now->segments.end(), [&](const auto& segment) {
      return segment->info().first_journal < journal;
    });
    more |= std::any_of(now->heads.begin(), now->heads.end(),
                        [&](const auto& head) { return head->journal() < journal; });
    if (more) step.resume = std::to_string(journal);
    std::sort(step.hits.begin(), step.hits.end());
    step.hits.erase(std::unique(step.hits.begin(), step.hits.end()), step.hits.end());
    return step;
  };

  // Heads first: all of them in one step.
  std::shared_ptr<const Segment> segment;
  uint64_t lowest_head = UINT64_MAX;
  for (const auto& head : now->heads) {
    if (head->journal() >= below) continue;
    lowest_head = std::min(lowest_head, head->journal());
    std::vector<std::pair<uint64_t, uint32_t>> found;
    head->ForFingerprints([&](uint64_t fingerprint, uint32_t row) {
      if (std::binary_search(wanted.begin(), wanted.end(), fingerprint)) {
        found.emplace_back(fingerprint, row);
      }
    });
    for (const auto& [fingerprint, row] : found) {
      const auto [mid, received] = head->WhoIs(row);
      step.hits.push_back({fingerprint, mid, received});
    }
  }
  if (lowest_head != UINT64_MAX) return finish(lowest_head);
  for (const auto& each : now->segments) {
    if (each->info().first_journal >= below) continue;
    if (!segment || each->info().first_journal > segment->info().first_journal) segment = each;
  }
  if (!segment) return finish(0);

  std::vector<std::pair<uint32_t, uint64_t>> rows;  // row, fingerprint
  const auto trouble = [&](const Error& error) {
    step.coverage.complete = false;
    Explain(step.coverage.why, error.ToString());
  };
  for (const uint64_t fingerprint : wanted) {
    if (!segment->MayHold(fingerprint)) continue;
    const auto found = segment->Find(fingerprint);
    if (!found) {
      trouble(found.error());
      continue;
    }
    if (!*found) continue;
    const auto all = segment->index().AllRows(**found);
    if (!all) {
      trouble(all.error());
      continue;
    }
    for (const uint32_t row : *all) rows.emplace_back(row, fingerprint);
  }
  std::sort(rows.begin(), rows.end());
  for (size_t at = 0; at < rows.size();) {
    const size_t block = segment->BlockOf(rows[at].first);
    const auto where = segment->block(block);
    const auto places = segment->Places(block);
    size_t end = at;
    while (end < rows.size() && rows[end].first < where.first_row + where.rows) ++end;
    if (!places) {
      health_.Unreadable(segment->info().id, block, where.rows, places.error());
      trouble(places.error());
    } else {
      for (size_t i = at; i < end; ++i) {
        const auto& place = (*places)[rows[i].first - where.first_row];
        step.hits.push_back({rows[i].second, place.mid, place.received});
      }
    }
    at = end;
  }
  return finish(segment->info().first_journal);
}

bool StoreCore::LoadFilters() {
  const auto now = units();
  for (auto each = now->segments.rbegin(); each != now->segments.rend(); ++each) {
    if ((*each)->filters_loaded()) continue;
    if (auto loaded = (*each)->LoadFilters(); !loaded) health_.Slower(loaded.error());
    return true;
  }
  return false;
}

}  // namespace mailreeve::gateway::tracking
