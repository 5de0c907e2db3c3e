#pragma once

#include "base/time.h"
#include "mail/message_record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Reads lines of Postfix's log. The lines hold what remote servers and senders wrote, so nothing in
// them is believed beyond its shape. Formats: postlogd(8) and syslog ("Nov 24 04:21:39 host
// tag[pid]: …"), ISO 8601 ("2026-11-24T…"). Pure functions; thread-safe.
namespace mailreeve::gateway::delivery {

enum class TimeFormat : uint8_t {
  kAuto,    // by the look of the line
  kSyslog,  // without year
  kIso,
};

struct TimeOptions {
  TimeFormat format = TimeFormat::kAuto;
  bool utc = false;  // syslog times are UTC; else the time zone of this machine
};

// A line taken apart; all views into it.
struct LogLine {
  std::optional<Time> time;
  std::string_view tag;  // "postfix/smtp"
  std::string_view message;
};
// Nothing when it is not a line of a log. `now` gives the year where the line has none: a time more
// than a day ahead is of the year before.
std::optional<LogLine> SplitLine(std::string_view line, const TimeOptions& options, Time now);

enum class EntryKind : uint8_t {
  kDelivered,
  kDeferred,
  kBounced,
  kExpired,        // of the whole message
  kDiscarded,      // by the discard transport
  kReinjected,     // taken by this mail server again as `new_queue_id`
  kBounceNotice,   // a non-delivery notification was made, as `new_queue_id`
  kDelayNotice,    // a delay notification
  kSuccessNotice,  // a delivery status notification that was asked for
  kRemoved,        // out of the queue
};

// The event that a message's record gets of it; none for notices, which are mail of their own, and
// for the end of the queueing.
std::optional<mail::EventKind> EventOf(EntryKind kind);

struct Entry {
  EntryKind kind = EntryKind::kDelivered;
  std::string queue_id;
  std::string recipient;           // to=<…>, without the brackets; empty: of the whole message
  std::string original_recipient;  // orig_to=<…>
  std::string relay;               // empty when "none"
  std::string dsn;
  uint64_t delay_ms = 0;
  std::string detail;        // what stands in the parentheses
  std::string new_queue_id;  // kReinjected, kBounceNotice, kDelayNotice, kSuccessNotice
};

// What a line says about a message; nothing for all others. `tag_prefix` is Postfix's syslog_name
// ("postfix"): tags of several instances ("postfix-in/smtp", "postfix/relay/smtp") begin with it.
std::optional<Entry> ReadEntry(std::string_view tag, std::string_view message,
                               std::string_view tag_prefix);

// Mail that the mail server turned away before it was read, and so before any milter saw it whole.
enum class RefusedAt : uint8_t { kConnect, kHelo, kMail, kRcpt, kData };
struct Refusal {
  RefusedAt at = RefusedAt::kRcpt;
  bool temporary = false;  // 4xx: the client was asked to come again
};
// Of a line of smtpd or postscreen ("NOQUEUE: reject: RCPT from …", also by another milter). What
// is refused at the end of the message is not among it.
std::optional<Refusal> ReadRefusal(std::string_view tag, std::string_view message,
                                   std::string_view tag_prefix);

// Short (hex) or long (enable_long_queue_ids) queue id.
bool IsQueueId(std::string_view text);

}  // namespace mailreeve::gateway::delivery
