#include "gateway/delivery/postfix_log.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace mailreeve::gateway::delivery {
namespace {

constexpr size_t kMaxDetail = 1000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<int> TwoDigits(std::string_view text) {
  if (text.size() != 2 || !IsDigit(text[1]) || (!IsDigit(text[0]) && text[0] != ' '))
    return std::nullopt;
  return (text[0] == ' ' ? 0 : text[0] - '0') * 10 + (text[1] - '0');
}

// "Nov 24 04:21:39": the time and 15 bytes.
std::optional<Time> SyslogTime(std::string_view text, bool utc, Time now) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() < 15 || text[3] != ' ' || text[6] != ' ' || text[9] != ':' || text[12] != ':')
    return std::nullopt;
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3));
  const auto day = TwoDigits(text.substr(4, 2)), hour = TwoDigits(text.substr(7, 2)),
             minute = TwoDigits(text.substr(10, 2)), second = TwoDigits(text.substr(13, 2));
  if (month == kMonths.end() || !day || !hour || !minute || !second) return std::nullopt;
  if (*day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto today = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(now));
  // 29 February may be up to eight years back.
  for (int year = static_cast<int>(today.year()) + 1; year > static_cast<int>(today.year()) - 9;
       --year) {
    const auto month_number = static_cast<unsigned>(month - kMonths.begin() + 1);
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(month_number),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) continue;
    std::tm parts = {};
    parts.tm_year = year - 1900;
    parts.tm_mon = static_cast<int>(month_number) - 1;
    parts.tm_mday = *day;
    parts.tm_hour = *hour;
    parts.tm_min = *minute;
    parts.tm_sec = *second;
    parts.tm_isdst = -1;
    const std::time_t seconds = utc ? ::timegm(&parts) : std::mktime(&parts);
    const Time time = Time(std::chrono::seconds(seconds));
    if (time <= now + std::chrono::days(1)) return time;
  }
  return std::nullopt;
}

std::optional<std::string_view> TakeWord(std::string_view& text) {
  const size_t end = text.find(' ');
  if (end == 0 || end == std::string_view::npos) return std::nullopt;
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end + 1);
  return word;
}

// "<…>" at the front of `text`: what is between, and the text behind. A quoted local part may hold
// '>' itself (info_log_address_format = external, Postfix's default).
std::optional<std::string_view> TakeAngle(std::string_view& text) {
  if (text.empty() || text[0] != '<') return std::nullopt;
  size_t i = 1;
  if (i < text.size() && text[i] == '"') {
    for (++i; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\') ++i;
    }
  }
  const size_t end = i < text.size() ? text.find('>', i) : std::string_view::npos;
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view inside = text.substr(1, end - 1);
  text.remove_prefix(end + 1);
  return inside;
}

// "key=value, " at the front; the value ends at the first comma and space.
std::optional<std::string_view> TakeValue(std::string_view& text, std::string_view key) {
  if (!text.starts_with(key)) return std::nullopt;
  const size_t end = text.find(", ", key.size());
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view value = text.substr(key.size(), end - key.size());
  text.remove_prefix(end + 2);
  return value;
}

// "12.34" or "0.31" seconds.
uint64_t DelayMillis(std::string_view text) {
  uint64_t millis = 0;
  size_t i = 0;
  for (; i < text.size() && IsDigit(text[i]) && millis < 1'000'000'000; ++i) {
    millis = millis * 10 + static_cast<uint64_t>(text[i] - '0');
  }
  millis *= 1000;
  if (i < text.size() && text[i] == '.') {
    uint64_t unit = 100;
    for (++i; i < text.size() && IsDigit(text[i]) && unit > 0; ++i, unit /= 10) {
      millis += unit * static_cast<uint64_t>(text[i] - '0');
    }
  }
  return millis;
}

std::string Text(std::string_view text) { return ToValidUtf8(CutUtf8(text, kMaxDetail)); }

bool IsLoopback(std::string_view relay) {
  return relay.find("[127.") != std::string_view::npos ||
         relay.find("[::1]") != std::string_view::npos || relay.starts_with("127.") ||
         relay.starts_with("localhost");
}

// The queue id behind `words` in `text`.
std::optional<std::string_view> QueueIdAfter(std::string_view text, std::string_view words) {
  const size_t at = text.rfind(words);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view id = text.substr(at + words.size());
  id = id.substr(0, std::min(id.size(), id.find_first_of(" )>;,.")));
  if (!IsQueueId(id)) return std::nullopt;
  return id;
}

