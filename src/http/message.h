#pragma once

#include "base/result.h"
#include "io/asio.h"
#include "json/json.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// HTTP messages as handlers and callers see them; Beast stays inside http/*.cc. Values; not
// thread-safe.
namespace mailreeve::http {

// Header fields in order; names compare without case (RFC 9110 section 5.1).
class Headers {
 public:
  void Add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void Set(std::string name, std::string value);
  // The first field of that name; empty view when there is none.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;  // upper case
  std::string target;  // as sent: path and query, still encoded
  // Path segments, percent-decoded after splitting: "/ctia/a%2Fb" -> {"ctia", "a/b"}
  // (threat-response-api.md 0.2). A trailing slash leaves no empty segment. Set by ParseTarget; the
  // server does it.
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order, '+' is a space
  Headers headers;
  std::string body;

  std::string remote_address;  // IP, or "unix"
  // SHA-256 (lower hex) of the DER of the client certificate, verified under the listener's client
  // CA; else empty.
  std::string peer_certificate_sha256;
  std::string peer_certificate_subject_cn;
  std::string request_id;  // made by the server

  // First value of a query parameter.
  std::optional<std::string> Query(std::string_view name) const;
  std::vector<std::string> QueryAll(std::string_view name) const;
  // The named part of the matched route pattern ("/device/{id}"), set by the Router. Empty when
  // absent.
  std::string_view Param(std::string_view name) const;
  std::vector<std::pair<std::string, std::string>> params;
};

// Where an answer that is made bit by bit goes. Write ends when the bytes are on their way; an
// error means that nobody reads any more.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual io::Task<Result<void>> Write(std::string bytes) = 0;
};
using BodyStream = std::function<io::Task<void>(BodyWriter&)>;

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  // Set: makes the body after the header was sent, chunked, and `body` is not looked at. It is
  // cancelled when the client leaves. The connection closes afterwards.
  BodyStream stream;

  static Response Json(int status, const json::value& body);
  static Response Text(int status, std::string body,
                       std::string content_type = "text/plain; charset=utf-8");
  static Response Empty(int status) { return Response{status, {}, {}, {}}; }
};

// Splits `target` (origin form, or absolute form of which the authority is dropped) into segments
// and query. kInvalid for bad percent-encoding, control characters and spaces, NUL or ill-formed
// UTF-8 once decoded, and "." and ".." segments; kLimited for more than 2000 parameters. "/a//b"
// has an empty segment in the middle.
Result<void> ParseTarget(Request& request);
std::string PercentEncode(std::string_view text);  // everything but RFC 3986 unreserved
// kInvalid for a '%' without two hex digits. Any byte may come out, NUL too.
Result<std::string> PercentDecode(std::string_view text, bool plus_is_space);
// application/x-www-form-urlencoded. kInvalid as for a query; kLimited for more than 2000 fields.
Result<std::vector<std::pair<std::string, std::string>>> ParseForm(std::string_view body);

// The one map from our error codes to HTTP: invalid 400, not_found 404, conflict 409, denied 403,
// unauthenticated 401, limited 429, unavailable 503, timeout 504, cancelled 499, corrupt and
// internal 500.
int StatusOf(Code code);
// "Not Found"; "Unknown" for a number without one.
std::string_view ReasonOf(int status);

}  // namespace mailreeve::http
