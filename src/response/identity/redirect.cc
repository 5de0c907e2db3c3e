#include "response/identity/redirect.h"

#include "base/text.h"

#include <algorithm>

namespace mailreeve::response::identity {
namespace {

struct Parts {
  std::string scheme;                 // lower case
  std::string_view host, port, rest;  // host with brackets; rest: path and query
  bool has_authority = false;
};

Result<Parts> Read(std::string_view address) {
  const auto refuse = [](std::string why) { return Fail(Code::kInvalid, std::move(why)); };
  if (address.empty() || address.size() > 2000) return refuse("must have 1 to 2000 bytes");
  for (const char c : address) {
    if (c <= 0x20 || c >= 0x7f ||
        std::string_view("\"<>\\^`{|}*").find(c) != std::string_view::npos)
      return refuse("has a character that may not stand there (wildcards do not either)");
  }
  if (address.find('#') != std::string_view::npos) return refuse("must have no fragment");
  const size_t colon = address.find(':');
  if (colon == std::string_view::npos || colon == 0) return refuse("must be absolute");
  Parts out;
  out.scheme = AsciiLower(address.substr(0, colon));
  const bool good_scheme = std::all_of(out.scheme.begin(), out.scheme.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
  if (!good_scheme || out.scheme[0] < 'a' || out.scheme[0] > 'z') return refuse("must be absolute");
  std::string_view rest = address.substr(colon + 1);
  if (rest.substr(0, 2) == "//") {
    out.has_authority = true;
    rest.remove_prefix(2);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    out.rest = rest.substr(authority.size());
    if (authority.find('@') != std::string_view::npos) return refuse("must name no user");
    size_t end = authority.size();
    if (!authority.empty() && authority[0] == '[') {
      end = authority.find(']');
      if (end == std::string_view::npos) return refuse("has a host that is none");
      ++end;
    } else {
      end = std::min(authority.find(':'), authority.size());
    }
    out.host = authority.substr(0, end);
    const bool good_host = std::all_of(out.host.begin(), out.host.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '-' || (out.host[0] == '[' && (c == '[' || c == ']' || c == ':'));
    });
    if (!good_host) return refuse("has a host that is none");
    if (end < authority.size()) {
      out.port = authority.substr(end + 1);
      const bool digits = !out.port.empty() && out.port.size() <= 5 &&
                          std::all_of(out.port.begin(), out.port.end(),
                                      [](char c) { return c >= '0' && c <= '9'; });
      if (authority[end] != ':' || !digits) return refuse("has a port that is none");
    }
  } else {
    out.rest = rest;
  }
  return out;
}

bool IsLoopbackAddress(std::string_view host) { return host == "127.0.0.1" || host == "[::1]"; }

}  // namespace

Result<void> CheckRedirect(std::string_view address) {
  TRY(const Parts parts, Read(address));
  if (parts.scheme == "https" || parts.scheme == "http") {
    if (!parts.has_authority || parts.host.empty()) return Fail(Code::kInvalid, "must name a host");
    if (parts.scheme == "http" && !IsLoopbackAddress(parts.host) && parts.host != "localhost")
      return Fail(Code::kInvalid, "must be https; http is for localhost only");
    // "/a/../b" is another path to some and the same to others.
    if (parts.rest.find("/..") != std::string_view::npos)
      return Fail(Code::kInvalid, "must have no \"..\" in its path");
    return {};
  }
  if (parts.scheme.find('.') == std::string::npos)
    return Fail(Code::kInvalid, "must be https, or have a scheme with a dot in it");
  return {};
}

bool RedirectMatches(std::string_view registered, std::string_view asked) {
  if (registered == asked) return true;
  const Result<Parts> a = Read(registered), b = Read(asked);
  return a && b && a->scheme == "http" && b->scheme == "http" && IsLoopbackAddress(a->host) &&
         a->host == b->host && a->rest == b->rest;
}

std::string RedirectSource(std::string_view address) {
  const Result<Parts> parts = Read(address);
  if (!parts) return {};
  if (!parts->has_authority || parts->scheme.find('.') != std::string::npos)
    return parts->scheme + ":";
  std::string out = parts->scheme + "://" + std::string(parts->host);
  if (!parts->port.empty()) out += ":" + std::string(parts->port);
  return out;
}

}  // namespace mailreeve::response::identity
