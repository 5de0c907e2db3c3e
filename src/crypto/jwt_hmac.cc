#include "crypto/jwt_hmac.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace mailreeve::crypto {
namespace {

constexpr size_t kMaxToken = 8 * 1024;

Result<json::object> ReadPart(std::string_view part) {
  TRY(const std::string text, Base64Decode(part));
  TRY(const json::value read, json::Parse(text, {.max_bytes = kMaxToken, .max_depth = 8}));
  TRY(const json::object* object, json::AsObject(read, ""));
  return *object;
}

}  // namespace

HmacTokenKey::HmacTokenKey(Secret key) : key_(std::move(key)) { CHECK(key_.Reveal().size() >= 32); }

std::string HmacTokenKey::Sign(const json::object& claims) const {
  std::string out = Base64UrlEncode(R"({"alg":"HS256","typ":"JWT"})") + "." +
                    Base64UrlEncode(json::Serialize(claims));
  out += "." + Base64UrlEncode(HmacSha256(key_.Reveal(), out));
  return out;
}

Result<json::object> HmacTokenKey::Verify(std::string_view token) const {
  const auto refuse = [](const char* why) { return Fail(Code::kUnauthenticated, why); };
  if (token.size() > kMaxToken) return refuse("the token is too long");
  const auto parts = Split(token, '.');
  if (parts.size() != 3) return refuse("the token does not have three parts");
  const auto signature = Base64Decode(parts[2]);
  if (!signature) return refuse("the token's signature is not base64");
  const std::string_view signed_text = token.substr(0, parts[0].size() + 1 + parts[1].size());
  // Before anything of it is read as JSON.
  if (!ConstantTimeEqual(*signature, HmacSha256(key_.Reveal(), signed_text)))
    return refuse("the token's signature is wrong");
  const auto header = ReadPart(parts[0]);
  if (!header) return refuse("the token's header cannot be read");
  const json::value* algorithm = header->if_contains("alg");
  if (algorithm == nullptr || !algorithm->is_string() || algorithm->get_string() != "HS256")
    return refuse("the token's algorithm is not HS256");
  auto claims = ReadPart(parts[1]);
  if (!claims) return refuse("the token's claims cannot be read");
  return *std::move(claims);
}

}  // namespace mailreeve::crypto
