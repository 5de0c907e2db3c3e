#include "gateway/rest/errors.h"

#include "json/json.h"

#include <string>

namespace mailreeve::gateway::rest {
namespace {

// The words that clients compare, of 400 to 404, are gateway-api.md's; the others are of the same
// family.
std::string_view ExplanationOf(int status) {
  switch (status) {
    case 400:
      return "Bad request syntax or unsupported method.";
    case 401:
      return "No permission -- see authorization schemes.";
    case 403:
      return "Request forbidden -- authorization will not help.";
    case 404:
      return "Nothing matches the given URI.";
    case 405:
      return "Specified method is invalid for this resource.";
    case 406:
      return "URI not available in preferred format.";
    case 408:
      return "Request timed out; try again later.";
    case 409:
      return "Request conflict.";
    case 413:
      return "Entity is too large.";
    case 414:
      return "URI is too long.";
    case 429:
      return "Too many requests; try again later.";
    case 431:
      return "The header is too large.";
    case 500:
      return "Server got itself in trouble.";
    case 501:
      return "Server does not support this operation.";
    case 502:
      return "Invalid responses from another server/proxy.";
    case 503:
      return "The server cannot process the request now.";
    case 504:
      return "The gateway server did not receive a timely response.";
    default:
      return "The request was not served.";
  }
}

}  // namespace

http::Response ErrorResponse(int status, std::string_view message) {
  const std::string code = std::to_string(status);
  return http::Response::Json(
      status, json::object{{"error",
                            {{"message", message},
                             {"code", code},
                             {"explanation", code + " = " + std::string(ExplanationOf(status))}}}});
}

http::Response ErrorResponse(const Error& error) {
  const int status = http::StatusOf(error.code);
  switch (error.code) {
    case Code::kInternal:
    case Code::kCorrupt:
      return ErrorResponse(500, "Internal server error.");
    case Code::kCancelled:
      return ErrorResponse(503, "The request was cancelled.");
    default:
      return ErrorResponse(status, error.message);
  }
}

}  // namespace mailreeve::gateway::rest
