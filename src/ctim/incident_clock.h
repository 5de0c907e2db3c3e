#pragma once

#include "base/time.h"
#include "json/json.h"

#include <string_view>

// What a change of an incident's status does to its times (threat-response-api.md 5.7).
//
//   Open…                       opened     New → Open always; Open → Open never
//   Open: Contained             contained  beside opened
//   Closed…                     closed     from anything else always; Closed → Closed never
//   Containment/Restoration Achieved       remediated
//   Rejected, Incident Reported            rejected, reported
//
// Where it says neither always nor never, a time that the client changed itself stands.
//
// Threads: pure functions. Errors: none.
//
//   fresh = Complete(…, fresh, …, &previous);
//   ctim::ApplyStatusClock(fresh, previous, now);  // also keeps the hidden `intervals`
namespace mailreeve::ctim {

inline constexpr std::string_view kHiddenIntervals = "intervals";

// `fresh` is the whole new document, `previous` what is stored; both complete. Seconds of
// new_to_opened, opened_to_closed and new_to_contained gather in the hidden object `intervals`,
// which is not to be told outside.
void ApplyStatusClock(json::object& fresh, const json::object& previous, Time now);

}  // namespace mailreeve::ctim
