#pragma once

#include "base/time.h"
#include "mail/inspection.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Dates, Received and authentication results. Linear time. Threads: pure functions.
namespace mailreeve::mail {

// RFC 5322 section 3.3 with the obsolete forms, and what clocks and mailers make of it (H12). Empty
// when no time of the years 1 to 9999 can be read.
std::optional<Time> ReadDate(std::string_view value);

// Host names and addresses of the "from" and "by" parts of a Received field, canonical. Appends new
// ones up to `max`.
void ReadReceivedHosts(std::string_view value, size_t max, std::vector<std::string>& hosts);

// RFC 8601. One item for each method; comments taken out. Appends up to `max`; false when there
// were more.
bool ReadAuthenticationResults(std::string_view value, size_t max,
                               std::vector<AuthenticationResult>& results);
// RFC 7208 section 9.1, as method "spf".
bool ReadReceivedSpf(std::string_view value, size_t max,
                     std::vector<AuthenticationResult>& results);

// The msg-ids of a References or In-Reply-To field, canonical; appends up to `max`.
void ReadMessageIds(std::string_view value, size_t max, std::vector<std::string>& ids);

}  // namespace mailreeve::mail
