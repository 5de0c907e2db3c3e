#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Host names and IP addresses: parsing and canonical forms. Internal to this folder.
// Threads: pure functions; the public suffix list is loaded once.
namespace mailreeve::observable {

// "a.b" or "a" as lower-case A-labels without a trailing dot; nullopt when it is no host name, or
// an IPv4 address.
std::optional<std::string> CanonicalName(std::string_view text);

// Host of a URL as browsers read it (WHATWG URL 3.5): percent-decoded, IDN, IPv4 in decimal, octal,
// hexadecimal and with missing parts, "[v6]" (answered in brackets, zone dropped).
std::optional<std::string> CanonicalUrlHost(std::string_view text);

// Four decimal parts without leading zeros.
std::optional<std::string> StrictIpv4(std::string_view text);
// RFC 5952; no brackets, a zone is dropped.
std::optional<std::string> CanonicalIpv6(std::string_view text);

// True when the name ends with a suffix of the ICANN section of the public suffix list, or a
// reserved test name (RFC 2606: test, example, invalid), and has at least one label in front of it.
bool HasPublicSuffix(std::string_view canonical_name);
// True when this one label (an A-label) is a top-level domain in the sense above.
bool IsTopLevel(std::string_view label);

}  // namespace mailreeve::observable
