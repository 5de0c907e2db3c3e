#pragma once

#include "gateway/delivery/postfix_log.h"
#include "mail/message_record.h"

#include <optional>
#include <string>
#include <string_view>

// Final deliveries out of Dovecot's log: lines of lmtp, lda and Sieve, by syslog or in a file of
// Dovecot's own. Message ids are what senders wrote. Pure functions; thread-safe.
namespace mailreeve::gateway::history {

struct Saved {
  Time time;
  std::string user;        // as Dovecot names it: an address, or a name without a domain
  std::string message_id;  // canonical
  mail::EventKind kind = mail::EventKind::kDelivered;  // or kDiscarded, by Sieve
  std::string detail;                                  // "saved mail to INBOX"
};

// Nothing for lines of other kinds, and for mail without a Message-ID. `now` as for
// delivery::SplitLine.
std::optional<Saved> ReadSaved(std::string_view line, const delivery::TimeOptions& options,
                               Time now);

// The user's recipient of the message; a user without a domain fits when one recipient alone has
// that local part.
std::optional<uint32_t> RecipientOf(const mail::MessageRecord& record, std::string_view user);

// The event for that recipient; its dedup_key tells the same line read again.
mail::Event EventOf(const Saved& saved, uint32_t rid, Time received);

}  // namespace mailreeve::gateway::history
