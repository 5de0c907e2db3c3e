#pragma once

#include "response/api/service.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

// The commands of mailreeve-response about people, organisations, API clients and keys. They work
// on the state of the server, whether it runs or not; a running one sees what they did within
// identity.reload_interval. Each prints one JSON document; secrets stand in it once.
namespace mailreeve {

using IdentityCommand = std::function<Result<json::value>(response::identity::Identity&)>;

// Adds the commands to `app`; parsing sets `chosen` when one of them was given.
void AddIdentityCommands(CLI::App& app, IdentityCommand& chosen);

}  // namespace mailreeve
