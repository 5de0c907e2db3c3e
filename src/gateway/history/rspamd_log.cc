#include "gateway/history/rspamd_log.h"

#include "gateway/history/text.h"
#include "json/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

namespace mailreeve::gateway::history {
namespace {

constexpr size_t kMaxSymbols = 20;      // of the reason of a verdict
constexpr size_t kMaxAddresses = 1000;  // of a line or row
constexpr std::string_view kWords = "rspamd_task_write_log: id: <";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<int> Digits(std::string_view text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || !IsDigit(text[0]))
    return std::nullopt;
  return out;
}

// "2026-11-24 13:00:18" or with fractions of a second, as rspamd writes a file of its own; taken
// off the front.
std::optional<Time> TakeFileTime(std::string_view& line, bool utc) {
  if (line.size() < 20 || line[4] != '-' || line[7] != '-' || line[10] != ' ' || line[13] != ':' ||
      line[16] != ':') {
    return std::nullopt;
  }
  const auto year = Digits(line.substr(0, 4)), month = Digits(line.substr(5, 2)),
             day = Digits(line.substr(8, 2)), hour = Digits(line.substr(11, 2)),
             minute = Digits(line.substr(14, 2)), second = Digits(line.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second || *year < 1970 || *month < 1 ||
      *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  std::tm parts = {};
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  parts.tm_isdst = -1;
  const std::time_t seconds = utc ? ::timegm(&parts) : std::mktime(&parts);
  line.remove_prefix(19);
  if (line.starts_with(".")) {
    line.remove_prefix(1);
    while (!line.empty() && IsDigit(line.front())) line.remove_prefix(1);
  }
  if (!line.starts_with(" ")) return std::nullopt;
  line.remove_prefix(1);
  return Time(std::chrono::seconds(seconds));
}

double Number(std::string_view text) {
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(out) ? out : 0;
}

// What stands between `begin` and `end`, taken off the front together with both.
std::optional<std::string_view> Take(std::string_view& text, std::string_view begin,
                                     std::string_view end) {
  if (!text.starts_with(begin)) return std::nullopt;
  const size_t at = text.find(end, begin.size());
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view inside = text.substr(begin.size(), at - begin.size());
  text.remove_prefix(at + end.size());
  return inside;
}

void SetMessageId(std::string_view id, Scan& scan) {
  if (id.empty() || id == "undef") return;
  if (auto canonical = observable::CanonicalMessageId(id)) scan.message_id = *std::move(canonical);
}

void SetAddress(std::string_view ip, Scan& scan) {
  if (auto canonical = observable::CanonicalAddress(ip))
    scan.client_address = *std::move(canonical);
}

void SetUser(std::string_view user, Scan& scan) {
  if (user != "unknown") scan.user = Text(user);
}

void AddAddresses(std::string_view list, std::vector<std::string>& out) {
  while (!list.empty() && out.size() < kMaxAddresses) {
    const size_t comma = std::min(list.size(), list.find(','));
    const std::string_view one = TrimSpace(list.substr(0, comma));
    if (!one.empty() && one != "unknown") out.push_back(Text(one));
    list.remove_prefix(std::min(list.size(), comma + 1));
  }
}

// "NAME(1.00){option;},NAME(0.00){}": names until something looks otherwise.
void AddSymbols(std::string_view list, std::vector<std::string>& out) {
  while (out.size() < kMaxSymbols) {
    size_t end = 0;
    while (end < list.size() && (IsDigit(list[end]) || (list[end] >= 'A' && list[end] <= 'Z') ||
                                 (list[end] >= 'a' && list[end] <= 'z') || list[end] == '_')) {
      ++end;
    }
    if (end == 0 || end > 100 || end == list.size() || list[end] != '(') return;
    out.emplace_back(list.substr(0, end));
    const size_t next = list.find("},", end);
    if (next == std::string_view::npos) return;
    list.remove_prefix(next + 2);
  }
}

bool IsAction(std::string_view action) {
  return !action.empty() && action.size() <= 40 &&
         std::all_of(action.begin(), action.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == ' ' || c == '_'; });
}

mail::EventKind EventOf(const std::string& action) {
  if (action == "reject") return mail::EventKind::kRejected;
  if (action == "soft reject" || action == "greylist") return mail::EventKind::kTemporarilyRefused;
  if (action == "discard") return mail::EventKind::kDiscarded;
  if (action == "quarantine") return mail::EventKind::kQuarantined;
  return mail::EventKind::kAccepted;
}

int DispositionOf(const std::string& action) {
  if (action == "reject" || action == "discard") return 2;
  if (action == "add header" || action == "rewrite subject" || action == "quarantine") return 3;
  return action == "no action" ? 1 : 5;
}

std::string ReasonOf(const Scan& scan) {
  char numbers[64];
  std::snprintf(numbers, sizeof numbers, "%.2f of %.2f", scan.score, scan.required);
  std::string out = scan.action + ", score " + numbers;
  for (size_t i = 0; i < scan.symbols.size(); ++i) out += (i == 0 ? ": " : ", ") + scan.symbols[i];
  return Text(out);
}

std::string TextAt(const json::object& row, std::string_view key) {
  const json::value* value = row.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  const std::string_view text = value->get_string();
  return text == "unknown" ? std::string() : Text(text);
}

double NumberAt(const json::object& row, std::string_view key) {
  const json::value* value = row.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code error;
  const auto number = value->to_number<double>(error);
  return error || !std::isfinite(number) ? 0 : number;
}

void AddAddressesAt(const json::object& row, std::string_view key, std::vector<std::string>& out) {
  const json::value* value = row.if_contains(key);
  if (value == nullptr) return;
  if (value->is_string()) return AddAddresses(std::string_view(value->get_string()), out);
  if (!value->is_array()) return;
  for (const json::value& one : value->get_array()) {
    if (out.size() >= kMaxAddresses) return;
    if (!one.is_string() || one.get_string().empty() || one.get_string() == "unknown") continue;
    out.push_back(Text(std::string_view(one.get_string())));
  }
}

}  // namespace

