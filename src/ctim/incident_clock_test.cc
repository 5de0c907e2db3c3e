#include "ctim/incident_clock.h"

#include <gtest/gtest.h>

namespace mailreeve::ctim {
namespace {

const Time kNow = *ParseTime("2026-03-01T00:00:10Z");
const json::value kNowText = "2026-03-01T00:00:10.000Z";

json::object Stored(std::string_view status) {
  return {{"status", status},
          {"created", "2026-03-01T00:00:00.000Z"},
          {"incident_time", json::object{{"opened", "2026-03-01T00:00:04.000Z"}}}};
}

// The new document of POST …/status: the stored one with another status.
json::object Changed(const json::object& previous, std::string_view status, Time now = kNow) {
  json::object fresh = previous;
  fresh.erase(kHiddenIntervals);
  fresh["status"] = status;
  ApplyStatusClock(fresh, previous, now);
  return fresh;
}

std::string Times(std::string_view from, std::string_view to) {
  const json::object fresh = Changed(Stored(from), to);
  std::string out;
  for (const auto& [key, value] : fresh.at("incident_time").get_object()) {
    if (value == kNowText) out += std::string(out.empty() ? "" : " ") + std::string(key);
  }
  return out;
}

TEST(IncidentClock, EveryTransition) {
  EXPECT_EQ(Times("New", "Open"), "opened");
  EXPECT_EQ(Times("New: Processing", "Open: Investigating"), "opened");
  EXPECT_EQ(Times("New", "Open: Contained"), "opened contained");
  EXPECT_EQ(Times("Open", "Open: Contained"), "contained");
  EXPECT_EQ(Times("Open", "Open: Reported"), "");
  EXPECT_EQ(Times("Hold", "Open"), "opened");
  EXPECT_EQ(Times("Closed", "Open"), "opened");
  EXPECT_EQ(Times("Open", "Closed"), "closed");
  EXPECT_EQ(Times("New", "Closed: False Positive"), "closed");
  EXPECT_EQ(Times("Closed", "Closed: Other"), "");
  EXPECT_EQ(Times("Open", "Containment Achieved"), "remediated");
  EXPECT_EQ(Times("Open", "Restoration Achieved"), "remediated");
  EXPECT_EQ(Times("New", "Rejected"), "rejected");
  EXPECT_EQ(Times("New", "Incident Reported"), "reported");
  for (const char* quiet : {"New", "Hold", "Hold: Legal", "Stalled"})
    EXPECT_EQ(Times("Open", quiet), "") << quiet;
  EXPECT_EQ(Times("Open", "Open"), "") << "no change, no effect";
}

TEST(IncidentClock, WhatTheClientSetsStandsUnlessForced) {
  const json::object previous = Stored("New");
  json::object fresh = previous;
  fresh["status"] = "Open: Contained";
  fresh["incident_time"] = json::object{{"opened", "2020-01-01T00:00:00.000Z"},
                                        {"contained", "2021-01-01T00:00:00.000Z"}};
  ApplyStatusClock(fresh, previous, kNow);
  EXPECT_EQ(fresh.at("incident_time").at("opened"), kNowText) << "New to Open is forced";
  EXPECT_EQ(fresh.at("incident_time").at("contained"), "2021-01-01T00:00:00.000Z");

  fresh = Stored("Open");
  fresh["status"] = "Closed";
  fresh["incident_time"].get_object()["closed"] = "2020-01-01T00:00:00.000Z";
  ApplyStatusClock(fresh, Stored("Open"), kNow);
  EXPECT_EQ(fresh.at("incident_time").at("closed"), kNowText) << "closing is forced";

  fresh = Stored("Open");
  fresh["incident_time"].get_object()["opened"] = "2020-01-01T00:00:00.000Z";
  ApplyStatusClock(fresh, Stored("Open"), kNow);
  EXPECT_EQ(fresh.at("incident_time").at("opened"), "2020-01-01T00:00:00.000Z");
}

TEST(IncidentClock, IntervalsGatherAndAreKept) {
  const json::object opened = Changed(Stored("New"), "Open");
  EXPECT_EQ(json::Serialize(opened.at(kHiddenIntervals)), R"({"new_to_opened":10})");
  const json::object contained = Changed(opened, "Open: Contained", kNow + std::chrono::seconds(5));
  EXPECT_EQ(contained.at(kHiddenIntervals).at("new_to_contained"), 15);
  const json::object closed = Changed(contained, "Closed", kNow + std::chrono::seconds(60));
  EXPECT_EQ(closed.at(kHiddenIntervals).at("opened_to_closed"), 60);
  EXPECT_EQ(closed.at(kHiddenIntervals).at("new_to_opened"), 10);
  const json::object reopened = Changed(closed, "Open", kNow + std::chrono::seconds(70));
  const json::object again = Changed(reopened, "Closed", kNow + std::chrono::seconds(100));
  EXPECT_EQ(again.at(kHiddenIntervals).at("opened_to_closed"), 30) << "told anew";
  EXPECT_FALSE(Changed(Stored("New"), "Closed").contains(kHiddenIntervals));
  json::object smuggled = Stored("Open");
  smuggled[kHiddenIntervals] = json::object{{"new_to_opened", 1}};
  ApplyStatusClock(smuggled, Stored("Open"), kNow);
  EXPECT_FALSE(smuggled.contains(kHiddenIntervals)) << "only the store sets intervals";
}

}  // namespace
}  // namespace mailreeve::ctim
