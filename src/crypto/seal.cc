#include "crypto/seal.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/openssl.h"
#include "json/json.h"

#include <algorithm>

namespace mailreeve::crypto {
namespace {

constexpr size_t kKeyBytes = 32, kNonceBytes = 12, kTagBytes = 16;
constexpr size_t kMaxKeys = 1000;
constexpr size_t kMaxPlain = 64 * 1024 * 1024;

using Cipher = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct Parts {
  std::string_view key_id, body;
};
bool Split3(std::string_view sealed, Parts& out) {
  const auto pieces = mailreeve::Split(sealed, '.');
  if (pieces.size() != 3 || pieces[0] != "1") return false;
  out = {pieces[1], pieces[2]};
  return true;
}

}  // namespace

SealingKeys SealingKeys::Make() {
  SealingKeys keys;
  keys.AddKey();
  return keys;
}

void SealingKeys::AddKey() {
  keys_.push_back({HexEncode(RandomBytes(8)), Secret(RandomBytes(kKeyBytes))});
}

void SealingKeys::ForgetOldKeys() { keys_.erase(keys_.begin(), keys_.end() - 1); }

Result<SealingKeys> SealingKeys::FromText(std::string_view text) {
  const auto wrong = [] { return Fail(Code::kCorrupt, "not a file of sealing keys"); };
  auto parsed = json::Parse(text, {.max_bytes = 1024 * 1024, .max_depth = 8});
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  const json::value* list = root == nullptr ? nullptr : root->if_contains("keys");
  if (list == nullptr || !list->is_array()) return wrong();
  const json::array& items = list->get_array();
  if (items.empty() || items.size() > kMaxKeys) return wrong();
  SealingKeys out;
  for (const json::value& item : items) {
    const json::object* object = item.if_object();
    if (object == nullptr) return wrong();
    auto id = json::RequireString(*object, "id");
    auto key = json::RequireString(*object, "key");
    if (!id || !key || id->empty() || id->find('.') != std::string::npos) return wrong();
    auto bytes = Base64Decode(*key);
    if (!bytes || bytes->size() != kKeyBytes) return wrong();
    out.keys_.push_back({*id, Secret(*std::move(bytes))});
  }
  return out;
}

Secret SealingKeys::ToText() const {
  json::array list;
  for (const Key& key : keys_) {
    list.push_back(json::object{{"id", key.id}, {"key", Base64Encode(key.bytes.Reveal())}});
  }
  return Secret(json::Serialize(json::object{{"keys", std::move(list)}}) + "\n");
}

Result<std::string> SealingKeys::Seal(std::string_view plain, std::string_view context) const {
  if (plain.size() > kMaxPlain) return Fail(Code::kLimited, "too long to be sealed");
  const Key& key = keys_.back();
  const std::string nonce = RandomBytes(kNonceBytes);
  std::string out(kNonceBytes + plain.size() + kTagBytes, '\0');
  std::copy(nonce.begin(), nonce.end(), out.begin());
  Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0, rest = 0;
  if (!cipher ||
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key.bytes.Reveal()),
                         Bytes(std::string_view(nonce))) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &rest, Bytes(context),
                        static_cast<int>(context.size())) != 1 ||
      EVP_EncryptUpdate(cipher.get(), Bytes(out) + kNonceBytes, &written, Bytes(plain),
                        static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), Bytes(out) + kNonceBytes + written, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                          Bytes(out) + kNonceBytes + plain.size()) != 1) {
    return OpenSslFailed(Code::kInternal, "sealing a secret");
  }
  return "1." + key.id + "." + Base64UrlEncode(out);
}

Result<Secret> SealingKeys::Open(std::string_view sealed, std::string_view context) const {
  Parts parts;
  if (!Split3(sealed, parts)) return Fail(Code::kCorrupt, "not a sealed secret");
  const auto key = std::find_if(keys_.begin(), keys_.end(),
                                [&](const Key& have) { return have.id == parts.key_id; });
  if (key == keys_.end()) {
    return Fail(Code::kCorrupt, "a secret is sealed by a key that is not in the key file");
  }
  auto bytes = Base64Decode(parts.body);
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) {
    return Fail(Code::kCorrupt, "a sealed secret is damaged");
  }
  const size_t size = bytes->size() - kNonceBytes - kTagBytes;
  std::string plain(size, '\0');
  Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0, rest = 0;
  unsigned char* all = Bytes(*bytes);
  if (!cipher ||
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key->bytes.Reveal()),
                         all) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &rest, Bytes(context),
                        static_cast<int>(context.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), Bytes(plain), &written, all + kNonceBytes,
                        static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes,
                          all + kNonceBytes + size) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), Bytes(plain) + written, &rest) != 1) {
    ERR_clear_error();
    return Fail(Code::kCorrupt, "a sealed secret was changed or belongs elsewhere");
  }
  return Secret(std::move(plain));
}

bool SealingKeys::IsCurrent(std::string_view sealed) const {
  Parts parts;
  return Split3(sealed, parts) && parts.key_id == keys_.back().id;
}

}  // namespace mailreeve::crypto
