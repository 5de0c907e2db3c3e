#pragma once

#include "figures.h"
#include "session.h"
#include "truth.h"

#include <map>
#include <string>

// The measures of issue "Message tracking and reporting": each prints its figures, and adds to the
// scores.
namespace mailreeve::bench {

struct Plan {
  uint64_t messages = 0;
  size_t observables = 1000;  // questions of that kind
  size_t counted = 30;        // of them, also by CountMatches
  size_t cold = 200;          // of them, with a cold cache
  size_t hunted = 1'000'000;  // fingerprints of the retro-hunt
  size_t watched = 10'000'000;
  size_t watch_rounds = 12;  // of kWatchRound messages, by turns without and with the watch
  static constexpr size_t kWatchRound = 10'000;
  // The last of the load come as from a full Postfix: its default limit is 100 processes.
  size_t calm = 30'000, calm_in_flight = 100;
};

// Recall and precision by kind of question.
class Scores {
 public:
  void Add(const std::string& kind, const Question* question, const Answered& answered);
  void Print(Figures& figures) const;
  bool perfect() const { return wrong_ == 0; }

 private:
  struct Kind {
    Score score;
    uint64_t questions = 0, errors = 0;
  };
  std::map<std::string, Kind> kinds_;
  uint64_t wrong_ = 0;
};

class Measures {
 public:
  Measures(Session& session, const Generator& generator, std::string folder, Plan plan,
           Figures& figures, Scores& scores);
  // In this order. Load fails when the store does; the others count what goes wrong as a wrong
  // answer.
  Result<void> Load();
  void Settle();  // waits until the engine rests; space
  // The same of a store that seals and compacts all it has.
  Result<void> Packed(const Session::Open& open);
  void Questions();  // every kind, warm
  void TopSenders();
  void Hunt();
  void Memory();
  Result<void> Restart();
  void Cold();
  Result<void> Watch();
  void Records();  // whether they are what was appended

 private:
  struct Times {
    std::vector<double> all;     // seconds
    std::vector<double> rare;    // of questions with at most 10 answers
    std::vector<double> usual;   // of pages with at most kUsual recipients
  };
  static constexpr size_t kUsual = 10'000;
  double Rest();  // waits until the engine rests: seconds
  void PrintSpace(const std::string& figure, std::optional<Goal> goal);
  void PrintTimes(Times& times, const std::string& name, Goal goal50, Goal goal99, bool cold);

  Session& session_;
  const Generator& generator_;
  const std::string folder_;
  const Plan plan_;
  Figures& figures_;
  Scores& scores_;
  Truth truth_;
  Time top_from_, top_until_;
};

}  // namespace mailreeve::bench
