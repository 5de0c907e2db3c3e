#pragma once

#include <string>
#include <string_view>
#include <vector>

// Addresses of one header field (RFC 5322 section 3.4), read so that no address that some mail
// program would show is missed: H08, H09, and the identity cases of espoofer. Linear time, no
// recursion. Threads: a pure function.
namespace mailreeve::mail {

struct AddressReading {
  std::string
      address;  // addr-spec as read: quotes kept, comments and source route taken out; raw bytes
  std::string display;  // raw display name, unquoted, not yet decoded
  std::string raw;      // the piece of the field it was read from
  bool certain = true;  // false: only some readers take this for an address of the field
};

struct AddressReadings {
  std::vector<AddressReading> addresses;
  std::vector<std::string> oddities;
  bool cut = false;  // more than max_addresses
  // Every reader agrees: a plain list of mailboxes.
  bool clean = true;
};

// `value` is unfolded.
AddressReadings ReadAddresses(std::string_view value, size_t max_addresses);

// True when `text` is an addr-spec at first sight: something, '@', a domain or literal; no white
// space outside quotes.
bool LooksLikeAddress(std::string_view text);

// "<a@b>" pieces anywhere in `text`, without regard to quotes and comments.
std::vector<std::string> BracketedAddresses(std::string_view text, size_t max_addresses);

}  // namespace mailreeve::mail
