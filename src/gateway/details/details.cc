#include "gateway/details/details.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <unordered_map>

namespace mailreeve::gateway::details {
namespace {

using mail::EventKind;

// One line stays one line, whatever a sender wrote.
std::string Clean(std::string_view text, size_t max) {
  std::string out = ToValidUtf8(CutUtf8(text, max));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (text.size() > max) out += "…";
  return out;
}

// Lines until there are enough, then only a count.
class Lines {
 public:
  explicit Lines(const Limits& limits) : limits_(limits) {}

  void Add(Time time, std::string text) {
    last_ = time;
    if (out_.size() < limits_.max_lines) {
      out_.push_back({time, std::move(text)});
    } else {
      ++dropped_;
    }
  }
  std::string Text(std::string_view text) const { return Clean(text, limits_.max_text); }
  std::vector<Line> Take() {
    if (dropped_ > 0) {
      out_.push_back({last_, std::to_string(dropped_) + " more lines are not shown."});
    }
    return std::move(out_);
  }

 private:
  const Limits& limits_;
  std::vector<Line> out_;
  Time last_;
  size_t dropped_ = 0;
};

std::string OnConnection(const mail::MessageRecord& record) {
  return std::string(record.direction == mail::Direction::kIncoming ? "incoming" : "outgoing") +
         " connection (ICID " + std::to_string(record.connection.icid) + ")";
}

std::string NameOf(const mail::Attachment& file) {
  return file.names.empty() ? "(no name)" : file.names.front();
}

std::string_view DispositionWord(int disposition) {
  switch (disposition) {
    case 1:
      return "clean";
    case 2:
      return "malicious";
    case 3:
      return "suspicious";
    case 4:
      return "common";
    default:
      return "unknown";
  }
}

// "; response '250 2.0.0 Ok'" and where from.
std::string Told(const mail::Event& event, const Lines& lines) {
  std::string out;
  if (!event.dsn.empty()) out += lines.Text(event.dsn);
  if (!event.detail.empty()) out += (out.empty() ? "" : " - ") + lines.Text(event.detail);
  if (!event.relay.empty()) out += (out.empty() ? "" : " ") + ("[" + lines.Text(event.relay) + "]");
  return out.empty() ? "not given" : out;
}

bool IsRemediation(EventKind kind) {
  return kind >= EventKind::kRemediationStarted && kind <= EventKind::kRestored;
}

std::string EventText(const mail::MessageRecord& record, const mail::Event& event,
                      const std::string& recipient, const Lines& lines) {
  const std::string message = "Message " + std::to_string(record.mid);
  const std::string to = recipient.empty() ? message : message + " to " + recipient;
  const std::string detail = lines.Text(event.detail);
  const std::string because = detail.empty() ? "." : ". Reason: " + detail;
  switch (event.kind) {
    case EventKind::kReceived:
      return {};  // told by the lines of its receipt
    case EventKind::kAccepted:
      return message + " queued for delivery.";
    case EventKind::kRejected:
      return to + " rejected" + because;
    case EventKind::kTemporarilyRefused:
      return message + " aborted: refused for now" + because;
    case EventKind::kDiscarded:
      return message + " dropped" + because;
    case EventKind::kQuarantined:
      return to + " quarantined" + because;
    case EventKind::kReleased:
      return to + " released from quarantine" + because;
    case EventKind::kDelivered:
      return to + " received remote SMTP response '" +
             (event.dsn.empty() || event.detail.find(event.dsn) != std::string::npos
                  ? detail
                  : lines.Text(event.dsn) + " " + detail) +
             "'.";
    case EventKind::kDeferred:
      return to + " delayed. Reason: " + Told(event, lines);
    case EventKind::kBounced:
      return to + " bounced by destination server. Reason: " + Told(event, lines);
    case EventKind::kExpired:
      return to + " bounced: was not delivered in time. Reason: " + Told(event, lines);
    case EventKind::kReinjected:
      return message + " queued again" +
             (event.queue_id.empty() ? "" : " as " + lines.Text(event.queue_id)) + ".";
    case EventKind::kRemediationStarted:
      return to + ": remediation initiated" + because;
    case EventKind::kForwarded:
      return to + ": forwarded by remediation" + because;
    case EventKind::kRemoved:
      return to + ": removed from the mailbox" + because;
    case EventKind::kAlreadyGone:
      return to + ": the mailbox did not hold the message any more" + because;
    case EventKind::kMovedFollowed:
      return to + ": was moved in the mailbox and removed where it was found" + because;
    case EventKind::kRemediationRefused:
      return to + ": remediation was refused" + because;
    case EventKind::kRemediationUnreachable:
      return to + ": the mailbox could not be reached for remediation" + because;
    case EventKind::kRestored:
      return to + ": restored to the mailbox" + because;
  }
  return {};
}

// Those of `record` that `wanted` takes, in order of time.
template <class F>
void AddEvents(Lines& lines, const mail::MessageRecord& record, F wanted) {
  std::unordered_map<uint32_t, const std::string*> addresses;
  for (const auto& recipient : record.recipients) addresses[recipient.rid] = &recipient.address;
  std::vector<const mail::Event*> events;
  for (const auto& event : record.events) {
    if (wanted(event)) events.push_back(&event);
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto* a, const auto* b) { return a->time < b->time; });
  for (const mail::Event* event : events) {
    std::string recipient;
    if (event->rid) {
      const auto found = addresses.find(*event->rid);
      recipient = found == addresses.end() ? "RID " + std::to_string(*event->rid)
                                           : lines.Text(*found->second);
    }
    std::string text = EventText(record, *event, recipient, lines);
    if (!text.empty()) lines.Add(event->time, std::move(text));
  }
}

void AddReceipt(Lines& lines, const mail::MessageRecord& record) {
  const auto& inspection = record.inspection;
  const std::string message = "Message " + std::to_string(record.mid);
  const std::string on = OnConnection(record);
  const auto add = [&](std::string text) { lines.Add(record.received, std::move(text)); };
  const std::string sender = record.envelope_from.empty() ? "<>" : lines.Text(record.envelope_from);
  add("Start message " + std::to_string(record.mid) + " on " + on + ".");
  add(message + " enqueued on " + on + " from " + sender + ".");
  add(message + " direction: " + std::string(DirectionWord(record.direction)));
  for (const auto& recipient : record.recipients) {
    add(message + " on " + on + " added recipient (" + lines.Text(recipient.address) + ").");
  }
  if (!inspection.message_id.empty()) {
    add(message + " contains message ID header '" + lines.Text(inspection.message_id) + "'.");
  }
  add(message + " original subject on injection: " + lines.Text(inspection.subject));
  for (const auto& result : inspection.authentication) {
    std::string method = AsciiLower(result.method);
    for (char& c : method) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    add(message + " " + lines.Text(method) + ": " + lines.Text(result.result) +
        (result.property.empty() ? "" : " (" + lines.Text(result.property) + ")") +
        (result.authserv_id.empty() ? "" : " by " + lines.Text(result.authserv_id)));
  }
  add(message + " (" + std::to_string(inspection.size) + " bytes) from " + sender + " ready.");
  add(message + " matched per-recipient policy DEFAULT for " +
      (record.direction == mail::Direction::kIncoming ? "inbound" : "outbound") +
      " mail policies.");
  for (const auto& file : inspection.attachments) {
    add(message + " contains attachment '" + lines.Text(NameOf(file)) + "' (SHA256 " + file.sha256 +
        ").");
  }
  for (const auto& limit : inspection.limits_hit) {
    add(message + " was not read to the end: " + lines.Text(limit));
  }
  for (const auto& verdict : record.verdicts) {
    add(message + " scanned by engine " + lines.Text(verdict.engine) +
        ". Verdict: " + std::string(DispositionWord(verdict.disposition)) +
        (verdict.reason.empty() ? "" : " (" + lines.Text(verdict.reason) + ")"));
  }
}

}  // namespace

