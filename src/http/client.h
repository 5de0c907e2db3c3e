#pragma once

#include "http/address_policy.h"
#include "http/message.h"
#include "http/resolver.h"
#include "io/asio.h"
#include "io/tls.h"

#include <chrono>
#include <memory>
#include <string>

namespace mailreeve::http {

// An absolute http or https URL in parts. kInvalid with what is wrong: another scheme, a user name,
// characters that must be encoded, a bad host or port.
struct UrlParts {
  bool is_tls = false;
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string authority;  // for Host
  std::string target;     // path and query, beginning with '/'
};
Result<UrlParts> SplitUrl(std::string_view url);

struct Proxy {
  std::string host;  // empty: none
  uint16_t port = 0;
  std::string authorization;  // value of Proxy-Authorization; empty: none
};

struct ClientOptions {
  io::TlsContext tls;                        // for https; null uses the system's trust
  std::chrono::milliseconds timeout{30000};  // for the whole exchange
  // Parts of it; 0: no limit of their own.
  std::chrono::milliseconds connect_timeout{0};     // resolving, connecting, TLS
  std::chrono::milliseconds first_byte_timeout{0};  // from the end of the request to the answer
  // Bytes a second, on average since the answer's first byte, that an answer must have after
  // `slow_after`; 0: any.
  size_t min_bytes_per_second = 0;
  std::chrono::milliseconds slow_after{5000};
  size_t max_body_bytes = 16 * 1024 * 1024;
  size_t max_header_bytes = 64 * 1024;
  // Asks for gzip and undoes gzip and deflate; then max_body_bytes counts after and
  // max_wire_bytes (0: the same) before. Another coding is kInvalid.
  bool decode_body = false;
  size_t max_wire_bytes = 0;
  // For URLs that others choose (modules, feeds, webhooks): which addresses may be connected to,
  // else kDenied. The host is resolved once, and the address that was checked is the one connected
  // to. Null: any.
  std::shared_ptr<const AddressPolicy> addresses;
  std::shared_ptr<Resolver> resolver;  // null: the system's
  Proxy proxy;
};

// One request on a fresh connection. `url` is absolute, http or https; redirects are answers, never
// followed. Errors: kInvalid url or coding, kDenied address, kUnavailable connection or
// certificate, kTimeout, kLimited answer too long.
io::Task<Result<Response>> Fetch(std::string method, std::string url, Headers headers,
                                 std::string body, ClientOptions options);

// The same over a UNIX socket: `target` is path and query.
io::Task<Result<Response>> FetchUnix(std::string socket_path, std::string method,
                                     std::string target, Headers headers, std::string body,
                                     ClientOptions options);

}  // namespace mailreeve::http
