#pragma once

#include "http/message.h"
#include "response/identity/token.h"

#include <string>
#include <string_view>

// The error envelopes of threat-response-api.md 0.4. Pure functions; thread-safe.
namespace mailreeve::response::api {

// {"error","error_description","trace_id"}; trace_id is the request's id.
http::Response ErrorResponse(int status, std::string_view word, std::string_view sentence,
                             const http::Request& request);
// The status by http::StatusOf. What is our own fault is not told in detail; the log has it under
// the trace id.
http::Response ErrorResponse(const Error& error, const http::Request& request);
// 401 with WWW-Authenticate. `error` is from Identity::Authenticate.
http::Response NoToken(const http::Request& request);
http::Response BadToken(const Error& error, const http::Request& request);
// 403 with what was required, what is missing and what is held.
http::Response MissingScopes(const identity::ScopeSet& required, const identity::Caller& caller,
                             const http::Request& request);
// 400 {"errors":{key:reason}}
http::Response KeyErrors(json::object errors);

}  // namespace mailreeve::response::api