std::string TrackingTime(Time time) {
  // FormatTime gives the parts: "2023-08-29T10:00:48.000Z".
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string text = FormatTime(time);
  const size_t month = static_cast<size_t>((text[5] - '0') * 10 + (text[6] - '0') - 1);
  return text.substr(8, 2) + " " + kMonths[std::min<size_t>(month, 11)] + " " + text.substr(0, 4) +
         " " + text.substr(11, 8) + " (GMT +00:00)";
}

std::string_view SenderGroup(const mail::MessageRecord& record) {
  return record.direction == mail::Direction::kIncoming ? "UNKNOWNLIST" : "RELAYLIST";
}

std::string_view DirectionWord(mail::Direction direction) {
  return direction == mail::Direction::kIncoming ? "incoming" : "outgoing";
}

std::string SizeWord(uint64_t bytes) {
  char text[64];
  const double size = static_cast<double>(bytes);
  if (bytes < 1024) {
    std::snprintf(text, sizeof(text), "%llu (Bytes)", static_cast<unsigned long long>(bytes));
  } else if (bytes < 1024 * 1024) {
    std::snprintf(text, sizeof(text), "%.2f (KB)", size / 1024);
  } else {
    std::snprintf(text, sizeof(text), "%.2f (MB)", size / (1024 * 1024));
  }
  return text;
}

EngineKind KindOf(std::string_view engine) {
  const std::string name = AsciiLower(engine);
  const auto has = [&](std::string_view word) { return name.find(word) != std::string::npos; };
  if (has("graymail")) return EngineKind::kGraymail;
  if (has("spam")) return EngineKind::kSpam;
  if (has("virus") || has("clam")) return EngineKind::kVirus;
  if (has("amp") || has("file")) return EngineKind::kFile;
  if (has("dlp")) return EngineKind::kDlp;
  if (has("url") || has("outbreak")) return EngineKind::kUrl;
  if (has("message filter")) return EngineKind::kMessageFilter;
  if (has("filter") || has("policy") || has("content")) return EngineKind::kContentFilter;
  return EngineKind::kOther;
}

