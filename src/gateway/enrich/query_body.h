#pragma once

#include "gateway/tracking/store.h"
#include "json/json.h"

namespace mailreeve::gateway::enrich {

// The body of /mailreeve/messages (docs/relay.md) as a query; kInvalid with the field that is
// wrong. Values are brought to canonical form. Pure.
Result<tracking::Query> ReadQuery(const json::value& body, size_t max_observables);
// A MID as a number or as text of digits.
Result<mail::Mid> ReadMid(const json::value& value, std::string_view path);

}  // namespace mailreeve::gateway::enrich
