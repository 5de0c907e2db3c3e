#pragma once

#include "gateway/counters/shapes.h"
#include "mail/message_record.h"

#include <optional>

// What one message counts as, before it is known under which keys. Pure.
namespace mailreeve::gateway::counters {

struct MessageTally {
  uint64_t recipients = 0;
  bool refused = false;         // for now: it will come again and counts then
  std::optional<Count> threat;  // of kSpam … kOtherThreat
  bool malicious = false;       // else suspicious, when there is a threat
  std::optional<Count> graymail;
  bool spf_pass = false, spf_fail = false, dkim_pass = false, dkim_fail = false;
  bool dmarc_pass = false, dmarc_failed = false, dmarc_acted = false;

  static MessageTally Of(const mail::MessageRecord& record);

  // kMessages.
  void AddMessage(Delta& to, mail::Direction direction) const;
  // kMalicious or kSuspicious, in messages: for keys that are counted by message.
  void AddHarm(Delta& to, mail::Direction direction) const;
  // kRecipients and their class.
  void AddClass(Delta& to, uint64_t recipients, mail::Direction direction) const;
  void AddAuthentication(Delta& to, const mail::MessageRecord& record, bool connected) const;
  void AddTls(Delta& to, const mail::MessageRecord& record, bool connected) const;
};

// Which count an event adds to; absent: to none.
std::optional<Count> CountOfEvent(mail::EventKind kind);
// The class of threat that an engine's positive verdicts are.
Count ThreatOf(std::string_view engine);

}  // namespace mailreeve::gateway::counters
