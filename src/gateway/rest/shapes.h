#pragma once

#include "gateway/details/details.h"
#include "json/json.h"
#include "mail/message_record.h"

#include <string>
#include <vector>

// Tracked messages in the shapes of gateway-api.md 1.5. Pure; thread-safe.
namespace mailreeve::gateway::rest {

struct Identity {
  std::string host_name;  // empty on a gateway that answers for itself
  std::string serial;
};

// One row of a search. `legacy`: the shape of before 13.5, without maps by MID.
json::object MessageRow(const mail::MessageRecord& record, const Identity& identity, bool legacy);
// One row of a search for rejected connections.
json::object RejectedRow(const mail::MessageRecord& record, const Identity& identity);

// {"timestamp","description","lastEvent"}; only the last line is the last event.
json::array LinesJson(const std::vector<details::Line>& lines);

// The `messages` object of a details route for the messages of one thread, in order of their MIDs;
// none: every field tells "N/A". The lists (summary, ampDetails, …) are the caller's to add.
json::object HeaderFields(const std::vector<mail::MessageRecord>& records,
                          const Identity& identity);

}  // namespace mailreeve::gateway::rest
