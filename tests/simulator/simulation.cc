#include "simulator/simulation.h"

#include "gateway/segment/segment.h"
#include "gateway/tracking/fingerprints.h"

#include <algorithm>
#include <array>

namespace mailreeve::simulator {

using gateway::tracking::Appended;
using gateway::tracking::Core;
using io::SimFiles;

namespace {

constexpr auto kDay = std::chrono::hours(24);
constexpr size_t kMaxFailures = 10;
const std::string kDir = "/var/tracking";

uint64_t Mixed(uint64_t seed) { return seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u; }

}  // namespace

Outcome Simulate(uint64_t seed, const Subject& subject) { return Simulation(seed, subject).Run(); }

Simulation::Simulation(uint64_t seed, const Subject& subject)
    : seed_(seed),
      subject_(subject),
      random_(Mixed(seed)),
      mail_(random_),
      files_(Mixed(seed + (uint64_t{1} << 40))),
      clock_(FromEpochMillis(1'790'000'000'000)) {}

void Simulation::Fail(std::string what) {
  if (outcome_.failures.size() < kMaxFailures) outcome_.failures.push_back(std::move(what));
}

void Simulation::ChooseOptions() {
  options_.dir = kDir;
  options_.seal_records = 4 + mail_.Below(40);
  options_.seal_bytes = 2000 + mail_.Below(60000);
  options_.compact_records = 16 + mail_.Below(200);
  options_.id_block = 10 + mail_.Below(50);
  options_.max_examined = mail_.Chance(4) ? 300 + mail_.Below(300) : 500000;
  options_.max_page_bytes = mail_.Chance(4) ? 5000 : 1 << 24;
  if (subject_.only_keeps) return;
  if (mail_.Chance(8)) options_.keep_days = 1 + mail_.Below(5);
  if (mail_.Chance(12)) {
    options_.max_store_bytes = 20000 + mail_.Below(100000);
    retention_by_size_ = true;
  }
}

Outcome Simulation::Run() {
  ChooseOptions();
  for (uint64_t lives = 2 + mail_.Below(4);
       lives > 0 && outcome_.failures.empty() && !inconclusive_; --lives)
    Live();
  if (outcome_.failures.empty() && !inconclusive_ && !subject_.only_keeps && mail_.Chance(3))
    Damage();
  outcome_.operations = files_.operations();
  return std::move(outcome_);
}

void Simulation::PlanFaults() {
  files_.ClearFaults();
  reads_fail_ = false;
  const uint64_t now = files_.operations();
  if (!mail_.Chance(4)) {
    constexpr std::array kReach = {40, 200, 1000};
    files_.KillAt(now + mail_.Below(kReach[mail_.Below(kReach.size())]));
  }
  const auto fail = [&](SimFiles::Fault fault, uint64_t count) {
    files_.FailAt(now + mail_.Below(200), fault, count);
  };
  switch (mail_.Below(7)) {
    case 0:
      return fail(SimFiles::Fault::kSyncError, mail_.Chance(4) ? 3 : 1);
    case 1:
      return fail(SimFiles::Fault::kNoSpace, 1 + mail_.Below(40));
    case 2:
      return fail(SimFiles::Fault::kWriteError, 1 + mail_.Below(4));
    case 3:
      reads_fail_ = true;
      return fail(SimFiles::Fault::kReadError, 1 + mail_.Below(4));
    default:
      return;
  }
}

void Simulation::Live() {
  PlanFaults();
  {
    const uint64_t before = files_.faults_met();
    watched_.clear();
    auto core = subject_.open(options_, files_, logger_, clock_);
    if (core) {
      CheckIds(**core);
      if (mail_.Chance(8)) {
        const auto second = subject_.open(options_, files_, logger_, clock_);
        if (second || (second.error().code != Code::kConflict && !Trouble(before)))
          Fail("a second one opened a store that is in use");
      }
      for (uint64_t steps = 5 + mail_.Below(25);
           steps > 0 && !files_.killed() && outcome_.failures.empty(); --steps) {
        if (inconclusive_) break;
        Step(**core);
      }
    } else if (!Trouble(before)) {
      Fail("the store does not open: " + core.error().ToString());
    }
    outcome_.faults += files_.faults_met();
  }
  files_.ClearFaults();
  // Closed in peace now and then; the power may go all the same.
  const bool killed = files_.killed();
  if (killed) ++outcome_.crashes;
  files_.Crash(mail_.Chance(killed ? 4 : 2) ? SimFiles::Cut::kProcess : SimFiles::Cut::kPower);
  if (!outcome_.failures.empty() || inconclusive_) return;
  auto core = subject_.open(options_, files_, logger_, clock_);
  if (!core) return Fail("the store does not open again: " + core.error().ToString());
  CheckAll(**core);
}

void Simulation::Step(Core& core) {
  switch (mail_.Below(12)) {
    case 0:
      return MoveClock();
    case 1:
    case 2:
    case 3:
      return Keep(core);
    default:
      return Commit(core);
  }
}

void Simulation::MoveClock() {
  switch (mail_.Below(12)) {
    case 0:
      return clock_.Advance(-kDay);
    case 1:
      return clock_.Advance(kDay * 365);
    case 2:
      return clock_.Advance(kDay);
    default:
      return clock_.Advance(std::chrono::seconds(mail_.Below(8000)));
  }
}

void Simulation::MarkExpired() {
  if (options_.keep_days == 0 && !retention_by_size_) return;
  const Time cutoff = clock_.Now() - kDay * static_cast<int64_t>(options_.keep_days);
  for (auto& [mid, known] : model_.records()) {
    if (retention_by_size_ || known.record.received < cutoff) known.may_expire = true;
  }
}

void Simulation::Keep(Core& core) {
  MarkExpired();
  const uint64_t before = files_.faults_met();
  const uint64_t what = mail_.Below(4);
  if (what == 0) {
    core.LoadFilters();
  } else if (what == 1) {
    if (const auto sealed = core.Seal(); !sealed && !Trouble(before))
      Fail("Seal fails without cause: " + sealed.error().ToString());
  } else {
    for (int i = 0; i < 4; ++i) {
      const auto more = core.Maintain();
      if (!more && !Trouble(before))
        Fail("Maintain fails without cause: " + more.error().ToString());
      if (!more || !*more) return;
    }
  }
}

std::map<mail::Mid, KnownRecord>::iterator Simulation::PickKnown() {
  auto& records = model_.records();
  if (mail_.Chance(3)) {
    std::vector<std::map<mail::Mid, KnownRecord>::iterator> doubtful;
    for (auto at = records.begin(); at != records.end(); ++at) {
      if (at->second.fate == Fate::kInDoubt) doubtful.push_back(at);
    }
    if (!doubtful.empty()) return doubtful[mail_.Below(doubtful.size())];
  }
  auto at = records.begin();
  const uint64_t count = records.size();
  std::advance(at, mail_.Chance(3) ? mail_.Below(count)
                                   : count - 1 - mail_.Below(std::min<uint64_t>(count, 8)));
  return at;
}

void Simulation::AddRecord(Core& core) {
  Time received = clock_.Now() + Duration(mail_.Below(1000));
  mail::MessageRecord record;
  if (const uint64_t kind = mail_.Below(20); kind <= 1 && !model_.records().empty()) {
    // The same again, as an import that is repeated does.
    record = PickKnown()->second.record;
  } else if (kind == 2) {
    if (mail_.Chance(2)) received -= kDay * static_cast<int64_t>(mail_.Below(60));
    // Far from what is given out: an import that is in doubt may be tried again, under its id.
    imported_ += 1000;
    record = mail_.Record(imported_, 7, received);
  } else {
    const uint64_t before = files_.faults_met();
    mail::Mid mid = core.NextMid();
    if (mid == 0) {
      core.Commit({});  // reserves
      mid = core.NextMid();
    }
    if (mid == 0) {
      // Reserving may have failed at a fault met before this call: the next commit tries again.
      if (!Trouble(before) && files_.faults_met() == 0) Fail("no id is to be had, without cause");
      return;
    }
    imported_ = std::max(imported_, mid);
    if (!model_.Given(mid) && !journal_damaged_)
      Fail("MID " + std::to_string(mid) + " was given twice");
    record = mail_.Record(mid, 1 + mail_.Below(9), received);
  }
  Given given{record.mid, {}, true, false};
  auto& known = model_.records()[record.mid];
  if (known.record.mid == 0) known.record = record;
  if (options_.keep_days > 0 &&
      received < clock_.Now() - kDay * static_cast<int64_t>(options_.keep_days))
    known.may_expire = true;
  if (retention_by_size_) known.may_expire = true;
  given_.push_back(std::move(given));
  items_.emplace_back().record = std::move(record);
}

void Simulation::AddEvents(Core&) {
  Given given;
  Appended item;
  if (model_.records().empty() || mail_.Chance(30)) {
    given.unknown_mid = true;
    item.mid = given.mid = 500'000 + mail_.Below(1000);
    item.events = {mail_.Event({}, clock_.Now())};
  } else {
    const auto at = PickKnown();
    KnownRecord& known = at->second;
    given.mid = item.mid = at->first;
    for (uint64_t i = 1 + mail_.Below(3); i > 0; --i) {
      std::vector<size_t> keyed, doubtful;
      for (size_t j = 0; j < known.later.size(); ++j) {
        if (known.later[j].event.dedup_key.empty()) continue;
        keyed.push_back(j);
        if (known.later[j].fate == Fate::kInDoubt) doubtful.push_back(j);
      }
      if (!doubtful.empty() && mail_.Chance(2)) keyed = doubtful;
      if (!keyed.empty() && mail_.Chance(3)) {
        // A line that is read twice.
        const size_t again = keyed[mail_.Below(keyed.size())];
        given.events.push_back(again);
        ++known.later[again].given;
        item.events.push_back(known.later[again].event);
      } else {
        const Time time = clock_.Now() + Duration(mail_.Below(1000));
        given.events.push_back(known.later.size());
        known.later.push_back({mail_.Event(known.record, time), Fate::kInDoubt});
        item.events.push_back(known.later.back().event);
      }
    }
  }
  items_.push_back(std::move(item));
  given_.push_back(std::move(given));
}

void Simulation::Commit(Core& core) {
  items_.clear();
  given_.clear();
  if (mail_.Chance(20) && !subject_.only_keeps) {
    watched_.clear();
    for (const auto& [mid, known] : model_.records()) {
      if (!mail_.Chance(4)) continue;
      auto copy = known.record;
      const auto shown = gateway::tracking::FingerprintsOf(copy, {});
      watched_.push_back(shown[mail_.Below(shown.size())]);
    }
    std::sort(watched_.begin(), watched_.end());
    watched_.erase(std::unique(watched_.begin(), watched_.end()), watched_.end());
    core.Watch(watched_);
  }
  if (!retry_items_.empty() && mail_.Chance(2)) {
    items_ = std::exchange(retry_items_, {});
    given_ = std::exchange(retry_given_, {});
  } else {
    for (uint64_t size = mail_.Chance(6) ? 12 : 1 + mail_.Below(4); size > 0; --size) {
      mail_.Chance(3) ? AddEvents(core) : AddRecord(core);
    }
  }
  auto again = items_;
  const uint64_t before = files_.faults_met();
  if (mail_.Chance(2)) {
    for (auto& item : items_) core.Prepare(item);
  }
  core.Commit(items_);
  const bool trouble = Trouble(before);
  if (trouble) {
    retry_items_ = std::move(again);
    retry_given_ = given_;
    // Without a key an event that is told twice is two.
    for (size_t i = 0; i < retry_items_.size(); ++i) {
      auto& events = retry_items_[i].events;
      auto& indexes = retry_given_[i].events;
      for (size_t j = events.size(); j-- > 0 && !retry_given_[i].unknown_mid;) {
        if (!events[j].dedup_key.empty()) continue;
        events.erase(events.begin() + static_cast<ptrdiff_t>(j));
        indexes.erase(indexes.begin() + static_cast<ptrdiff_t>(j));
      }
    }
  }
  ++batch_;
  for (size_t i = 0; i < items_.size(); ++i) Judge(core, items_[i], given_[i], trouble);
}

void Simulation::Judge(Core& core, Appended& item, const Given& given, bool trouble) {
  const std::string who = "MID " + std::to_string(given.mid);
  if (!item.result) {
    const Error& error = item.result.error();
    const auto at = model_.records().find(given.mid);
    switch (error.code) {
      case Code::kConflict:
        if (!given.record || at == model_.records().end()) return Fail(who + ": kConflict");
        // The store says that it holds it, so it has to.
        if (at->second.fate == Fate::kInDoubt) {
          at->second.fate = Fate::kAcknowledged;
          batch_of_[given.mid] = batch_;
        }
        return;
      case Code::kNotFound:
        if (given.record) return Fail(who + ": a record was answered kNotFound");
        if (!given.unknown_mid && !Blind() && at->second.fate == Fate::kAcknowledged &&
            !at->second.may_expire)
          Fail(who + " is acknowledged, and its events are answered kNotFound");
        return;
      default:
        if (!trouble) Fail(who + " is refused without cause: " + error.ToString());
        return;
    }
  }
  if (given.unknown_mid) {
    // Where a segment could not be read, the message may be in it.
    if (!Blind()) Fail(who + " does not exist, and its event was taken");
    return;
  }
  KnownRecord& known = model_.records().at(given.mid);
  if (reads_fail_ && Blind()) {
    inconclusive_ |= given.record == (known.fate == Fate::kAcknowledged);
    for (const size_t index : given.events) {
      KnownEvent& event = known.later[index];
      inconclusive_ |= event.given > 1 && !event.event.dedup_key.empty();
    }
    if (inconclusive_) return;
  }
  if (given.record && known.fate == Fate::kAcknowledged && !known.may_expire && !damaged_)
    return Fail(who + " was taken twice");
  // An event that is acknowledged acknowledges its message.
  if (known.fate == Fate::kInDoubt) batch_of_[given.mid] = batch_;
  known.fate = Fate::kAcknowledged;
  ++outcome_.acknowledged;
  for (const size_t index : given.events) known.later[index].fate = Fate::kAcknowledged;
  if (given.record && !watched_.empty()) {
    auto copy = known.record;
    std::vector<uint64_t> both, told;
    const auto shown = gateway::tracking::FingerprintsOf(copy, {});
    std::set_intersection(shown.begin(), shown.end(), watched_.begin(), watched_.end(),
                          std::back_inserter(both));
    for (const auto& hit : item.watched) told.push_back(hit.fingerprint);
    std::sort(told.begin(), told.end());
    if (both != told)
      Fail(who + ": the watch told " + std::to_string(told.size()) + " of " +
           std::to_string(both.size()));
  }
  if (known.may_expire || !mail_.Chance(3)) return;
  const uint64_t before = files_.faults_met();
  const auto found = core.Get(given.mid);
  if (!found) {
    if (!Trouble(before) && !Blind())
      Fail(who + " cannot be read once it is acknowledged: " + found.error().ToString());
    return;
  }
  if (const auto wrong = model_.Compare(*found); !wrong.empty() && !Blind())
    Fail(wrong + ", at once");
}

void Simulation::Damage() {
  std::vector<std::string> paths, segments;
  for (const auto& path : files_.Paths()) {
    if (path.ends_with("/LOCK")) continue;
    paths.push_back(path);
    if (gateway::segment::SegmentId(path.substr(path.rfind('/') + 1)) != 0)
      segments.push_back(path);
  }
  if (paths.empty()) return;
  damaged_ = true;
  watched_.clear();
  ++outcome_.damaged;
  if (!segments.empty() && mail_.Chance(5)) {
    const auto& path = segments[mail_.Below(segments.size())];
    (void)files_.Remove(path);
    (void)files_.SyncFolder(kDir);
  } else {
    // Of one file: more could leave no way to tell what is missing.
    const auto& path = mail_.Chance(2) && !segments.empty() ? segments[mail_.Below(segments.size())]
                                                            : paths[mail_.Below(paths.size())];
    journal_damaged_ = path.ends_with(".log");
    (void)files_.FlipBits(path, 1 + mail_.Below(mail_.Chance(2) ? 1 : 8));
  }
  auto core = subject_.open(options_, files_, logger_, clock_);
  if (!core) return Fail("a damaged store does not open: " + core.error().ToString());
  CheckAll(**core);
  if (!outcome_.failures.empty()) return;
  // It goes on taking mail.
  Commit(**core);
  MarkExpired();
  for (int i = 0; i < 3; ++i) (void)(*core)->Maintain();
  CheckAll(**core);
}

}  // namespace mailreeve::simulator
