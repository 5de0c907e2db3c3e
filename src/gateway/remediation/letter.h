#pragma once

#include "base/time.h"
#include "gateway/remediation/forwarder.h"

#include <string>

// Writes forwards (RFC 5322, 2045-2047). Pure functions; thread-safe.
namespace mailreeve::gateway::remediation {

// The header field that marks our forwards: a message that has it is never forwarded again
// (hostile-input.md B07).
inline constexpr std::string_view kLoopField = "X-Mailreeve-Remediation";

// Can it go as 7bit or 8bit lines of at most 998 bytes?
enum class Form { kSevenBit, kEightBit, kBinary };
Form FormOf(std::string_view message);

// The letter with CRLF line ends. The original goes as message/rfc822 when it can go as it is: RFC
// 2046 section 5.2.1 forbids any encoding there. Otherwise (binary, or 8-bit without `eight_bit`)
// as application/octet-stream in base64, named original.eml, so that no byte is lost.
std::string RenderForward(const ForwardLetter& letter, bool eight_bit);

// One header field from outside text: RFC 2047 words where needed, folded, and nothing that could
// end the field.
std::string EncodeField(std::string_view name, std::string_view text);

// Does the header of `message` have the field?
bool HasField(std::string_view message, std::string_view name);

// An address that can stand in an SMTP command and in a header field as it is: ASCII, one "@", no
// space, control character, quote, angle bracket or comma.
bool IsPlainAddress(std::string_view address);

// "Tue, 24 Nov 2026 04:06:01 +0000".
std::string FormatMailDate(Time time);

}  // namespace mailreeve::gateway::remediation