std::string VerdictChart(const mail::MessageRecord& record) {
  std::string out = "00000000";
  constexpr std::string_view kRank = "013265";  // a worse verdict of the same kind wins
  for (const auto& verdict : record.verdicts) {
    const auto kind = static_cast<size_t>(KindOf(verdict.engine));
    if (kind >= out.size()) continue;
    const char digit = verdict.disposition == 2   ? '5'
                       : verdict.disposition == 3 ? '6'
                       : verdict.disposition == 5 ? '3'
                                                  : '1';
    if (kRank.find(digit) > kRank.find(out[kind])) out[kind] = digit;
  }
  return out;
}

std::vector<Line> ConnectionLines(const mail::MessageRecord& record) {
  const auto& from = record.connection;
  const Limits limits;
  Lines lines(limits);
  const std::string address =
      from.client_address.empty() ? "local" : lines.Text(from.client_address);
  std::string on = OnConnection(record);
  const std::string icid = "(ICID " + std::to_string(from.icid) + ")";
  std::string first = on;
  first[0] = static_cast<char>(first[0] - 32);
  lines.Add(record.received, first + " has sender_group: " + std::string(SenderGroup(record)) +
                                 ", sender_ip: " + address + " and sbrs: None");
  lines.Add(record.received,
            "Protocol SMTP interface " +
                (from.listener.empty() ? std::string("smtpd") : lines.Text(from.listener)) +
                " on " + on + " from sender IP " + address + ". Reverse DNS host " +
                (from.client_name.empty() ? "None verified no."
                                          : lines.Text(from.client_name) + " verified yes."));
  if (!from.tls_protocol.empty()) {
    lines.Add(record.received, icid + " TLS success protocol " + lines.Text(from.tls_protocol) +
                                   " cipher " + lines.Text(from.tls_cipher) + ".");
  }
  if (!from.authenticated_user.empty()) {
    lines.Add(record.received, icid + " SMTP authentication successful for user: " +
                                   lines.Text(from.authenticated_user) + ".");
  }
  return lines.Take();
}

std::vector<Line> Summary(const mail::MessageRecord& record, const Limits& limits) {
  Lines lines(limits);
  for (Line& line : ConnectionLines(record)) lines.Add(line.time, std::move(line.text));
  AddReceipt(lines, record);
  AddEvents(lines, record, [](const mail::Event&) { return true; });
  return lines.Take();
}

std::vector<Line> FileLines(const mail::MessageRecord& record, const Limits& limits) {
  Lines lines(limits);
  for (const auto& file : record.inspection.attachments) {
    const std::string name = lines.Text(NameOf(file));
    const std::string type =
        lines.Text(file.sniffed_type.empty() ? file.declared_type : file.sniffed_type);
    const mail::Verdict* said = nullptr;
    for (const auto& verdict : record.verdicts) {
      if (KindOf(verdict.engine) == EngineKind::kFile) said = &verdict;
    }
    lines.Add(record.received, "File Name = " + name + ", MID = " + std::to_string(record.mid) +
                                   ", File Size = " + std::to_string(file.size) +
                                   " bytes, File Type = " + type + ", sha256 = " + file.sha256);
    lines.Add(record.received,
              said == nullptr
                  ? "No file reputation service was asked. File Name = " + name +
                        ", MID = " + std::to_string(record.mid) + ", Disposition = FILE UNKNOWN"
                  : "File reputation verdict of " + lines.Text(said->engine) +
                        " for the message: " + std::string(DispositionWord(said->disposition)));
  }
  return lines.Take();
}

std::vector<Line> UrlLines(const mail::MessageRecord& record, const Limits& limits) {
  Lines lines(limits);
  std::set<std::string_view> seen;
  for (const auto& url : record.inspection.urls) {
    if (!seen.insert(url.url).second) continue;
    lines.Add(record.received, "Message " + std::to_string(record.mid) +
                                   " URL: " + lines.Text(url.url) + " , URL reputation: None.");
  }
  for (const auto& verdict : record.verdicts) {
    if (KindOf(verdict.engine) != EngineKind::kUrl) continue;
    lines.Add(record.received, "Message " + std::to_string(record.mid) + " URL verdict: " +
                                   std::string(DispositionWord(verdict.disposition)) +
                                   ", Condition: " + lines.Text(verdict.reason));
  }
  return lines.Take();
}

std::vector<Line> RemediationLines(const mail::MessageRecord& record, const Limits& limits) {
  Lines lines(limits);
  AddEvents(lines, record, [](const mail::Event& event) { return IsRemediation(event.kind); });
  return lines.Take();
}

}  // namespace mailreeve::gateway::details