std::optional<Scan> ReadScanLine(std::string_view line, const delivery::TimeOptions& options,
                                 Time now) {
  if (line.find(kWords) == std::string_view::npos) return std::nullopt;
  Scan scan;
  if (const auto time = TakeFileTime(line, options.utc)) {
    scan.time = *time;
    // "#18164(normal) "
    if (!line.starts_with("#")) return std::nullopt;
    line.remove_prefix(std::min(line.size(), line.find(' ')));
    if (!line.starts_with(" ")) return std::nullopt;
    line.remove_prefix(1);
  } else {
    const auto split = delivery::SplitLine(line, options, now);
    if (!split || !split->time || !split->tag.starts_with("rspamd")) return std::nullopt;
    scan.time = *split->time;
    line = split->message;
  }
  // "<a555bd>; task; "
  const auto tag = Take(line, "<", ">; ");
  if (!tag || tag->size() > 32) return std::nullopt;
  const size_t module = line.find("; ");
  if (module == std::string_view::npos || module > 32) return std::nullopt;
  line.remove_prefix(module + 2);
  const auto id = Take(line, kWords, ">, ");
  if (!id) return std::nullopt;
  SetMessageId(*id, scan);
  if (const auto queue_id = Take(line, "qid: <", ">, ");
      queue_id && delivery::IsQueueId(*queue_id)) {
    scan.queue_id = *queue_id;
  }
  if (const auto ip = Take(line, "ip: ", ", ")) SetAddress(*ip, scan);
  if (const auto user = Take(line, "user: ", ", ")) SetUser(*user, scan);
  if (const auto from = Take(line, "from: <", ">, ")) scan.sender = Text(*from);
  // "(default: F (no action): [-0.10/15.00] [SYMBOLS]), len: 180, "
  if (!Take(line, "(default: ", " (")) return std::nullopt;
  const auto action = Take(line, "", "): [");
  if (!action || !IsAction(*action)) return std::nullopt;
  scan.action = *action;
  const auto score = Take(line, "", "/");
  const auto required = Take(line, "", "] [");
  if (!score || !required) return std::nullopt;
  scan.score = Number(*score);
  scan.required = Number(*required);
  constexpr std::string_view kEnd = "]), len: ";
  const size_t end = line.rfind(kEnd);
  if (end == std::string_view::npos) return std::nullopt;
  AddSymbols(line.substr(0, end), scan.symbols);
  line.remove_prefix(end + kEnd.size());
  if (const auto size = Take(line, "", ", ")) {
    (void)std::from_chars(size->data(), size->data() + size->size(), scan.size);
  }
  constexpr std::string_view kRecipients = ", rcpts: <", kHeaders = ", mime_rcpts: <";
  for (const auto& [words, list] :
       {std::pair(kRecipients, &scan.recipients), std::pair(kHeaders, &scan.to)}) {
    const size_t at = line.find(words);
    if (at == std::string_view::npos) continue;
    std::string_view rest = line.substr(at);
    if (const auto addresses = Take(rest, words, ">")) AddAddresses(*addresses, *list);
  }
  return scan;
}

