#include "gateway/rest/shapes.h"

#include <algorithm>

namespace mailreeve::gateway::rest {
namespace {

constexpr const char* kNone = "N/A";

std::string Key(const mail::MessageRecord& record) { return std::to_string(record.mid); }

std::string FirstOf(const mail::MessageRecord& record, mail::AddressRole role) {
  for (const auto& address : record.inspection.addresses) {
    if (address.role == role && !address.address.empty()) return address.address;
  }
  return {};
}

json::array AllOf(const mail::MessageRecord& record, mail::AddressRole role) {
  json::array out;
  for (const auto& address : record.inspection.addresses) {
    if (address.role == role && !address.address.empty()) out.emplace_back(address.address);
  }
  return out;
}

std::string SenderOf(const mail::MessageRecord& record) {
  if (!record.envelope_from.empty()) return record.envelope_from;
  return FirstOf(record, mail::AddressRole::kFrom);
}

std::string DomainOf(const std::string& address) {
  const size_t at = address.rfind('@');
  return at == std::string::npos ? std::string() : address.substr(at + 1);
}

json::array Recipients(const mail::MessageRecord& record) {
  json::array out;
  for (const auto& recipient : record.recipients) out.emplace_back(recipient.address);
  return out;
}

json::array FileNames(const mail::MessageRecord& record) {
  json::array out;
  for (const auto& file : record.inspection.attachments) {
    if (!file.names.empty()) out.emplace_back(file.names.front());
  }
  return out;
}

std::string OrNone(const std::string& text) { return text.empty() ? kNone : text; }

bool WasRemediated(const mail::MessageRecord& record) {
  return std::any_of(record.events.begin(), record.events.end(), [](const mail::Event& event) {
    return event.kind >= mail::EventKind::kRemediationStarted;
  });
}

}  // namespace

json::array LinesJson(const std::vector<details::Line>& lines) {
  json::array out;
  out.reserve(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    out.push_back(json::object{{"timestamp", details::TrackingTime(lines[i].time)},
                               {"description", lines[i].text},
                               {"lastEvent", i + 1 == lines.size()}});
  }
  return out;
}

json::object MessageRow(const mail::MessageRecord& record, const Identity& identity, bool legacy) {
  const std::string status = mail::StatusOf(record);
  const std::string key = Key(record);
  const std::string sender = SenderOf(record);
  json::object row{
      {"hostName", identity.host_name},
      {"serialNumber", identity.serial},
      {"direction", details::DirectionWord(record.direction)},
      {"icid", record.connection.icid},
      {"allIcid", json::array{record.connection.icid}},
      {"mid", json::array{record.mid}},
      {"dcid", json::array()},
      {"timestamp", details::TrackingTime(record.received)},
      {"sender", sender},
      {"replyTo", OrNone(FirstOf(record, mail::AddressRole::kReplyTo))},
      {"friendly_from", AllOf(record, mail::AddressRole::kFrom)},
      {"recipient", Recipients(record)},
      {"subject", record.inspection.subject},
      {"senderIp", record.connection.client_address},
      {"senderDomain", DomainOf(sender)},
      {"senderGroup", details::SenderGroup(record)},
      {"sbrs", "None"},
      {"mailPolicy", json::array{"DEFAULT"}},
      {"morDetails", json::object()},
  };
  if (legacy) {
    row["messageStatus"] = status;
    row["verdictChart"] = details::VerdictChart(record);
    row["isCompleteData"] = true;
    return row;
  }
  row["recipientMap"] = json::object{{key, Recipients(record)}};
  row["finalSubject"] = json::object{{key, record.inspection.subject}};
  row["messageID"] = record.inspection.message_id.empty()
                         ? json::object()
                         : json::object{{key, record.inspection.message_id}};
  row["messageStatus"] = json::object{{key, status}};
  row["verdictChart"] = json::object{{key, details::VerdictChart(record)}};
  row["morInfo"] = json::object{{"midVsState", json::object{{key, status}}}};
  if (WasRemediated(record)) {
    row["morDetails"] = json::object{{key, LinesJson(details::RemediationLines(record, {}))}};
  }
  row["isCompleteData"] = kNone;
  return row;
}

json::object RejectedRow(const mail::MessageRecord& record, const Identity& identity) {
  std::string why;
  for (const auto& event : record.events) {
    if (event.kind == mail::EventKind::kRejected) why = event.detail;
  }
  return {{"icid", record.connection.icid},
          {"timestamp", details::TrackingTime(record.received)},
          {"hostName", identity.host_name},
          {"senderIp", record.connection.client_address},
          {"senderGroup", details::SenderGroup(record)},
          {"sbrs", "None"},
          {"serialNumber", identity.serial},
          {"messageStatus", "REJECTED"},
          {"rejected", "(ICID " + std::to_string(record.connection.icid) + ") " +
                           (why.empty() ? "rejected" : why)}};
}

json::object HeaderFields(const std::vector<mail::MessageRecord>& records,
                          const Identity& identity) {
  if (records.empty()) {
    return {{"hostName", identity.host_name},
            {"direction", kNone},
            {"mid", json::array{kNone}},
            {"allIcid", json::array()},
            {"midHeader", kNone},
            {"sender", kNone},
            {"recipient", json::array()},
            {"subject", kNone},
            {"messageSize", kNone},
            {"timestamp", kNone},
            {"senderGroup", kNone},
            {"smtpAuthId", ""},
            {"attachments", json::array()},
            {"sendingHostSummary",
             {{"reverseDnsHostname", kNone}, {"ipAddress", kNone}, {"sbrsScore", "None"}}}};
  }
  const mail::MessageRecord& last = records.back();
  json::array mids, icids, recipients, attachments;
  for (const auto& record : records) {
    mids.emplace_back(record.mid);
    if (json::value icid(record.connection.icid);
        std::find(icids.begin(), icids.end(), icid) == icids.end())
      icids.push_back(std::move(icid));
    for (auto& each : Recipients(record)) {
      if (records.size() == 1 ||
          std::find(recipients.begin(), recipients.end(), each) == recipients.end())
        recipients.push_back(std::move(each));
    }
    for (auto& each : FileNames(record)) attachments.push_back(std::move(each));
  }
  const auto& from = last.connection;
  return {{"hostName", identity.host_name},
          {"direction", details::DirectionWord(last.direction)},
          {"mid", std::move(mids)},
          {"allIcid", std::move(icids)},
          {"midHeader", OrNone(last.inspection.message_id)},
          {"sender", SenderOf(last)},
          {"recipient", std::move(recipients)},
          {"subject", last.inspection.subject},
          {"messageSize", details::SizeWord(last.inspection.size)},
          {"timestamp", details::TrackingTime(last.received)},
          {"senderGroup", details::SenderGroup(last)},
          {"smtpAuthId", from.authenticated_user},
          {"attachments", std::move(attachments)},
          {"sendingHostSummary",
           {{"reverseDnsHostname",
             from.client_name.empty() ? "None (unverified)" : from.client_name + " (verified)"},
            {"ipAddress", OrNone(from.client_address)},
            {"sbrsScore", "None"}}}};
}

}  // namespace mailreeve::gateway::rest
