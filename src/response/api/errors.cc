#include "response/api/errors.h"

namespace mailreeve::response::api {
namespace {

json::array ToArray(const identity::ScopeSet& scopes) {
  json::array out;
  for (const std::string& scope : scopes.ToStrings()) out.emplace_back(scope);
  return out;
}

}  // namespace

http::Response ErrorResponse(int status, std::string_view word, std::string_view sentence,
                             const http::Request& request) {
  json::object body;
  body["error"] = word;
  body["error_description"] = sentence;
  if (!request.request_id.empty()) body["trace_id"] = request.request_id;
  return http::Response::Json(status, body);
}

http::Response ErrorResponse(const Error& error, const http::Request& request) {
  switch (error.code) {
    case Code::kInternal:
    case Code::kCorrupt:
      return ErrorResponse(500, "internal_error",
                           "Something failed on our side; the log has it under the trace id.",
                           request);
    case Code::kInvalid:
      return ErrorResponse(400, "invalid_request", error.message, request);
    case Code::kLimited:
      return ErrorResponse(429, "too_many_requests", error.message, request);
    default:
      return ErrorResponse(http::StatusOf(error.code), CodeName(error.code), error.message,
                           request);
  }
}

http::Response NoToken(const http::Request& request) {
  http::Response response =
      ErrorResponse(401, "invalid_request", "No JWT found in HTTP Authorization header", request);
  response.headers.Set("WWW-Authenticate", "Bearer");
  return response;
}

http::Response BadToken(const Error& error, const http::Request& request) {
  http::Response response =
      ErrorResponse(401, error.message,
                    error.notes.empty() ? "the token is not valid" : error.notes.front(), request);
  response.headers.Set("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  return response;
}

http::Response MissingScopes(const identity::ScopeSet& required, const identity::Caller& caller,
                             const http::Request& request) {
  json::object body;
  body["error"] = "missing_scope";
  body["error_description"] = "The token lacks: " + caller.scopes.Missing(required).ToString();
  body["required-scopes"] = ToArray(required);
  body["missing-scopes"] = ToArray(caller.scopes.Missing(required));
  body["scopes"] = ToArray(caller.scopes);
  body["user-id"] = caller.user_id;
  body["org-id"] = caller.org_id;
  if (!request.request_id.empty()) body["trace_id"] = request.request_id;
  return http::Response::Json(403, body);
}

http::Response KeyErrors(json::object errors) {
  json::object body;
  body["errors"] = std::move(errors);
  return http::Response::Json(400, body);
}

}  // namespace mailreeve::response::api
