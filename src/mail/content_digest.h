#pragma once

#include <string>
#include <string_view>

namespace mailreeve::mail {

struct HeaderBlock;

// Identifies a message's content through what MTAs and mail stores do to it on the way: SHA-256
// (lower hex) over the From, To, Cc, Subject, Date and Message-ID fields (names lower case, values
// unfolded and white space collapsed, in order of that list and then of appearance) and the body
// without space, tab, CR, LF, and with NUL read as 0x80 (what Dovecot stores for it). Added trace
// fields, line-ending changes, re-folding and long-line breaks do not change it; any other change
// of content does. `message` is the whole message with LF or CRLF line ends. Pure; linear time;
// thread-safe.
std::string ContentDigest(std::string_view message);
// The same with the header already split, without limits hit.
std::string ContentDigest(std::string_view message, const HeaderBlock& header);

}  // namespace mailreeve::mail
