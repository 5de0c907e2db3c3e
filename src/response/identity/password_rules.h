#pragma once

#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>

// What a password must be (NIST SP 800-63B: long, not known, no rules about kinds of characters).
// Thread-safe.
namespace mailreeve::response::identity {

struct PasswordRules {
  size_t min_characters = 12;
  // Passwords from break-ins: SHA-1 in upper-case hex, one a line, sorted, with ":count" behind or
  // without (the form of the public lists). Empty: none is asked.
  std::string breached_list_path;
};

// kInvalid says what is wrong with it. `name` and `email` are those of the person. Reads a few
// blocks of the list: blocking.
Result<void> CheckPassword(const PasswordRules& rules, std::string_view password,
                           std::string_view name, std::string_view email);

}  // namespace mailreeve::response::identity
