#include "http/message.h"

#include "base/text.h"

#include <algorithm>

namespace mailreeve::http {
namespace {

constexpr size_t kMaxParameters = 2000;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What later layers compare, log and put into JSON.
Result<std::string> DecodeText(std::string_view text, bool plus_is_space) {
  TRY(std::string out, PercentDecode(text, plus_is_space));
  if (out.find('\0') != std::string::npos) return Fail(Code::kInvalid, "NUL in the request target");
  if (!IsValidUtf8(out)) return Fail(Code::kInvalid, "the request target is not UTF-8");
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> ParsePairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (piece.empty()) continue;
    if (out.size() == kMaxParameters) {
      return Fail(Code::kLimited, "more than " + std::to_string(kMaxParameters) + " parameters");
    }
    const size_t equals = std::min(piece.find('='), piece.size());
    TRY(std::string name, DecodeText(piece.substr(0, equals), true));
    TRY(std::string value, DecodeText(piece.substr(std::min(equals + 1, piece.size())), true));
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

}  // namespace

void Headers::Set(std::string name, std::string value) {
  const auto same = [&](const auto& field) { return AsciiEqualFold(field.first, name); };
  const auto first = std::find_if(fields_.begin(), fields_.end(), same);
  if (first == fields_.end()) {
    Add(std::move(name), std::move(value));
    return;
  }
  fields_.erase(std::remove_if(std::next(first), fields_.end(), same), fields_.end());
  first->second = std::move(value);
}

std::string_view Headers::Get(std::string_view name) const {
  for (const auto& [have, value] : fields_) {
    if (AsciiEqualFold(have, name)) return value;
  }
  return {};
}

bool Headers::Has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const auto& field) { return AsciiEqualFold(field.first, name); });
}

std::optional<std::string> Request::Query(std::string_view name) const {
  for (const auto& [have, value] : query) {
    if (have == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Request::QueryAll(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [have, value] : query) {
    if (have == name) out.push_back(value);
  }
  return out;
}

std::string_view Request::Param(std::string_view name) const {
  for (const auto& [have, value] : params) {
    if (have == name) return value;
  }
  return {};
}

Response Response::Json(int status, const json::value& body) {
  Response out{status, {}, json::Serialize(body)};
  out.headers.Set("Content-Type", "application/json");
  return out;
}

Response Response::Text(int status, std::string body, std::string content_type) {
  Response out{status, {}, std::move(body)};
  out.headers.Set("Content-Type", std::move(content_type));
  return out;
}

Result<void> ParseTarget(Request& request) {
  request.segments.clear();
  request.query.clear();
  std::string_view target = request.target;
  for (const unsigned char c : target) {
    if (c <= 0x20 || c == 0x7f || c == '#') {
      return Fail(Code::kInvalid, "a character that must be percent-encoded in the request target");
    }
  }
  if (!target.starts_with('/')) {
    // RFC 9112 section 3.2.2: servers take the absolute form too.
    const size_t colon = target.find("://");
    const std::string_view scheme = target.substr(0, std::min(colon, target.size()));
    // "https" alone has nothing behind it to take off.
    if (colon == std::string_view::npos ||
        (!AsciiEqualFold(scheme, "http") && !AsciiEqualFold(scheme, "https"))) {
      return Fail(Code::kInvalid, "the request target must start with '/'");
    }
    target.remove_prefix(scheme.size() + 3);
    target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
  }
  const size_t question = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, question);
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty() || request.target.starts_with("//")) {
    for (const std::string_view piece : Split(path, '/')) {
      TRY(std::string segment, DecodeText(piece, false));
      if (segment == "." || segment == "..") {
        return Fail(Code::kInvalid, "'.' or '..' in the request target");
      }
      request.segments.push_back(std::move(segment));
    }
  }
  TRY(request.query, ParsePairs(target.substr(std::min(question + 1, target.size()))));
  return {};
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return Fail(Code::kInvalid, "'%' without two hexadecimal digits");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> ParseForm(std::string_view body) {
  return ParsePairs(body);
}

int StatusOf(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 400;
    case Code::kNotFound:
      return 404;
    case Code::kConflict:
      return 409;
    case Code::kDenied:
      return 403;
    case Code::kUnauthenticated:
      return 401;
    case Code::kLimited:
      return 429;
    case Code::kUnavailable:
      return 503;
    case Code::kTimeout:
      return 504;
    case Code::kCancelled:
      return 499;
    case Code::kCorrupt:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

std::string_view ReasonOf(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace mailreeve::http
