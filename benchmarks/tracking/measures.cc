#include "measures.h"

#include "gateway/counters/metrics.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <thread>

namespace mailreeve::bench {
namespace {

namespace counters = gateway::counters;
using gateway::tracking::HuntHit;
using gateway::tracking::WatchHit;

constexpr size_t kTop = 10;
constexpr double kRest = 4;  // seconds without work that count as rest

Time WholeHour(Time time) {
  return Time(std::chrono::floor<std::chrono::hours>(time.time_since_epoch()));
}

double Rate(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

// Recall and precision of sorted, unique lists.
template <class T>
Score ScoreOf(const std::vector<T>& expected, const std::vector<T>& answered) {
  std::vector<T> right;
  std::set_intersection(expected.begin(), expected.end(), answered.begin(), answered.end(),
                        std::back_inserter(right));
  return {expected.size(), answered.size(), right.size()};
}

template <class T>
void SortUnique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

void Scores::Add(const std::string& kind, const Question* question, const Answered& answered) {
  Kind& sum = kinds_[kind];
  ++sum.questions;
  sum.score.expected += answered.score.expected;
  sum.score.answered += answered.score.answered;
  sum.score.right += answered.score.right;
  if (answered.error.empty() && answered.score.perfect()) return;
  ++sum.errors;
  ++wrong_;
  if (sum.errors > 5) return;
  Say("WRONG: " + kind + (question != nullptr ? " '" + question->text + "'" : "") + ": expected " +
      std::to_string(answered.score.expected) + ", answered " +
      std::to_string(answered.score.answered) + ", right " + std::to_string(answered.score.right) +
      (answered.error.empty() ? "" : "; " + answered.error));
}

void Scores::Print(Figures& figures) const {
  for (const auto& [kind, sum] : kinds_) {
    const std::string note = std::to_string(sum.questions) + " questions, " +
                             std::to_string(sum.score.expected) + " answers expected" +
                             (sum.errors > 0 ? ", " + std::to_string(sum.errors) + " WRONG" : "");
    // An answer that came with an error is no answer.
    const bool bad = sum.errors > 0 && sum.score.perfect();
    figures.Print("recall: " + kind, bad ? 0 : sum.score.recall(), "", AtLeast(1), note);
    figures.Print("precision: " + kind, bad ? 0 : sum.score.precision(), "", AtLeast(1));
  }
}

Measures::Measures(Session& session, const Generator& generator, std::string folder, Plan plan,
                   Figures& figures, Scores& scores)
    : session_(session),
      generator_(generator),
      folder_(std::move(folder)),
      plan_(plan),
      figures_(figures),
      scores_(scores),
      truth_(MakeQuestions(generator, plan.messages, plan.observables),
             MakeFingerprints(generator, plan.messages, plan.hunted, plan.hunted / 5)) {
  top_until_ = WholeHour(generator.TimeOf(plan.messages - 1)) + std::chrono::hours(1);
  top_from_ = top_until_ - std::chrono::hours(30 * 24);
  truth_.CountSenders(top_from_, top_until_);
}

Result<void> Measures::Load() {
  figures_.messages = plan_.messages;
  TRY_VOID(session_.Start());
  ResetPeak();
  LoadOptions options;
  const uint64_t calm = std::min<uint64_t>(plan_.calm, plan_.messages / 2);
  options.count = plan_.messages - calm;
  bool in_order = true;
  mail::Mid last = 0;
  options.mid = [&] {
    const mail::Mid mid = session_.store().NextMid();
    in_order = in_order && mid == last + 1;
    return last = mid;
  };
  TRY(auto load, Append(session_, generator_, options, &truth_));
  options.first = options.count;
  options.count = calm;
  options.in_flight = plan_.calm_in_flight;
  options.probe_every = 101;
  TRY(auto calmer, Append(session_, generator_, options, &truth_));
  if (!in_order)
    return Fail(Code::kInternal,
                "a new store handed out ids with gaps; the truth speaks of 1, 2, 3, …");
  const double messages = static_cast<double>(load.messages);
  figures_.Print("append durable", Rate(load.messages, load.seconds), "messages/s", AtLeast(50000),
                 std::to_string(load.events) + " later events among them");
  figures_.Print("append durable, with all background work",
                 Rate(load.messages, load.seconds + load.background_seconds), "messages/s", {},
                 "as if sealing and compaction while messages are made had to be waited for");
  figures_.Print("engine threads, processor time", load.engine_seconds * 1e6 / messages,
                 "us/message");
  figures_.Print("background threads while messages were made, processor time",
                 load.background_seconds * 1e6 / messages, "us/message");
  figures_.Print("executor thread, processor time", load.executor_seconds * 1e6 / messages,
                 "us/message");
  figures_.Print("making a message and its truth, processor time",
                 load.make_seconds * 1e6 / messages, "us/message");
  figures_.Print("acknowledged p50", Percentile(load.acknowledged, 0.5) * 1e3, "ms", {},
                 "8,192 appends in flight");
  figures_.Print("acknowledged p99", Percentile(load.acknowledged, 0.99) * 1e3, "ms");
  figures_.Print("visible after acknowledgement p50", Percentile(load.visible, 0.5) * 1e3, "ms", {},
                 std::to_string(load.visible.size()) + " probes under load");
  figures_.Print("visible after acknowledgement p99", Percentile(load.visible, 0.99) * 1e3, "ms",
                 {}, "as fast as it takes them: the question waits for the processor");
  figures_.Print("visible after acknowledgement p50, 100 in flight",
                 Percentile(calmer.visible, 0.5) * 1e3, "ms", {},
                 std::to_string(calmer.visible.size()) + " probes, " +
                     std::to_string(static_cast<uint64_t>(Rate(calmer.messages, calmer.seconds))) +
                     " messages/s, as many at a time as Postfix's processes by default");
  figures_.Print("visible after acknowledgement p99, 100 in flight",
                 Percentile(calmer.visible, 0.99) * 1e3, "ms", AtMost(100));
  figures_.Print("observables",
                 static_cast<double>(truth_.observables()) / static_cast<double>(plan_.messages),
                 "of a message");
  figures_.Print("resident while loading", load.peak_mb, "MB", {}, "with the bench's own batches");
  return {};
}

double Measures::Rest() {
  // Rest: hardly any processor time for a while, and the files stay as they are.
  const double began = Now();
  double since = Now(), spent = ProcessSeconds() - ThreadSeconds();
  uint64_t length = 0;
  while (Now() - since < kRest && Now() - began < 1800) {
    session_.Rest(std::chrono::milliseconds(200));
    const double process = ProcessSeconds() - ThreadSeconds();
    const uint64_t now = SpaceOf(folder_).length;
    if (process - spent > 0.02 || now != length) since = Now();
    spent = process;
    length = now;
  }
  return std::max(0.0, Now() - began - kRest);
}

void Measures::PrintSpace(const std::string& figure, std::optional<Goal> goal) {
  const Space space = SpaceOf(folder_);
  std::string note = std::to_string(space.files) + " files, everything in the folder";
  for (const auto& [kind, bytes] : space.by_kind)
    note += ", " + kind + " " + std::to_string(bytes / 1'000'000) + " MB";
  figures_.Print(figure, static_cast<double>(space.disk) / static_cast<double>(plan_.messages),
                 "bytes/message", goal, note);
}

void Measures::Settle() {
  figures_.Print("rest after", Rest(), "s", {}, "sealing and compaction after the last append");
  PrintSpace("bytes on disk, newest in the journal", {});
}

Result<void> Measures::Packed(const Session::Open& open) {
  session_.Stop();
  TRY_VOID(session_.Start(open));
  const double spent = ProcessSeconds() - ThreadSeconds();
  (void)Rest();
  figures_.Print("sealing and compacting the rest, processor time",
                 ProcessSeconds() - ThreadSeconds() - spent, "s");
  PrintSpace("bytes on disk, sealed and compacted", AtMost(250));
  session_.Stop();
  return session_.Start();
}

void Measures::PrintTimes(Times& times, const std::string& name, Goal goal50, Goal goal99,
                          bool cold) {
  const std::string note = std::to_string(times.all.size()) + " questions";
  figures_.Print(name + " p50", Percentile(times.all, 0.5) * 1e3, "ms",
                 cold ? std::optional<Goal>() : goal50, note);
  figures_.Print(name + " p99", Percentile(times.all, 0.99) * 1e3, "ms", goal99);
  figures_.Print(name + " p99, at most 10,000 recipients", Percentile(times.usual, 0.99) * 1e3,
                 "ms", {},
                 std::to_string(times.usual.size()) +
                     " questions; pages of others hold lists of "
                     "up to 50,000 recipients");
  figures_.Print(name + " p50, at most 10 answers", Percentile(times.rare, 0.5) * 1e3, "ms", {},
                 std::to_string(times.rare.size()) + " questions");
  figures_.Print(name + " p99, at most 10 answers", Percentile(times.rare, 0.99) * 1e3, "ms");
}

void Measures::Questions() {
  Say("asking every kind of question");
  std::map<std::string, double> slowest;
  size_t counted_observables = 0;
  std::vector<double> counts;
  for (const Question& question : truth_.questions()) {
    const Answered answered = Ask(session_, question);
    scores_.Add(question.kind, &question, answered);
    slowest[question.kind] = std::max(slowest[question.kind], answered.all);
    if (answered.all > 3) {
      Say("slow: " + question.kind + " '" + question.text + "' took " +
          std::to_string(answered.all) + " s");
    }
    // The cheap way to learn a number must agree; of observables some suffice.
    if (question.kind != "observable" ||
        (question.count > 20 && counted_observables++ < plan_.counted)) {
      const Answered counted = AskCount(session_, question);
      counts.push_back(counted.all);
      scores_.Add("count of matches", &question, counted);
      if (question.kind.starts_with("subject contains"))
        slowest[question.kind + ", count"] =
            std::max(slowest[question.kind + ", count"], counted.all);
    }
  }
  Times times;
  for (int round = 0; round < 2; ++round) {
    times = {};
    for (const Question& question : truth_.questions()) {
      if (question.kind != "observable") continue;
      const Answered answered = Ask(session_, question, 100);
      const double took = answered.first_page;
      times.all.push_back(took);
      if (answered.recipients <= kUsual) times.usual.push_back(took);
      if (question.count <= 10) times.rare.push_back(took);
    }
  }
  PrintTimes(times, "one observable, warm", AtMost(1), AtMost(5), false);

  figures_.Print("count of matches p50", Percentile(counts, 0.5) * 1e3, "ms", {},
                 std::to_string(counts.size()) + " questions of every kind");
  figures_.Print("count of matches, slowest", Percentile(counts, 1) * 1e3, "ms");
  const Goal subject = AtMost(plan_.messages <= 10'000'000 ? 0.3 : 1);
  for (const auto& [kind, took] : slowest) {
    if (kind == "observable") continue;
    const bool measured = kind.starts_with("subject contains") && !kind.ends_with("count") &&
                          !kind.ends_with("short");
    figures_.Print(kind + ", slowest", took, "s", measured ? std::optional(subject) : std::nullopt,
                   "to the end, or a thousand answers");
  }
}

void Measures::TopSenders() {
  counters::Question question;
  question.from = top_from_;
  question.until = top_until_;
  question.dimension = counters::Dimension::kSender;
  question.order_by = counters::MetricOf(counters::Count::kMessages, mail::Direction::kIncoming);
  question.top = kTop + 1;  // the null sender may be among them
  std::vector<double> times;
  Result<counters::Answer> answer;
  for (int i = 0; i < 11; ++i) {
    const double began = Now();
    answer = session_.Run(session_.store().Counters(question));
    times.push_back(Now() - began);
    if (!answer) break;
  }
  Answered out;
  if (!answer) {
    out.error = answer.error().ToString();
    scores_.Add("top senders", nullptr, out);
    return;
  }
  figures_.Print("top senders of 30 days", Percentile(times, 0.5) * 1e3, "ms", AtMost(50),
                 std::to_string(answer->keys) + " senders counted" +
                     (answer->exact ? "" : "; rows are bounds"));
  figures_.Print("top senders of 30 days, first time", times.empty() ? 0 : times.back() * 1e3, "ms",
                 {}, "slowest of 11");
  std::erase_if(answer->rows, [](const auto& row) { return row.key.empty(); });
  if (answer->rows.size() > kTop) answer->rows.resize(kTop);
  const auto expected = truth_.TopSenders(kTop);
  out.score.expected = expected.size();
  out.score.answered = answer->rows.size();
  // Senders of equal rank may stand in any order: each row must be right, and the counts fall
  // alike.
  std::map<std::string, uint64_t> counts;
  for (const auto& [sender, count] : truth_.TopSenders(1000))
    counts[generator_.SenderAddress(sender)] = count;
  for (size_t i = 0; i < answer->rows.size() && i < expected.size(); ++i) {
    uint64_t value = 0;
    for (const auto& [metric, amount] : answer->rows[i].values) {
      if (metric == *question.order_by) value = amount;
    }
    const uint64_t true_count = counts[answer->rows[i].key];
    const bool bound =
        !answer->exact && value <= true_count && true_count <= value + answer->missed;
    if (bound || (value == true_count && value == expected[i].second)) {
      ++out.score.right;
    } else {
      Say("top senders: row " + std::to_string(i) + " " + answer->rows[i].key + " says " +
          std::to_string(value) + "; true are " + std::to_string(true_count) +
          ", and at this rank " + std::to_string(expected[i].second));
    }
  }
  scores_.Add("top senders", nullptr, out);
}

void Measures::Hunt() {
  Say("hunting " + std::to_string(truth_.hunted().size()) + " fingerprints");
  std::vector<HuntHit> hits;
  Answered out;
  const double began = Now(), spent = ProcessSeconds();
  double first_hit = 0;
  uint64_t steps = 0;
  std::string resume;
  do {
    auto step = session_.Run(session_.store().Hunt(truth_.shared_hunted(), resume));
    if (!step) {
      out.error = step.error().ToString();
      break;
    }
    if (hits.empty() && !step->hits.empty()) first_hit = Now() - began;
    hits.insert(hits.end(), step->hits.begin(), step->hits.end());
    if (!step->coverage.complete) out.error = "incomplete: " + step->coverage.why;
    resume = step->resume;
    ++steps;
  } while (!resume.empty());
  const double took = Now() - began;
  figures_.Print("retro-hunt of " + std::to_string(truth_.hunted().size()) + " fingerprints", took,
                 "s", AtMost(30),
                 std::to_string(hits.size()) + " hits in " + std::to_string(steps) + " steps");
  figures_.Print("retro-hunt, processor time", ProcessSeconds() - spent, "s");
  figures_.Print("retro-hunt, first hit after", first_hit, "s");
  std::vector<HuntHit> expected = truth_.hits();
  SortUnique(expected);
  const size_t all = hits.size();
  SortUnique(hits);
  if (out.error.empty() && hits.size() != all) out.error = "hits came twice without a resume";
  out.score = ScoreOf(expected, hits);
  scores_.Add("retro-hunt", nullptr, out);
}

void Measures::Memory() {
  ::malloc_trim(0);
  const Resident resident = ReadResident();
  figures_.Print("resident", resident.all, "MB", AtMost(3000),
                 "the whole bench with the truth; anonymous " +
                     std::to_string(static_cast<int>(resident.anonymous)) + " MB, mapped files " +
                     std::to_string(static_cast<int>(resident.file)) + " MB");
}

Result<void> Measures::Restart() {
  session_.Stop();
  ::malloc_trim(0);
  const double before = ReadResident().all;
  (void)ForgetCached(folder_);
  for (const bool cold : {true, false}) {
    const double began = Now();
    TRY_VOID(session_.Start());
    gateway::tracking::Query query;
    query.limit = 1;
    const auto page = session_.Run(session_.store().Search(query));
    const double took = Now() - began;
    figures_.Print(cold ? "restart, cold cache" : "restart", took, "s", AtMost(2),
                   "until the first answer");
    Answered out;
    out.score = {
        1, page ? page->records.size() : 0,
        page && page->records.size() == 1 && page->records[0].mid == plan_.messages ? 1u : 0u};
    if (!page) out.error = page.error().ToString();
    scores_.Add("newest message after a restart", nullptr, out);
    if (cold) session_.Stop();
  }
  figures_.Print("resident after restart", ReadResident().all - before, "MB", {},
                 "more than without the store");
  return {};
}

void Measures::Cold() {
  Say("asking with a cold cache");
  Times times;
  uint64_t left = 0;
  size_t asked = 0;
  for (const Question& question : truth_.questions()) {
    if (question.kind != "observable" || asked == plan_.cold) continue;
    ++asked;
    left = std::max(left, ForgetCached(folder_));
    const Answered answered = Ask(session_, question, 100);
    times.all.push_back(answered.first_page);
    if (answered.recipients <= kUsual) times.usual.push_back(answered.first_page);
    if (question.count <= 10) times.rare.push_back(answered.first_page);
  }
  PrintTimes(times, "one observable, cold", AtMost(0), AtMost(50), true);
  figures_.Print("still cached when cold", static_cast<double>(left) / 1e6, "MB", {},
                 "mapped files cannot be forgotten");
}

Result<void> Measures::Watch() {
  Say("watching " + std::to_string(plan_.watched) + " fingerprints");
  const uint64_t first = plan_.messages, count = plan_.watch_rounds * Plan::kWatchRound;
  // Half of what is to be seen comes in the messages that follow.
  Generator more(generator_.options());
  std::vector<uint64_t> watched =
      MakeFingerprints(more, first + count, plan_.watched, plan_.watched / 100);
  const FingerprintSet set(watched);
  std::vector<std::pair<uint64_t, mail::Mid>> hits, expected;
  std::vector<double> with, without;
  for (size_t round = 0; round < plan_.watch_rounds; ++round) {
    const bool on = round % 2 == 1;
    const double began = Now();
    if (on) {
      session_.store().Watch(
          watched, [&](const WatchHit& hit) { hits.emplace_back(hit.fingerprint, hit.mid); });
    } else {
      session_.store().Watch({}, {});
    }
    session_.Rest(std::chrono::milliseconds(on ? 1500 : 50));
    if (round == 1)
      figures_.Print("watch, setting the list", Now() - began, "s", {}, "with a pause of 1.5 s");
    LoadOptions options;
    options.first = first + round * Plan::kWatchRound;
    options.count = options.batch = Plan::kWatchRound;
    options.probe_every = 0;
    options.events = false;
    std::vector<mail::Mid> mids;
    options.mid = [&] {
      mids.push_back(session_.store().NextMid());
      return mids.back();
    };
    TRY(const auto load, Append(session_, generator_, options, nullptr));
    const double each =
        (load.engine_seconds + load.executor_seconds) * 1e9 / static_cast<double>(load.messages);
    (on ? with : without).push_back(each);
    session_.Rest(std::chrono::milliseconds(50));
    if (!on) continue;
    for (size_t i = 0; i < Plan::kWatchRound; ++i) {
      Made made;
      generator_.Make(options.first + i, made);
      made.record.mid = mids[i];
      ForEachShown(made.record, [&](observable::Type type, std::string_view value) {
        const uint64_t fingerprint = observable::Fingerprint(type, value);
        if (set.Has(fingerprint)) expected.emplace_back(fingerprint, mids[i]);
      });
    }
  }
  session_.store().Watch({}, {});
  // Both are differences of sums of many threads: half the spread of the rounds is what is not
  // known.
  const double noise = (Percentile(without, 1) - Percentile(without, 0)) / 2;
  const double cost = Percentile(with, 0.5) - Percentile(without, 0.5);
  figures_.Print("watch of " + std::to_string(watched.size()) + " fingerprints", cost, "ns/message",
                 AtMost(10000),
                 "processor time of an append with it less that of one without, medians of " +
                     std::to_string(with.size()) + " rounds each, give or take " +
                     std::to_string(static_cast<int64_t>(noise)) + " ns");
  SortUnique(expected);
  SortUnique(hits);
  Answered out;
  out.score = ScoreOf(expected, hits);
  scores_.Add("watch", nullptr, out);
  return {};
}

void Measures::Records() {
  Answered out;
  const size_t count = std::min<uint64_t>(500, plan_.messages);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t index = i * (plan_.messages - 1) / std::max<size_t>(count - 1, 1);
    Made made;
    generator_.Make(index, made);
    auto& events = made.record.events;
    events.insert(events.end(), made.later.begin(), made.later.end());
    std::stable_sort(events.begin(), events.end(),
                     [](const auto& a, const auto& b) { return a.time < b.time; });
    const auto record = session_.Run(session_.store().Get(index + 1));
    ++out.score.expected;
    ++out.score.answered;
    if (record && *record == made.record) {
      ++out.score.right;
    } else if (!record) {
      out.error = record.error().ToString();
    }
  }
  scores_.Add("records as appended", nullptr, out);
}

}  // namespace mailreeve::bench
