#pragma once

#include "mail/message_record.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// What happened to a message, in lines for people and for the programs that read message tracking.
// Pure functions; thread-safe. Text of the message stands in the lines as it was sent, but for
// control characters, which become spaces: a line stays one line. Source: gateway-api.md 1.5.2,
// 1.5.3, 6.7.
//
//   for (const auto& line : details::Summary(record, {})) Print(line.time, line.text);
namespace mailreeve::gateway::details {

struct Line {
  Time time;
  std::string text;
};

struct Limits {
  size_t max_lines = 5000;  // the last line then says how many more there are
  size_t max_text = 2000;   // bytes of one piece of text of the message, such as a subject
};

// The connection a message came in by.
std::vector<Line> ConnectionLines(const mail::MessageRecord& record);
// Connection, receipt, authentication, content, verdicts, then the events in order of time.
std::vector<Line> Summary(const mail::MessageRecord& record, const Limits& limits);
// Files as file reputation would be asked for them.
std::vector<Line> FileLines(const mail::MessageRecord& record, const Limits& limits);
std::vector<Line> UrlLines(const mail::MessageRecord& record, const Limits& limits);
// Remediation and restoring only.
std::vector<Line> RemediationLines(const mail::MessageRecord& record, const Limits& limits);

// "29 Aug 2023 10:00:48 (GMT +00:00)"
std::string TrackingTime(Time time);
// "UNKNOWNLIST" for mail from outside, "RELAYLIST" for authenticated senders and our own.
std::string_view SenderGroup(const mail::MessageRecord& record);
// What clients know as direction: mail between own users is sent by an own user, and so "outgoing".
std::string_view DirectionWord(mail::Direction direction);
// "70.14 (KB)"
std::string SizeWord(uint64_t bytes);
// Eight digits, one for each kind of engine (gateway-api.md 6.5): 0 not evaluated, 1 negative,
// 3 unknown, 5 positive, 6 suspect. Engines are told by words in their names.
std::string VerdictChart(const mail::MessageRecord& record);
// The kind of engine of a verdict.
enum class EngineKind : uint8_t {
  kMessageFilter,
  kSpam,
  kVirus,
  kFile,
  kGraymail,
  kContentFilter,
  kUrl,
  kDlp,
  kOther,
};
EngineKind KindOf(std::string_view engine);

}  // namespace mailreeve::gateway::details
