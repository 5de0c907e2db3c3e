// Lines of a mail log: whatever stands in them, what is read keeps its shape.
#include "base/check.h"
#include "base/text.h"
#include "gateway/delivery/postfix_log.h"

#include <cstdint>

namespace delivery = mailreeve::gateway::delivery;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const mailreeve::Time now = mailreeve::FromEpochMillis(1'795'494'101'000);
  for (const std::string_view line : mailreeve::Split(text, '\n')) {
    const auto split = delivery::SplitLine(line, {.utc = true}, now);
    const auto entry = split ? delivery::ReadEntry(split->tag, split->message, "postfix")
                             : delivery::ReadEntry("postfix/smtp", line, "postfix");
    const auto refusal = split ? delivery::ReadRefusal(split->tag, split->message, "postfix")
                               : delivery::ReadRefusal("postfix/smtpd", line, "postfix");
    CHECK(!refusal || refusal->at <= delivery::RefusedAt::kData);
    if (!entry) continue;
    CHECK(delivery::IsQueueId(entry->queue_id));
    CHECK(entry->new_queue_id.empty() || delivery::IsQueueId(entry->new_queue_id));
    for (const std::string* field : {&entry->recipient, &entry->original_recipient, &entry->relay,
                                     &entry->dsn, &entry->detail}) {
      CHECK(mailreeve::IsValidUtf8(*field));
      CHECK(field->size() <= 4000);
    }
  }
  return 0;
}
