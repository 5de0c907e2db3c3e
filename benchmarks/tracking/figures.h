#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What is printed, and what it is measured with.
namespace mailreeve::bench {

// A goal: the value is to be at least, or at most, this.
struct Goal {
  double value = 0;
  bool at_least = false;
};
inline Goal AtLeast(double value) { return {value, true}; }
inline Goal AtMost(double value) { return {value, false}; }

// One JSON line on standard output:
//   {"bench":"tracking","figure":…,"system":…,"messages":…,"value":…,"unit":…,"goal":…,"met":…}
// `system` is who was measured, `messages` how many it held. `note` is for people.
class Figures {
 public:
  void Print(std::string_view figure, double value, std::string_view unit,
             std::optional<Goal> goal = {}, std::string_view note = {});
  // A peer that could not be measured, or a part that it has not.
  void Missing(std::string_view figure, std::string_view why);

  std::string system = "mailreeve";
  uint64_t messages = 0;
  bool goals = true;    // false: compare with none (small runs, peers)
  uint64_t missed = 0;  // goals that were not met
};

void Say(const std::string& text);  // progress, on standard error

// Of samples; sorts them. 0 when there are none.
double Percentile(std::vector<double>& samples, double part);

double Now();             // seconds of a steady clock
double ProcessSeconds();  // processor time of all threads
double ThreadSeconds();   // of this one

struct Resident {
  double all = 0, anonymous = 0, file = 0, peak = 0;  // MB
};
Resident ReadResident();
void ResetPeak();  // of Resident::peak

// Bytes that the files below a folder take on disk, and their lengths.
struct Space {
  uint64_t disk = 0, length = 0, files = 0;
  std::map<std::string, uint64_t> by_kind;  // disk, by the letters that the name begins with
};
Space SpaceOf(const std::string& folder);
// Asks the kernel to forget what it holds of these files, so that the next read comes from the
// disk. Answers how many bytes it still holds (files that are mapped stay).
uint64_t ForgetCached(const std::string& folder);

}  // namespace mailreeve::bench
