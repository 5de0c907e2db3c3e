#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <string>
#include <string_view>

// Secrets that must be read again, sealed for storage: AES-256-GCM with a random nonce. Pure
// functions; thread-safe.
//
//   const Secret key(…);  // 32 random bytes, from a file of their own
//   TRY(const std::string stored, Seal(key, "totp " + account_id, secret));
//   TRY(const Secret secret, Unseal(key, "totp " + account_id, stored));
namespace mailreeve::crypto {

inline constexpr size_t kSealingKeyBytes = 32;

// Text fit for a database column. `place` says where the value belongs (table, row): a sealed value
// that was copied to another place does not open there. kInvalid: the key has not 32 bytes.
Result<std::string> Seal(const Secret& key, std::string_view place, std::string_view text);
// kCorrupt: another key or place, or changed bytes.
Result<Secret> Unseal(const Secret& key, std::string_view place, std::string_view sealed);

}  // namespace mailreeve::crypto
