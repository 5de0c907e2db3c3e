#pragma once

#include "mail/inspection.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The tracked message record: the one immutable value that every later room reads (tracking search,
// reporting, sightings, remediation). Version, meaning and limits of each field:
// docs/message-record.md.
namespace mailreeve::mail {

using Mid = uint64_t;   // message id of this gateway, from 1, never used again
using Icid = uint64_t;  // id of the SMTP connection it came in by

enum class Direction : uint8_t { kIncoming, kOutgoing, kInternal };

struct Connection {
  Icid icid = 0;
  std::string client_address;  // canonical IP
  std::string client_name;     // reverse DNS as the MTA verified it; empty when unknown
  std::string helo;
  std::string tls_protocol, tls_cipher;  // empty: no TLS
  std::string authenticated_user;        // SASL login
  std::string listener;                  // daemon name and port macros of the MTA

  bool operator==(const Connection&) const = default;
};

struct Recipient {
  uint32_t rid = 0;     // 0, 1, … in RCPT order
  std::string address;  // canonical
  std::string raw;      // as given

  bool operator==(const Recipient&) const = default;
};

struct Verdict {
  std::string engine;   // "policy", "url", …
  int disposition = 5;  // CTIM: 1 clean 2 malicious 3 suspicious 4 common 5 unknown
  std::string reason;

  bool operator==(const Verdict&) const = default;
};

enum class EventKind : uint8_t {
  kReceived,
  kAccepted,
  kRejected,
  kTemporarilyRefused,
  kDiscarded,
  kQuarantined,
  kReleased,
  kDelivered,
  kDeferred,
  kBounced,
  kExpired,
  kReinjected,
  kRemediationStarted,
  kForwarded,
  kRemoved,
  kAlreadyGone,
  kMovedFollowed,
  kRemediationRefused,
  kRemediationUnreachable,
  kRestored,
};
inline constexpr uint8_t kMaxEventKind = static_cast<uint8_t>(EventKind::kRestored);
std::string_view EventName(EventKind kind);  // "delivered", "moved_followed", …
std::optional<EventKind> EventFromName(std::string_view name);
std::string_view DirectionName(Direction direction);  // "incoming", "outgoing", "internal"

struct Event {
  Time time;
  EventKind kind = EventKind::kReceived;
  std::optional<uint32_t> rid;  // of one recipient; absent: of the message
  std::string detail;           // the MTA's or the store's own words
  std::string dsn;              // "2.0.0"
  std::string relay;            // "mx.example.org[192.0.2.1]:25"
  uint64_t delay_ms = 0;
  std::string queue_id;  // when it differs from the record's
  // Identifies the event, so that a follower that reads a line twice records it once; empty: never
  // a repeat.
  std::string dedup_key;

  bool operator==(const Event&) const = default;
};

struct MessageRecord {
  static constexpr uint64_t kVersion = 1;

  Mid mid = 0;
  std::string queue_id;  // of the MTA
  Time received;
  Direction direction = Direction::kIncoming;
  Connection connection;
  std::string envelope_from;  // canonical; empty: null sender
  std::string envelope_from_raw;
  std::vector<Recipient> recipients;
  Inspection inspection;
  std::vector<Verdict> verdicts;
  std::vector<Event>
      events;  // as known when appended; later ones are folded in by the store, in order of time

  bool operator==(const MessageRecord&) const = default;
};

// How the message stands, in the words of gateway-api.md 6.2 and 5.5: of one recipient, from its
// own and the message's events in order; without `rid` the worst over all recipients, where
// "Remediated" needs every copy and "Partially Remediated" is told when only some are out. "Already
// Gone" is ours: the mailbox did not hold it any more.
std::string StatusOf(const MessageRecord& record, std::optional<uint32_t> rid = std::nullopt);

// Versioned encoding (base/wire.h). Text that is not valid UTF-8 is mended when encoded (fields
// that end in `raw` are bytes and stay). Decode checks everything; kCorrupt says what.
// Decode(Encode(x)) == x for a record of valid text.
std::string Encode(const MessageRecord& record);
std::string Encode(const Event& event);
Result<Event> DecodeEvent(std::string_view bytes);
Result<MessageRecord> DecodeMessageRecord(std::string_view bytes);

}  // namespace mailreeve::mail
