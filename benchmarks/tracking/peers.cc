#include "peers.h"

#include "truth.h"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <unordered_map>

namespace mailreeve::bench {
namespace {

void Forget(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

struct Known {
  uint64_t rare = 0, common = 0;  // subjects with kRare, with "invoice"
};

std::vector<Made> MakeBatch(const Generator& generator, uint64_t first, size_t count) {
  std::vector<Made> out(count);
  const size_t parts = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (size_t part = 0; part < parts; ++part) {
    threads.emplace_back([&, part] {
      for (size_t i = count * part / parts; i < count * (part + 1) / parts; ++i)
        generator.Make(first + i, out[i]);
    });
  }
  for (auto& thread : threads) thread.join();
  return out;
}

class Run {
 public:
  Run(Peer& peer, const Generator& generator, const PeerPlan& plan, Figures& figures)
      : peer_(peer),
        generator_(generator),
        plan_(plan),
        figures_(figures),
        folder_(plan.folder + "/" + peer.name()) {}

  // Answers that were wrong.
  uint64_t Measure() {
    Forget(folder_);
    std::filesystem::create_directories(folder_);
    figures_.system = peer_.name();
    if (auto opened = peer_.Open(folder_); !opened) {
      figures_.Missing("all of it", opened.error().ToString());
      return 0;
    }
    if (auto done = Fill(); !done) {
      figures_.Missing("append", done.error().ToString());
      return 1;
    }
    Lookups();
    Subjects();
    Senders();
    return wrong_;
  }

 private:
  Result<void> Fill() {
    double took = 0;
    while (held_ < plan_.messages && took < plan_.seconds) {
      auto batch =
          MakeBatch(generator_, held_, std::min<uint64_t>(2 * kPeerGroup, plan_.messages - held_));
      for (const Made& made : batch) {
        known_.rare += made.folded_subject.find(kRare) != std::string::npos ? 1 : 0;
        known_.common += made.folded_subject.find("invoice") != std::string::npos ? 1 : 0;
        if (made.record.direction == mail::Direction::kIncoming)
          ++senders_[made.record.envelope_from];
      }
      const size_t count = batch.size();
      const double began = Now();
      TRY_VOID(peer_.Append(batch));
      took += Now() - began;
      held_ += count;
    }
    figures_.messages = held_;
    figures_.Print("append durable", static_cast<double>(held_) / took, "messages/s", {},
                   peer_.note());
    const double began = Now();
    TRY_VOID(peer_.Settle());
    figures_.Print("rest after", Now() - began, "s", {}, "compaction after the last append");
    figures_.Print("bytes on disk",
                   static_cast<double>(peer_.Bytes().value_or(SpaceOf(folder_).disk)) /
                       static_cast<double>(held_),
                   "bytes/message");
    return {};
  }

  void Lookups() {
    std::vector<double> warm, cold;
    std::string why;
    for (const Question& question : ObservableQuestions(generator_, held_, peer_.lookups())) {
      const auto& wanted = question.any[0];
      (void)ForgetCached(folder_);
      const double began = Now();
      auto found = peer_.Lookup(wanted, 100);
      const double first = Now();
      if (!found) {
        if (found.error().code != Code::kUnavailable) {
          ++wrong_;
          Say("WRONG: " + peer_.name() + ": " + question.text + ": " + found.error().ToString());
        }
        why = found.error().ToString();
        continue;
      }
      cold.push_back(first - began);
      (void)peer_.Lookup(wanted, 100);
      warm.push_back(Now() - first);
      if (question.present && found->empty()) {
        ++wrong_;
        Say("WRONG: " + peer_.name() + " does not find " + question.text);
      }
    }
    if (!why.empty()) figures_.Missing("one observable, in part", why);
    if (warm.empty()) return;
    const std::string note = std::to_string(warm.size()) + " questions, a page of 100";
    figures_.Print("one observable, warm p50", Percentile(warm, 0.5) * 1e3, "ms", {}, note);
    figures_.Print("one observable, warm p99", Percentile(warm, 0.99) * 1e3, "ms");
    figures_.Print("one observable, cold p50", Percentile(cold, 0.5) * 1e3, "ms", {},
                   "its own caches stay");
    figures_.Print("one observable, cold p99", Percentile(cold, 0.99) * 1e3, "ms");
  }

  void Subjects() {
    for (const auto& [name, needle, expected] :
         {std::tuple{"rare", std::string(kRare), known_.rare},
          std::tuple{"common", std::string("invoice"), known_.common}}) {
      const std::string figure = std::string("subject contains, ") + name + ", count";
      const double began = Now();
      auto count = peer_.CountSubjects(needle);
      const double took = Now() - began;
      if (!count) {
        figures_.Missing(figure, count.error().ToString());
        return;
      }
      const bool right = *count == expected;
      figures_.Print(
          figure, took, "s", {},
          right ? ""
                : "answers " + std::to_string(*count) + ", true is " + std::to_string(expected));
    }
  }

  void Senders() {
    const Time until = generator_.TimeOf(held_) + std::chrono::hours(1);
    const double began = Now();
    auto top = peer_.TopSenders(generator_.options().begin, until, 11);
    const double took = Now() - began;
    if (!top) {
      figures_.Missing("top senders", top.error().ToString());
      return;
    }
    bool right = !top->empty();
    for (const auto& [sender, count] : *top) right = right && senders_[sender] == count;
    if (!right) ++wrong_;
    figures_.Print("top senders", took * 1e3, "ms", {},
                   std::string("of all it holds") + (right ? "" : "; WRONG counts"));
  }

  static constexpr std::string_view kRare = "ref-0000";
  Peer& peer_;
  const Generator& generator_;
  const PeerPlan& plan_;
  Figures& figures_;
  const std::string folder_;
  uint64_t held_ = 0, wrong_ = 0;
  Known known_;
  std::unordered_map<std::string, uint64_t> senders_;
};

}  // namespace

#ifdef MAILREEVE_BENCH_NO_ROCKSDB
namespace {

class AbsentRocksdb final : public Peer {
 public:
  std::string name() const override { return "rocksdb"; }
  Result<void> Open(const std::string&) override {
    return Fail(Code::kUnavailable,
                "the bench was built without librocksdb-dev (tools/setup bench, then build again)");
  }
  Result<void> Append(std::vector<Made>&) override { return {}; }
  Result<void> Settle() override { return {}; }
  Result<std::vector<mail::Mid>> Lookup(const observable::Observable&, size_t) override {
    return {};
  }
  Result<uint64_t> CountSubjects(const std::string&) override { return 0; }
  Result<std::vector<std::pair<std::string, uint64_t>>> TopSenders(Time, Time, size_t) override {
    return {};
  }
};

}  // namespace

std::unique_ptr<Peer> MakeRocksdbPeer() { return std::make_unique<AbsentRocksdb>(); }
#endif

std::vector<uint64_t> ShownFingerprints(const mail::MessageRecord& record) {
  std::vector<uint64_t> out;
  ForEachShown(record, [&](observable::Type type, std::string_view value) {
    out.push_back(observable::Fingerprint(type, value));
  });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

uint64_t MeasurePeers(const Generator& generator, const PeerPlan& plan, Figures& figures) {
  uint64_t wrong = 0;
  const std::string system = figures.system;
  for (auto make : {MakeSqlitePeer, MakeRocksdbPeer, MakeClickhousePeer, MakeLogPeer}) {
    auto peer = make();
    Say("beside it: " + peer->name());
    wrong += Run(*peer, generator, plan, figures).Measure();
    const std::string folder = plan.folder + "/" + peer->name();
    peer.reset();
    if (!plan.keep) Forget(folder);
  }
  figures.system = system;
  return wrong;
}

}  // namespace mailreeve::bench