std::optional<Scan> ReadScanRow(std::string_view text) {
  const auto parsed = json::Parse(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object& row = parsed->get_object();
  Scan scan;
  scan.action = TextAt(row, "action");
  const double seconds = NumberAt(row, "unix_time");
  // Up to the year 9999.
  if (!IsAction(scan.action) || seconds < 1 || seconds > 253'402'300'799.0) return std::nullopt;
  scan.time = Time(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
  SetMessageId(row.contains("message-id") ? TextAt(row, "message-id") : TextAt(row, "id"), scan);
  SetAddress(TextAt(row, "ip"), scan);
  SetUser(TextAt(row, "user"), scan);
  scan.sender = TextAt(row, "sender_smtp");
  scan.from = TextAt(row, "sender_mime");
  AddAddressesAt(row, "rcpt_smtp", scan.recipients);
  AddAddressesAt(row, "rcpt_mime", scan.to);
  // history_redis' subject_privacy puts a hash there.
  if (auto subject = TextAt(row, "subject"); !subject.starts_with("obf:"))
    scan.subject = std::move(subject);
  scan.size = static_cast<uint64_t>(std::clamp(NumberAt(row, "size"), 0.0, 1e15));
  scan.score = NumberAt(row, "score");
  scan.required = NumberAt(row, "required_score");
  if (const json::value* symbols = row.if_contains("symbols"); symbols && symbols->is_object()) {
    for (const auto& symbol : symbols->get_object()) {
      if (scan.symbols.size() == kMaxSymbols) break;
      scan.symbols.push_back(Text(CutUtf8(symbol.key(), 100)));
    }
  }
  return scan;
}

void AddScan(const Scan& scan, mail::MessageRecord& record) {
  auto& inspection = record.inspection;
  if (inspection.message_id.empty()) {
    inspection.message_id = scan.message_id;
    if (inspection.message_id_raw.empty()) inspection.message_id_raw = scan.message_id;
  }
  if (inspection.subject.empty() && !scan.subject.empty()) {
    inspection.subject = scan.subject;
    inspection.subject_raw = scan.subject;
  }
  if (inspection.size == 0) inspection.size = scan.size;
  if (record.connection.client_address.empty())
    record.connection.client_address = scan.client_address;
  if (record.connection.authenticated_user.empty())
    record.connection.authenticated_user = scan.user;
  if (inspection.addresses.empty()) {
    const auto add = [&inspection](mail::AddressRole role, const std::string& address) {
      inspection.addresses.push_back({role, Address(address), "", address});
    };
    if (!scan.from.empty()) add(mail::AddressRole::kFrom, scan.from);
    for (const auto& to : scan.to) add(mail::AddressRole::kTo, to);
  }
  record.verdicts.push_back({"rspamd", DispositionOf(scan.action), ReasonOf(scan)});
}

mail::MessageRecord RecordOf(const Scan& scan, size_t max_recipients) {
  mail::MessageRecord record;
  record.queue_id = scan.queue_id;
  record.received = scan.time;
  record.envelope_from_raw = scan.sender;
  record.envelope_from = scan.sender.empty() ? std::string() : Address(scan.sender);
  for (const auto& recipient : scan.recipients) {
    if (record.recipients.size() == max_recipients) break;
    record.recipients.push_back(
        {static_cast<uint32_t>(record.recipients.size()), Address(recipient), recipient});
  }
  AddScan(scan, record);
  mail::Event event;
  event.time = scan.time;
  event.kind = EventOf(scan.action);
  event.detail = "rspamd: " + scan.action;
  record.events.push_back(std::move(event));
  return record;
}

}  // namespace mailreeve::gateway::history
