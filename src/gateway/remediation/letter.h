#pragma once

#include "gateway/remediation/forwarder.h"
#include "smtp/fields.h"

#include <string>

// Writes forwards (RFC 5322, 2045-2047). Pure functions; thread-safe.
namespace mailreeve::gateway::remediation {

// The header field that marks our forwards: a message that has it is never forwarded again
// (hostile-input.md B07).
inline constexpr std::string_view kLoopField = "X-Mailreeve-Remediation";

using smtp::EncodeField;
using smtp::Form;
using smtp::FormatMailDate;
using smtp::FormOf;
using smtp::IsPlainAddress;

// The letter with CRLF line ends. The original goes as message/rfc822 when it can go as it is: RFC
// 2046 section 5.2.1 forbids any encoding there. Otherwise (binary, or 8-bit without `eight_bit`)
// as application/octet-stream in base64, named original.eml, so that no byte is lost.
std::string RenderForward(const ForwardLetter& letter, bool eight_bit);

// Does the header of `message` have the field?
bool HasField(std::string_view message, std::string_view name);

}  // namespace mailreeve::gateway::remediation
