#include "mail/message_record.h"

#include "base/text.h"
#include "base/wire.h"

#include <algorithm>
#include <array>

namespace mailreeve::mail {
namespace {

constexpr std::array<std::string_view, kMaxEventKind + 1> kEventNames = {"received",
                                                                         "accepted",
                                                                         "rejected",
                                                                         "temporarily_refused",
                                                                         "discarded",
                                                                         "quarantined",
                                                                         "released",
                                                                         "delivered",
                                                                         "deferred",
                                                                         "bounced",
                                                                         "expired",
                                                                         "reinjected",
                                                                         "remediation_started",
                                                                         "forwarded",
                                                                         "removed",
                                                                         "already_gone",
                                                                         "moved_followed",
                                                                         "remediation_refused",
                                                                         "remediation_unreachable",
                                                                         "restored"};

// What one more event makes of a recipient's status; `before` is the status without any
// remediation.
struct Standing {
  std::string_view delivery = "Processing";
  std::string_view remediation;  // empty: untouched

  std::string_view Status() const { return remediation.empty() ? delivery : remediation; }
};

void Apply(Standing& standing, EventKind kind) {
  switch (kind) {
    case EventKind::kReceived:
      standing.delivery = "Processing";
      return;
    case EventKind::kAccepted:
    case EventKind::kReinjected:
      standing.delivery = "Queued for Delivery";
      return;
    case EventKind::kRejected:
      standing.delivery = "Rejected";
      return;
    case EventKind::kTemporarilyRefused:
      standing.delivery = "Aborted";
      return;
    case EventKind::kDiscarded:
      standing.delivery = "Dropped";
      return;
    case EventKind::kQuarantined:
      standing.delivery = "Quarantined in Policy";
      return;
    case EventKind::kReleased:
      standing.delivery = "Released";
      return;
    case EventKind::kDelivered:
      standing.delivery = "Delivered";
      return;
    case EventKind::kDeferred:
      standing.delivery = "Soft Bounced";
      return;
    case EventKind::kBounced:
      standing.delivery = "Hard Bounced";
      return;
    case EventKind::kExpired:
      standing.delivery = "Bounced";
      return;
    case EventKind::kRemediationStarted:
      // What an earlier action brought about stays true while the next one runs.
      if (standing.remediation != "Remediated" && standing.remediation != "Already Gone") {
        standing.remediation = "Remediation Initiated";
      }
      return;
    case EventKind::kForwarded:
      // The mailbox still holds it: only the waiting ends.
      if (standing.remediation == "Remediation Initiated") standing.remediation = {};
      return;
    case EventKind::kRemoved:
    case EventKind::kMovedFollowed:
      standing.remediation = "Remediated";
      return;
    case EventKind::kAlreadyGone:
      if (standing.remediation != "Remediated") standing.remediation = "Already Gone";
      return;
    case EventKind::kRemediationRefused:
    case EventKind::kRemediationUnreachable:
      standing.remediation = "Remediation Failed";
      return;
    case EventKind::kRestored:
      standing.remediation = {};
      return;
  }
}

// Worst first.
constexpr std::array<std::string_view, 15> kWorst = {"Rejected",
                                                     "Dropped",
                                                     "Hard Bounced",
                                                     "Bounced",
                                                     "Aborted",
                                                     "Soft Bounced",
                                                     "Quarantined in Policy",
                                                     "Remediation Failed",
                                                     "Remediation Initiated",
                                                     "Processing",
                                                     "Queued for Delivery",
                                                     "Released",
                                                     "Delivered",
                                                     "Remediated",
                                                     "Already Gone"};

size_t RankOf(std::string_view status) {
  return static_cast<size_t>(std::find(kWorst.begin(), kWorst.end(), status) - kWorst.begin());
}

void Put(WireWriter& out, const std::string& text) {
  if (IsValidUtf8(text)) {
    out.String(text);
  } else {
    out.String(ToValidUtf8(text));
  }
}

// Reads text that must be UTF-8; the first that is not spoils the document.
class TextReader {
 public:
  explicit TextReader(std::string_view bytes) : in(bytes) {}

