#pragma once

#include "gateway/counters/counters.h"

#include <cstdint>
#include <string_view>

// What is counted. A Metric is a Count in one Direction; docs/reports.md says which dimension has
// which. The stored number is the format: add at the end only, up to kMaxCounts.
namespace mailreeve::gateway::counters {

// The unit is recipients unless the line says otherwise. A message belongs to the hour it was
// received in, an event to its own.
enum class Count : uint8_t {
  kMessages,  // messages
  kRecipients,
  kBytes,        // bytes of messages; of kAll only
  kConnections,  // connections that brought a message

  // Of each message: kClean, a kind of bulk mail or kThreat, and with kThreat one of kMalicious and
  // kSuspicious and one of kSpam … kOtherThreat (the first verdict that was positive).
  kClean,
  kThreat,
  kMalicious,
  kSuspicious,
  kSpam,
  kVirus,
  kMaliciousFile,
  kMaliciousUrl,
  kContentFilter,
  kReputation,
  kDomainReputation,
  kDmarcBlocked,
  kInvalidRecipient,
  kOtherThreat,
  kBulkMail,  // neither clean nor a threat, down to kSocialMail
  kMarketingMail,
  kSocialMail,

  kAccepted,
  kRejected,
  kTemporarilyRefused,
  kDiscarded,
  kQuarantined,
  kReleased,
  kDelivered,
  kDeferred,  // each time
  kBounced,
  kExpired,
  kReinjected,

  kRemediationStarted,
  kForwarded,
  kRemoved,
  kAlreadyGone,
  kMovedFollowed,
  kRemediationRefused,
  kRemediationUnreachable,
  kRestored,

  kSpfPass,  // messages, down to kNotAuthenticated
  kSpfFail,
  kDkimPass,
  kDkimFail,
  kDmarcPass,
  kDmarcFail,
  kDmarcFailRejected,
  kDmarcFailQuarantined,
  kTls,
  kPlain,
  kAuthenticated,
  kNotAuthenticated,
  kTlsConnections,  // connections, down to kNotAuthenticatedConnections
  kPlainConnections,
  kAuthenticatedConnections,
  kNotAuthenticatedConnections,
  kDmarcFailNone,  // messages
};
inline constexpr uint8_t kMaxCount = static_cast<uint8_t>(Count::kDmarcFailNone);
inline constexpr uint8_t kMaxCounts = 64;
inline constexpr Metric kMetrics = 3 * kMaxCounts;

constexpr Metric MetricOf(Count count, mail::Direction direction) {
  return static_cast<Metric>(static_cast<Metric>(direction) * kMaxCounts +
                             static_cast<Metric>(count));
}
constexpr Count CountOf(Metric metric) { return static_cast<Count>(metric % kMaxCounts); }

}  // namespace mailreeve::gateway::counters
