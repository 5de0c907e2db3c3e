#include "gateway/enrich/message_json.h"

#include "base/text.h"
#include "ctim/ctim.h"

#include <algorithm>
#include <set>

namespace mailreeve::gateway::enrich {
namespace {

std::string_view RoleName(mail::AddressRole role) {
  using enum mail::AddressRole;
  switch (role) {
    case kEnvelopeFrom:
      return "envelope_from";
    case kEnvelopeTo:
      return "envelope_to";
    case kFrom:
      return "from";
    case kSender:
      return "sender";
    case kReplyTo:
      return "reply_to";
    case kReturnPath:
      return "return_path";
    case kTo:
      return "to";
    case kCc:
      return "cc";
    case kBcc:
      return "bcc";
    case kResentFrom:
      return "resent_from";
    case kResentTo:
      return "resent_to";
    case kErrorsTo:
      return "errors_to";
    case kDispositionNotificationTo:
      return "disposition_notification_to";
  }
  return "";
}

json::array Strings(const std::vector<std::string>& list) {
  json::array out;
  for (const auto& text : list) out.push_back(json::value(text));
  return out;
}

std::string HeaderFrom(const mail::MessageRecord& record) {
  for (const auto& address : record.inspection.addresses) {
    if (address.role == mail::AddressRole::kFrom) return address.address;
  }
  return "";
}

json::array Attachments(const mail::MessageRecord& record) {
  json::array out;
  for (const auto& file : record.inspection.attachments) {
    out.push_back(json::object{{"name", file.names.empty() ? std::string() : file.names.front()},
                               {"names", Strings(file.names)},
                               {"declared_type", file.declared_type},
                               {"sniffed_type", file.sniffed_type},
                               {"size", file.size},
                               {"sha256", file.sha256},
                               {"sha1", file.sha1},
                               {"md5", file.md5},
                               {"depth", file.depth},
                               {"inline", file.is_inline}});
  }
  return out;
}

json::object Common(const mail::MessageRecord& record, size_t max_urls, size_t max_recipients) {
  const std::string from = HeaderFrom(record);
  json::object out{{"mid", record.mid},
                   {"icid", record.connection.icid},
                   {"queue_id", record.queue_id},
                   {"received", FormatTime(record.received)},
                   {"status", mail::StatusOf(record)},
                   {"direction", mail::DirectionName(record.direction)},
                   {"sender", record.envelope_from.empty() ? from : record.envelope_from},
                   {"envelope_from", record.envelope_from},
                   {"from", from},
                   {"subject", record.inspection.subject},
                   {"message_id", record.inspection.message_id},
                   {"size", record.inspection.size},
                   {"client_address", record.connection.client_address},
                   {"client_name", record.connection.client_name}};
  json::array recipients;
  for (const auto& recipient : record.recipients) {
    if (recipients.size() == max_recipients) break;
    recipients.push_back(json::object{{"rid", recipient.rid},
                                      {"address", recipient.address},
                                      {"status", mail::StatusOf(record, recipient.rid)}});
  }
  out["recipients"] = std::move(recipients);
  out["recipients_total"] = record.recipients.size();
  json::array urls;
  std::set<std::string_view> seen;
  for (const auto& url : record.inspection.urls) {
    if (seen.insert(url.url).second && urls.size() < max_urls) urls.push_back(json::value(url.url));
  }
  out["urls"] = std::move(urls);
  out["urls_total"] = seen.size();
  json::array verdicts;
  for (const auto& verdict : record.verdicts) {
    verdicts.push_back(
        json::object{{"engine", verdict.engine},
                     {"disposition", verdict.disposition},
                     {"disposition_name",
                      ctim::DispositionName(static_cast<ctim::Disposition>(verdict.disposition))},
                     {"reason", verdict.reason}});
  }
  out["verdicts"] = std::move(verdicts);
  out["attachments"] = Attachments(record);
  return out;
}

}  // namespace

json::object SummaryJson(const mail::MessageRecord& record, const MessageLimits& limits) {
  return Common(record, limits.max_urls, limits.max_recipients);
}

json::object DetailsJson(const mail::MessageRecord& record) {
  const auto& inspection = record.inspection;
  json::object out = Common(record, SIZE_MAX, SIZE_MAX);
  out["connection"] = json::object{{"helo", record.connection.helo},
                                   {"tls_protocol", record.connection.tls_protocol},
                                   {"tls_cipher", record.connection.tls_cipher},
                                   {"authenticated_user", record.connection.authenticated_user},
                                   {"listener", record.connection.listener}};
  json::array addresses;
  for (const auto& address : inspection.addresses) {
    addresses.push_back(json::object{{"role", RoleName(address.role)},
                                     {"address", address.address},
                                     {"display_name", address.display_name},
                                     {"raw", ToValidUtf8(address.raw)}});
  }
  out["addresses"] = std::move(addresses);
  json::array domains;
  for (const auto& domain : inspection.domains) domains.push_back(json::value(domain.name));
  out["domains"] = std::move(domains);
  json::array authentication;
  for (const auto& result : inspection.authentication) {
    authentication.push_back(json::object{{"authserv_id", result.authserv_id},
                                          {"method", result.method},
                                          {"result", result.result},
                                          {"property", result.property}});
  }
  out["authentication"] = std::move(authentication);
  if (inspection.date) out["date"] = FormatTime(*inspection.date);
  out["other_subjects"] = Strings(inspection.other_subjects);
  out["other_message_ids"] = Strings(inspection.other_message_ids);
  out["received_hosts"] = Strings(inspection.received_hosts);
  out["content_digest"] = inspection.content_digest;
  out["raw_sha256"] = inspection.raw_sha256;
  out["limits_hit"] = Strings(inspection.limits_hit);
  out["oddities"] = Strings(inspection.oddities);
  json::array events;
  for (const auto& event : record.events) {
    json::object item{{"time", FormatTime(event.time)}, {"event", mail::EventName(event.kind)}};
    if (event.rid) item["rid"] = *event.rid;
    for (const auto& [key, text] :
         {std::pair<const char*, const std::string&>{"detail", event.detail},
          {"dsn", event.dsn},
          {"relay", event.relay},
          {"queue_id", event.queue_id}}) {
      if (!text.empty()) item[key] = text;
    }
    if (event.delay_ms != 0) item["delay_ms"] = event.delay_ms;
    events.push_back(std::move(item));
  }
  out["events"] = std::move(events);
  return out;
}

json::object CoverageJson(const tracking::Coverage& coverage, Time asked_at) {
  const auto time = [](const std::optional<Time>& at) {
    return at ? json::value(FormatTime(*at)) : json::value();
  };
  return {
      {"oldest", time(coverage.oldest)},       {"newest", time(coverage.newest)},
      {"records_held", coverage.records_held}, {"records_unreadable", coverage.records_unreadable},
      {"complete", coverage.complete},         {"why", coverage.why},
      {"asked_at", FormatTime(asked_at)}};
}

}  // namespace mailreeve::gateway::enrich
