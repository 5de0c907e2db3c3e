#include "crypto/openssl.h"

namespace mailreeve::crypto {
namespace {

int NoPassword(char*, int, int, void*) { return -1; }

}  // namespace

Key ReadPrivateKey(std::string_view pem) {
  const Bio bio = ReadFrom(pem);
  if (!bio) return nullptr;
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassword, nullptr));
}

std::string WritePrivateKey(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return {};
  }
  return TextOf(bio.get());
}

}  // namespace mailreeve::crypto
