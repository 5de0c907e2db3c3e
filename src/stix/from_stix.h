#pragma once

#include "base/time.h"
#include "json/json.h"
#include "stix/pattern.h"

#include <map>
#include <string>
#include <vector>

// STIX objects (2.1, also 2.0 and what comes after) as a CTIM bundle that checks clean. Every
// entity has its STIX id as external id, and a transient id made of it. An indicator gives an
// indicator, and a judgement for each value that its pattern names alone, with a relationship
// element-of. What cannot be taken is counted by reason and never an error.
//
// Threads: pure function. Errors: kInvalid when the document is neither a bundle nor a list of
// objects; kLimited when it holds too many.
//
//   TRY(auto taken, stix::FromStix(document, {.source = "feed one", .now = clock.Now()}));
//   Import(taken.bundle);
//   for (const auto& [why, count] : taken.left_out) log.Info(…);
namespace mailreeve::stix {

struct FromStixOptions {
  std::string source;  // of judgements and sightings
  Time now;
  std::string default_tlp = "amber";          // of objects without a marking we know
  int64_t priority = 90;                      // of judgements
  std::string default_confidence = "Medium";  // of objects that say none
  std::string default_severity = "Medium";
  size_t max_objects = 100'000;
  size_t max_observables = 10'000;  // of one indicator
  // The document is a part of something larger: a relationship may name objects that are not in it.
  bool far_ends = false;
  PatternLimits pattern;
};

struct FromStixResult {
  json::object bundle;                     // CTIM
  std::vector<std::string> withdrawn;      // STIX ids of revoked objects
  std::map<std::string, size_t> left_out;  // reason -> how many
};

// "indicator" -> "indicator", "threat-actor" -> "actor"; "" for what becomes no entity.
std::string_view CtimTypeOf(std::string_view stix_type);

Result<FromStixResult> FromStix(const json::value& document, const FromStixOptions& options);

}  // namespace mailreeve::stix