std::optional<Entry> ReadDelivery(std::string_view daemon, std::string_view rest) {
  Entry entry;
  if (!rest.starts_with("to=")) return std::nullopt;
  rest.remove_prefix(3);
  const auto to = TakeAngle(rest);
  if (!to || !rest.starts_with(", ")) return std::nullopt;
  rest.remove_prefix(2);
  entry.recipient = Text(*to);
  if (rest.starts_with("orig_to=")) {
    rest.remove_prefix(8);
    const auto original = TakeAngle(rest);
    if (!original || !rest.starts_with(", ")) return std::nullopt;
    rest.remove_prefix(2);
    entry.original_recipient = Text(*original);
  }
  const auto relay = TakeValue(rest, "relay=");
  if (!relay) return std::nullopt;
  if (*relay != "none") entry.relay = Text(*relay);
  (void)TakeValue(rest, "conn_use=");
  const auto delay = TakeValue(rest, "delay=");
  if (!delay) return std::nullopt;
  entry.delay_ms = DelayMillis(*delay);
  (void)TakeValue(rest, "delays=");
  const auto dsn = TakeValue(rest, "dsn=");
  if (dsn) entry.dsn = Text(*dsn);
  if (!rest.starts_with("status=")) return std::nullopt;
  rest.remove_prefix(7);
  const size_t word = std::min(rest.size(), rest.find(' '));
  const std::string_view status = rest.substr(0, word);
  rest.remove_prefix(word);
  rest = TrimSpace(rest);
  if (rest.starts_with("(")) rest.remove_prefix(1);
  if (rest.ends_with(")")) rest.remove_suffix(1);
  entry.detail = Text(rest);

  if (status == "sent") {
    entry.kind = daemon == "discard" ? EntryKind::kDiscarded : EntryKind::kDelivered;
    // Mail that goes back into this mail server: a content filter's, or local(8)'s forwarding.
    std::optional<std::string_view> again;
    if ((daemon == "smtp" || daemon == "lmtp" || daemon == "relay") && IsLoopback(*relay))
      again = QueueIdAfter(rest, "queued as ");
    if (daemon == "local") again = QueueIdAfter(rest, "forwarded as ");
    if (again) {
      entry.kind = EntryKind::kReinjected;
      entry.new_queue_id = *again;
    }
    return entry;
  }
  if (status == "deferred") {
    entry.kind = EntryKind::kDeferred;
    return entry;
  }
  if (status == "bounced") {
    entry.kind = EntryKind::kBounced;
    return entry;
  }
  return std::nullopt;  // deliverable, undeliverable: answers to address probes, not mail
}

}  // namespace

std::optional<Refusal> ReadRefusal(std::string_view tag, std::string_view message,
                                   std::string_view tag_prefix) {
  if (!tag.starts_with(tag_prefix) || !(tag.ends_with("/smtpd") || tag.ends_with("/postscreen"))) {
    return std::nullopt;
  }
  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view id = message.substr(0, colon);
  if (id != "NOQUEUE" && !IsQueueId(id)) return std::nullopt;
  std::string_view rest = message.substr(colon + 2);
  if (rest.starts_with("milter-")) rest.remove_prefix(7);
  if (!rest.starts_with("reject: ")) return std::nullopt;
  rest.remove_prefix(8);
  static constexpr std::pair<std::string_view, RefusedAt> kStages[] = {
      {"CONNECT from ", RefusedAt::kConnect}, {"HELO from ", RefusedAt::kHelo},
      {"EHLO from ", RefusedAt::kHelo},       {"MAIL from ", RefusedAt::kMail},
      {"RCPT from ", RefusedAt::kRcpt},       {"DATA from ", RefusedAt::kData}};
  for (const auto& [words, at] : kStages) {
    if (!rest.starts_with(words)) continue;
    // "name[address]: 554 5.7.1 …", postscreen "[address]:port: 550 …"
    const size_t bracket = rest.find(']', words.size());
    const size_t code = bracket == std::string_view::npos ? bracket : rest.find(": ", bracket);
    if (code == std::string_view::npos || code + 2 >= rest.size()) return std::nullopt;
    const char digit = rest[code + 2];
    if (digit != '4' && digit != '5') return std::nullopt;
    return Refusal{at, digit == '4'};
  }
  return std::nullopt;
}

std::optional<mail::EventKind> EventOf(EntryKind kind) {
  switch (kind) {
    case EntryKind::kDelivered:
      return mail::EventKind::kDelivered;
    case EntryKind::kDeferred:
      return mail::EventKind::kDeferred;
    case EntryKind::kBounced:
      return mail::EventKind::kBounced;
    case EntryKind::kExpired:
      return mail::EventKind::kExpired;
    case EntryKind::kDiscarded:
      return mail::EventKind::kDiscarded;
    case EntryKind::kReinjected:
      return mail::EventKind::kReinjected;
    case EntryKind::kBounceNotice:
    case EntryKind::kDelayNotice:
    case EntryKind::kSuccessNotice:
    case EntryKind::kRemoved:
      break;
  }
  return std::nullopt;
}

