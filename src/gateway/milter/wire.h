#pragma once

#include "gateway/milter/milter.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Packets of the milter protocol: four bytes of length (big endian), one command byte, data.
// Numbers and letters are those of the public libmilter protocol. Pure values and functions.
namespace mailreeve::gateway::milter {

// What the mail server sends.
enum class Command : char {
  kAbort = 'A',
  kBody = 'B',
  kConnect = 'C',
  kMacro = 'D',
  kEndOfMessage = 'E',
  kHelo = 'H',
  kQuitNewConnection = 'K',
  kHeader = 'L',
  kMail = 'M',
  kEndOfHeader = 'N',
  kNegotiate = 'O',
  kQuit = 'Q',
  kRcpt = 'R',
  kData = 'T',
  kUnknown = 'U',
};

// What we send.
enum class Reply : char {
  kAddRecipient = '+',
  kDeleteRecipient = '-',
  kAddRecipientWithArguments = '2',
  kAccept = 'a',
  kReplaceBody = 'b',
  kContinue = 'c',
  kDiscard = 'd',
  kChangeSender = 'e',
  kAddHeader = 'h',
  kInsertHeader = 'i',
  kChangeHeader = 'm',
  kProgress = 'p',
  kQuarantine = 'q',
  kReject = 'r',
  kSkip = 's',
  kTempFail = 't',
  kReplyCode = 'y',
};

inline constexpr uint32_t kOldestVersion = 2;
inline constexpr uint32_t kNewestVersion = 6;

// SMFIF_*: what we may do to a message.
namespace action {
inline constexpr uint32_t kAddHeaders = 0x1, kChangeBody = 0x2, kAddRecipients = 0x4,
                          kDeleteRecipients = 0x8, kChangeHeaders = 0x10, kQuarantine = 0x20,
                          kChangeSender = 0x40, kAddRecipientsWithArguments = 0x80,
                          kSetMacros = 0x100;
}  // namespace action

// SMFIP_*: which steps the mail server leaves out, and at which it does not wait for an answer.
namespace protocol {
inline constexpr uint32_t kNoConnect = 0x1, kNoHelo = 0x2, kNoMail = 0x4, kNoRcpt = 0x8,
                          kNoBody = 0x10, kNoHeaders = 0x20, kNoEndOfHeader = 0x40,
                          kNoReplyHeader = 0x80, kNoUnknown = 0x100, kNoData = 0x200, kSkip = 0x400,
                          kRejectedRecipients = 0x800, kNoReplyConnect = 0x1000,
                          kNoReplyHelo = 0x2000, kNoReplyMail = 0x4000, kNoReplyRcpt = 0x8000,
                          kNoReplyData = 0x10000, kNoReplyUnknown = 0x20000,
                          kNoReplyEndOfHeader = 0x40000, kNoReplyBody = 0x80000,
                          kHeaderLeadingSpace = 0x100000;
}  // namespace protocol

// What both sides agreed on.
struct Agreement {
  uint32_t version = 0;
  uint32_t actions = 0;
  uint32_t protocol = 0;
  bool Allows(uint32_t bits) const { return (actions & bits) == bits; }
  // The mail server waits for our answer at this stage.
  bool Waits(Stage stage) const;
};

// Data of a negotiation packet.
struct Offer {
  uint32_t version = 0, actions = 0, protocol = 0;
};
Result<Offer> ReadOffer(std::string_view data);
// Never more than was offered. kInvalid when the version is older than we speak.
Result<Agreement> Agree(const Offer& offer, StageSet asked_at);
// Our negotiation packet, with the macros we want when the mail server lets us choose.
std::string NegotiationPacket(const Agreement& agreement);

// Appends one packet.
void AppendPacket(std::string& out, Reply reply, std::string_view data = {});
void AppendNumber(std::string& out, uint32_t number);

// Takes a NUL-terminated string off the front; nothing when there is no NUL.
std::optional<std::string_view> TakeString(std::string_view& data);
std::optional<uint32_t> TakeNumber(std::string_view& data);

struct Packet {
  char command = 0;
  std::string_view data;  // until the next Space() or Next()
};

// Cuts a byte stream into packets. Memory grows with what has come in, never with what a length
// promises.
class PacketReader {
 public:
  explicit PacketReader(size_t max_packet_bytes) : max_(max_packet_bytes) {}

  // Where to read to; then Commit what came.
  std::span<char> Space();
  void Commit(size_t bytes) { end_ += bytes; }
  // The next whole packet, or nothing yet. kInvalid for a length of zero, kLimited for one over the
  // limit; after an error the stream cannot be read on.
  Result<std::optional<Packet>> Next();
  // A packet has begun to come in.
  bool partial() const { return end_ > begin_; }

 private:
  size_t max_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace mailreeve::gateway::milter
