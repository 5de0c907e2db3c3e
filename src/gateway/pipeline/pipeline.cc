#include "gateway/pipeline/pipeline.h"

#include "base/text.h"
#include "observable/observable.h"
#include "observable/types.h"

#include <algorithm>

namespace mailreeve::gateway::pipeline {
namespace {

// Connections whose ICID is remembered; older ones get a new number, which only splits one
// connection in two.
constexpr size_t kRememberedConnections = 20000;

std::string CanonicalOr(observable::Type type, std::string_view raw) {
  if (raw.empty()) return {};
  auto canonical = observable::Canonical(type, raw);
  return canonical ? *std::move(canonical) : AsciiLower(ToValidUtf8(CutUtf8(raw, 1024)));
}

std::string CanonicalIp(const std::string& address) {
  return CanonicalOr(
      address.find(':') == std::string::npos ? observable::Type::kIp : observable::Type::kIpv6,
      address);
}

std::string DomainOf(const std::string& address) {
  const size_t at = address.rfind('@');
  return at == std::string::npos ? std::string() : address.substr(at + 1);
}

bool IsOurs(const std::string& address, const std::vector<std::string>& internal_domains) {
  const std::string domain = DomainOf(address);
  return std::any_of(internal_domains.begin(), internal_domains.end(),
                     [&](const std::string& ours) { return AsciiEqualFold(ours, domain); });
}

mail::MessageRecord MakeRecord(const milter::MilterMessage& message, mail::Inspection inspection,
                               Time now) {
  mail::MessageRecord record;
  record.queue_id = ToValidUtf8(message.queue_id);
  record.received = now;
  const milter::ConnectionInfo& from = message.connection;
  record.connection.client_address =
      from.address.empty() ? std::string() : CanonicalIp(from.address);
  // The MTA writes "unknown" where it could not verify a name.
  if (from.client_name != "unknown") record.connection.client_name = ToValidUtf8(from.client_name);
  record.connection.helo = ToValidUtf8(from.helo);
  record.connection.tls_protocol = ToValidUtf8(from.tls_version);
  record.connection.tls_cipher = ToValidUtf8(from.cipher);
  record.connection.authenticated_user = ToValidUtf8(from.auth_authen);
  record.connection.listener =
      ToValidUtf8(from.daemon_name + (from.daemon_port.empty() ? "" : ":" + from.daemon_port));
  record.envelope_from_raw = std::string(message.from.address());
  record.envelope_from = CanonicalOr(observable::Type::kEmail, message.from.address());
  record.recipients.reserve(message.recipients.size());
  for (const milter::EnvelopeAddress& recipient : message.recipients) {
    mail::Recipient to;
    to.rid = static_cast<uint32_t>(record.recipients.size());
    to.raw = std::string(recipient.address());
    to.address = CanonicalOr(observable::Type::kEmail, recipient.address());
    record.recipients.push_back(std::move(to));
  }
  record.inspection = std::move(inspection);
  mail::Event received;
  received.time = now;
  received.kind = mail::EventKind::kReceived;
  record.events.push_back(std::move(received));
  return record;
}

}  // namespace

mail::Direction DirectionOf(const mail::MessageRecord& record,
                            const std::vector<std::string>& internal_domains) {
  const bool from_us = !record.connection.authenticated_user.empty() ||
                       IsOurs(record.envelope_from, internal_domains);
  if (!from_us) return mail::Direction::kIncoming;
  const bool all_ours =
      std::all_of(record.recipients.begin(), record.recipients.end(),
                  [&](const mail::Recipient& r) { return IsOurs(r.address, internal_domains); });
  return all_ours ? mail::Direction::kInternal : mail::Direction::kOutgoing;
}

Pipeline::Pipeline(Inspector& inspector, tracking::Store& store, const settings::Running& settings,
                   const Clock& clock, io::Scope& scope, log::Logger& logger)
    : inspector_(inspector),
      store_(store),
      settings_(settings),
      clock_(clock),
      scope_(scope),
      logger_(logger) {}

mail::Icid Pipeline::IcidOf(uint64_t connection) {
  const auto found = icids_.find(connection);
  if (found != icids_.end()) return found->second;
  if (icids_.size() >= kRememberedConnections) icids_.erase(icids_.begin());
  return icids_.emplace(connection, store_.NextIcid()).first->second;
}

milter::Decision Pipeline::Failed(const settings::Snapshot& settings, const Error& error,
                                  const std::string& queue_id) {
  const std::string mode = settings.Text("milter.on_failure");
  logger_.Error("message_not_tracked", {{"queue_id", queue_id},
                                        {"code", CodeName(error.code)},
                                        {"error", error.ToString()},
                                        {"answer", mode}});
  if (mode == "accept") {
    ++counters_.untracked;
    return milter::Decision::Accept();
  }
  if (mode == "reject") {
    ++counters_.rejected;
    return milter::Decision::Reply(554, "5.7.1", "Message cannot be inspected");
  }
  ++counters_.temporarily_refused;
  return milter::Decision::Reply(451, "4.7.1", "Message cannot be inspected now, try again later");
}

io::Task<milter::Decision> Pipeline::OnMessage(milter::MilterMessage message) {
  const std::shared_ptr<const settings::Snapshot> settings = settings_.Get();
  const Time received = clock_.Now();
  auto inspection = co_await inspector_.Inspect(std::move(message.raw));
  if (!inspection) {
    ++counters_.inspection_failed;
    co_return Failed(*settings, inspection.error(), message.queue_id);
  }
  mail::MessageRecord record = MakeRecord(message, *std::move(inspection), received);
  record.connection.icid = IcidOf(message.connection.serial);
  record.direction = DirectionOf(record, settings->TextList("mail.internal_domains"));
  record.mid = store_.NextMid();
  mail::Event accepted;
  // Of the same instant as its receipt: the mail server's log has whole seconds, and a delivery
  // must not sort before it.
  accepted.time = received;
  accepted.kind = mail::EventKind::kAccepted;
  record.events.push_back(std::move(accepted));
  const mail::Mid mid = record.mid;
  if (auto appended = co_await store_.Append(std::move(record)); !appended) {
    ++counters_.tracking_failed;
    co_return Failed(*settings, appended.error(), message.queue_id);
  }
  ++counters_.tracked;
  milter::Decision decision = milter::Decision::Accept();
  decision.tag = mid;
  co_return decision;
}

void Pipeline::OnAbort(const milter::Abort& abort) {
  if (abort.disconnected) icids_.erase(abort.connection);
  if (abort.answer_lost && abort.tag != 0) scope_.Spawn("lost-answer", RecordLostAnswer(abort.tag));
}

// The mail server did not hear that the message was accepted, so it asks the client to send it
// again: this record is of a message that was never queued.
io::Task<void> Pipeline::RecordLostAnswer(mail::Mid mid) {
  mail::Event event;
  event.time = clock_.Now();
  event.kind = mail::EventKind::kTemporarilyRefused;
  event.detail =
      "the mail server did not hear the answer; the client is asked to send the message again";
  event.dedup_key = "answer-lost";
  std::vector<mail::Event> events;
  events.push_back(std::move(event));
  if (auto done = co_await store_.AppendEvents(mid, std::move(events)); !done) {
    logger_.Error("event_not_recorded", {{"mid", mid}, {"error", done.error().ToString()}});
  }
}

}  // namespace mailreeve::gateway::pipeline
