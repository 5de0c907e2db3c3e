// Dovecot's log lines: what is read has an address-like user, a canonical id and plain text.
#include "base/check.h"
#include "base/text.h"
#include "gateway/history/dovecot_log.h"
#include "observable/observable.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace history = mailreeve::gateway::history;
  mailreeve::gateway::delivery::TimeOptions options;
  options.utc = true;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto saved =
      history::ReadSaved(text, options, mailreeve::FromEpochMillis(1'795'494'101'000));
  if (!saved) return 0;
  CHECK(!saved->user.empty() && !saved->message_id.empty());
  CHECK(mailreeve::IsValidUtf8(saved->user) && mailreeve::IsValidUtf8(saved->detail));
  CHECK(mailreeve::observable::CanonicalMessageId(saved->message_id) == saved->message_id);
  mailreeve::mail::MessageRecord record;
  record.recipients = {{0, "a@x.test", "a@x.test"}, {1, "b@x.test", "b@x.test"}};
  const auto rid = history::RecipientOf(record, saved->user);
  CHECK(!rid || *rid < 2);
  const auto event = history::EventOf(*saved, rid.value_or(0), saved->time);
  CHECK(!event.dedup_key.empty());
  return 0;
}
