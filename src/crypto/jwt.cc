#include "crypto/jwt.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

namespace mailreeve::crypto {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;
constexpr std::string_view kKeyNotFound = "jwt_public_key_not_found";
constexpr std::string_view kInvalidSignature = "jwt_invalid_signature";

tl::unexpected<Error> Refuse(std::string_view why) {
  return Fail(Code::kUnauthenticated, std::string(why));
}

Result<std::string> ParameterOf(EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) {
    return OpenSslFailed(Code::kInternal, "cannot read the RSA key");
  }
  const Number number(raw);
  std::string bytes(static_cast<size_t>(BN_num_bytes(raw)), '\0');
  BN_bn2bin(raw, reinterpret_cast<unsigned char*>(bytes.data()));
  return Base64UrlEncode(bytes);
}

}  // namespace

struct SigningKey::Impl {
  Key key;
  std::string n, e, kid, pem;

  static Result<std::unique_ptr<Impl>> Make(Key key) {
    auto impl = std::make_unique<Impl>();
    TRY(impl->n, ParameterOf(key.get(), OSSL_PKEY_PARAM_RSA_N));
    TRY(impl->e, ParameterOf(key.get(), OSSL_PKEY_PARAM_RSA_E));
    // RFC 7638 section 3.2: required members in order, no white space.
    impl->kid = Base64UrlEncode(
        Sha256("{\"e\":\"" + impl->e + "\",\"kty\":\"RSA\",\"n\":\"" + impl->n + "\"}"));
    impl->pem = WritePrivateKey(key.get());
    if (impl->pem.empty()) return Fail(Code::kInternal, "cannot write the RSA key");
    impl->key = std::move(key);
    return impl;
  }
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() {
  if (impl_) OPENSSL_cleanse(impl_->pem.data(), impl_->pem.size());
}

Result<SigningKey> SigningKey::GenerateRsa(int bits) {
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return Fail(Code::kInvalid, "an RSA key has from " + std::to_string(kMinRsaBits) + " to " +
                                    std::to_string(kMaxRsaBits) + " bits");
  }
  Key key(EVP_RSA_gen(static_cast<size_t>(bits)));
  if (!key) return OpenSslFailed(Code::kInternal, "cannot make an RSA key");
  TRY(auto impl, Impl::Make(std::move(key)));
  return SigningKey(std::move(impl));
}

Result<SigningKey> SigningKey::FromPem(std::string_view pem) {
  Key key = ReadPrivateKey(pem);
  if (!key) return OpenSslFailed(Code::kInvalid, "not a private key in PEM without a password");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Fail(Code::kInvalid, "the signing key must be an RSA key");
  }
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return Fail(Code::kInvalid, "the RSA key has " + std::to_string(bits) + " bits; it must have " +
                                    std::to_string(kMinRsaBits) + " to " +
                                    std::to_string(kMaxRsaBits));
  }
  TRY(auto impl, Impl::Make(std::move(key)));
  return SigningKey(std::move(impl));
}

std::string SigningKey::ToPem() const { return impl_->pem; }
const std::string& SigningKey::kid() const { return impl_->kid; }

json::object SigningKey::PublicJwk() const {
  return {{"kty", "RSA"},   {"kid", impl_->kid}, {"use", "sig"},
          {"alg", "RS256"}, {"n", impl_->n},     {"e", impl_->e}};
}

Result<std::string> SigningKey::SignJwt(const json::object& claims) const {
  const json::object header{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", impl_->kid}};
  std::string token =
      Base64UrlEncode(json::Serialize(header)) + "." + Base64UrlEncode(json::Serialize(claims));
  const Digest context(EVP_MD_CTX_new());
  size_t size = static_cast<size_t>(EVP_PKEY_get_size(impl_->key.get()));
  std::string signature(size, '\0');
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(token.data()), token.size()) != 1) {
    return OpenSslFailed(Code::kInternal, "cannot sign a token");
  }
  signature.resize(size);
  token += "." + Base64UrlEncode(signature);
  if (token.size() > kMaxTokenBytes) {
    return Fail(Code::kLimited, "a token has at most " + std::to_string(kMaxTokenBytes) + " bytes");
  }
  return token;
}

Result<json::object> SigningKey::VerifyJwt(std::string_view token) const {
  TRY(Jws jws, ReadJws(token));
  // The token may name the algorithm we use, never choose one; keys it brings along (jwk, jku, x5u)
  // are not looked at.
  if (jws.algorithm != "RS256") return Refuse(kDecodeFailed);
  if (jws.kid != impl_->kid) return Refuse(kKeyNotFound);
  if (!VerifySignature(impl_->key.get(), jws.signed_text, jws.signature))
    return Refuse(kInvalidSignature);
  return std::move(jws.claims);
}

Result<std::string> KidOfJwt(std::string_view token) {
  TRY(Jws jws, ReadJws(token));
  return std::move(jws.kid);
}

}  // namespace mailreeve::crypto
