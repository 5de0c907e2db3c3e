#include "crypto/totp.h"

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/hash.h"

#include <algorithm>
#include <chrono>

namespace mailreeve::crypto {
namespace {

constexpr size_t kSecretBytes = 20;
constexpr int64_t kStepSeconds = 30;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

std::string Escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace

Secret NewTotpSecret() { return Secret(RandomBytes(kSecretBytes)); }

std::string Base32Encode(std::string_view bytes) {
  std::string out;
  uint32_t buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = buffer << 8 | static_cast<unsigned char>(c);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += kAlphabet[buffer >> bits & 31];
    }
    buffer &= (1u << bits) - 1;
  }
  if (bits > 0) out += kAlphabet[buffer << (5 - bits) & 31];
  return out;
}

Result<std::string> Base32Decode(std::string_view text) {
  std::string out;
  uint32_t buffer = 0;
  int bits = 0;
  for (char c : text) {
    if (c == ' ' || c == '-') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return Fail(Code::kInvalid, "not base32");
    buffer = buffer << 5 | static_cast<uint32_t>(value);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(buffer >> bits & 255);
    }
    buffer &= (1u << bits) - 1;
  }
  return out;
}

std::string HotpCode(const Secret& secret, uint64_t counter) {
  std::string message(8, '\0');
  for (int i = 7; i >= 0; --i) {
    message[static_cast<size_t>(i)] = static_cast<char>(counter & 255);
    counter >>= 8;
  }
  const std::string mac = HmacSha1(secret.Reveal(), message);
  const auto byte = [&](size_t at) {
    return static_cast<uint32_t>(static_cast<unsigned char>(mac[at]));
  };
  const size_t offset = byte(19) & 15;
  const uint32_t number = (byte(offset) & 127) << 24 | byte(offset + 1) << 16 |
                          byte(offset + 2) << 8 | byte(offset + 3);
  std::string digits = std::to_string(number % 1000000);
  return std::string(6 - digits.size(), '0') + digits;
}

std::optional<int64_t> MatchTotp(const Secret& secret, std::string_view code, Time now,
                                 int64_t after_step) {
  const int64_t step =
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count() / kStepSeconds;
  std::optional<int64_t> found;
  for (int64_t candidate = std::max<int64_t>(step - 1, 0); candidate <= step + 1; ++candidate) {
    const bool right = ConstantTimeEqual(HotpCode(secret, static_cast<uint64_t>(candidate)), code);
    if (right && candidate > after_step) found = candidate;
  }
  return found;
}

std::string OtpauthUri(std::string_view issuer, std::string_view account, const Secret& secret) {
  return "otpauth://totp/" + Escape(issuer) + ":" + Escape(account) +
         "?secret=" + Base32Encode(secret.Reveal()) + "&issuer=" + Escape(issuer) +
         "&algorithm=SHA1&digits=6&period=30";
}

}  // namespace mailreeve::crypto
