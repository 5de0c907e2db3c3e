#pragma once

#include "base/result.h"
#include "base/time.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// Which periods are due to be sent. The marks name every period that was sent, so that a clock that
// jumps ahead and back neither repeats one nor passes over one. Pure, apart from Load and Save
// (blocking). One object belongs to one thread at a time.
namespace mailreeve::gateway::mailed_reports {

struct Period {
  bool weekly = false;
  Time from, until;  // whole days, UTC; a week begins on Monday
  auto operator<=>(const Period&) const = default;
  std::string Name() const;  // "daily 2026-05-01"
};

struct Schedule {
  bool daily = false, weekly = false;
  int hour = 6;         // of the day after, UTC
  size_t catch_up = 7;  // periods of a kind that are sent late after a long stop
};

class Marks {
 public:
  // A file that is not there: nothing was sent, and only periods that end after `now` will be.
  // kCorrupt, kUnavailable.
  static Result<Marks> Load(const std::string& path, Time now);
  Result<void> Save(const std::string& path) const;

  // Oldest first.
  std::vector<Period> Due(const Schedule& schedule, Time now) const;
  void MarkSent(const Period& period);

  static Result<Marks> Decode(std::string_view text);
  std::string Encode() const;

 private:
  Time since_;
  std::set<Period> sent_;
};

}  // namespace mailreeve::gateway::mailed_reports
