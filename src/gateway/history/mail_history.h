#pragma once

#include "gateway/history/dovecot_log.h"
#include "gateway/history/postfix_history.h"
#include "gateway/history/rspamd_log.h"

#include <chrono>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// Tracked messages from logs of several programs about the same mail: Postfix (the messages),
// rspamd (verdict, subject, header addresses) and Dovecot (the mailbox it ended in), each line by
// its own look. Lines of one message are brought together by queue id, or by Message-ID when they
// are close in time. rspamd's may come before the mail server's, such as from a file of its own;
// Dovecot's fit also messages that the store holds already, and so are given apart.
//
//   MailHistory history(options);
//   history.Add(line, now);             // of each line, oldest first
//   history.Finish();
//   while (history.waiting() > 0) Append(history.TakeRecords(500), history.TakeSaved(500));
//
// Threads: one. Errors: none; a line that is not understood is not used.
namespace mailreeve::gateway::history {

enum class Format : uint8_t { kAny, kPostfix, kRspamd, kDovecot };
std::optional<Format> FormatFromName(std::string_view name);  // "log", "postfix", …

struct HistoryOptions {
  Format format = Format::kAny;
  PostfixOptions postfix;
  size_t max_waiting = 100000;  // scans, and deliveries, whose message has not been seen
  std::chrono::milliseconds same_message{
      600000};  // two times of one message differ by at most this
};

class MailHistory {
 public:
  explicit MailHistory(HistoryOptions options);
  MailHistory(const MailHistory&) = delete;

  void Add(std::string_view line, Time now);
  void Finish();
  // The oldest of those that are complete.
  std::vector<mail::MessageRecord> TakeRecords(size_t most);
  // Deliveries of messages that were in none of the logs.
  std::vector<Saved> TakeSaved(size_t most);
  size_t waiting() const { return records_.size() + loose_.size(); }
  PostfixCounts counts() const;

 private:
  using Scans = std::list<Scan>;
  using Deliveries = std::list<Saved>;

  void AddScan(Scan scan);
  void DropScan(Scans::iterator scan);
  std::optional<Scan> TakeScanOf(const mail::MessageRecord& record);
  void AddSaved(Saved saved);
  void AddDeliveries(mail::MessageRecord& record);
  void TakeFromPostfix();

  const HistoryOptions options_;
  PostfixHistory postfix_;
  PostfixCounts counts_;  // of the others' lines
  Scans scans_;           // oldest first
  std::unordered_map<std::string, Scans::iterator> scan_by_queue_id_;
  std::unordered_multimap<std::string, Scans::iterator> scan_by_message_id_;
  Deliveries deliveries_;
  std::unordered_multimap<std::string, Deliveries::iterator> delivery_by_message_id_;
  std::deque<mail::MessageRecord> records_;
  std::deque<Saved> loose_;
};

}  // namespace mailreeve::gateway::history
