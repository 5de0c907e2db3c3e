#pragma once

#include "io/asio.h"

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mailreeve::http {

// Which addresses outgoing requests may connect to when others choose the URL (hostile-input.md
// W05). Everything public may; what is not public only as an administrator's list says.
//
// Threads: a value. Errors: kInvalid from Parse, naming the entry.
//
//   TRY(const auto policy, AddressPolicy::Parse({"10.1.0.0/16", "relay.corp.example"}));
//   policy.Allows("relay.corp.example", asio::ip::make_address("192.168.4.1"));  // true
class AddressPolicy {
 public:
  // Public addresses only.
  AddressPolicy() = default;

  // Entries are networks ("10.1.0.0/16", "fd00::/8"), addresses, host names and "*.corp.example"
  // for every name below it. A name opens private and loopback addresses to itself. It never opens
  // link-local (cloud metadata lies there), multicast or unspecified ones: who answers for the name
  // could otherwise choose them. A network opens what it says.
  static Result<AddressPolicy> Parse(const std::vector<std::string>& allowed);

  bool Allows(std::string_view host, const asio::ip::address& address) const;

 private:
  struct Network {
    asio::ip::address address;
    int bits = 0;
  };
  std::vector<Network> networks_;
  std::vector<std::string> hosts_, suffixes_;  // lower case; suffixes begin with '.'
};

// True for addresses of the public Internet.
bool IsPublicAddress(const asio::ip::address& address);

}  // namespace mailreeve::http
