#include "gateway/enrich/sightings.h"

#include "base/text.h"
#include "gateway/tracking/observables_of.h"

#include <algorithm>
#include <map>
#include <set>

namespace mailreeve::gateway::enrich {
namespace {

using observable::Observable;
using observable::Type;

constexpr size_t kTitleSubjectBytes = 200;

std::string PercentEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '.' || c == '_' || c == '~') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

class Relations {
 public:
  Relations(std::string origin, size_t max, bool& cut)
      : origin_(std::move(origin)), max_(max), cut_(cut) {}

  void Add(const Observable& source, std::string_view relation, const Observable& related) {
    if (source.value.empty() || related.value.empty()) return;
    std::string key = static_cast<char>(source.type) + source.value + '\0' + std::string(relation) +
                      '\0' + static_cast<char>(related.type) + related.value;
    if (seen_.contains(key)) return;
    if (found_.size() >= max_) {
      cut_ = true;
      return;
    }
    seen_.insert(std::move(key));
    found_.push_back({origin_, std::string(relation), source, related});
  }
  std::vector<ctim::Relation> Take() { return std::move(found_); }

 private:
  std::string origin_;
  size_t max_;
  bool& cut_;
  std::set<std::string> seen_;
  std::vector<ctim::Relation> found_;
};

Observable Ip(const std::string& address) {
  return {address.find(':') == std::string::npos ? Type::kIp : Type::kIpv6, address};
}

std::string ResolutionOf(std::string_view status) {
  if (status == "Delivered" || status == "Released") return "allowed";
  if (status == "Rejected" || status == "Dropped" || status == "Aborted") return "blocked";
  if (status.starts_with("Quarantined") || status == "Remediated" ||
      status == "Partially Remediated") {
    return "contained";
  }
  return "detected";
}

std::vector<ctim::Relation> RelationsOf(const mail::MessageRecord& record,
                                        const SightingOptions& options, bool& cut) {
  const mail::Inspection& inspection = record.inspection;
  Relations out(options.name, options.max_relations, cut);
  const Observable mid{Type::kCiscoMid, std::to_string(record.mid)};
  // Mail without a Message-ID is told by its MID alone.
  const Observable message = inspection.message_id.empty()
                                 ? mid
                                 : Observable{Type::kEmailMessageid, inspection.message_id};
  const auto senders = tracking::SendersOf(record);
  const auto recipients = tracking::RecipientsOf(record);
  if (message != mid) out.Add(message, "Related_To", mid);
  if (auto subject = observable::Canonical(Type::kEmailSubject, inspection.subject)) {
    out.Add({Type::kEmailSubject, *subject}, "Characterizes", message);
  }
  for (const auto& sender : senders) out.Add({Type::kEmail, sender}, "Sent", message);
  if (!record.connection.client_address.empty()) {
    const Observable client = Ip(record.connection.client_address);
    out.Add(client, "Sent", message);
    out.Add(client, "Sent", mid);
    const auto name = [&](const std::string& text, std::string_view relation) {
      if (auto domain = observable::Canonical(Type::kDomain, text))
        out.Add({Type::kDomain, *domain}, relation, client);
    };
    if (!record.connection.client_name.empty()) name(record.connection.client_name, "FQDN_Of");
    if (!AsciiEqualFold(record.connection.helo, record.connection.client_name)) {
      name(record.connection.helo, "Related_To");
    }
  }
  for (const auto& file : inspection.attachments) {
    const Observable hash{Type::kSha256, file.sha256};
    out.Add(hash, "Attached_To", message);
    for (const auto& text : file.names) {
      auto name = observable::Canonical(Type::kFileName, text);
      if (!name) continue;
      out.Add({Type::kFileName, *name}, "Attached_To", message);
      out.Add({Type::kFileName, *name}, "Characterized_By", hash);
    }
  }
  for (const auto& url : inspection.urls) out.Add(message, "Contains", {Type::kUrl, url.url});
  for (const auto& recipient : recipients) {
    out.Add(message, "Sent_To", {Type::kEmail, recipient});
    if (!senders.empty())
      out.Add({Type::kEmail, senders.front()}, "Sent_To", {Type::kEmail, recipient});
  }
  return out.Take();
}

}  // namespace

