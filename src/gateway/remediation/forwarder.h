#pragma once

#include "base/result.h"
#include "io/asio.h"

#include <memory>
#include <string>

// Hands a copy of a message to the mail server, for the people who look at it.
namespace mailreeve::gateway::remediation {

// What is sent: a short text and the original as it was, attached (RFC 2046 section 5.2.1). Every
// value may come from hostile mail; RenderForward (letter.h) encodes it.
struct ForwardLetter {
  std::string message_id;  // without angle brackets; the same each time the same forward is tried
  std::string envelope_sender;  // empty: the null sender
  std::string from;             // address of the From field
  std::string to;               // address
  std::string batch_id;
  std::string batch_name;
  uint64_t mid = 0;
  std::string subject;          // decoded, of the original
  std::string original_sender;  // envelope sender of the original
  std::string asked_by;         // who asked for it
  std::string date;             // RFC 5322
  std::string original;         // the whole message as the mailbox holds it
};

struct ForwardReceipt {
  std::string queue_id;  // as the reply names it; empty when it does not
  std::string reply;     // the server's words, cut
  std::string server;    // greeting name
};

// Threads: one executor. Concurrent calls are allowed.
// Errors: kDenied (refused for good: 5yz), kLimited (refused for now: 4yz), kUnavailable or
// kTimeout (not reached; nothing was handed over), kInvalid (the letter cannot be sent, such as a
// bad address). `outcome_unknown` is set when the letter's last byte may have been taken but no
// answer came: it may have been accepted.
class Forwarder {
 public:
  virtual ~Forwarder() = default;
  virtual io::Task<Result<ForwardReceipt>> Send(std::shared_ptr<const ForwardLetter> letter,
                                                std::shared_ptr<bool> outcome_unknown) = 0;
};

}  // namespace mailreeve::gateway::remediation
