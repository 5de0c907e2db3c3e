#include "gateway/history/dovecot_log.h"

#include "gateway/history/text.h"

#include <algorithm>
#include <array>

namespace mailreeve::gateway::history {
namespace {

constexpr std::array<std::string_view, 3> kPrograms = {"lmtp(", "lda(", "deliver("};

struct Outcome {
  std::string_view words;
  mail::EventKind kind;
};
constexpr std::array<Outcome, 3> kOutcomes = {{
    {": saved mail to ", mail::EventKind::kDelivered},
    {": stored mail into mailbox '", mail::EventKind::kDelivered},
    {": marked message to be discarded if not explicitly delivered", mail::EventKind::kDiscarded},
}};

bool IsProgram(std::string_view text) {
  return std::any_of(kPrograms.begin(), kPrograms.end(),
                     [text](std::string_view name) { return text.starts_with(name); });
}

}  // namespace

std::optional<Saved> ReadSaved(std::string_view line, const delivery::TimeOptions& options,
                               Time now) {
  if (line.find("msgid=") == std::string_view::npos) return std::nullopt;
  const auto split = delivery::SplitLine(line, options, now);
  if (!split || !split->time) return std::nullopt;
  std::string_view text = split->message;
  if (split->tag != "dovecot") {
    // A file of its own names no host: "Nov 24 12:59:50 lmtp(a@x.test)<17256><QC1L>: Info: msgid=…"
    const size_t tag = static_cast<size_t>(split->tag.data() - line.data());
    const std::string_view before = line.substr(0, tag == 0 ? 0 : tag - 1);
    const size_t space = before.rfind(' ');
    if (space == std::string_view::npos) return std::nullopt;
    text = line.substr(space + 1);
  }
  if (!IsProgram(text)) return std::nullopt;
  const size_t open = text.find('('), close = text.find(')', open);
  if (close == std::string_view::npos) return std::nullopt;
  Saved out;
  out.time = *split->time;
  out.user = AsciiLower(Text(text.substr(open + 1, close - open - 1)));
  text.remove_prefix(close + 1);
  while (text.starts_with("<")) {  // process and session
    const size_t end = text.find('>');
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  if (!text.starts_with(": ")) return std::nullopt;
  text.remove_prefix(2);
  for (const std::string_view word : {"Info: ", "sieve: "}) {
    if (text.starts_with(word)) text.remove_prefix(word.size());
  }
  if (!text.starts_with("msgid=")) return std::nullopt;
  text.remove_prefix(6);
  // The id is a sender's, and may hold these words; those that count come last.
  size_t at = std::string_view::npos;
  for (const Outcome& outcome : kOutcomes) {
    const size_t found = text.rfind(outcome.words);
    if (found == std::string_view::npos || (at != std::string_view::npos && found < at)) continue;
    at = found;
    out.kind = outcome.kind;
  }
  if (at == std::string_view::npos || out.user.empty()) return std::nullopt;
  const std::string_view written = text.substr(0, at);
  // Not "unspecified", and nothing behind the first ">".
  if (!written.starts_with("<") || written.find('>') != written.size() - 1) return std::nullopt;
  auto id = observable::CanonicalMessageId(written);
  if (!id) return std::nullopt;
  out.message_id = *std::move(id);
  out.detail = Text(text.substr(at + 2));
  return out;
}

std::optional<uint32_t> RecipientOf(const mail::MessageRecord& record, std::string_view user) {
  std::optional<uint32_t> by_name;
  bool several = false;
  for (const auto& recipient : record.recipients) {
    const std::string address = AsciiLower(recipient.address);
    if (address == user || AsciiLower(recipient.raw) == user) return recipient.rid;
    if (user.find('@') == std::string_view::npos && address.substr(0, address.rfind('@')) == user) {
      several = by_name.has_value();
      by_name = recipient.rid;
    }
  }
  return several ? std::nullopt : by_name;
}

mail::Event EventOf(const Saved& saved, uint32_t rid, Time received) {
  mail::Event event;
  event.time = std::max(saved.time, received);
  event.kind = saved.kind;
  event.rid = rid;
  event.detail = saved.detail;
  event.relay = "dovecot";
  event.dedup_key = "dovecot:" + std::to_string(ToEpochMillis(saved.time)) + ":" + saved.user +
                    ":" + saved.detail;
  return event;
}

}  // namespace mailreeve::gateway::history
