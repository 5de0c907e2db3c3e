#include "http/address_policy.h"

#include "base/text.h"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>

namespace mailreeve::http {
namespace {

using asio::ip::address;
using asio::ip::address_v4;
using asio::ip::address_v6;

bool IsPublicV4(const address_v4& address) {
  struct Range {
    uint32_t first;
    int bits;
  };
  // RFC 6890 and its registry; 6to4 relays and multicast too.
  constexpr Range kSpecial[] = {
      {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
      {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
      {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
  };
  const uint32_t number = address.to_uint();
  return std::none_of(std::begin(kSpecial), std::end(kSpecial), [&](const Range& range) {
    return (number >> (32 - range.bits)) == (range.first >> (32 - range.bits));
  });
}

address_v4 V4At(const address_v6::bytes_type& bytes, size_t at) {
  return address_v4({bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

// ::ffff:a.b.c.d is the IPv4 address to the kernel, and so to us.
address Unmapped(const address& from) {
  if (from.is_v6() && from.to_v6().is_v4_mapped()) return V4At(from.to_v6().to_bytes(), 12);
  return from;
}

template <class Bytes>
bool SamePrefix(const Bytes& a, const Bytes& b, int bits) {
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const int mask = bits >= 8 ? 0xff : (0xff << (8 - bits)) & 0xff;
    if ((a[i] & mask) != (b[i] & mask)) return false;
  }
  return true;
}

bool IsIn(const address& what, const address& network, int bits) {
  if (what.is_v4() != network.is_v4()) return false;
  return what.is_v4() ? SamePrefix(what.to_v4().to_bytes(), network.to_v4().to_bytes(), bits)
                      : SamePrefix(what.to_v6().to_bytes(), network.to_v6().to_bytes(), bits);
}

// What no name may lead to, whatever the list says of the name.
bool IsOnlyForNetworks(const address& what) {
  if (what.is_multicast() || what.is_unspecified()) return true;
  if (what.is_v4()) {
    const uint32_t number = what.to_v4().to_uint();
    return (number >> 24) == 0 || (number >> 16) == 0xa9fe || number == 0xffffffff;
  }
  const address_v6 v6 = what.to_v6();
  const auto bytes = v6.to_bytes();
  // AWS puts its metadata at fd00:ec2::254.
  if (bytes[0] == 0xfd && bytes[1] == 0x00 && bytes[2] == 0x0e && bytes[3] == 0xc2) return true;
  return v6.is_link_local() || v6.is_site_local();
}

std::string Wrong(const std::string& entry) {
  return "'" + entry + "' is no network (10.1.0.0/16), address, host name or *.domain";
}

bool IsHostName(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '.' &&
         text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

std::string_view WithoutDot(std::string_view host) {
  return host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
}

}  // namespace

bool IsPublicAddress(const address& what) {
  if (what.is_v4()) return IsPublicV4(what.to_v4());
  const address_v6 v6 = what.to_v6();
  const auto bytes = v6.to_bytes();
  if (v6.is_v4_mapped()) return IsPublicV4(V4At(bytes, 12));
  const auto starts = [&](std::initializer_list<uint8_t> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes.begin());
  };
  if (starts({0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return IsPublicV4(V4At(bytes, 12));
  if (starts({0x20, 0x02})) return IsPublicV4(V4At(bytes, 2));
  // Only 2000::/3 is given out; of it, 2001::/23 is for protocols and 2001:db8::/32, 3fff::/20 for
  // documents.
  if ((bytes[0] & 0xe0) != 0x20) return false;
  if (starts({0x20, 0x01}) && bytes[2] < 2) return false;
  if (starts({0x20, 0x01, 0x0d, 0xb8})) return false;
  return !(starts({0x3f, 0xff}) && bytes[2] < 0x10);
}

Result<AddressPolicy> AddressPolicy::Parse(const std::vector<std::string>& allowed) {
  AddressPolicy out;
  for (const std::string& entry : allowed) {
    const std::string text = AsciiLower(TrimSpace(entry));
    const size_t slash = text.find('/');
    boost::system::error_code error;
    const address found = asio::ip::make_address(text.substr(0, slash), error);
    if (error) {
      if (slash != std::string::npos) return Fail(Code::kInvalid, Wrong(entry));
      const bool below = text.starts_with("*.");
      const std::string name(WithoutDot(below ? text.substr(2) : text));
      // Digits and dots only would be a mistyped address.
      if (!IsHostName(name) || name.find_first_not_of("0123456789.") == std::string::npos) {
        return Fail(Code::kInvalid, Wrong(entry));
      }
      if (below) {
        out.suffixes_.push_back("." + name);
      } else {
        out.hosts_.push_back(name);
      }
      continue;
    }
    const int most = found.is_v4() ? 32 : 128;
    int bits = most;
    if (slash != std::string::npos) {
      const std::string number = text.substr(slash + 1);
      if (number.empty() || number.size() > 3 ||
          number.find_first_not_of("0123456789") != std::string::npos) {
        return Fail(Code::kInvalid, Wrong(entry));
      }
      bits = std::stoi(number);
      if (bits > most) return Fail(Code::kInvalid, Wrong(entry));
    }
    out.networks_.push_back({found, bits});
  }
  return out;
}

bool AddressPolicy::Allows(std::string_view host, const address& given) const {
  const address what = Unmapped(given);
  if (IsPublicAddress(what)) return true;
  for (const Network& network : networks_) {
    if (IsIn(what, Unmapped(network.address), network.bits)) return true;
  }
  if (IsOnlyForNetworks(what)) return false;
  const std::string name = AsciiLower(WithoutDot(host));
  // IPv4 in IPv6 (NAT64, 6to4) would hide where a name leads.
  if (what.is_v6() && !what.is_loopback() && (what.to_v6().to_bytes()[0] & 0xfe) != 0xfc) {
    return false;
  }
  if (std::find(hosts_.begin(), hosts_.end(), name) != hosts_.end()) return true;
  return std::any_of(suffixes_.begin(), suffixes_.end(), [&](const std::string& suffix) {
    return name.size() > suffix.size() && name.ends_with(suffix);
  });
}

}  // namespace mailreeve::http
