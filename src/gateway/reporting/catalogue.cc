#include "gateway/reporting/catalogue.h"

#include "base/text.h"
#include "gateway/reporting/catalogue_data.h"

#include <algorithm>
#include <map>

namespace mailreeve::gateway::reporting {
namespace {

using counters::Count;
using counters::Dimension;
using counters::Metric;
using mail::Direction;

struct Feed {
  std::vector<Count> counts;
  bool needs_engine = false;
  std::vector<Count> divided_by;
};

// By the name of a counter, without "incoming_" and "outgoing_".
const std::map<std::string_view, Feed>& Feeds() {
  static const std::map<std::string_view, Feed> feeds = {
      {"total_recipients", {{Count::kRecipients}}},
      {"total_recipients_processed", {{Count::kRecipients}}},
      {"total_clean_recipients", {{Count::kClean}}},
      {"total_threat_recipients", {{Count::kThreat}}},
      {"total_graymail_recipients",
       {{Count::kBulkMail, Count::kMarketingMail, Count::kSocialMail}, true}},
      {"graymail", {{Count::kBulkMail, Count::kMarketingMail, Count::kSocialMail}, true}},
      {"bulk_mail", {{Count::kBulkMail}, true}},
      {"marketing_mail", {{Count::kMarketingMail}, true}},
      {"social_mail", {{Count::kSocialMail}, true}},
      {"blocked_dmarc", {{Count::kDmarcBlocked}, true}},
      {"blocked_invalid_recipient", {{Count::kInvalidRecipient}, true}},
      {"blocked_reputation", {{Count::kReputation}, true}},
      {"blocked_sdr", {{Count::kDomainReputation}, true}},
      {"detected_amp", {{Count::kMaliciousFile}, true}},
      {"detected_spam", {{Count::kSpam}, true}},
      {"detected_virus", {{Count::kVirus}, true}},
      {"malicious_url", {{Count::kMaliciousUrl}, true}},
      {"threat_content_filter", {{Count::kContentFilter}, true}},
      {"detected_content_filter", {{Count::kContentFilter}, true}},
      {"failed_spf", {{Count::kSpfFail}}},
      {"failed_dkim", {{Count::kDkimFail}}},
      {"total_accepted_connections", {{Count::kConnections}}},
      {"conn_plain", {{Count::kPlainConnections}}},
      {"conn_tls_opt_success", {{Count::kTlsConnections}}},
      {"conn_tls_total", {{Count::kTlsConnections}}},
      {"encrypted_tls", {{Count::kTls}}},
      {"received_conn_plain", {{Count::kPlainConnections}}},
      {"received_conn_tls_opt_success", {{Count::kTlsConnections}}},
      {"received_encrypted_tls", {{Count::kTls}}},
      {"received_unencrypted", {{Count::kPlain}}},
      {"received_total", {{Count::kMessages}}},
      {"received_conn_total", {{Count::kConnections}}},
      {"received_auth", {{Count::kAuthenticated}}},
      {"received_noauth", {{Count::kNotAuthenticated}}},
      {"received_conn_auth_success", {{Count::kAuthenticatedConnections}}},
      {"received_conn_noauth", {{Count::kNotAuthenticatedConnections}}},
      {"auth_success", {{Count::kAuthenticatedConnections}}},
      {"noauth", {{Count::kNotAuthenticatedConnections}}},
      {"total", {{Count::kConnections}}},
      {"delivered", {{Count::kDelivered}}},
      {"total_recipients_delivered", {{Count::kDelivered}}},
      {"hard_bounces", {{Count::kBounced, Count::kExpired}}},
      {"total_hard_bounces", {{Count::kBounced, Count::kExpired}}},
      {"dmarc_failed_none", {{Count::kDmarcFailNone}}},
      {"dmarc_failed_quarantined", {{Count::kDmarcFailQuarantined}}},
      {"dmarc_failed_rejected", {{Count::kDmarcFailRejected}}},
      {"dmarc_failed_total", {{Count::kDmarcFail}}},
      {"dmarc_passed", {{Count::kDmarcPass}}},
      {"dmarc_total_attempted", {{Count::kDmarcPass, Count::kDmarcFail}}},
      {"recipients_matched", {{Count::kRecipients}, true}},
      {"num_msgs", {{Count::kMessages}}},
      {"count", {{Count::kMessages}}},
      {"messages", {{Count::kMessages}}},
      {"connections", {{Count::kConnections}}},
      {"average_message_size_in_bytes", {{Count::kBytes}, false, {Count::kMessages}}},
      {"bytes_in", {{Count::kBytes}}},
      {"bytes_out", {{Count::kBytes}}},
      {"msgs_deleted", {{Count::kRemoved, Count::kMovedFollowed}}},
      {"msgs_forwarded", {{Count::kForwarded}}},
      {"msgs_total", {{Count::kRemediationStarted}}},
      // Ours.
      {"recipients", {{Count::kRecipients}}},
      {"threats", {{Count::kThreat}}},
      {"malicious", {{Count::kMalicious}, true}},
      {"suspicious", {{Count::kSuspicious}, true}},
      {"accepted", {{Count::kAccepted}}},
      {"rejected", {{Count::kRejected}}},
      {"temporarily_refused", {{Count::kTemporarilyRefused}}},
      {"discarded", {{Count::kDiscarded}}},
      {"quarantined", {{Count::kQuarantined}}},
      {"released", {{Count::kReleased}}},
      {"deferred", {{Count::kDeferred}}},
      {"bounced", {{Count::kBounced}}},
      {"expired", {{Count::kExpired}}},
      {"spf_pass", {{Count::kSpfPass}}},
      {"spf_fail", {{Count::kSpfFail}}},
      {"dkim_pass", {{Count::kDkimPass}}},
      {"dkim_fail", {{Count::kDkimFail}}},
      {"dmarc_pass", {{Count::kDmarcPass}}},
      {"dmarc_fail", {{Count::kDmarcFail}}},
      {"removed", {{Count::kRemoved}}},
      {"moved_followed", {{Count::kMovedFollowed}}},
      {"already_gone", {{Count::kAlreadyGone}}},
      {"forwarded", {{Count::kForwarded}}},
      {"refused", {{Count::kRemediationRefused}}},
      {"unreachable", {{Count::kRemediationUnreachable}}},
      {"restored", {{Count::kRestored}}},
  };
  return feeds;
}

// The counter is of a report of deliveries or of senders, where the same name means what is not
// counted.
bool IsCountedIn(Dimension dimension, std::string_view name) {
  const bool connection = name.starts_with("conn_") || name == "encrypted_tls";
  return dimension != Dimension::kDestinationDomain || !connection;
}

std::vector<Metric> In(const std::vector<Count>& counts, const std::vector<Direction>& directions) {
  std::vector<Metric> out;
  for (const Direction direction : directions) {
    for (const Count count : counts) out.push_back(counters::MetricOf(count, direction));
  }
  std::sort(out.begin(), out.end());
  return out;
}

CounterInfo Counter(const ReportData& report, std::string_view name) {
  CounterInfo out;
  out.name = name;
  if (report.scope == Scope::kNone) return out;
  std::string base(name);
  const std::vector<Direction> incoming = {Direction::kIncoming};
  // Of people, what they send inside is counted as outgoing (counters.h, kUser).
  const std::vector<Direction> outgoing =
      report.dimension == Dimension::kUser
          ? std::vector<Direction>{Direction::kOutgoing}
          : std::vector<Direction>{Direction::kOutgoing, Direction::kInternal};
  std::vector<Direction> directions = {Direction::kIncoming, Direction::kOutgoing,
                                       Direction::kInternal};
  if (report.scope == Scope::kIn || report.scope == Scope::kUserIn) directions = incoming;
  if (report.scope == Scope::kOut || report.scope == Scope::kUserOut) directions = outgoing;
  for (const auto& [word, of] :
       {std::pair<std::string_view, const std::vector<Direction>&>{"incoming_", incoming},
        {"outgoing_", outgoing}}) {
    const size_t at = base.find(word);
    if (at == std::string::npos) continue;
    base.erase(at, word.size());
    directions = of;
  }
  if (base == "bytes_in") directions = incoming;
  if (base == "bytes_out") directions = outgoing;
  // Outgoing connections are the mail server's; it does not tell of them.
  if (name == "outgoing_connections") return out;
  const auto feed = Feeds().find(base);
  if (feed == Feeds().end() || !IsCountedIn(report.dimension, base)) return out;
  std::vector<Count> counts = feed->second.counts;
  if (base == "recipients_matched" && report.dimension == Dimension::kUser)
    counts = {Count::kContentFilter};
  out.metrics = In(counts, directions);
  out.divided_by = In(feed->second.divided_by, directions);
  out.needs_engine = feed->second.needs_engine;
  return out;
}

std::vector<CounterInfo> CountersOf(const ReportData& report, std::string_view names) {
  std::vector<CounterInfo> out;
  for (const std::string_view name : Split(names, ' ')) {
    if (!name.empty()) out.push_back(Counter(report, name));
  }
  return out;
}

std::vector<std::string_view> AliasesOf(const ReportData& report) {
  if (!report.keyed || report.dimension == Dimension::kAll) return {};
  switch (report.dimension) {
    case Dimension::kSenderDomain:
    case Dimension::kDestinationDomain:
    case Dimension::kUrlDomain:
    case Dimension::kAuthentication:
      return {"key", "domain", "domain_name", "sender_domain", "destination_domain", "url_domain"};
    case Dimension::kSenderIp:
      return {"key", "ip_address", "ip", "hostname", "ip_domain"};
    case Dimension::kSender:
      return {"key", "sender", "env_sender", "envelope_sender", "email", "email_address"};
    case Dimension::kRecipient:
      return {"key", "recipient", "env_recipient", "envelope_recipient", "email", "email_address"};
    case Dimension::kUser:
      return {"key", "user", "internal_user", "email", "email_address", "user_name"};
    case Dimension::kSubject:
      return {"key", "subject"};
    case Dimension::kUrl:
      return {"key", "url"};
    case Dimension::kFile:
      return {"key", "file", "sha256"};
    case Dimension::kFileType:
      return {"key", "file_type"};
    case Dimension::kTls:
      return {"key", "tls", "protocol"};
    case Dimension::kPolicy:
      return {"key", "policy", "content_filter", "filter", "engine"};
    case Dimension::kRemediation:
      return {"key", "outcome"};
    case Dimension::kAll:
      break;
  }
  return {};
}

}  // namespace

const CounterInfo* ReportInfo::Find(std::string_view counter) const {
  for (const auto* list : {&counters, &extra}) {
    for (const CounterInfo& info : *list) {
      if (info.name == counter) return &info;
    }
  }
  return nullptr;
}

bool ReportInfo::available() const {
  const auto fed = [](const CounterInfo& info) { return info.available(); };
  return std::any_of(counters.begin(), counters.end(), fed) ||
         std::any_of(extra.begin(), extra.end(), fed);
}

const std::vector<ReportInfo>& Catalogue() {
  static const std::vector<ReportInfo> catalogue = [] {
    std::vector<ReportInfo> out;
    for (const ReportData& data : kReports) {
      ReportInfo info;
      info.name = data.name;
      info.title_en = data.title_en;
      info.title_zh = data.title_zh;
      info.top = data.top;
      info.keyed = data.keyed;
      info.dimension = data.dimension;
      info.by_address = data.dimension == Dimension::kSenderIp;
      info.key_aliases = AliasesOf(data);
      info.counters = CountersOf(data, data.counters);
      info.extra = CountersOf(data, data.extra);
      out.push_back(std::move(info));
    }
    return out;
  }();
  return catalogue;
}

const ReportInfo* FindReport(std::string_view name) {
  const std::vector<ReportInfo>& all = Catalogue();
  const auto at = std::lower_bound(
      all.begin(), all.end(), name,
      [](const ReportInfo& info, std::string_view wanted) { return info.name < wanted; });
  return at != all.end() && at->name == name ? &*at : nullptr;
}

}  // namespace mailreeve::gateway::reporting
