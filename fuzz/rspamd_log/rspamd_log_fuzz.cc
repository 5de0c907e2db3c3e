// rspamd's log lines and history rows: whatever they hold, what is read keeps its shape.
#include "base/check.h"
#include "base/text.h"
#include "gateway/history/rspamd_log.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace history = mailreeve::gateway::history;
  mailreeve::gateway::delivery::TimeOptions options;
  options.utc = true;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scan =
      text.starts_with("{")
          ? history::ReadScanRow(text)
          : history::ReadScanLine(text, options, mailreeve::FromEpochMillis(1'795'494'101'000));
  if (!scan) return 0;
  CHECK(scan->queue_id.empty() || mailreeve::gateway::delivery::IsQueueId(scan->queue_id));
  CHECK(!scan->action.empty());
  const auto record = history::RecordOf(*scan, 2);
  CHECK(record.recipients.size() <= 2 && record.verdicts.size() == 1 && record.events.size() == 1);
  CHECK(record.verdicts[0].disposition >= 1 && record.verdicts[0].disposition <= 5);
  for (const std::string* field :
       {&record.envelope_from, &record.envelope_from_raw, &record.inspection.message_id,
        &record.inspection.subject, &record.connection.client_address,
        &record.connection.authenticated_user, &record.verdicts[0].reason}) {
    CHECK(mailreeve::IsValidUtf8(*field));
  }
  CHECK(mailreeve::mail::DecodeMessageRecord(mailreeve::mail::Encode(record)) == record);
  return 0;
}
