#pragma once

#include "ctim/ctim.h"
#include "mail/message_record.h"

#include <string>
#include <vector>

namespace mailreeve::gateway::enrich {

struct SightingOptions {
  std::string name;         // of the gateway
  std::string console_url;  // without a slash at the end; empty: relative links
  size_t max_targets = 1000;
  size_t max_relations = 500;
};

// A tracked message as a sighting (gateway-api.md 7.4): `matched` are the observables that were
// asked for and that it shows. Recipients are targets; the table has a row for each with its
// status. `cut` is set when a limit left something out. Pure.
ctim::Sighting SightingOf(const mail::MessageRecord& record,
                          std::vector<observable::Observable> matched,
                          const SightingOptions& options, bool& cut);

// The worst that the gateway itself found about the message; kUnknown when it found nothing.
ctim::Disposition DispositionOf(const mail::MessageRecord& record);

// Where a person can look at messages with the observable.
std::string SearchLink(const std::string& console_url, const observable::Observable& observable);

}  // namespace mailreeve::gateway::enrich
