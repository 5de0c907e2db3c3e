#include "response/api/request.h"

#include "base/text.h"
#include "response/api/errors.h"

namespace mailreeve::response::api {

identity::Origin OriginOf(const http::Request& request) {
  return {request.remote_address, request.request_id};
}

json::array ToArray(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

std::string CookieOf(const http::Request& request, std::string_view name) {
  for (const auto& [field, value] : request.headers.fields()) {
    if (!AsciiEqualFold(field, "Cookie")) continue;
    for (const std::string_view pair : Split(value, ';')) {
      const std::string_view trimmed = TrimSpace(pair);
      const size_t equal = trimmed.find('=');
      if (equal != std::string_view::npos && trimmed.substr(0, equal) == name) {
        return std::string(trimmed.substr(equal + 1));
      }
    }
  }
  return {};
}

bool IsFromConsole(const http::Request& request, std::string_view public_url) {
  const std::string_view origin = request.headers.Get("Origin");
  if (origin.empty()) return request.headers.Get("X-Mailreeve-Console") == "1";
  const size_t scheme = origin.find("://");
  return origin == public_url || (scheme != std::string_view::npos &&
                                  origin.substr(scheme + 3) == request.headers.Get("Host"));
}

http::Response CrossSite(const http::Request& request) {
  return ErrorResponse(403, "cross_site_request",
                       "The request comes from another site, or does not say from where.", request);
}

}  // namespace mailreeve::response::api
