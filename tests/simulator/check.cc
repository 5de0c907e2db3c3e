#include "gateway/tracking/fingerprints.h"
#include "gateway/tracking/observables_of.h"
#include "simulator/simulation.h"

#include <algorithm>
#include <set>

namespace mailreeve::simulator {

namespace tracking = gateway::tracking;
using tracking::Core;

namespace {

bool Happened(const mail::MessageRecord& record, std::initializer_list<mail::EventKind> kinds) {
  return std::any_of(record.events.begin(), record.events.end(), [&](const auto& event) {
    return std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end();
  });
}

}  // namespace

const std::vector<observable::Observable>& Simulation::Shown(const mail::MessageRecord& record) {
  auto& shown = shown_[record.mid];
  if (shown.empty()) shown = tracking::ObservablesOf(record);
  return shown;
}

void Simulation::CheckIds(Core& core) {
  // What was reserved last may be what was flipped.
  if (journal_damaged_) return;
  for (int i = 0; i < 3; ++i) {
    const auto mid = core.NextMid();
    if (mid != 0 && !model_.Given(mid)) Fail("MID " + std::to_string(mid) + " was given twice");
    const auto icid = core.NextIcid();
    if (icid != 0 && !model_.GivenIcid(icid))
      Fail("ICID " + std::to_string(icid) + " was given twice");
    if (model_.records().contains(mid)) Fail("MID " + std::to_string(mid) + " is in use");
  }
}

std::vector<mail::MessageRecord> Simulation::ReadAll(Core& core, const tracking::Query& query,
                                                     tracking::Coverage& coverage) {
  std::vector<mail::MessageRecord> all;
  tracking::Query page_query = query;
  page_query.limit = 1 + mail_.Below(60);
  for (int pages = 0; pages < 2000; ++pages) {
    auto page = core.Search(page_query);
    if (!page) {
      if (!damaged_) Fail("a search fails: " + page.error().ToString());
      coverage.complete = false;
      return all;
    }
    for (auto& record : page->records) {
      if (!all.empty()) {
        const auto& before = all.back();
        if (std::tuple(record.received, record.mid) >= std::tuple(before.received, before.mid))
          Fail("MID " + std::to_string(record.mid) + " comes after " + std::to_string(before.mid) +
               " in an answer that is newest first");
      }
      all.push_back(std::move(record));
    }
    // Pages that stopped early are not a gap: the cursor goes on.
    coverage = page->coverage;
    if (page->next_cursor.empty()) return all;
    page_query.cursor = page->next_cursor;
  }
  Fail("a search does not come to an end");
  return all;
}

void Simulation::CheckHeld(const std::vector<mail::MessageRecord>& all,
                           const tracking::Coverage& coverage) {
  std::set<mail::Mid> found;
  std::set<uint64_t> lost;  // batches
  const bool told = damaged_ && !coverage.complete;
  for (const auto& record : all) {
    found.insert(record.mid);
    const auto wrong = model_.Compare(record);
    if (wrong.empty()) continue;
    // Where damage was told, events may lack, but nothing may be invented.
    const bool lacks = wrong.find("lacks the acknowledged event") != std::string::npos;
    // A segment that retention drops takes the later events with it that stand in it.
    const bool retention = options_.keep_days > 0 || retention_by_size_;
    if (lacks && (told || journal_damaged_ || retention)) continue;
    Fail(wrong);
  }
  for (const auto& [mid, known] : model_.records()) {
    if (known.fate != Fate::kAcknowledged || known.may_expire || found.contains(mid)) continue;
    if (told) continue;
    if (journal_damaged_) {
      // A bit flipped in the last batch of a journal looks like a torn tail.
      const auto batch = batch_of_.find(mid);
      lost.insert(batch == batch_of_.end() ? 0 : batch->second);
      continue;
    }
    Fail("the acknowledged MID " + std::to_string(mid) + " is not found" +
         (damaged_ ? ", and the coverage does not say so" : ""));
  }
  if (lost.size() > 1) {
    Fail("records of " + std::to_string(lost.size()) +
         " batches are lost, and the coverage does not say so");
  }
  if (!damaged_ && !coverage.complete) Fail("nothing is damaged, but " + coverage.why);
  if (!coverage.complete && coverage.why.empty()) Fail("the coverage does not say why");
}

void Simulation::CheckAll(Core& core) {
  CheckIds(core);
  for (auto i = mail_.Below(3); i > 0; --i) core.LoadFilters();
  tracking::Coverage coverage;
  const auto all = ReadAll(core, {}, coverage);
  // Reading is what finds damage: ask again when all was looked at.
  if (damaged_ && !subject_.only_keeps) {
    const auto held = core.Held();
    if (!held.complete) coverage = held;
  }
  CheckHeld(all, coverage);
  for (const auto& record : all) {
    if (!mail_.Chance(8)) continue;
    const auto alone = core.Get(record.mid);
    if (!alone && !damaged_) Fail("Get fails: " + alone.error().ToString());
    if (alone && *alone != record)
      Fail("MID " + std::to_string(record.mid) + " is read in two ways");
  }
  for (const mail::Mid mid : {mail::Mid{499'999}, mail::Mid{1} << 40}) {
    if (const auto none = core.Get(mid); none) Fail("a MID that nobody gave is there");
  }
  if (subject_.only_keeps || !outcome_.failures.empty()) return;
  // The rest costs most: not each time.
  if (!damaged_ && !mail_.Chance(2)) return;
  CheckQueries(core, all);
  if (damaged_) return;
  if (core.Held().records_held != all.size())
    Fail("the store says it holds " + std::to_string(core.Held().records_held) + " records, and " +
         std::to_string(all.size()) + " are found");
  if (mail_.Chance(2)) CheckHunt(core, all);
  CheckTotals(core, all);
  const auto report = tracking::CheckStore(files_, options_.dir);
  if (!report) return Fail("CheckStore fails: " + report.error().ToString());
  if (!report->damaged.empty()) {
    const auto& first = report->damaged.front();
    Fail("CheckStore says that " + first.file + " is damaged at " + std::to_string(first.offset) +
         ": " + first.what);
  }
  if (!report->missing.empty()) Fail("CheckStore misses " + report->missing.front());
}

void Simulation::CheckQueries(Core& core, const std::vector<mail::MessageRecord>& all) {
  if (all.empty()) return;
  const auto any = [&]() -> const mail::MessageRecord& { return all[mail_.Below(all.size())]; };
  const auto observable = [&] {
    const auto& shown = Shown(any());
    return shown[mail_.Below(shown.size())];
  };
  for (int i = 0; i < 2; ++i) {
    tracking::Query query;
    if (mail_.Chance(2)) query.any_of = {observable()};
    if (mail_.Chance(4)) query.any_of.push_back(observable());
    if (mail_.Chance(5)) {
      const auto& shown = Shown(any());
      query.all_of = {shown.front(), shown.back()};
    }
    if (mail_.Chance(6)) query.direction = any().direction;
    if (mail_.Chance(8)) query.queue_id = any().queue_id;
    if (mail_.Chance(8)) query.mid = any().mid;
    if (mail_.Chance(4)) query.from = any().received;
    if (mail_.Chance(4)) query.until = any().received;
    if (mail_.Chance(6)) query.event = any().events.back().kind;
    if (mail_.Chance(8)) query.sender = any().envelope_from;
    if (mail_.Chance(6)) {
      const std::string& subject = any().inspection.subject;
      query.subject = subject.substr(0, subject.find(' '));
    }
    std::vector<mail::Mid> expected, got;
    for (const auto& record : all) {
      if (Fits(record, Shown(record), query)) expected.push_back(record.mid);
    }
    tracking::Coverage coverage;
    for (const auto& record : ReadAll(core, query, coverage)) got.push_back(record.mid);
    const auto counted = core.CountMatches(query);
    if (damaged_) {
      // Nothing that does not fit; what lacks is told.
      if (!std::includes(expected.rbegin(), expected.rend(), got.rbegin(), got.rend()) &&
          std::any_of(got.begin(), got.end(), [&](mail::Mid mid) {
            return std::find(expected.begin(), expected.end(), mid) == expected.end();
          })) {
        Fail("a search of a damaged store finds what does not fit");
      }
      if (got.size() < expected.size() && coverage.complete && core.Held().complete)
        Fail("a search of a damaged store lacks messages, and the coverage does not say so");
      continue;
    }
    if (got != expected) {
      Fail("a search finds " + std::to_string(got.size()) + " messages, and " +
           std::to_string(expected.size()) + " fit");
    }
    if (!counted) {
      Fail("CountMatches fails: " + counted.error().ToString());
    } else if (counted->exact ? counted->count != expected.size()
                              : counted->count > expected.size()) {
      Fail("CountMatches says " + std::to_string(counted->count) + ", and " +
           std::to_string(expected.size()) + " fit");
    }
  }
  const auto& one = any();
  if (damaged_) return;
  const auto by_queue = core.FindByQueueId(one.queue_id, one.received);
  if (!by_queue || by_queue->queue_id != one.queue_id) Fail("a queue id is not found");
}

void Simulation::CheckHunt(Core& core, const std::vector<mail::MessageRecord>& all) {
  std::set<std::pair<uint64_t, mail::Mid>> expected, got;
  std::vector<uint64_t> wanted;
  for (const auto& record : all) {
    for (const auto& shown : Shown(record)) {
      // Ids are found by the rows themselves.
      if (shown.type == observable::Type::kCiscoMid) continue;
      const uint64_t fingerprint = observable::Fingerprint(shown.type, shown.value);
      expected.emplace(fingerprint, record.mid);
      wanted.push_back(fingerprint);
    }
  }
  wanted.push_back(observable::Fingerprint(observable::Type::kDomain, "nobody.example"));
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::string resume;
  for (int steps = 0; steps < 2000; ++steps) {
    const auto step = core.Hunt(wanted, resume);
    if (!step) return Fail("a hunt fails: " + step.error().ToString());
    if (!step->coverage.complete) Fail("a hunt leaves something out: " + step->coverage.why);
    for (const auto& hit : step->hits) got.emplace(hit.fingerprint, hit.mid);
    resume = step->resume;
    if (!resume.empty()) continue;
    if (step->messages_done != step->messages_total || step->messages_total != all.size())
      Fail("a hunt that is finished says " + std::to_string(step->messages_done) + " of " +
           std::to_string(step->messages_total));
    break;
  }
  if (!resume.empty()) Fail("a hunt does not come to an end");
  if (got != expected) {
    Fail("a hunt finds " + std::to_string(got.size()) + " pairs of observable and message, and " +
         std::to_string(expected.size()) + " are held");
  }
}

void Simulation::CheckTotals(Core& core, const std::vector<mail::MessageRecord>& all) {
  if (all.empty()) return;
  using Kind = mail::EventKind;
  const Time from = all[mail_.Below(all.size())].received;
  const Time until = all.front().received;
  tracking::Totals expected;
  for (const auto& record : all) {
    if (record.received < from || record.received >= until) continue;
    ++expected.messages;
    expected.delivered += Happened(record, {Kind::kDelivered});
    expected.refused +=
        Happened(record, {Kind::kRejected, Kind::kTemporarilyRefused, Kind::kDiscarded});
    expected.quarantined += Happened(record, {Kind::kQuarantined});
    expected.bounced += Happened(record, {Kind::kBounced, Kind::kExpired});
    expected.remediated += Happened(record, {Kind::kRemoved, Kind::kMovedFollowed});
  }
  const auto got = core.Count(from, until);
  if (!got) return Fail("Count fails: " + got.error().ToString());
  if (got->messages != expected.messages || got->delivered != expected.delivered ||
      got->refused != expected.refused || got->quarantined != expected.quarantined ||
      got->bounced != expected.bounced || got->remediated != expected.remediated) {
    Fail("Count says " + std::to_string(got->messages) + " messages, and " +
         std::to_string(expected.messages) + " are there, or one of its classes is wrong");
  }
}

}  // namespace mailreeve::simulator