  std::string Text() {
    std::string text = in.String();
    if (!IsValidUtf8(text)) valid_ = false;
    return text;
  }
  Result<void> Finish(std::string_view what) const {
    TRY_VOID(in.Finish(what));
    if (!valid_) return Fail(Code::kCorrupt, std::string(what) + ": text is not UTF-8");
    return {};
  }

  WireReader in;

 private:
  bool valid_ = true;
};

void PutEvent(WireWriter& out, const Event& event) {
  out.Signed(event.time.time_since_epoch().count());
  out.Number(static_cast<uint64_t>(event.kind));
  out.Number(event.rid ? uint64_t{*event.rid} + 1 : 0);
  Put(out, event.detail);
  Put(out, event.dsn);
  Put(out, event.relay);
  out.Number(event.delay_ms);
  Put(out, event.queue_id);
  Put(out, event.dedup_key);
}

Event TakeEvent(TextReader& reader) {
  Event event;
  event.time = Time(Duration(reader.in.Signed()));
  event.kind = static_cast<EventKind>(reader.in.NumberUpTo(kMaxEventKind));
  const uint64_t rid = reader.in.NumberUpTo(uint64_t{UINT32_MAX} + 1);
  if (rid != 0) event.rid = static_cast<uint32_t>(rid - 1);
  event.detail = reader.Text();
  event.dsn = reader.Text();
  event.relay = reader.Text();
  event.delay_ms = reader.in.Number();
  event.queue_id = reader.Text();
  event.dedup_key = reader.Text();
  return event;
}

}  // namespace

std::string_view EventName(EventKind kind) {
  const auto index = static_cast<size_t>(kind);
  return index < kEventNames.size() ? kEventNames[index] : "unknown";
}

std::optional<EventKind> EventFromName(std::string_view name) {
  const auto at = std::find(kEventNames.begin(), kEventNames.end(), name);
  if (at == kEventNames.end()) return std::nullopt;
  return static_cast<EventKind>(at - kEventNames.begin());
}

std::string_view DirectionName(Direction direction) {
  switch (direction) {
    case Direction::kIncoming:
      return "incoming";
    case Direction::kOutgoing:
      return "outgoing";
    case Direction::kInternal:
      return "internal";
  }
  return "incoming";
}

std::string StatusOf(const MessageRecord& record, std::optional<uint32_t> rid) {
  const auto status_of = [&record](std::optional<uint32_t> who) {
    Standing standing;
    for (const Event& event : record.events) {
      if (!event.rid || event.rid == who) Apply(standing, event.kind);
    }
    return standing.Status();
  };
  if (rid || record.recipients.empty()) return std::string(status_of(rid));

  std::string_view worst = "Already Gone";
  bool out = false, in = false, failed = false;
  // One pass over the events, not one for each recipient: a message can have thousands of both.
  std::vector<Standing> standings(record.recipients.size());
  std::vector<std::pair<uint32_t, size_t>> index;
  index.reserve(record.recipients.size());
  for (size_t i = 0; i < record.recipients.size(); ++i)
    index.emplace_back(record.recipients[i].rid, i);
  std::sort(index.begin(), index.end());
  for (const Event& event : record.events) {
    if (!event.rid) {
      for (Standing& standing : standings) Apply(standing, event.kind);
      continue;
    }
    auto at =
        std::lower_bound(index.begin(), index.end(), std::pair<uint32_t, size_t>{*event.rid, 0});
    for (; at != index.end() && at->first == *event.rid; ++at)
      Apply(standings[at->second], event.kind);
  }
  for (const Standing& standing : standings) {
    const std::string_view status = standing.Status();
    if (status == "Remediated") {
      out = true;
    } else if (status == "Remediation Failed") {
      failed = true;
    } else if (status == "Delivered" || status == "Released") {
      in = true;
    }
    if (RankOf(status) < RankOf(worst)) worst = status;
  }
  if (out && (in || failed) && RankOf(worst) >= RankOf("Remediation Failed")) {
    return "Partially Remediated";
  }
  return std::string(worst);
}

std::string Encode(const Event& event) {
  WireWriter out;
  out.Number(MessageRecord::kVersion);
  PutEvent(out, event);
  return out.Take();
}

Result<Event> DecodeEvent(std::string_view bytes) {
  TextReader reader(bytes);
  const uint64_t version = reader.in.Number();
  if (reader.in.ok() && version != MessageRecord::kVersion) {
    return Fail(Code::kCorrupt, "event: version " + std::to_string(version) + " is not known");
  }
  Event event = TakeEvent(reader);
  TRY_VOID(reader.Finish("event"));
  return event;
}

std::string Encode(const MessageRecord& record) {
  WireWriter out;
  out.Number(MessageRecord::kVersion);
  out.Number(record.mid);
  Put(out, record.queue_id);
  out.Signed(record.received.time_since_epoch().count());
  out.Number(static_cast<uint64_t>(record.direction));

  const Connection& connection = record.connection;
  out.Number(connection.icid);
  for (const std::string* text :
       {&connection.client_address, &connection.client_name, &connection.helo,
        &connection.tls_protocol, &connection.tls_cipher, &connection.authenticated_user,
        &connection.listener}) {
    Put(out, *text);
  }

  Put(out, record.envelope_from);
  out.String(record.envelope_from_raw);
  out.Number(record.recipients.size());
  for (const Recipient& recipient : record.recipients) {
    out.Number(recipient.rid);
    Put(out, recipient.address);
    out.String(recipient.raw);
  }
  out.String(Encode(record.inspection));
  out.Number(record.verdicts.size());
  for (const Verdict& verdict : record.verdicts) {
    Put(out, verdict.engine);
    out.Number(verdict.disposition >= 1 && verdict.disposition <= 5
                   ? static_cast<uint64_t>(verdict.disposition)
                   : 5);
    Put(out, verdict.reason);
  }
  out.Number(record.events.size());
  for (const Event& event : record.events) PutEvent(out, event);
  return out.Take();
}

Result<MessageRecord> DecodeMessageRecord(std::string_view bytes) {
  TextReader reader(bytes);
  WireReader& in = reader.in;
  const uint64_t version = in.Number();
  if (in.ok() && version != MessageRecord::kVersion) {
    return Fail(Code::kCorrupt,
                "message record: version " + std::to_string(version) + " is not known");
  }
  MessageRecord record;
  record.mid = in.Number();
  record.queue_id = reader.Text();
  record.received = Time(Duration(in.Signed()));
  record.direction =
      static_cast<Direction>(in.NumberUpTo(static_cast<uint64_t>(Direction::kInternal)));

  Connection& connection = record.connection;
  connection.icid = in.Number();
  for (std::string* text : {&connection.client_address, &connection.client_name, &connection.helo,
                            &connection.tls_protocol, &connection.tls_cipher,
                            &connection.authenticated_user, &connection.listener}) {
    *text = reader.Text();
  }

  record.envelope_from = reader.Text();
  record.envelope_from_raw = in.String();
  const size_t recipients = in.Count();
  for (size_t i = 0; i < recipients && in.ok(); ++i) {
    Recipient recipient;
    recipient.rid = static_cast<uint32_t>(in.NumberUpTo(UINT32_MAX));
    recipient.address = reader.Text();
    recipient.raw = in.String();
    record.recipients.push_back(std::move(recipient));
  }
  const std::string inspection = in.String();
  const size_t verdicts = in.Count();
  for (size_t i = 0; i < verdicts && in.ok(); ++i) {
    Verdict verdict;
    verdict.engine = reader.Text();
    verdict.disposition = static_cast<int>(in.NumberUpTo(5));
    if (verdict.disposition == 0) {
      return Fail(Code::kCorrupt, "message record: verdict without a disposition");
    }
    verdict.reason = reader.Text();
    record.verdicts.push_back(std::move(verdict));
  }
  const size_t events = in.Count();
  for (size_t i = 0; i < events && in.ok(); ++i) record.events.push_back(TakeEvent(reader));
  TRY_VOID(reader.Finish("message record"));
  auto read = DecodeInspection(inspection);
  if (!read) return Fail(std::move(read).error().Note("message record"));
  record.inspection = *std::move(read);
  return record;
}

}  // namespace mailreeve::mail
