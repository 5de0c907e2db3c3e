#include "mail/digests.h"

#include "base/bytes.h"
#include "base/check.h"

#include <openssl/evp.h>

namespace mailreeve::mail {

struct Digester::Impl {
  EVP_MD* algorithm = nullptr;
  EVP_MD_CTX* context = nullptr;
  ~Impl() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(algorithm);
  }
};

Digester::Digester(Kind kind) : impl_(std::make_unique<Impl>()) {
  const char* name = kind == Kind::kSha256 ? "SHA256" : kind == Kind::kSha1 ? "SHA1" : "MD5";
  // MD5 and SHA-1 name files here and prove nothing, so a FIPS default must not take them away.
  impl_->algorithm = EVP_MD_fetch(nullptr, name, "-fips");
  impl_->context = EVP_MD_CTX_new();
  CHECK(impl_->algorithm != nullptr && impl_->context != nullptr);
}

Digester::~Digester() = default;

void Digester::Start() {
  CHECK(EVP_DigestInit_ex2(impl_->context, impl_->algorithm, nullptr) == 1);
}

void Digester::Update(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1);
}

std::string Digester::FinishHex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(impl_->context, digest, &size) == 1);
  return HexEncode({reinterpret_cast<const char*>(digest), size});
}

}  // namespace mailreeve::mail
