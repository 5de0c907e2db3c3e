// A log of several programs as history: records keep their shape, and no line is given twice.
#include "base/check.h"
#include "base/text.h"
#include "gateway/history/mail_history.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace history = mailreeve::gateway::history;
  history::HistoryOptions options;
  options.postfix.time.utc = true;
  options.postfix.max_open = 3;
  options.postfix.max_recipients = 2;
  options.postfix.max_events = 4;
  options.max_waiting = 3;
  history::MailHistory log(options);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t lines = 0;
  for (const std::string_view line : mailreeve::Split(text, '\n')) {
    log.Add(line, mailreeve::FromEpochMillis(1'795'494'101'000));
    ++lines;
  }
  log.Finish();
  CHECK(log.counts().lines == lines && log.counts().used <= lines);
  size_t given = 0;
  while (log.waiting() > 0) {
    const auto records = log.TakeRecords(2);
    const auto saved = log.TakeSaved(2);
    CHECK(!records.empty() || !saved.empty());
    given += records.size() + saved.size();
    for (const auto& record : records) {
      CHECK(!record.queue_id.empty() || !record.inspection.message_id.empty());
      CHECK(record.recipients.size() <= 2);
      for (const auto& event : record.events) {
        CHECK(!event.rid || *event.rid < record.recipients.size());
        CHECK(event.time >= record.received);
      }
    }
  }
  CHECK(given <= lines);
  return 0;
}
