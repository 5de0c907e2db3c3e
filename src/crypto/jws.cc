#include "crypto/jws.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/openssl.h"

namespace mailreeve::crypto {
namespace {

tl::unexpected<Error> Refuse() { return Fail(Code::kUnauthenticated, std::string(kDecodeFailed)); }

// RFC 7515 appendix C, strictly: no padding, no other alphabet, one form for each value. Two texts
// of one token would slip past lists of revoked ones.
Result<std::string> DecodeSegment(std::string_view text) {
  if (text.empty() || text.find_first_of("+/=") != std::string_view::npos) return Refuse();
  auto bytes = Base64Decode(text);
  if (!bytes || Base64UrlEncode(*bytes) != text) return Refuse();
  return *std::move(bytes);
}

Result<json::object> DecodeObject(std::string_view text) {
  TRY(const std::string bytes, DecodeSegment(text));
  auto parsed = json::Parse(
      bytes, {.max_bytes = kMaxTokenBytes, .max_depth = 16, .refuse_duplicate_keys = true});
  if (!parsed || !parsed->is_object()) return Refuse();
  return std::move(parsed->get_object());
}

std::string TextIn(const json::object& header, std::string_view name) {
  const json::value* value = header.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Result<Jws> ReadJws(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return Refuse();
  const auto parts = Split(token, '.');
  if (parts.size() != 3) return Refuse();
  Jws out;
  TRY(out.header, DecodeObject(parts[0]));
  // RFC 7515 section 4.1.11: an extension we do not know must be refused, and we know none.
  if (out.header.contains("crit")) return Refuse();
  TRY(out.claims, DecodeObject(parts[1]));
  TRY(out.signature, DecodeSegment(parts[2]));
  out.algorithm = TextIn(out.header, "alg");
  out.kid = TextIn(out.header, "kid");
  out.signed_text = token.substr(0, parts[0].size() + 1 + parts[1].size());
  return out;
}

bool VerifySignature(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  const Digest context(EVP_MD_CTX_new());
  const bool valid =
      context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size()) == 1;
  ERR_clear_error();
  return valid;
}

}  // namespace mailreeve::crypto
