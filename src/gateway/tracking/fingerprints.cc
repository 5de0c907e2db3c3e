#include "gateway/tracking/fingerprints.h"

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/hash.h"
#include "gateway/tracking/observables_of.h"

#include <boost/asio/ip/address.hpp>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace mailreeve::gateway::tracking {
namespace {

using observable::Type;

struct Address {
  std::array<uint8_t, 16> bytes{};
  size_t size = 0;  // 4 or 16; 0: none
};

Address ParseAddress(std::string_view text) {
  Address out;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(text), error);
  if (error) return out;
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    out.size = 4;
  } else {
    const auto bytes = address.to_v6().to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    out.size = 16;
  }
  return out;
}

// Lengths of the networks that are indexed, in bytes.
constexpr std::array<size_t, 3> kV4 = {1, 2, 3};
constexpr std::array<size_t, 3> kV6 = {4, 6, 8};

uint64_t NetworkToken(const Address& address, size_t bytes) {
  std::string value(1, static_cast<char>(address.size));
  value.append(reinterpret_cast<const char*>(address.bytes.data()), bytes);
  return Token(TokenKind::kNetwork, value);
}

struct Network {
  Address address;
  unsigned bits = 0;
};
Result<Network> ParseNetwork(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return Fail(Code::kInvalid, "network '" + std::string(text.substr(0, 64)) + "': " + why +
                                    "; write it as 192.0.2.0/24 or 2001:db8::/32");
  };
  const size_t slash = text.find('/');
  Network out;
  out.address = ParseAddress(text.substr(0, slash));
  if (out.address.size == 0) return wrong("it does not begin with an IP address");
  const auto most = static_cast<unsigned>(out.address.size * 8);
  out.bits = most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), out.bits);
    if (got.ec != std::errc() || got.ptr != digits.data() + digits.size() || out.bits > most) {
      return wrong("the number after / is not a prefix length");
    }
  }
  for (unsigned bit = out.bits; bit < most; ++bit) {
    out.address.bytes[bit / 8] =
        static_cast<uint8_t>(out.address.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  return out;
}

// How observables are counted against a limit.
constexpr std::array<std::string_view, 7> kClasses = {"url",       "domain",    "email", "ip",
                                                      "file_hash", "file_name", "other"};
size_t ClassOf(Type type) {
  switch (type) {
    case Type::kUrl:
      return 0;
    case Type::kDomain:
      return 1;
    case Type::kEmail:
      return 2;
    case Type::kIp:
    case Type::kIpv6:
      return 3;
    case Type::kSha256:
    case Type::kSha1:
    case Type::kMd5:
      return 4;
    case Type::kFileName:
      return 5;
    default:
      return 6;
  }
}

void SortUnique(std::vector<uint64_t>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

uint64_t Token(TokenKind kind, std::string_view value) {
  // Observables have their type, a small number, for seed.
  const uint64_t hash =
      XXH3_64bits_withSeed(value.data(), value.size(), 0x100000 + static_cast<uint64_t>(kind));
  return hash == 0 ? 1 : hash;
}

uint64_t DirectionToken(mail::Direction direction) {
  return Token(TokenKind::kDirection, mail::DirectionName(direction));
}
uint64_t EventToken(mail::EventKind kind) {
  return Token(TokenKind::kEvent, mail::EventName(kind));
}
uint64_t DispositionToken(int disposition) {
  return Token(TokenKind::kDisposition, std::to_string(disposition));
}

bool IsEventToken(uint64_t fingerprint) {
  static const std::vector<uint64_t> all = [] {
    std::vector<uint64_t> tokens;
    for (unsigned kind = 0; kind <= mail::kMaxEventKind; ++kind) {
      tokens.push_back(EventToken(static_cast<mail::EventKind>(kind)));
    }
    SortUnique(tokens);
    return tokens;
  }();
  return std::binary_search(all.begin(), all.end(), fingerprint);
}

std::vector<uint64_t> FingerprintsOf(mail::MessageRecord& record, const IndexLimits& limits) {
  std::vector<uint64_t> out;
  std::array<size_t, kClasses.size()> counts{}, dropped{};
  ForEachObservable(record, [&](Type type, std::string_view, uint64_t fingerprint) {
    if (type == Type::kCiscoMid) return;  // rows are found by id without the index
    const size_t index = ClassOf(type);
    // Recipients come before most other addresses and have a limit of their own.
    const size_t limit = kClasses[index] == "email" ? std::max(limits.per_class, limits.recipients)
                                                    : limits.per_class;
    if (++counts[index] > limit) {
      ++dropped[index];
    } else {
      out.push_back(fingerprint);
    }
  });
  for (size_t i = 0; i < kClasses.size(); ++i) {
    if (dropped[i] == 0) continue;
    record.inspection.limits_hit.push_back("index:" + std::string(kClasses[i]) + ":" +
                                           std::to_string(dropped[i]));
  }
  out.push_back(DirectionToken(record.direction));
  for (const auto& verdict : record.verdicts) {
    out.push_back(DispositionToken(verdict.disposition));
  }
  if (!record.queue_id.empty()) out.push_back(Token(TokenKind::kQueueId, record.queue_id));
  if (const Address address = ParseAddress(record.connection.client_address); address.size != 0) {
    for (const size_t bytes : address.size == 4 ? kV4 : kV6) {
      out.push_back(NetworkToken(address, bytes));
    }
  }
  SortUnique(out);
  return out;
}

std::vector<uint64_t> EventTokens(std::span<const mail::Event> events) {
  std::vector<uint64_t> out;
  out.reserve(events.size());
  for (const auto& event : events) out.push_back(EventToken(event.kind));
  SortUnique(out);
  return out;
}

Result<NetworkTokens> TokensOfNetwork(std::string_view network) {
  TRY(const Network parsed, ParseNetwork(network));
  NetworkTokens out;
  for (const size_t bytes : parsed.address.size == 4 ? kV4 : kV6) {
    if (bytes * 8 < parsed.bits) continue;
    const unsigned free_bits = static_cast<unsigned>(bytes * 8) - parsed.bits;
    if (free_bits > 8) {
      return Fail(Code::kLimited, "network '" + std::string(network) +
                                      "' is too large to look for; ask for a longer prefix");
    }
    // The free bits are in the last byte, or are all of it.
    for (unsigned i = 0; i < 1U << free_bits; ++i) {
      Address each = parsed.address;
      each.bytes[bytes - 1] = static_cast<uint8_t>(each.bytes[bytes - 1] | i);
      out.tokens.push_back(NetworkToken(each, bytes));
    }
    return out;
  }
  out.exact = false;
  out.tokens.push_back(NetworkToken(parsed.address, parsed.address.size == 4 ? 3 : 8));
  return out;
}

bool InNetwork(std::string_view address, std::string_view network) {
  const auto parsed = ParseNetwork(network);
  const Address ip = ParseAddress(address);
  if (!parsed || ip.size != parsed->address.size) return false;
  for (unsigned bit = 0; bit < parsed->bits; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    if ((ip.bytes[bit / 8] & mask) != (parsed->address.bytes[bit / 8] & mask)) return false;
  }
  return true;
}

Result<std::string> PrivacyKey(io::Files& files, const std::string& path) {
  constexpr size_t kKeyBytes = 32;
  auto key = io::ReadWhole(files, path, 4096);
  if (key && key->size() < kKeyBytes) {
    return Fail(Code::kCorrupt, "the key of the tracking privacy settings '" + path +
                                    "' is too short; without the old one hashed fields can no "
                                    "longer be searched: restore it");
  }
  if (key || key.error().code != Code::kNotFound) return key;
  std::string made = RandomBytes(kKeyBytes);
  TRY_VOID(io::ReplaceWhole(files, path, made));
  return made;
}

std::string HashedText(std::string_view text, const Privacy& privacy) {
  return "hmac:" + HexEncode(crypto::HmacSha256(privacy.key, text)).substr(0, 32);
}

namespace {

// Calls `each` for every text of the classes that are kept in the way given.
template <class Each>
void ForFields(mail::MessageRecord& record, const Privacy& privacy, Keep keep, Each each) {
  mail::Inspection& i = record.inspection;
  const auto is_recipient = [](mail::AddressRole role) {
    switch (role) {
      case mail::AddressRole::kEnvelopeTo:
      case mail::AddressRole::kTo:
      case mail::AddressRole::kCc:
      case mail::AddressRole::kBcc:
      case mail::AddressRole::kResentTo:
        return true;
      default:
        return false;
    }
  };
  if (privacy.subjects == keep) {
    each(i.subject);
    each(i.subject_raw);
    for (auto& text : i.other_subjects) each(text);
  }
  if (privacy.senders == keep) {
    each(record.envelope_from);
    each(record.envelope_from_raw);
  }
  for (auto& address : i.addresses) {
    if ((is_recipient(address.role) ? privacy.recipients : privacy.senders) != keep) continue;
    each(address.address);
    each(address.display_name);
    each(address.raw);
  }
  if (privacy.recipients == keep) {
    for (auto& recipient : record.recipients) {
      each(recipient.address);
      each(recipient.raw);
    }
  }
  if (privacy.file_names == keep) {
    for (auto& file : i.attachments) {
      for (auto& name : file.names) each(name);
    }
  }
  if (privacy.urls == keep) {
    for (auto& url : i.urls) {
      each(url.url);
      each(url.raw);
    }
  }
  if (privacy.client_address == keep) {
    each(record.connection.client_address);
    each(record.connection.client_name);
    each(record.connection.helo);
  }
}

}  // namespace

void DropFields(mail::MessageRecord& record, const Privacy& privacy) {
  if (!privacy.any()) return;
  ForFields(record, privacy, Keep::kDrop, [](std::string& text) { text.clear(); });
}

void HashFields(mail::MessageRecord& record, const Privacy& privacy) {
  if (!privacy.any()) return;
  ForFields(record, privacy, Keep::kHash, [&privacy](std::string& text) {
    if (!text.empty()) text = HashedText(text, privacy);
  });
}

}  // namespace mailreeve::gateway::tracking
