#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

// Every route of /ctia, and our own about cases, with the capabilities that each asks for
// (threat-response-api.md 5.1, 5.3); the route table of response/api takes them in. Constant;
// thread-safe.
namespace mailreeve::response::intel_api {

struct Rule {
  std::string method, pattern;
  // All are needed. Empty: any valid token, or none when the route is public.
  std::vector<std::string> capabilities;
  bool is_public = false;
  std::string scopes = {};  // needed beside the capabilities, separated by spaces
};

std::span<const Rule> Rules();

}  // namespace mailreeve::response::intel_api
