#include "response/feed_import/source.h"

#include "base/text.h"

namespace mailreeve::response::feed_import {
namespace {

std::string Origin(const http::UrlParts& parts) {
  return (parts.is_tls ? "https://" : "http://") + parts.authority;
}

http::Headers WithoutAuthorization(const http::Headers& headers) {
  http::Headers out;
  for (const auto& [name, value] : headers.fields())
    if (!AsciiEqualFold(name, "Authorization")) out.Add(name, value);
  return out;
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

Result<std::string> ResolveLocation(std::string_view base, std::string_view location) {
  TRY(const http::UrlParts parts, http::SplitUrl(base));
  location = location.substr(0, location.find('#'));
  std::string out;
  if (location.find("://") != std::string_view::npos) {
    out = std::string(location);
  } else if (location.starts_with("//")) {
    out = (parts.is_tls ? "https:" : "http:") + std::string(location);
  } else if (location.starts_with('/')) {
    out = Origin(parts) + std::string(location);
  } else if (!location.empty()) {
    const std::string_view path = std::string_view(parts.target).substr(0, parts.target.find('?'));
    out = Origin(parts) + std::string(path.substr(0, path.rfind('/') + 1)) + std::string(location);
  } else {
    return Fail(Code::kInvalid, "a redirect without a place to go to");
  }
  TRY(const http::UrlParts next, http::SplitUrl(out));
  if (parts.is_tls && !next.is_tls)
    return Fail(Code::kInvalid, "a redirect from https to http is not followed");
  return out;
}

io::Task<Result<http::Response>> HttpSource::Get(std::string url, http::Headers headers) {
  for (int hop = 0;; ++hop) {
    CO_TRY(http::Response answer, co_await http::Fetch("GET", url, headers, "", options_));
    if (!IsRedirect(answer.status)) co_return answer;
    if (hop == max_redirects_) co_return Fail(Code::kInvalid, "too many redirects");
    CO_TRY(std::string next, ResolveLocation(url, answer.headers.Get("Location")));
    CO_TRY(const http::UrlParts from, http::SplitUrl(url));
    CO_TRY(const http::UrlParts to, http::SplitUrl(next));
    if (Origin(from) != Origin(to)) headers = WithoutAuthorization(headers);
    url = std::move(next);
  }
}

}  // namespace mailreeve::response::feed_import
