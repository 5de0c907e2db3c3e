#include "gateway/counters/message_tally.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mailreeve::gateway::counters {

using mail::Direction;
using mail::EventKind;

std::optional<Count> CountOfEvent(EventKind kind) {
  switch (kind) {
    case EventKind::kReceived:
      return std::nullopt;
    case EventKind::kAccepted:
      return Count::kAccepted;
    case EventKind::kRejected:
      return Count::kRejected;
    case EventKind::kTemporarilyRefused:
      return Count::kTemporarilyRefused;
    case EventKind::kDiscarded:
      return Count::kDiscarded;
    case EventKind::kQuarantined:
      return Count::kQuarantined;
    case EventKind::kReleased:
      return Count::kReleased;
    case EventKind::kDelivered:
      return Count::kDelivered;
    case EventKind::kDeferred:
      return Count::kDeferred;
    case EventKind::kBounced:
      return Count::kBounced;
    case EventKind::kExpired:
      return Count::kExpired;
    case EventKind::kReinjected:
      return Count::kReinjected;
    case EventKind::kRemediationStarted:
      return Count::kRemediationStarted;
    case EventKind::kForwarded:
      return Count::kForwarded;
    case EventKind::kRemoved:
      return Count::kRemoved;
    case EventKind::kAlreadyGone:
      return Count::kAlreadyGone;
    case EventKind::kMovedFollowed:
      return Count::kMovedFollowed;
    case EventKind::kRemediationRefused:
      return Count::kRemediationRefused;
    case EventKind::kRemediationUnreachable:
      return Count::kRemediationUnreachable;
    case EventKind::kRestored:
      return Count::kRestored;
  }
  return std::nullopt;
}

Count ThreatOf(std::string_view engine) {
  static constexpr std::array<std::pair<std::string_view, Count>, 18> kEngines = {{
      {"spam", Count::kSpam},
      {"antispam", Count::kSpam},
      {"virus", Count::kVirus},
      {"antivirus", Count::kVirus},
      {"clamav", Count::kVirus},
      {"file", Count::kMaliciousFile},
      {"amp", Count::kMaliciousFile},
      {"sandbox", Count::kMaliciousFile},
      {"url", Count::kMaliciousUrl},
      {"phishing", Count::kMaliciousUrl},
      {"policy", Count::kContentFilter},
      {"content_filter", Count::kContentFilter},
      {"message_filter", Count::kContentFilter},
      {"reputation", Count::kReputation},
      {"dnsbl", Count::kReputation},
      {"sdr", Count::kDomainReputation},
      {"dmarc", Count::kDmarcBlocked},
      {"recipient", Count::kInvalidRecipient},
  }};
  for (const auto& [name, count] : kEngines) {
    if (name == engine) return count;
  }
  return Count::kOtherThreat;
}

MessageTally MessageTally::Of(const mail::MessageRecord& record) {
  MessageTally out;
  out.recipients = record.recipients.size();
  for (const mail::Verdict& verdict : record.verdicts) {
    if (verdict.engine == "graymail") {
      if (verdict.reason == "bulk") out.graymail = Count::kBulkMail;
      if (verdict.reason == "marketing") out.graymail = Count::kMarketingMail;
      if (verdict.reason == "social") out.graymail = Count::kSocialMail;
      continue;
    }
    if ((verdict.disposition != 2 && verdict.disposition != 3) || out.threat) continue;
    out.threat = ThreatOf(verdict.engine);
    out.malicious = verdict.disposition == 2;
  }
  bool refused_for_good = false;
  for (const mail::Event& event : record.events) {
    if (event.rid) continue;
    refused_for_good |= event.kind == EventKind::kRejected || event.kind == EventKind::kDiscarded;
    out.refused |= event.kind == EventKind::kTemporarilyRefused;
    out.dmarc_acted |= event.kind == EventKind::kRejected || event.kind == EventKind::kQuarantined;
  }
  if (refused_for_good && !out.threat) {
    out.threat = Count::kOtherThreat;
    out.malicious = true;
  }
  // The topmost result of each method; of DKIM any signature may pass.
  bool spf = false, dmarc = false;
  for (const mail::AuthenticationResult& result : record.inspection.authentication) {
    const bool pass = result.result == "pass";
    const bool fail = result.result == "fail" || result.result == "softfail" ||
                      result.result == "hardfail" || result.result == "permerror";
    if (result.method == "spf" && !std::exchange(spf, true)) {
      out.spf_pass = pass;
      out.spf_fail = fail;
    } else if (result.method == "dkim") {
      out.dkim_pass |= pass;
      out.dkim_fail |= fail;
    } else if (result.method == "dmarc" && !std::exchange(dmarc, true)) {
      out.dmarc_pass = pass;
      out.dmarc_failed = fail;
    }
  }
  if (out.dkim_pass) out.dkim_fail = false;
  return out;
}

void MessageTally::AddMessage(Delta& to, Direction direction) const {
  to.Add(MetricOf(Count::kMessages, direction), 1);
}

void MessageTally::AddHarm(Delta& to, Direction direction) const {
  if (threat) to.Add(MetricOf(malicious ? Count::kMalicious : Count::kSuspicious, direction), 1);
}

void MessageTally::AddClass(Delta& to, uint64_t count, Direction direction) const {
  if (refused && !threat) return;
  to.Add(MetricOf(Count::kRecipients, direction), count);
  if (threat) {
    to.Add(MetricOf(Count::kThreat, direction), count);
    to.Add(MetricOf(malicious ? Count::kMalicious : Count::kSuspicious, direction), count);
    to.Add(MetricOf(*threat, direction), count);
  } else if (graymail) {
    to.Add(MetricOf(*graymail, direction), count);
  } else {
    to.Add(MetricOf(Count::kClean, direction), count);
  }
}

void MessageTally::AddAuthentication(Delta& to, const mail::MessageRecord& record,
                                     bool connected) const {
  const Direction direction = record.direction;
  const auto add = [&](bool when, Count count) {
    if (when) to.Add(MetricOf(count, direction), 1);
  };
  add(spf_pass, Count::kSpfPass);
  add(spf_fail, Count::kSpfFail);
  add(dkim_pass, Count::kDkimPass);
  add(dkim_fail, Count::kDkimFail);
  add(dmarc_pass, Count::kDmarcPass);
  add(dmarc_failed, Count::kDmarcFail);
  add(dmarc_failed && !dmarc_acted, Count::kDmarcFailNone);
  const bool user = !record.connection.authenticated_user.empty();
  add(user, Count::kAuthenticated);
  add(!user, Count::kNotAuthenticated);
  add(connected && user, Count::kAuthenticatedConnections);
  add(connected && !user, Count::kNotAuthenticatedConnections);
}

void MessageTally::AddTls(Delta& to, const mail::MessageRecord& record, bool connected) const {
  const Direction direction = record.direction;
  const bool tls = !record.connection.tls_protocol.empty();
  to.Add(MetricOf(tls ? Count::kTls : Count::kPlain, direction), 1);
  if (connected)
    to.Add(MetricOf(tls ? Count::kTlsConnections : Count::kPlainConnections, direction), 1);
}

}  // namespace mailreeve::gateway::counters
