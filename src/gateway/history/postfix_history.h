#pragma once

#include "base/time.h"
#include "gateway/delivery/postfix_log.h"
#include "mail/message_record.h"

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

// Tracked messages from lines of a Postfix log, oldest line first. A message begins with the line
// of smtpd or pickup that gives its queue id and ends when it leaves the queue; what was queued
// before the log begins is not known and not told. A message that goes through a content filter
// and comes back is one. Nothing in the lines is believed beyond its shape (postfix_log.h).
//
// Threads: one. Records have neither MID, ICID nor direction: the caller gives them.
namespace mailreeve::gateway::history {

struct PostfixOptions {
  std::string tag_prefix = "postfix";
  delivery::TimeOptions time;
  size_t max_open = 100000;       // messages in the queue at once; the oldest is given as it stands
  size_t max_recipients = 50000;  // of a message; further ones are left out
  size_t max_events = 200000;     // of a message; the same
};

struct PostfixCounts {
  uint64_t lines = 0;
  uint64_t used = 0;  // of messages
};

class PostfixHistory {
 public:
  explicit PostfixHistory(PostfixOptions options) : options_(std::move(options)) {}
  PostfixHistory(const PostfixHistory&) = delete;

  // `now` gives the year where lines have none.
  void Add(std::string_view line, Time now);
  // The messages that are complete by now; each is given once.
  std::vector<mail::MessageRecord> Take() { return std::exchange(done_, {}); }
  // What is still in the queue counts as complete.
  void Finish();
  size_t open() const { return open_.size(); }  // messages in the queue
  const PostfixCounts& counts() const { return counts_; }

 private:
  struct Open {
    mail::MessageRecord record;
    std::unordered_map<std::string, uint32_t> rids;  // by address in lower case
    std::vector<std::string> also;                   // further queue ids of it
    size_t waiting = 1;                              // its queue ids that are in the queue
    std::list<std::string>::iterator place;
  };

  Open* Find(const std::string& queue_id);
  void Begin(const std::string& queue_id, Time time);
  void Close(const std::string& queue_id);
  // What smtpd, pickup, cleanup and qmgr say when mail comes in; false for another line.
  bool ReadArrival(std::string_view daemon, const std::string& queue_id, std::string_view rest,
                   Time time);
  void ReadDelivery(const delivery::Entry& entry, Time time);
  void Append(Open& open, const delivery::Entry& entry, uint32_t rid, Time time);
  std::optional<uint32_t> Rid(Open& open, const std::string& address);

  const PostfixOptions options_;
  PostfixCounts counts_;
  std::unordered_map<std::string, Open> open_;          // by the first queue id
  std::unordered_map<std::string, std::string> first_;  // the first queue id by a further one
  std::list<std::string> order_;                        // of open_, oldest first
  std::vector<mail::MessageRecord> done_;
};

}  // namespace mailreeve::gateway::history
