#pragma once

#include "gateway/tracking/store.h"
#include "http/message.h"

// What the routes of the administration API share. Pure; thread-safe.
namespace mailreeve::gateway::api {

// {"error": code, "error_description": sentence} with the status of http::StatusOf.
http::Response Failed(const Error& error);
json::object CoverageJson(const tracking::Coverage& coverage);

}  // namespace mailreeve::gateway::api
