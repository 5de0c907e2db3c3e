#include "gateway/milter/wire.h"

#include <algorithm>

namespace mailreeve::gateway::milter {
namespace {

constexpr size_t kReadBytes = 64 << 10;

uint32_t NumberAt(std::string_view data) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = (number << 8) | static_cast<unsigned char>(data[i]);
  return number;
}

// Which steps a version knows: a mail server of that version that offers more has a fault, and
// later bits would not be understood.
uint32_t ProtocolOf(uint32_t version) {
  if (version >= 6) return 0x1fffff;
  uint32_t bits = 0x7f;
  if (version >= 3) bits |= protocol::kNoUnknown;
  if (version >= 4) bits |= protocol::kNoData;
  return bits;
}

uint32_t ActionsOf(uint32_t version) { return version >= 6 ? 0x1ff : 0x3f; }

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kConnect:
      return "connect";
    case Stage::kHelo:
      return "helo";
    case Stage::kMail:
      return "mail";
    case Stage::kRcpt:
      return "rcpt";
    case Stage::kData:
      return "data";
    case Stage::kHeader:
      return "header";
    case Stage::kEndOfHeader:
      return "eoh";
    case Stage::kBody:
      return "body";
    case Stage::kEndOfMessage:
      return "eom";
    case Stage::kUnknown:
      return "unknown";
  }
  return "unknown";
}

bool Agreement::Waits(Stage stage) const {
  switch (stage) {
    case Stage::kConnect:
      return (protocol & protocol::kNoReplyConnect) == 0;
    case Stage::kHelo:
      return (protocol & protocol::kNoReplyHelo) == 0;
    case Stage::kMail:
      return (protocol & protocol::kNoReplyMail) == 0;
    case Stage::kRcpt:
      return (protocol & protocol::kNoReplyRcpt) == 0;
    case Stage::kData:
      return (protocol & protocol::kNoReplyData) == 0;
    case Stage::kHeader:
      return (protocol & protocol::kNoReplyHeader) == 0;
    case Stage::kEndOfHeader:
      return (protocol & protocol::kNoReplyEndOfHeader) == 0;
    case Stage::kBody:
      return (protocol & protocol::kNoReplyBody) == 0;
    case Stage::kUnknown:
      return (protocol & protocol::kNoReplyUnknown) == 0;
    case Stage::kEndOfMessage:
      return true;
  }
  return true;
}

Result<Offer> ReadOffer(std::string_view data) {
  if (data.size() < 12) {
    return Fail(Code::kInvalid,
                "milter negotiation of " + std::to_string(data.size()) + " bytes; 12 are needed");
  }
  return Offer{NumberAt(data), NumberAt(data.substr(4)), NumberAt(data.substr(8))};
}

Result<Agreement> Agree(const Offer& offer, StageSet asked_at) {
  if (offer.version < kOldestVersion) {
    return Fail(Code::kInvalid, "the mail server speaks milter version " +
                                    std::to_string(offer.version) +
                                    "; 2 or later is needed (Postfix: milter_protocol = 6)");
  }
  Agreement agreement;
  agreement.version = std::min(offer.version, kNewestVersion);
  agreement.actions = offer.actions & ActionsOf(agreement.version);
  uint32_t wanted = protocol::kNoReplyHeader | protocol::kNoReplyEndOfHeader |
                    protocol::kNoReplyBody | protocol::kSkip | protocol::kHeaderLeadingSpace;
  const auto unless = [&](Stage stage, uint32_t bit) {
    if (!asked_at.Has(stage)) wanted |= bit;
  };
  unless(Stage::kConnect, protocol::kNoReplyConnect);
  unless(Stage::kHelo, protocol::kNoReplyHelo);
  unless(Stage::kMail, protocol::kNoReplyMail);
  unless(Stage::kRcpt, protocol::kNoReplyRcpt);
  unless(Stage::kData, protocol::kNoData);
  unless(Stage::kUnknown, protocol::kNoUnknown);
  agreement.protocol = wanted & offer.protocol & ProtocolOf(agreement.version);
  return agreement;
}

std::string NegotiationPacket(const Agreement& agreement) {
  std::string data;
  AppendNumber(data, agreement.version);
  AppendNumber(data, agreement.actions);
  AppendNumber(data, agreement.protocol);
  if (agreement.Allows(action::kSetMacros)) {
    // Numbers of the stages: connect 0, helo 1, mail 2, rcpt 3, data 4, end of message 5, end of
    // header 6. TLS is asked for with MAIL, where it is up to date whatever the client did after
    // STARTTLS; the queue id with the end of the message, where every mail server knows it.
    static constexpr std::pair<uint32_t, std::string_view> kMacros[] = {
        {0,
         "j v {daemon_name} {daemon_addr} {daemon_port} {client_addr} {client_name} {client_port} "
         "{client_ptr}"},
        {1, ""},
        {2,
         "i {tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {auth_type} "
         "{auth_authen} "
         "{auth_author}"},
        {3, ""},
        {4, ""},
        {5, "i"},
        {6, ""},
    };
    for (const auto& [stage, names] : kMacros) {
      AppendNumber(data, stage);
      data += names;
      data += '\0';
    }
  }
  std::string out;
  AppendPacket(out, static_cast<Reply>(Command::kNegotiate), data);
  return out;
}

void AppendNumber(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((number >> shift) & 0xff);
}

void AppendPacket(std::string& out, Reply reply, std::string_view data) {
  AppendNumber(out, static_cast<uint32_t>(data.size() + 1));
  out += static_cast<char>(reply);
  out += data;
}

std::optional<std::string_view> TakeString(std::string_view& data) {
  const size_t end = data.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = data.substr(0, end);
  data.remove_prefix(end + 1);
  return text;
}

std::optional<uint32_t> TakeNumber(std::string_view& data) {
  if (data.size() < 4) return std::nullopt;
  const uint32_t number = NumberAt(data);
  data.remove_prefix(4);
  return number;
}

std::span<char> PacketReader::Space() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_.size() >
        4 * kReadBytes) {  // one large packet must not keep its memory for the whole connection
      buffer_.resize(kReadBytes);
      buffer_.shrink_to_fit();
    }
  }
  if (buffer_.size() - end_ < kReadBytes / 4) {
    if (begin_ > 0) {
      std::copy(buffer_.begin() + static_cast<ptrdiff_t>(begin_),
                buffer_.begin() + static_cast<ptrdiff_t>(end_), buffer_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    if (buffer_.size() - end_ < kReadBytes / 4) buffer_.resize(end_ + kReadBytes);
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

Result<std::optional<Packet>> PacketReader::Next() {
  const std::string_view have(buffer_.data() + begin_, end_ - begin_);
  if (have.size() < 4) return std::nullopt;
  const size_t length = NumberAt(have);
  if (length == 0) return Fail(Code::kInvalid, "milter packet of length zero");
  if (length > max_) {
    return Fail(Code::kLimited, "milter packet says it has " + std::to_string(length) + " bytes; " +
                                    std::to_string(max_) + " are allowed");
  }
  if (have.size() - 4 < length) return std::nullopt;
  begin_ += 4 + length;
  return Packet{have[4], have.substr(5, length - 1)};
}

}  // namespace mailreeve::gateway::milter
