#pragma once

#include "base/error.h"
#include "http/message.h"

#include <string_view>

// The one body of every failure: {"error":{"message","code","explanation"}}, `code` a string
// (gateway-api.md 1.3). Pure; thread-safe.
namespace mailreeve::gateway::rest {

http::Response ErrorResponse(int status, std::string_view message);
// Our own faults are told as "Internal server error." only.
http::Response ErrorResponse(const Error& error);

}  // namespace mailreeve::gateway::rest
