#pragma once

#include "gateway/delivery/postfix_log.h"
#include "mail/message_record.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What rspamd said about a message: its task lines ("rspamd_task_write_log: id: <…>, …" of the
// default log_format, in a file of rspamd's own or by syslog) and the rows of its history (the
// controller's /history, with or without Redis). Senders write message ids, addresses and subjects
// of them, so nothing is believed beyond its shape. Pure functions; thread-safe.
namespace mailreeve::gateway::history {

struct Scan {
  Time time;
  std::string queue_id;    // of a line; rows have none
  std::string message_id;  // canonical; empty when there is none
  std::string client_address;
  std::string user;    // SASL
  std::string sender;  // of the envelope, as written
  std::vector<std::string> recipients;
  std::string from;             // header address; rows of a history in Redis alone have it
  std::vector<std::string> to;  // header addresses
  std::string subject;
  uint64_t size = 0;
  std::string action;  // "no action", "reject", …
  double score = 0, required = 0;
  std::vector<std::string> symbols;
};

// Nothing for lines of other kinds. `now` as for delivery::SplitLine.
std::optional<Scan> ReadScanLine(std::string_view line, const delivery::TimeOptions& options,
                                 Time now);
// One row, as JSON.
std::optional<Scan> ReadScanRow(std::string_view json);

// What the scan adds to a record that lacks it: verdict, subject, addresses, size. What the mail
// server said stays.
void AddScan(const Scan& scan, mail::MessageRecord& record);
// A record of the scan alone, for mail that the mail server did not queue or whose log is gone.
mail::MessageRecord RecordOf(const Scan& scan, size_t max_recipients);

}  // namespace mailreeve::gateway::history
