#pragma once

#include "gateway/tracking/store.h"
#include "json/json.h"

namespace mailreeve::gateway::enrich {

// A tracked message in the JSON of our own routes (docs/message-record.md). Pure functions.
struct MessageLimits {
  size_t max_urls = 20;         // of a row in a list
  size_t max_recipients = 100;  // the same
};
// A row of a list: what it says of urls and recipients is cut to `limits`, and says so by
// "urls_total" and "recipients_total".
json::object SummaryJson(const mail::MessageRecord& record, const MessageLimits& limits);
// Everything, with the events in order.
json::object DetailsJson(const mail::MessageRecord& record);

json::object CoverageJson(const tracking::Coverage& coverage, Time asked_at);

}  // namespace mailreeve::gateway::enrich
