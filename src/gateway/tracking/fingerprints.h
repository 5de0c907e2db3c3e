#pragma once

#include "io/files.h"
#include "mail/message_record.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What the index holds of a message: fingerprints of its observables, and tokens, which are
// fingerprints of other things that are asked for (direction, network, queue id, kind of event …).
// Pure functions; thread-safe. docs/tracking-format.md section 4.
namespace mailreeve::gateway::tracking {

enum class TokenKind : uint8_t {
  kDirection = 1,
  kEvent,        // that happened; changes with later events, so it is made when a segment is
  kDisposition,  // of a verdict
  kNetwork,      // of the client: /8, /16, /24 or /32, /48, /64
  kQueueId,
};
uint64_t Token(TokenKind kind, std::string_view value);
uint64_t DirectionToken(mail::Direction direction);
uint64_t EventToken(mail::EventKind kind);
uint64_t DispositionToken(int disposition);
bool IsEventToken(uint64_t fingerprint);

struct IndexLimits {
  size_t per_class = 2000;    // observables of one class of one message
  size_t recipients = 50000;  // addresses of envelope recipients
};
// Sorted, unique; without event tokens. What a limit cut off is added to
// record.inspection.limits_hit
// ("index:url:1234" for that many not indexed).
std::vector<uint64_t> FingerprintsOf(mail::MessageRecord& record, const IndexLimits& limits);
// Sorted, unique.
std::vector<uint64_t> EventTokens(std::span<const mail::Event> events);

// The indexed networks that together are exactly `network` ("192.0.2.0/23" is two /24), or, when it
// is smaller than any indexed one, the one that holds it. kInvalid says what is wrong; kLimited: it
// would take more than 256.
struct NetworkTokens {
  std::vector<uint64_t> tokens;
  bool exact = true;  // false: the client address has to be compared, too
};
Result<NetworkTokens> TokensOfNetwork(std::string_view network);
// True when the address is in the network, both canonical.
bool InNetwork(std::string_view address, std::string_view network);

// Privacy (system.md A; settings tracking.privacy.*): how a class of fields is kept. What is
// searched for by exact value is found all the same, as its fingerprint is made before, except when
// it is dropped.
enum class Keep : uint8_t { kClear, kHash, kDrop };
struct Privacy {
  Keep subjects = Keep::kClear;
  Keep recipients = Keep::kClear;
  Keep senders = Keep::kClear;
  Keep file_names = Keep::kClear;
  Keep urls = Keep::kClear;
  Keep client_address = Keep::kClear;
  std::string key;  // of the keyed hash; at least 16 bytes when anything is hashed

  bool any() const {
    return subjects != Keep::kClear || recipients != Keep::kClear || senders != Keep::kClear ||
           file_names != Keep::kClear || urls != Keep::kClear || client_address != Keep::kClear;
  }
};
// The key of a file, which is made when it is not there. kCorrupt: it is too short.
Result<std::string> PrivacyKey(io::Files& files, const std::string& path);
// "hmac:" and 32 hex digits.
std::string HashedText(std::string_view text, const Privacy& privacy);
// Drops what is to be dropped: before fingerprints are made.
void DropFields(mail::MessageRecord& record, const Privacy& privacy);
// Replaces what is to be hashed: after.
void HashFields(mail::MessageRecord& record, const Privacy& privacy);

}  // namespace mailreeve::gateway::tracking
