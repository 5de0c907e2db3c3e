#pragma once

#include "io/asio.h"
#include "mail/message_record.h"
#include "observable/observable.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// The one door to tracked mail. The first engine stands on SQLite (sqlite_store.h); the next takes
// its place behind this interface.
namespace mailreeve::gateway::tracking {

// What a question covered: an answer without it cannot be read as "nothing happened" (system.md
// E5).
struct Coverage {
  std::optional<Time> oldest, newest;  // of the records held
  uint64_t records_held = 0;
  uint64_t records_unreadable = 0;  // damaged, and so not searched
  bool complete = true;             // false: `why` says what was left out
  std::string why;
};

// All conditions must hold; empty ones do not count. Newest first.
struct Query {
  std::vector<observable::Observable>
      any_of;             // canonical observables; a message with one of them fits
  std::string sender;     // canonical address, envelope or header
  std::string recipient;  // canonical address
  enum class TextMatch : uint8_t { kIs, kContains, kBeginsWith, kIsEmpty };
  std::optional<std::string> subject;  // width- and case-folded
  TextMatch subject_match = TextMatch::kContains;
  std::string message_id;  // canonical
  std::optional<mail::Mid> mid;
  std::optional<mail::Icid> icid;
  std::string client_address;
  std::string queue_id;
  std::optional<mail::Direction> direction;
  std::string file_name, file_sha256;
  std::optional<mail::EventKind> event;
  std::optional<Time> from, until;  // received in [from, until)
  size_t limit = 100;               // at most kMaxPage
  std::string cursor;               // of the page before; stable while messages come in
};
inline constexpr size_t kMaxPage = 1000;

struct Page {
  std::vector<mail::MessageRecord> records;  // with the later events folded in
  std::string next_cursor;                   // empty: this is the last page
  Coverage coverage;
};

// Messages received in a span, by what happened to them since; a message can count in several.
struct Totals {
  uint64_t messages = 0;
  uint64_t delivered = 0;  // to at least one recipient
  uint64_t refused = 0;    // rejected, temporarily refused or discarded
  uint64_t quarantined = 0;
  uint64_t bounced = 0;     // for at least one recipient
  uint64_t remediated = 0;  // removed from at least one mailbox
};

// Threads: one executor; the work is done on threads of the store's own.
// Errors: kUnavailable (disk full, I/O error), kInvalid (cursor), kLimited (queue full).
class Store {
 public:
  virtual ~Store() = default;
  // Ids are never handed out twice, not after a crash either. 0: none can be reserved, since the
  // disk has refused for long; Append of such a record is kUnavailable.
  virtual mail::Mid NextMid() = 0;
  virtual mail::Icid NextIcid() = 0;
  // Returns when the record is on disk (group commit). `record.mid` was made by NextMid.
  virtual io::Task<Result<void>> Append(mail::MessageRecord record) = 0;
  // The same for events of a message; kNotFound when there is no such message. Events whose
  // dedup_key the message has already are dropped.
  virtual io::Task<Result<void>> AppendEvents(mail::Mid mid, std::vector<mail::Event> events) = 0;
  virtual io::Task<Result<Page>> Search(Query query) = 0;
  virtual io::Task<Result<mail::MessageRecord>> Get(mail::Mid mid) = 0;
  // The newest message that had this queue id, received not after `not_after`. kNotFound when there
  // is none.
  virtual io::Task<Result<mail::MessageRecord>> FindByQueueId(std::string queue_id,
                                                              Time not_after) = 0;
  virtual io::Task<Result<Coverage>> Held() = 0;
  // Of messages received in [from, until).
  virtual io::Task<Result<Totals>> Count(Time from, Time until) {
    (void)from, (void)until;
    co_return Fail(Code::kUnavailable, "this store does not count messages");
  }
};

}  // namespace mailreeve::gateway::tracking
