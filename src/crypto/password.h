#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

// Passwords by argon2id (RFC 9106: 64 MiB, 3 passes, 4 lanes by default). Slow on purpose: call on
// an io::Pool.
namespace mailreeve::crypto {

struct PasswordCost {
  uint32_t memory_kib = 65536;
  uint32_t passes = 3;
  uint32_t lanes = 4;
};

// "$argon2id$v=19$…" with a random salt.
Result<std::string> HashPassword(std::string_view password, const PasswordCost& cost = {});
// False for a wrong password and for text that is no argon2id hash. Takes as long either way.
bool VerifyPassword(std::string_view password, std::string_view hash);

}  // namespace mailreeve::crypto
