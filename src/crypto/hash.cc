#include "crypto/hash.h"

#include "base/check.h"
#include "crypto/openssl.h"

#include <openssl/hmac.h>

namespace mailreeve::crypto {
namespace {

const EVP_MD* Algorithm(HashKind kind) {
  switch (kind) {
    case HashKind::kSha256:
      return EVP_sha256();
    case HashKind::kSha1:
      return EVP_sha1();
    case HashKind::kMd5:
      return EVP_md5();
    case HashKind::kSha384:
      return EVP_sha384();
    case HashKind::kSha512:
      return EVP_sha512();
  }
  return EVP_sha256();
}

}  // namespace

struct Hasher::Impl {
  Digest context{EVP_MD_CTX_new()};
};

Hasher::Hasher(HashKind kind) : impl_(std::make_unique<Impl>()) {
  CHECK(impl_->context != nullptr);
  CHECK(EVP_DigestInit_ex(impl_->context.get(), Algorithm(kind), nullptr) == 1);
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::Update(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1);
}

std::string Hasher::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(impl_->context.get(), digest, &size) == 1);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string Hash(HashKind kind, std::string_view bytes) {
  Hasher hasher(kind);
  hasher.Update(bytes);
  return hasher.Finish();
}

std::string Sha256(std::string_view bytes) { return Hash(HashKind::kSha256, bytes); }

namespace {

std::string Hmac(const EVP_MD* algorithm, std::string_view key, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(key.size() <= static_cast<size_t>(INT32_MAX));
  // A null key means "go on with the last one" to HMAC.
  CHECK(HMAC(algorithm, key.empty() ? "" : key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest,
             &size) != nullptr);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

}  // namespace

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  return Hmac(EVP_sha256(), key, bytes);
}

std::string HmacSha1(std::string_view key, std::string_view bytes) {
  return Hmac(EVP_sha1(), key, bytes);
}

}  // namespace mailreeve::crypto
