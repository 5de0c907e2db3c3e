#pragma once

#include "base/result.h"
#include "base/time.h"
#include "io/asio.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// One recipient's mailbox, whatever store holds it. Back ends: mailbox/imap (Dovecot, IMAP); JMAP,
// Graph, EWS later.
namespace mailreeve::mailbox {

// What a message is known by. Never its Message-ID alone (hostile-input.md B01).
struct MessageIdentity {
  std::string message_id;      // canonical; empty when the message has none
  std::string content_digest;  // mail::ContentDigest of the message as received
  std::string envelope_from;   // canonical; empty for the null sender
  std::string recipient;       // canonical envelope recipient
  Time received;               // when the gateway took it
};

// Where a message lies now.
struct Location {
  std::string folder;  // UTF-8
  uint32_t uid_validity = 0;
  uint32_t uid = 0;
  std::string flags;  // "\\Seen \\Answered", as the store tells
  Time internal_date;
  bool operator==(const Location&) const = default;
};

struct FindResult {
  std::vector<Location> confirmed;  // digest and envelope agree
  // Same Message-ID, but other content or envelope: never touched. `why` for the evidence.
  struct Other {
    Location location;
    std::string why;
  };
  std::vector<Other> others;
  size_t folders_searched = 0;
  std::vector<std::string> folders;             // that were searched, UTF-8
  std::vector<std::string> folders_unreadable;  // a negative answer is then not a proof
  std::string server;                           // as the store greets
  std::string asked;                            // the question, for the evidence
};

// Threads: one executor. A Mailbox is one session with the store; not for concurrent calls.
// Errors: kUnavailable (not reachable, dropped), kTimeout, kUnauthenticated, kDenied, kNotFound (no
// such mailbox), kInvalid (the store answered nonsense).
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  // Asks in all folders.
  virtual io::Task<Result<FindResult>> Find(MessageIdentity identity) = 0;
  virtual io::Task<Result<std::string>> Fetch(Location location) = 0;
  // Removes exactly that one message and nothing else that happens to be marked as deleted. No
  // error when it is not there any more: only asking again tells. kConflict: the folder was made
  // anew (UIDVALIDITY), so the location means nothing. kDenied: the store lets us not, or offers no
  // way to remove only this one.
  virtual io::Task<Result<void>> Remove(Location location) = 0;
  virtual io::Task<void> Close() = 0;
};

// Opens the mailbox of a recipient.
class MailboxStore {
 public:
  virtual ~MailboxStore() = default;
  virtual io::Task<Result<std::unique_ptr<Mailbox>>> Open(std::string recipient) = 0;
};

}  // namespace mailreeve::mailbox
