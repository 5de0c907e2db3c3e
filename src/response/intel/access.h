#pragma once

#include "json/json.h"

#include <string>

// Who may see and change a record (threat-response-api.md 5.4). Pure functions; thread-safe.
namespace mailreeve::response::intel {

struct Asker {
  std::string login;      // user id
  std::string org;        // the one group
  std::string client_id;  // empty for people
  bool operator==(const Asker&) const = default;
};

// Who sees white and green records: those of the same organisation, or everyone.
enum class Visibility { kGroup, kEveryone };

bool MayWrite(const json::object& document, const Asker& asker);
bool MayRead(const json::object& document, const Asker& asker, Visibility visibility);

}  // namespace mailreeve::response::intel
