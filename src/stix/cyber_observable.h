#pragma once

#include "json/json.h"
#include "stix/pattern.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// CTIM observables beside STIX cyber-observable objects. Types that STIX has no object for become
// objects of a type of our own, "x-ctim-<type>" with a `value`, so that none is lost on the way.
//
// Threads: pure functions. Errors: nullopt for what has no counterpart.
//
//   stix::PatternOf("ip", "192.0.2.1");              // "ipv4-addr:value = '192.0.2.1'"
//   stix::ObjectOf("ip", "192.0.2.1").at("id");      // "ipv4-addr--<uuid>", always the same
//   stix::ObservableOf({"ipv4-addr:value", "192.0.2.1"});
namespace mailreeve::stix {

struct Observed {
  std::string type;  // CTIM's
  std::string value;
  bool operator==(const Observed&) const = default;
};

// A comparison without the brackets.
std::string PatternOf(std::string_view type, std::string_view value);
// The object with its deterministic id.
json::object ObjectOf(std::string_view type, std::string_view value);

std::optional<Observed> ObservableOf(const Term& term);
// All that an object tells, in a fixed order (a file: its hashes, then its name). At most 16.
std::vector<Observed> ObservablesOf(const json::object& object);
bool IsCyberObservable(std::string_view stix_type);

}  // namespace mailreeve::stix
