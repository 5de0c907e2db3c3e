#pragma once

#include "response/api/service.h"
#include "settings/settings.h"

#include <memory>
#include <string>
#include <vector>

// The bootstrap file of mailreeve-response (docs/settings.md) and what can be wrong with it.
namespace mailreeve {

struct ResponseConfig {
  response::api::ServiceOptions service;
  std::string settings_file;
  std::string log_file;
};

// kInvalid with all errors, a line each.
Result<ResponseConfig> ReadResponseConfig(const std::string& path);

// Everything that would keep the server from starting or serving, each with what to do; empty when
// it is well. Changes nothing; may be run beside the server. Blocking.
std::vector<std::string> CheckResponseConfig(const std::string& path);

}  // namespace mailreeve
