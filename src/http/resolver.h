#pragma once

#include "io/asio.h"

#include <boost/asio/ip/address.hpp>

#include <string>
#include <vector>

namespace mailreeve::http {

// Turns a host name into addresses; injected where tests own the answers. A request resolves once
// and connects to an address of that one answer. Errors: kUnavailable.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual io::Task<Result<std::vector<asio::ip::address>>> Resolve(std::string host) = 0;
};

}  // namespace mailreeve::http
