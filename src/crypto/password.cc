#include "crypto/password.h"

#include "base/random.h"

#include <argon2.h>

#include <charconv>

namespace mailreeve::crypto {
namespace {

constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr size_t kMaxPasswordBytes = 4096;
// A stored hash names its own cost; one that names more than this is damage or an attack on our
// memory.
constexpr uint32_t kMaxMemoryKib = 1024 * 1024;
constexpr uint32_t kMaxPasses = 64;
constexpr uint32_t kMaxLanes = 64;

// Reads "name=number" at the front of `text` and moves on.
bool ReadNumber(std::string_view& text, std::string_view name, uint32_t& value) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool IsAffordable(std::string_view hash) {
  constexpr std::string_view kPrefix = "$argon2id$v=19$";
  if (!hash.starts_with(kPrefix) || hash.size() > 512) return false;
  hash.remove_prefix(kPrefix.size());
  uint32_t memory = 0, passes = 0, lanes = 0;
  return ReadNumber(hash, "m=", memory) && ReadNumber(hash, ",t=", passes) &&
         ReadNumber(hash, ",p=", lanes) && hash.starts_with("$") && memory <= kMaxMemoryKib &&
         passes <= kMaxPasses && lanes <= kMaxLanes;
}

}  // namespace

Result<std::string> HashPassword(std::string_view password, const PasswordCost& cost) {
  if (password.size() > kMaxPasswordBytes) {
    return Fail(Code::kInvalid,
                "a password has at most " + std::to_string(kMaxPasswordBytes) + " bytes");
  }
  const std::string salt = RandomBytes(kSaltBytes);
  std::string encoded(argon2_encodedlen(cost.passes, cost.memory_kib, cost.lanes, kSaltBytes,
                                        kHashBytes, Argon2_id),
                      '\0');
  const int result = argon2id_hash_encoded(cost.passes, cost.memory_kib, cost.lanes,
                                           password.data(), password.size(), salt.data(),
                                           salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (result == ARGON2_MEMORY_ALLOCATION_ERROR || result == ARGON2_THREAD_FAIL) {
    return Fail(Code::kLimited, std::string("argon2id: ") + argon2_error_message(result));
  }
  if (result != ARGON2_OK) {
    return Fail(Code::kInvalid, std::string("argon2id: ") + argon2_error_message(result));
  }
  encoded.resize(encoded.find('\0'));
  return encoded;
}

bool VerifyPassword(std::string_view password, std::string_view hash) {
  const bool long_enough = password.size() <= kMaxPasswordBytes;
  if (!long_enough || !IsAffordable(hash)) {
    // The same work, so that the time does not tell which accounts exist.
    (void)HashPassword(password.substr(0, kMaxPasswordBytes));
    return false;
  }
  const int result = argon2id_verify(std::string(hash).c_str(), password.data(), password.size());
  if (result == ARGON2_OK) return true;
  if (result != ARGON2_VERIFY_MISMATCH) (void)HashPassword(password);
  return false;
}

}  // namespace mailreeve::crypto
