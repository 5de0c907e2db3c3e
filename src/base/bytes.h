#pragma once

#include "base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// Bytes in std::string, and their text forms. Pure functions; thread-safe.
namespace mailreeve {

std::string HexEncode(std::string_view bytes);  // lower case
Result<std::string> HexDecode(std::string_view text);

std::string Base64Encode(std::string_view bytes);     // RFC 4648 section 4, padded
std::string Base64UrlEncode(std::string_view bytes);  // section 5, without padding
// Both alphabets, padding optional, no white space. kInvalid on any other character.
Result<std::string> Base64Decode(std::string_view text);

// True when the two are equal; the time taken depends on the lengths only.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

}  // namespace mailreeve
