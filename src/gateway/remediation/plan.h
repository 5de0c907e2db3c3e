#pragma once

#include "json/json.h"
#include "mail/message_record.h"
#include "mailbox/mailbox.h"
#include "relay/relay.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The values of an action on mail: the plan (a dry run, frozen and hashed), the batch that carries
// it out and the receipt of each recipient. States and words: docs/remediation.md. Values; copy
// freely.
namespace mailreeve::gateway::remediation {

enum class Action : uint8_t { kDelete, kForward, kForwardAndDelete };
std::string_view ActionName(Action action);  // "delete", "forward", "forward_and_delete"
Result<Action> ParseAction(std::string_view name);
inline bool Forwards(Action action) { return action != Action::kDelete; }
inline bool Deletes(Action action) { return action != Action::kForward; }

// What the dry run saw.
enum class MailState : uint8_t {
  kPresent,      // in a folder of delivery
  kMoved,        // found, in another folder
  kGone,         // in no folder of the mailbox
  kUnreachable,  // the store did not answer
  kRefused,      // will not be touched: `reason` says why
};
std::string_view MailStateName(
    MailState state);  // "present", "moved", "gone", "unreachable", "refused"

struct PlanItem {
  mail::Mid mid = 0;
  uint32_t rid = 0;
  std::string recipient;   // canonical address; its mailbox is acted on
  std::string message_id;  // canonical; may be empty
  std::string subject;
  std::string envelope_from;
  std::string content_digest;
  Time received;
  MailState state = MailState::kUnreachable;
  std::vector<mailbox::Location> copies;
  bool unread = false, answered = false, flagged = false;
  std::string
      reason;  // stable word for kRefused and kUnreachable: "not_delivered", "login_refused", …
  std::string detail;  // the sentence
  size_t folders_searched = 0;
  size_t others_seen = 0;  // same Message-ID, other content: left alone
};

struct Plan {
  std::string id;    // UUID
  std::string hash;  // SHA-256, lower hex, over the canonical form of action and items
  Action action = Action::kDelete;
  Time created, expires;
  size_t mailboxes = 0;  // distinct recipients that would be acted on
  size_t messages = 0;   // distinct MIDs that would be acted on
  bool forward_needed = false;
  std::string forward_address;       // of the settings; empty when none is set
  std::vector<std::string> missing;  // what must be given before it can run: "forward_address"
  std::vector<PlanItem> items;
  relay::Caller caller;
};

// The hash of `plan`; what Execute must be given back.
std::string PlanHash(const Plan& plan);

// What became of one recipient's copy.
enum class Outcome : uint8_t {
  kNone,           // not ended
  kRemoved,        // was where it had been delivered; gone now, verified
  kAlreadyGone,    // was in no folder before we touched anything
  kMovedFollowed,  // the user had moved it; followed, removed, verified
  kRefused,        // not touched: `why`
  kUnreachable,    // the store could not be asked in any attempt
  kForwarded,      // action forward only: present, and a copy was forwarded
};
std::string_view OutcomeName(
    Outcome outcome);  // "", "removed", "already_gone", "moved_followed", …

enum class Progress : uint8_t { kQueued, kInProgress, kRetryWait, kDone };
std::string_view ProgressName(Progress progress);  // "queued", "in_progress", "retry_wait", "done"

struct Receipt {
  PlanItem planned;
  Progress progress = Progress::kQueued;
  Outcome outcome = Outcome::kNone;
  std::string
      why;  // stable word: "digest_differs", "no_such_mailbox", "login_refused", "not_delivered", …
  std::string detail;  // the sentence
  uint32_t attempts = 0;
  bool forwarded = false;  // the forward of this message (Batch::forwards by mid) was accepted
  std::optional<Time> ended;
  // Proof: {"before":{…},"removed":[…],"after":{…}}, see docs/remediation.md.
  json::object evidence;
};

// One forward for each message of a batch: all copies have the same digest.
struct ForwardState {
  mail::Mid mid = 0;
  std::string state;       // "pending", "sending", "accepted", "failed", "unknown"
  std::string message_id;  // of the forward
  std::string to;
  std::string source;  // recipient whose copy was attached
  std::string queue_id, reply, server;
  std::string why;  // of "failed" and "unknown"
  uint32_t attempts = 0;
  std::optional<Time> accepted;
  std::string evidence;  // "reply": the server said so; "tracking": this gateway saw it pass
};

enum class BatchState : uint8_t { kPending, kRunning, kCompleted, kCompletedWithErrors, kFailed };
std::string_view BatchStateName(
    BatchState state);  // "pending", …, "completed_with_errors", "failed"

struct Batch {
  std::string id;  // UUID
  std::string plan_id, plan_hash, idempotency_key;
  std::string name;
  Action action = Action::kDelete;
  BatchState state = BatchState::kPending;
  std::string forward_to;
  relay::Caller caller;
  Time created;
  std::optional<Time> ended;
  std::vector<Receipt> receipts;  // empty in lists
  std::vector<ForwardState> forwards;
  size_t total = 0, done = 0;
  bool finished() const { return state >= BatchState::kCompleted; }
};

json::object ToJson(const PlanItem& item);
json::object ToJson(const Plan& plan);
json::object ToJson(const Receipt& receipt);
json::object ToJson(const ForwardState& forward);
// With counts by outcome. Receipts and forwards are left out when there are none (lists).
json::object ToJson(const Batch& batch);
// For the journal; kCorrupt says what.
Result<PlanItem> PlanItemFromJson(const json::value& from);

}  // namespace mailreeve::gateway::remediation
