#include "mail/content_digest.h"

#include "base/text.h"
#include "mail/digests.h"
#include "mail/header_fields.h"

#include <array>

namespace mailreeve::mail {
namespace {

// What the digest reads each byte of the body as; 0: left out.
constexpr std::array<char, 256> kBodyBytes = [] {
  std::array<char, 256> out{};
  for (int i = 0; i < 256; ++i) out[i] = static_cast<char>(i);
  out[0] = static_cast<char>(0x80);
  out[static_cast<unsigned char>(' ')] = 0;
  out[static_cast<unsigned char>('\t')] = 0;
  out[static_cast<unsigned char>('\r')] = 0;
  out[static_cast<unsigned char>('\n')] = 0;
  return out;
}();

// White space runs become one space, none at the ends; NUL as in the body.
std::string Collapse(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  bool gap = false;
  for (const char c : value) {
    const char mapped = kBodyBytes[static_cast<unsigned char>(c)];
    if (mapped == 0) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out.push_back(' ');
    gap = false;
    out.push_back(mapped);
  }
  return out;
}

}  // namespace

std::string ContentDigest(std::string_view message) {
  HeaderLimits limits;
  // Nothing may be left out here: two messages must not look alike because a limit hid where they
  // differ.
  limits.max_header_bytes = SIZE_MAX;
  limits.max_headers = SIZE_MAX;
  return ContentDigest(message, SplitHeader(message, limits));
}

std::string ContentDigest(std::string_view message, const HeaderBlock& header) {
  thread_local Digester digester(Digester::Kind::kSha256);
  digester.Start();
  for (const FieldKind kind : {FieldKind::kFrom, FieldKind::kTo, FieldKind::kCc,
                               FieldKind::kSubject, FieldKind::kDate, FieldKind::kMessageId}) {
    for (const HeaderField& field : header.fields) {
      if (field.kind != kind || field.doubtful) continue;
      digester.Update(AsciiLower(field.name) + ':' + Collapse(field.value) + '\n');
    }
  }
  digester.Update("\n");
  const std::string_view body = message.substr(header.header_size);
  char buffer[8192];
  size_t used = 0;
  for (const char c : body) {
    buffer[used] = kBodyBytes[static_cast<unsigned char>(c)];
    used += buffer[used] != 0;
    if (used == sizeof buffer) {
      digester.Update({buffer, used});
      used = 0;
    }
  }
  digester.Update({buffer, used});
  return digester.FinishHex();
}

}  // namespace mailreeve::mail
