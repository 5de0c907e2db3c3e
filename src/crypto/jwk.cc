#include "crypto/jwk.h"

#include "base/bytes.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

namespace mailreeve::crypto {
namespace {

constexpr size_t kMaxKeys = 100;
constexpr int kMinRsaBits = 2048, kMaxRsaBits = 16384;

std::string TextIn(const json::object& from, std::string_view name) {
  const json::value* value = from.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

using Builder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

Key FromParams(const char* kind, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return Key(key);
}

Key RsaKey(const json::object& jwk) {
  const Result<std::string> n = Base64Decode(TextIn(jwk, "n")), e = Base64Decode(TextIn(jwk, "e"));
  if (!n || !e || n->size() > kMaxRsaBits / 8 || e->empty() || e->size() > 8) return nullptr;
  const auto number = [](const std::string& bytes) {
    return Number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                            static_cast<int>(bytes.size()), nullptr));
  };
  const Number modulus = number(*n), exponent = number(*e);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!modulus || !exponent || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  Key key = FromParams("RSA", builder.get());
  if (key && EVP_PKEY_get_bits(key.get()) < kMinRsaBits) return nullptr;
  return key;
}

Key EcKey(const json::object& jwk) {
  const Result<std::string> x = Base64Decode(TextIn(jwk, "x")), y = Base64Decode(TextIn(jwk, "y"));
  if (TextIn(jwk, "crv") != "P-256" || !x || !y || x->size() != 32 || y->size() != 32)
    return nullptr;
  const std::string point = "\x04" + *x + *y;
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return FromParams("EC", builder.get());
}

// RFC 7518 section 3.4: r and s, 32 bytes each. OpenSSL wants them in DER.
std::string EcdsaDer(std::string_view raw) {
  if (raw.size() != 64) return {};
  const auto number = [&](size_t at) {
    return BN_bin2bn(reinterpret_cast<const unsigned char*>(raw.data()) + at, 32, nullptr);
  };
  const Owned<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
  Number r(number(0)), s(number(32));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();  // the signature has them now
  (void)s.release();
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &bytes);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

}  // namespace

struct JwkSet::Impl {
  struct Item {
    std::string kid, algorithm;
    Key key;
  };
  std::vector<Item> keys;
};

JwkSet::JwkSet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JwkSet::JwkSet(JwkSet&&) noexcept = default;
JwkSet& JwkSet::operator=(JwkSet&&) noexcept = default;
JwkSet::~JwkSet() = default;

size_t JwkSet::size() const { return impl_->keys.size(); }

Result<JwkSet> JwkSet::Parse(const json::value& document) {
  const json::object* object = document.if_object();
  const json::value* list = object != nullptr ? object->if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array() || list->get_array().size() > kMaxKeys)
    return Fail(Code::kInvalid, "no set of keys: must be {\"keys\":[…]} with at most 100");
  auto impl = std::make_unique<Impl>();
  for (const json::value& item : list->get_array()) {
    const json::object* jwk = item.if_object();
    if (jwk == nullptr) continue;
    const std::string kind = TextIn(*jwk, "kty"), use = TextIn(*jwk, "use"),
                      algorithm = TextIn(*jwk, "alg");
    if (!use.empty() && use != "sig") continue;
    Impl::Item made{TextIn(*jwk, "kid"), kind == "RSA" ? "RS256" : "ES256", nullptr};
    if (!algorithm.empty() && algorithm != made.algorithm) continue;
    if (kind == "RSA") made.key = RsaKey(*jwk);
    if (kind == "EC") made.key = EcKey(*jwk);
    if (made.key) impl->keys.push_back(std::move(made));
  }
  return JwkSet(std::move(impl));
}

Result<json::object> JwkSet::VerifyJwt(std::string_view token) const {
  TRY(Jws jws, ReadJws(token));
  // The algorithm is that of the key: a public key never becomes the secret of an HMAC.
  const Impl::Item* found = nullptr;
  for (const Impl::Item& item : impl_->keys) {
    if (item.algorithm != jws.algorithm) continue;
    if (!jws.kid.empty() && item.kid != jws.kid) continue;
    if (found != nullptr)
      return Fail(Code::kUnauthenticated, "jwt_public_key_not_found");  // which of the two?
    found = &item;
  }
  if (found == nullptr) return Fail(Code::kUnauthenticated, "jwt_public_key_not_found");
  const std::string signature =
      found->algorithm == "ES256" ? EcdsaDer(jws.signature) : jws.signature;
  if (!VerifySignature(found->key.get(), jws.signed_text, signature))
    return Fail(Code::kUnauthenticated, "jwt_invalid_signature");
  return std::move(jws.claims);
}

}  // namespace mailreeve::crypto
