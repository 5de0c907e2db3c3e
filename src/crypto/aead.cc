#include "crypto/aead.h"

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/openssl.h"

namespace mailreeve::crypto {
namespace {

constexpr size_t kNonceBytes = 12, kTagBytes = 16;
constexpr size_t kMaxBytes = 1024 * 1024;
constexpr std::string_view kForm = "v1.";

using Context = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

Result<std::string> Seal(const Secret& key, std::string_view place, std::string_view text) {
  if (key.Reveal().size() != kSealingKeyBytes || text.size() > kMaxBytes ||
      place.size() > kMaxBytes)
    return Fail(Code::kInvalid, "sealing needs a key of 32 bytes and at most 1 MiB of text");
  const std::string nonce = RandomBytes(kNonceBytes);
  std::string sealed(text.size(), '\0'), tag(kTagBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int size = 0;
  if (!context ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key.Reveal()),
                         Bytes(nonce)) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &size, Bytes(place),
                        static_cast<int>(place.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), Bytes(sealed), &size, Bytes(text),
                        static_cast<int>(text.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), Bytes(sealed) + size, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) != 1) {
    return OpenSslFailed(Code::kInternal, "cannot seal a secret");
  }
  return std::string(kForm) + Base64UrlEncode(nonce + sealed + tag);
}

Result<Secret> Unseal(const Secret& key, std::string_view place, std::string_view sealed) {
  const auto refuse = [] {
    ERR_clear_error();
    return Fail(Code::kCorrupt, "a sealed secret does not open: another key, or damage");
  };
  if (key.Reveal().size() != kSealingKeyBytes || sealed.size() > 2 * kMaxBytes ||
      sealed.substr(0, kForm.size()) != kForm) {
    return refuse();
  }
  const Result<std::string> bytes = Base64Decode(sealed.substr(kForm.size()));
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return refuse();
  const std::string_view nonce = std::string_view(*bytes).substr(0, kNonceBytes);
  const std::string_view body =
      std::string_view(*bytes).substr(kNonceBytes, bytes->size() - kNonceBytes - kTagBytes);
  std::string tag = bytes->substr(bytes->size() - kTagBytes);
  std::string text(body.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int size = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key.Reveal()),
                         Bytes(nonce)) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &size, Bytes(place),
                        static_cast<int>(place.size())) != 1 ||
      EVP_DecryptUpdate(context.get(), Bytes(text), &size, Bytes(body),
                        static_cast<int>(body.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(context.get(), Bytes(text) + size, &size) != 1) {
    return refuse();
  }
  return Secret(std::move(text));
}

}  // namespace mailreeve::crypto
