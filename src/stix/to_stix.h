#pragma once

#include "base/time.h"
#include "json/json.h"

#include <map>
#include <string>

// A CTIM bundle as a STIX 2.1 bundle (docs/stix.md has the table). Ids are the same for the same
// entity each time; what STIX has no place for goes into one property extension; what has no
// counterpart is counted, never an error.
//
// Threads: pure function. Errors: none. REQUIRES: the bundle is checked (ctim/validate.h).
//
//   const auto out = stix::ToStix(bundle, {.now = clock.Now()});
//   Send("application/stix+json;version=2.1", out.bundle);
namespace mailreeve::stix {

struct ToStixOptions {
  std::string producer = "Mailreeve";  // who makes the objects: identity of the bundle
  Time now;
  size_t max_pattern_terms = 1000;  // of an indicator made of judgements
};

struct ToStixResult {
  json::object bundle;
  std::map<std::string, size_t> left_out;  // "verdict": 3, "relationship: end not told": 1
};

ToStixResult ToStix(const json::object& bundle, const ToStixOptions& options);

}  // namespace mailreeve::stix
