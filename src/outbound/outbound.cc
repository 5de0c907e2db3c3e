#include "outbound/outbound.h"

#include "base/bytes.h"
#include "base/text.h"
#include "io/file.h"

#include <algorithm>

namespace mailreeve::outbound {
namespace {

constexpr size_t kMaxSecretFile = 4096;

Result<http::Proxy> ReadProxy(const std::string& url, const std::string& credentials_file) {
  http::Proxy proxy;
  if (url.empty()) return proxy;
  TRY(const http::UrlParts parts, http::SplitUrl(url));
  if (parts.is_tls || (parts.target != "/" && !parts.target.empty())) {
    return Fail(Code::kInvalid, "outbound.proxy must be http://host:port");
  }
  proxy.host = parts.host;
  proxy.port = parts.port;
  if (!credentials_file.empty()) {
    TRY(const std::string text, io::ReadFile(credentials_file, kMaxSecretFile));
    const std::string_view line = TrimSpace(text);
    if (line.find(':') == std::string_view::npos || line.find('\n') != std::string_view::npos) {
      return Fail(Code::kInvalid,
                  "'" + credentials_file + "' must hold one line, the proxy's user:password");
    }
    proxy.authorization = "Basic " + Base64Encode(line);
  }
  return proxy;
}

std::string_view WithoutParameters(std::string_view content_type) {
  return TrimSpace(content_type.substr(0, content_type.find(';')));
}

bool IsRedirect(int status) { return status >= 300 && status < 400 && status != 304; }

}  // namespace

Result<http::ClientOptions> FromSettings(const settings::Snapshot& snapshot) {
  const auto milliseconds = [&](std::string_view name) {
    return std::chrono::milliseconds(snapshot.Integer(name));
  };
  http::ClientOptions out;
  out.timeout = milliseconds("outbound.timeout");
  out.connect_timeout = milliseconds("outbound.connect_timeout");
  out.first_byte_timeout = milliseconds("outbound.first_byte_timeout");
  out.min_bytes_per_second = static_cast<size_t>(snapshot.Integer("outbound.min_bytes_per_second"));
  out.slow_after = milliseconds("outbound.slow_after");
  out.max_body_bytes = static_cast<size_t>(snapshot.Integer("outbound.max_bytes"));
  out.max_wire_bytes = static_cast<size_t>(snapshot.Integer("outbound.max_wire_bytes"));
  out.decode_body = true;
  TRY(auto policy, http::AddressPolicy::Parse(snapshot.TextList("outbound.allowed_hosts")));
  out.addresses = std::make_shared<const http::AddressPolicy>(std::move(policy));
  TRY(out.proxy,
      ReadProxy(snapshot.Text("outbound.proxy"), snapshot.Text("outbound.proxy_credentials_file")));
  TRY(out.tls, io::MakeTlsClient({.ca_file = snapshot.Text("outbound.ca_file")}));
  return out;
}

io::Task<Result<http::Response>> Guard::Fetch(Request request) {
  http::ClientOptions options = options_;
  if (request.timeout.count() > 0) options.timeout = std::min(options.timeout, request.timeout);
  if (request.max_bytes > 0) {
    options.max_body_bytes = request.max_bytes;
    options.max_wire_bytes = std::min(options.max_wire_bytes, request.max_bytes);
  }
  CO_TRY(http::Response answer,
         co_await http::Fetch(std::move(request.method), std::move(request.url),
                              std::move(request.headers), std::move(request.body),
                              std::move(options)));
  if (IsRedirect(answer.status)) {
    co_return Fail(Code::kDenied, "the server answers with a redirect (status " +
                                      std::to_string(answer.status) +
                                      "), which is not followed; name the final address");
  }
  if (!request.content_types.empty() && !answer.body.empty()) {
    const std::string type(WithoutParameters(answer.headers.Get("Content-Type")));
    const bool fits =
        std::any_of(request.content_types.begin(), request.content_types.end(),
                    [&](const std::string& wanted) { return AsciiEqualFold(wanted, type); });
    if (!fits) {
      co_return Fail(
          Code::kInvalid,
          "the server answers " + std::to_string(answer.status) + " with content of " +
              (type.empty() ? "no type" : "type '" + ToValidUtf8(CutUtf8(type, 100)) + "'") +
              ", expected was " + request.content_types.front());
    }
  }
  co_return answer;
}

Result<void> CheckUrl(const std::string& url, const http::AddressPolicy& policy) {
  TRY(const http::UrlParts parts, http::SplitUrl(url));
  io::error_code is_no_address;
  const auto address = asio::ip::make_address(parts.host, is_no_address);
  if (!is_no_address && !policy.Allows(parts.host, address)) {
    return Fail(Code::kDenied, parts.host +
                                   " is not a public address; an administrator can "
                                   "allow it by the setting outbound.allowed_hosts");
  }
  return {};
}

}  // namespace mailreeve::outbound
