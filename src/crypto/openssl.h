#pragma once

#include "base/result.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

// Owners of OpenSSL objects, for crypto/*.cc only.
namespace mailreeve::crypto {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;

using Bio = Owned<BIO, BIO_free_all>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Digest = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using Certificate = Owned<X509, X509_free>;
using Request = Owned<X509_REQ, X509_REQ_free>;
using Name = Owned<X509_NAME, X509_NAME_free>;
using Number = Owned<BIGNUM, BN_free>;

// The last error of this thread as ours, and an empty error queue.
inline tl::unexpected<Error> OpenSslFailed(Code code, std::string doing) {
  const unsigned long error = ERR_peek_last_error();
  if (error != 0) {
    char text[256];
    ERR_error_string_n(error, text, sizeof(text));
    doing += ": ";
    doing += text;
  }
  ERR_clear_error();
  return Fail(code, std::move(doing));
}

// A BIO that reads `bytes`, which must stay. Null when there is no memory or too many bytes.
inline Bio ReadFrom(std::string_view bytes) {
  if (bytes.size() > 1024 * 1024) return nullptr;
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

inline std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

// PKCS #8, not encrypted; an encrypted one is refused and never asked for on a terminal.
Key ReadPrivateKey(std::string_view pem);
std::string WritePrivateKey(EVP_PKEY* key);

}  // namespace mailreeve::crypto
