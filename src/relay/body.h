#pragma once

#include "json/json.h"
#include "observable/observable.h"

#include <string>
#include <vector>

// Reads the bodies of relay calls as strictly as the protocol asks (threat-response-api.md 2.4).
// Pure; thread-safe. Errors: kInvalid, worded as modules word it: "{0: {'x': ['Unknown field.']}}".
namespace mailreeve::relay {

struct BodyLimits {
  size_t max_observables = 1000;
  size_t max_value_bytes = 64 * 1024;
};

struct AskedObservable {
  observable::Observable given;      // as it came
  observable::Observable canonical;  // what is looked for
};
struct AskedObservables {
  std::vector<AskedObservable> asked;  // unique by canonical form
  // Of a known type, but with a value that is none of it: "ip:300.1.1.1". Worth a warning.
  std::vector<std::string> unreadable;
};
// An array of {"type","value"} and nothing else, neither blank. Types that CTIM does not have are
// dropped, as modules drop what they do not support. `ip` with an IPv6 address is read as `ipv6`.
Result<AskedObservables> ReadObservables(const json::value& body, const BodyLimits& limits);

}  // namespace mailreeve::relay
