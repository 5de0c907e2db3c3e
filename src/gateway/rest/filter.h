#pragma once

#include "gateway/rest/parameters.h"
#include "gateway/tracking/store.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// The conditions of a message-tracking search (gateway-api.md 1.5.1), as what the store can look up
// and what is tried on each record. Attributes must all hold; events are alternatives, of which one
// must hold when any is given. Pure; values; not thread-safe. Errors: as Parameters.
namespace mailreeve::gateway::rest {

struct Filter {
  using Test = std::function<bool(const mail::MessageRecord&)>;

  tracking::Query query;  // without paging
  std::vector<Test> all;  // each must hold
  std::vector<Test> any;  // one must hold, when `any_given`
  bool any_given = false;
  bool nothing = false;  // no message can fit
  // Names of parameters about which nothing is recorded here: they select no message.
  std::vector<std::string> unanswered;
  bool rejected_connections = false;

  bool Fits(const mail::MessageRecord& record) const;
};

// `host_names`: what ciscoHost may be besides All_Hosts.
Result<Filter> ReadFilter(const Parameters& parameters, const std::vector<std::string>& host_names);

}  // namespace mailreeve::gateway::rest
