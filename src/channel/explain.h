#pragma once

#include "base/error.h"
#include "base/time.h"

#include <string>

namespace mailreeve::channel {

// Whether the other side (or ours) refused for a reason that a new try alone does not mend:
// certificate not trusted, expired, removed.
bool IsCertificateTrouble(const Error& error);

// A connection error with what the operator can do about it: for certificates out of their time it
// names the clock, for issuers that are not trusted the CA file.
Error ExplainConnection(Error error, Time now);

// "the peer's clock is 23 h 59 min ahead of (behind) ours"; empty when within `limit`.
std::string DescribeSkew(std::chrono::milliseconds skew, std::chrono::milliseconds limit);

}  // namespace mailreeve::channel
