#pragma once

#include "gateway/counters/counters.h"
#include "io/asio.h"
#include "mail/message_record.h"
#include "observable/observable.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// The one door to tracked mail. engine.h opens the store behind it.
namespace mailreeve::gateway::tracking {

// What a question covered: an answer without it cannot be read as "nothing happened" (system.md
// E5).
struct Coverage {
  std::optional<Time> oldest, newest;  // of the records held
  uint64_t records_held = 0;
  uint64_t records_unreadable = 0;  // damaged or missing, and so not searched
  bool complete = true;             // false: `why` says what was left out
  std::string why;

  // Segments (docs/tracking-format.md) of the store: read, passed over because their filters or
  // spans rule them out, and those that should be there but are missing or damaged.
  uint64_t segments_read = 0;
  uint64_t segments_skipped = 0;
  uint64_t segments_missing = 0;
};

enum class TextMatch : uint8_t { kIs, kContains, kBeginsWith, kIsEmpty };

// A condition on text, compared case- and width-folded (fold.h). A message with several values (a
// recipient list, two Subject fields) fits when one of them does; kIsEmpty when there is none or an
// empty one.
struct TextCondition {
  enum class Field : uint8_t {
    kSubject,
    kEnvelopeSender,
    kSender,  // any address that sent it (SendersOf)
    kRecipient,
    kReplyTo,
    kFileName,
    kSenderDomain,  // of the envelope sender; kIs also fits subdomains of a value that begins with
                    // "."
    kMessageId,
    kUrl,
  };
  Field field = Field::kSubject;
  TextMatch match = TextMatch::kContains;
  std::string value;
};

// All conditions must hold; empty ones do not count. Newest first.
struct Query {
  using TextMatch = tracking::TextMatch;
  std::vector<observable::Observable> any_of;  // canonical observables; a message with one of them
                                               // fits. A domain fits with its subdomains.
  std::vector<observable::Observable> all_of;  // a message must show each of them
  std::vector<TextCondition> text;
  // Of each list one must hold. Addresses and domains that are looked for whole (kIs) are looked up
  // in the index; a list with any other condition is tried on the records.
  std::vector<std::vector<TextCondition>> any_text;
  std::string sender;                  // canonical address, envelope or header
  std::string recipient;               // canonical address
  std::optional<std::string> subject;  // width- and case-folded
  TextMatch subject_match = TextMatch::kContains;
  std::string message_id;  // canonical
  std::optional<mail::Mid> mid;
  std::optional<mail::Icid> icid;
  std::string client_address;
  std::string client_network;  // "192.0.2.0/24", "2001:db8::/32"
  std::string queue_id;
  std::optional<mail::Direction> direction;
  std::vector<mail::Direction> any_direction;
  std::string file_name, file_sha256;
  std::optional<mail::EventKind> event;
  std::vector<mail::EventKind> any_event;
  std::vector<std::string> any_status;  // words of mail::StatusOf, of the message or of a recipient
  std::vector<int> any_disposition;     // of a verdict
  std::optional<Time> from, until;      // received in [from, until)
  size_t limit = 100;                   // at most kMaxPage
  std::string cursor;                   // of the page before; stable while messages come in
};
inline constexpr size_t kMaxPage = 1000;

struct Page {
  std::vector<mail::MessageRecord> records;  // with the later events folded in
  std::string next_cursor;                   // empty: this is the last page
  Coverage coverage;
};

// How many messages fit.
struct Matches {
  uint64_t count = 0;
  bool exact = true;  // false: at least `count`
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

// ---- Retro-hunt: a large set of fingerprints against everything held.

struct HuntHit {
  uint64_t fingerprint = 0;  // observable::Fingerprint
  mail::Mid mid = 0;
  Time received;
  auto operator<=>(const HuntHit&) const = default;
};
struct HuntStep {
  std::vector<HuntHit> hits;  // of this step
  std::string resume;         // give it to the next step, also after a restart; empty: finished
  uint64_t messages_done = 0, messages_total = 0;
  Coverage coverage;
};

// ---- Watch: observables that are compared with every new message as it is appended.

struct WatchHit {
  uint64_t fingerprint = 0;
  mail::Mid mid = 0;
  Time received;
};

// Threads: one executor; the work is done on threads of the store's own.
// Errors: kUnavailable (disk full, I/O error), kInvalid (query, cursor), kLimited (queue full).
class Store {
 public:
  virtual ~Store() = default;
  // Ids are never handed out twice, not after a crash either. 0: none can be reserved, since the
  // disk has refused for long; Append of such a record is kUnavailable.
  virtual mail::Mid NextMid() = 0;
  virtual mail::Icid NextIcid() = 0;
  // Returns when the record is on disk (group commit) and found by Search. `record.mid` was made by
  // NextMid, or is free (an import): kConflict when there is a message of that id.
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
    co_return Fail(Code::kUnavailable, "this store cannot do that");
  }
  // Of the same conditions as Search; `limit` and `cursor` do not count.
  virtual io::Task<Result<Matches>> CountMatches(Query query) {
    (void)query;
    co_return Fail(Code::kUnavailable, "this store cannot do that");
  }
  // The report counters (counters/counters.h), merged over all that is held.
  virtual io::Task<Result<counters::Answer>> Counters(counters::Question question) {
    (void)question;
    co_return Fail(Code::kUnavailable, "this store cannot do that");
  }
  // One step of a retro-hunt, newest mail first; begin with an empty `resume`. `wanted` is sorted
  // and unique. Stop calling to cancel. A hit may come twice after a resume.
  virtual io::Task<Result<HuntStep>> Hunt(std::shared_ptr<const std::vector<uint64_t>> wanted,
                                          std::string resume) {
    (void)wanted, (void)resume;
    co_return Fail(Code::kUnavailable, "this store cannot do that");
  }
  // Replaces the set; from then on `hit` is called on the executor for every new message that shows
  // one of them, after the message is durable. An empty set ends it.
  virtual void Watch(std::vector<uint64_t> fingerprints, std::function<void(const WatchHit&)> hit) {
    (void)fingerprints, (void)hit;
  }
};

}  // namespace mailreeve::gateway::tracking