ctim::Disposition DispositionOf(const mail::MessageRecord& record) {
  ctim::Disposition worst = ctim::Disposition::kUnknown;
  const auto rank = [](ctim::Disposition disposition) {
    switch (disposition) {
      case ctim::Disposition::kMalicious:
        return 4;
      case ctim::Disposition::kSuspicious:
        return 3;
      case ctim::Disposition::kCommon:
        return 2;
      case ctim::Disposition::kClean:
        return 1;
      case ctim::Disposition::kUnknown:
        break;
    }
    return 0;
  };
  for (const auto& verdict : record.verdicts) {
    if (verdict.disposition < 1 || verdict.disposition > 5) continue;
    const auto found = static_cast<ctim::Disposition>(verdict.disposition);
    if (rank(found) > rank(worst)) worst = found;
  }
  return worst;
}

std::string SearchLink(const std::string& console_url, const Observable& observable) {
  std::string base = console_url;
  while (base.ends_with('/')) base.pop_back();
  return base + "/?q=" + PercentEncode(observable.value);
}

ctim::Sighting SightingOf(const mail::MessageRecord& record, std::vector<Observable> matched,
                          const SightingOptions& options, bool& cut) {
  const std::string mid = std::to_string(record.mid);
  const std::string status = mail::StatusOf(record);
  const std::string key =
      options.name + "|" + mid + "|" + std::to_string(record.received.time_since_epoch().count());
  ctim::Sighting out;
  out.id = ctim::TransientId("sighting", key);
  out.external_ids = {ctim::ExternalId("mailreeve", "sighting", key)};
  out.source = "Mailreeve gateway " + options.name;
  if (options.console_url.starts_with("http")) {
    out.source_uri = SearchLink(options.console_url, {Type::kCiscoMid, mid});
  }
  const auto& subject = record.inspection.subject;
  out.title = "MID " + mid + " " + status;
  if (!subject.empty()) out.title += ": " + std::string(CutUtf8(subject, kTitleSubjectBytes));
  out.short_description =
      "MID " + mid + " from " +
      (record.envelope_from.empty() ? std::string("<>") : record.envelope_from) + " to " +
      std::to_string(record.recipients.size()) +
      (record.recipients.size() == 1 ? " recipient" : " recipients");
  out.confidence = ctim::Confidence::kHigh;
  switch (DispositionOf(record)) {
    case ctim::Disposition::kMalicious:
      out.severity = ctim::Severity::kHigh;
      break;
    case ctim::Disposition::kSuspicious:
      out.severity = ctim::Severity::kMedium;
      break;
    case ctim::Disposition::kClean:
    case ctim::Disposition::kCommon:
      out.severity = ctim::Severity::kInfo;
      break;
    case ctim::Disposition::kUnknown:
      break;
  }
  out.resolution = ResolutionOf(status);
  out.timestamp = record.received;
  out.observed_time.start = record.received;
  for (const auto& event : record.events) {
    if (event.time > out.observed_time.end.value_or(record.received))
      out.observed_time.end = event.time;
  }
  out.observables = std::move(matched);

  std::map<uint32_t, Time> last;
  for (const auto& event : record.events) {
    if (event.rid && event.time >= record.received) last[*event.rid] = event.time;
  }
  ctim::DataTable table{{{"Delivery status", "string"},
                         {"Direction", "string"},
                         {"Recipient", "string"},
                         {"Recipient status", "string"},
                         {"MID", "string"}},
                        {}};
  for (const auto& recipient : record.recipients) {
    if (recipient.address.empty()) continue;
    if (out.targets.size() >= options.max_targets) {
      cut = true;
      break;
    }
    ctim::Target target;
    target.observables = {{Type::kEmail, recipient.address}};
    target.observed_time.start = record.received;
    if (const auto at = last.find(recipient.rid); at != last.end())
      target.observed_time.end = at->second;
    out.targets.push_back(std::move(target));
    table.rows.push_back(json::array{status, mail::DirectionName(record.direction),
                                     recipient.address, mail::StatusOf(record, recipient.rid),
                                     mid});
  }
  if (table.rows.empty()) {
    table.rows.push_back(json::array{status, mail::DirectionName(record.direction), "", "", mid});
  }
  out.data = std::move(table);
  out.relations = RelationsOf(record, options, cut);
  return out;
}

}  // namespace mailreeve::gateway::enrich
