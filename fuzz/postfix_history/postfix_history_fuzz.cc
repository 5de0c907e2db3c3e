// A mail log as history: whatever stands in it, records keep their shape and limits.
#include "base/check.h"
#include "base/text.h"
#include "gateway/history/postfix_history.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace history = mailreeve::gateway::history;
  history::PostfixOptions options;
  options.time.utc = true;
  options.max_open = 3;
  options.max_recipients = 2;
  options.max_events = 4;
  history::PostfixHistory log(options);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view line : mailreeve::Split(text, '\n'))
    log.Add(line, mailreeve::FromEpochMillis(1'795'494'101'000));
  log.Finish();
  for (const auto& record : log.Take()) {
    CHECK(mailreeve::gateway::delivery::IsQueueId(record.queue_id));
    CHECK(!record.recipients.empty() && record.recipients.size() <= 2);
    CHECK(record.events.size() <= 5);
    for (const auto& event : record.events) {
      CHECK(!event.rid || *event.rid < record.recipients.size());
      CHECK(event.time >= record.received);
    }
    for (const std::string* field :
         {&record.envelope_from, &record.envelope_from_raw, &record.inspection.message_id_raw,
          &record.connection.client_name, &record.connection.authenticated_user}) {
      CHECK(mailreeve::IsValidUtf8(*field));
    }
  }
  return 0;
}
