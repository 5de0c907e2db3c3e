#pragma once

#include "base/time.h"

#include <string>
#include <string_view>

// What mail that we write ourselves is made of (RFC 5322, 2045-2047). Pure functions; thread-safe.
namespace mailreeve::smtp {

// Can it go as 7bit or 8bit lines of at most 998 bytes?
enum class Form { kSevenBit, kEightBit, kBinary };
Form FormOf(std::string_view message);

// One header field from outside text: RFC 2047 words where needed, folded, and nothing that could
// end the field.
std::string EncodeField(std::string_view name, std::string_view text);

// An address that can stand in an SMTP command and in a header field as it is: ASCII, one "@", no
// space, control character, quote, angle bracket or comma.
bool IsPlainAddress(std::string_view address);

// "Tue, 24 Nov 2026 04:06:01 +0000".
std::string FormatMailDate(Time time);

// Text that people see, as one line of valid UTF-8: line ends and controls become spaces.
std::string OneLine(std::string_view text);
// Every line end is CRLF.
std::string WithCrlf(std::string_view text);
// Base64 in lines of 76 characters, each with CRLF.
std::string Base64Lines(std::string_view bytes);

}  // namespace mailreeve::smtp
