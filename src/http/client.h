#pragma once

#include "http/message.h"
#include "io/asio.h"
#include "io/tls.h"

#include <chrono>
#include <string>

namespace mailreeve::http {

struct ClientOptions {
  io::TlsContext tls;                        // for https; null uses the system's trust
  std::chrono::milliseconds timeout{30000};  // for the whole exchange
  size_t max_body_bytes = 16 * 1024 * 1024;
  size_t max_header_bytes = 64 * 1024;
  // For URLs that others choose (webhooks, feeds): refuses, with kDenied, hosts whose address is
  // private, loopback, link-local or otherwise not of the public Internet. The address that was
  // checked is the one connected to.
  bool public_addresses_only = false;
};

// One request on a fresh connection. `url` is absolute, http or https; redirects are answers, never
// followed. Errors: kInvalid url, kUnavailable connection or certificate, kTimeout, kLimited answer
// too long.
io::Task<Result<Response>> Fetch(std::string method, std::string url, Headers headers,
                                 std::string body, ClientOptions options);

// The same over a UNIX socket: `target` is path and query.
io::Task<Result<Response>> FetchUnix(std::string socket_path, std::string method,
                                     std::string target, Headers headers, std::string body,
                                     ClientOptions options);

}  // namespace mailreeve::http
