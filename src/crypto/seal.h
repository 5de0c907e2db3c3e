#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <string>
#include <string_view>
#include <vector>

// Secrets at rest: AES-256-GCM with a ring of keys, the newest of which seals.
//
// Threads: const calls are safe. Errors: kCorrupt from Open for bytes that were changed, belong to
// another context, or whose key is not in the ring; kCorrupt from FromText.
//
//   TRY(auto keys, crypto::SealingKeys::FromText(file));
//   TRY(std::string sealed, keys.Seal("secret", "module-instance 5b0c…"));
//   TRY(Secret plain, keys.Open(sealed, "module-instance 5b0c…"));
namespace mailreeve::crypto {

class SealingKeys {
 public:
  // One fresh key.
  static SealingKeys Make();
  // What ToText wrote: JSON {"keys":[{"id","key"}]}, the newest last.
  static Result<SealingKeys> FromText(std::string_view text);
  Secret ToText() const;

  // A fresh key to seal with from now on; what older ones sealed can still be opened.
  void AddKey();
  // Drops all but the newest: for when everything has been sealed anew.
  void ForgetOldKeys();

  // Text "1.<key id>.<nonce, ciphertext and tag in base64url>". `context` is authenticated, not
  // stored: what is sealed for one row cannot be moved to another.
  Result<std::string> Seal(std::string_view plain, std::string_view context) const;
  Result<Secret> Open(std::string_view sealed, std::string_view context) const;
  bool IsCurrent(std::string_view sealed) const;  // by the newest key
  size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;
    Secret bytes;
  };
  std::vector<Key> keys_;
};

}  // namespace mailreeve::crypto