bool IsQueueId(std::string_view text) {
  if (text.size() >= 5 && text.size() <= 20 && std::all_of(text.begin(), text.end(), [](char c) {
        return IsDigit(c) || (c >= 'A' && c <= 'F');
      })) {
    return true;
  }
  // Base 52 without vowels, "z" before the inode number; so no word of a message looks like one.
  static constexpr std::string_view kDigits =
      "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
  return text.size() >= 10 && text.size() <= 24 &&
         text.find_first_not_of(kDigits) == std::string_view::npos &&
         text.find('z') != std::string_view::npos;
}

std::optional<LogLine> SplitLine(std::string_view line, const TimeOptions& options, Time now) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  LogLine out;
  // Some syslog daemons put the priority first.
  if (line.starts_with("<")) {
    const size_t end = line.find('>');
    if (end == std::string_view::npos || end > 5) return std::nullopt;
    line.remove_prefix(end + 1);
  }
  if (line.empty()) return std::nullopt;
  const bool iso = options.format == TimeFormat::kIso ||
                   (options.format == TimeFormat::kAuto && IsDigit(line[0]));
  if (iso) {
    const auto word = TakeWord(line);
    if (!word) return std::nullopt;
    const auto time = ParseTime(*word);
    if (!time) return std::nullopt;
    out.time = *time;
  } else {
    out.time = SyslogTime(line, options.utc, now);
    if (!out.time) return std::nullopt;
    line.remove_prefix(15);
    if (!line.starts_with(" ")) return std::nullopt;
    line.remove_prefix(1);
  }
  if (!TakeWord(line)) return std::nullopt;  // host
  const size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return std::nullopt;
  out.tag = line.substr(0, colon);
  out.message = line.substr(colon + 2);
  const size_t bracket = out.tag.find('[');
  if (bracket != std::string_view::npos) out.tag = out.tag.substr(0, bracket);
  if (out.tag.empty() || out.tag.find(' ') != std::string_view::npos) return std::nullopt;
  return out;
}

std::optional<Entry> ReadEntry(std::string_view tag, std::string_view message,
                               std::string_view tag_prefix) {
  if (!tag.starts_with(tag_prefix)) return std::nullopt;
  const size_t slash = tag.rfind('/');
  if (slash == std::string_view::npos || slash < tag_prefix.size()) return std::nullopt;
  const std::string_view daemon = tag.substr(slash + 1);

  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view queue_id = message.substr(0, colon);
  if (!IsQueueId(queue_id)) return std::nullopt;
  const std::string_view rest = message.substr(colon + 2);

  std::optional<Entry> entry;
  if (daemon == "smtp" || daemon == "lmtp" || daemon == "relay" || daemon == "local" ||
      daemon == "virtual" || daemon == "pipe" || daemon == "error" || daemon == "retry" ||
      daemon == "discard" || daemon == "bounce" || daemon == "defer") {
    entry = ReadDelivery(daemon, rest);
  }
  if (!entry && (daemon == "bounce" || daemon == "defer" || daemon == "trace")) {
    static constexpr std::pair<std::string_view, EntryKind> kNotices[] = {
        {"sender non-delivery notification: ", EntryKind::kBounceNotice},
        {"postmaster non-delivery notification: ", EntryKind::kBounceNotice},
        {"sender delay notification: ", EntryKind::kDelayNotice},
        {"postmaster delay notification: ", EntryKind::kDelayNotice},
        {"sender delivery status notification: ", EntryKind::kSuccessNotice}};
    for (const auto& [words, kind] : kNotices) {
      if (!rest.starts_with(words) || !IsQueueId(rest.substr(words.size()))) continue;
      entry.emplace();
      entry->kind = kind;
      entry->detail = words.substr(0, words.size() - 2);
      entry->new_queue_id = rest.substr(words.size());
    }
  }
  if (!entry && daemon == "qmgr") {
    if (rest == "removed") {
      entry.emplace();
      entry->kind = EntryKind::kRemoved;
    } else if (rest.starts_with("from=")) {
      std::string_view tail = rest.substr(5);
      if (TakeAngle(tail) && tail.starts_with(", status=expired")) {
        entry.emplace();
        entry->kind = EntryKind::kExpired;
        entry->detail = Text(tail.substr(2));
      }
    }
  }
  if (entry) entry->queue_id = queue_id;
  return entry;
}

}  // namespace mailreeve::gateway::delivery
