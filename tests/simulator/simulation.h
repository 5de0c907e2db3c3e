#pragma once

#include "gateway/tracking/core.h"
#include "io/sim_files.h"
#include "simulator/mail.h"
#include "simulator/model.h"

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

// One run of a tracking store over a disk and a clock that fail, everything decided by one number:
// several lives of the program, each with random work, faults and an end (closed, killed, power
// cut); after each the store is opened again and all it promised is looked at. docs/simulator.md.
namespace mailreeve::simulator {

using Open = std::function<Result<std::unique_ptr<gateway::tracking::Core>>(
    gateway::tracking::CoreOptions, io::Files&, log::Logger&, const Clock&)>;

struct Subject {
  Open open;
  bool only_keeps = false;  // answers Get, Search for everything and ids; nothing else is asked
};

struct Outcome {
  std::vector<std::string> failures;  // empty: the store kept its promises
  uint64_t operations = 0, crashes = 0, faults = 0, acknowledged = 0, damaged = 0;
};

Outcome Simulate(uint64_t seed, const Subject& subject);

// Of one seed; its parts are in simulation.cc (work) and check.cc (what must hold).
class Simulation {
 public:
  Simulation(uint64_t seed, const Subject& subject);
  Outcome Run();

 private:
  // What went into the store with one Commit.
  struct Given {
    mail::Mid mid = 0;
    std::vector<size_t> events;  // of the record's `later`
    bool record = false, unknown_mid = false;
  };

  void ChooseOptions();
  void Live();
  void PlanFaults();
  void Step(gateway::tracking::Core& core);
  void Commit(gateway::tracking::Core& core);
  // A record to speak of again: mostly one of the last, often one that is in doubt.
  std::map<mail::Mid, KnownRecord>::iterator PickKnown();
  void AddRecord(gateway::tracking::Core& core);
  void AddEvents(gateway::tracking::Core& core);
  void Judge(gateway::tracking::Core& core, gateway::tracking::Appended& item, const Given& given,
             bool trouble);
  void Keep(gateway::tracking::Core& core);
  void MoveClock();
  void MarkExpired();
  void Damage();

  void CheckIds(gateway::tracking::Core& core);
  void CheckAll(gateway::tracking::Core& core);
  std::vector<mail::MessageRecord> ReadAll(gateway::tracking::Core& core,
                                           const gateway::tracking::Query& query,
                                           gateway::tracking::Coverage& coverage);
  void CheckHeld(const std::vector<mail::MessageRecord>& all,
                 const gateway::tracking::Coverage& coverage);
  void CheckQueries(gateway::tracking::Core& core, const std::vector<mail::MessageRecord>& all);
  void CheckHunt(gateway::tracking::Core& core, const std::vector<mail::MessageRecord>& all);
  void CheckTotals(gateway::tracking::Core& core, const std::vector<mail::MessageRecord>& all);

  const std::vector<observable::Observable>& Shown(const mail::MessageRecord& record);
  // True when a fault was met since `before`, or the machine is off: then calls may fail.
  bool Trouble(uint64_t before) const { return files_.killed() || files_.faults_met() != before; }
  // In this life something could not be read or written: the store may not see all it holds.
  bool Blind() const { return damaged_ || files_.faults_met() > 0; }
  void Fail(std::string what);

  const uint64_t seed_;
  const Subject& subject_;
  std::mt19937_64 random_;
  Mailbag mail_;
  io::SimFiles files_;
  FakeClock clock_;
  log::NullLogger logger_;
  gateway::tracking::CoreOptions options_;
  bool retention_by_size_ = false;
  // The disk was changed behind the store's back: it may lack something, but must say so.
  bool damaged_ = false, journal_damaged_ = false;
  bool reads_fail_ = false;  // in this life, at some time
  // What was held could not be read when it was given again, so it may be there twice: no more is
  // to be learnt from this seed.
  bool inconclusive_ = false;

  Model model_;
  std::map<mail::Mid, uint64_t> batch_of_;  // of acknowledged records
  uint64_t batch_ = 0;
  mail::Mid imported_ = 1'000'000;
  std::map<mail::Mid, std::vector<observable::Observable>> shown_;  // made when asked for
  std::vector<uint64_t> watched_;
  std::vector<gateway::tracking::Appended> items_;
  std::vector<Given> given_;
  // What failed last, to be tried again.
  std::vector<gateway::tracking::Appended> retry_items_;
  std::vector<Given> retry_given_;
  Outcome outcome_;
};

}  // namespace mailreeve::simulator
