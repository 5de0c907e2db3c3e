#include "ctim/incident_clock.h"

#include <string>

namespace mailreeve::ctim {
namespace {

enum class State { kNew, kOpen, kHold, kClosed, kOther };

State StateOf(std::string_view status) {
  const auto is = [status](std::string_view word) {
    return status == word || status.starts_with(std::string(word) + ":");
  };
  if (is("New")) return State::kNew;
  if (is("Open")) return State::kOpen;
  if (is("Hold") || status == "Stalled") return State::kHold;
  if (is("Closed")) return State::kClosed;
  return State::kOther;
}

std::string_view TextAt(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

json::object ObjectAt(const json::object& from, std::string_view key) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_object()) return {};
  return value->get_object();
}

// Nothing when either time is missing or they are the wrong way round.
void PutSeconds(json::object& intervals, std::string_view key, std::string_view from,
                std::string_view to) {
  const auto start = ParseTime(from), end = ParseTime(to);
  if (!start || !end || *end < *start) return;
  intervals[key] = std::chrono::floor<std::chrono::seconds>(*end - *start).count();
}

}  // namespace

void ApplyStatusClock(json::object& fresh, const json::object& previous, Time now) {
  json::object intervals = ObjectAt(previous, kHiddenIntervals);
  const std::string status(TextAt(fresh, "status"));
  const std::string_view old_status = TextAt(previous, "status");
  if (status != old_status && !status.empty()) {
    const State was = StateOf(old_status), is = StateOf(status);
    json::object times = ObjectAt(fresh, "incident_time");
    const json::object old_times = ObjectAt(previous, "incident_time");
    const std::string time = FormatTime(now);
    const auto set = [&](std::string_view key) {
      const std::string_view given = TextAt(times, key);
      const bool by_client = !given.empty() && given != TextAt(old_times, key);
      if (!by_client) times[key] = time;
    };
    const std::string_view created = TextAt(previous, "created");
    if (is == State::kOpen) {
      if (was == State::kNew) {
        times["opened"] = time;
        PutSeconds(intervals, "new_to_opened", created, time);
      } else if (was != State::kOpen) {
        set("opened");
      }
      if (status == "Open: Contained") {
        set("contained");
        PutSeconds(intervals, "new_to_contained", created, TextAt(times, "contained"));
      }
    } else if (is == State::kClosed && was != State::kClosed) {
      times["closed"] = time;
      if (was == State::kOpen || was == State::kHold)
        PutSeconds(intervals, "opened_to_closed", TextAt(times, "opened"), time);
    } else if (status == "Containment Achieved" || status == "Restoration Achieved") {
      set("remediated");
    } else if (status == "Rejected") {
      set("rejected");
    } else if (status == "Incident Reported") {
      set("reported");
    }
    fresh["incident_time"] = std::move(times);
  }
  if (intervals.empty()) {
    fresh.erase(kHiddenIntervals);
  } else {
    fresh[kHiddenIntervals] = std::move(intervals);
  }
}

}  // namespace mailreeve::ctim
