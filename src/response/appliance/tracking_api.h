#pragma once

#include "base/time.h"
#include "json/json.h"
#include "observable/observable.h"

#include <optional>
#include <string>
#include <vector>

// The message tracking of AsyncOS-style REST APIs (gateway-api.md 1.4, 1.5) in and out of our
// words. Pure functions; thread-safe. What an appliance says is a stranger's: nothing is trusted.
namespace mailreeve::response::appliance {

// The filter of a search for messages that show `observable`; nullopt for types that its tracking
// cannot be asked for.
std::optional<std::string> FilterFor(const observable::Observable& observable);

// Path and query below the API's prefix, for received in [from, until] to the minute.
std::string SearchTarget(const std::string& filter, Time from, Time until, size_t offset,
                         size_t limit);

// "29 Aug 2023 10:00:48 (GMT +00:00)", also "(GMT)" and other zones. kInvalid otherwise.
Result<Time> ParseTimestamp(std::string_view text);

struct SightingWorld {
  std::string source;       // name of the module instance
  std::string console_url;  // of the appliance's own pages; empty: no links
};
// The sighting of one row of `data`, for who asked for `asked`; nullopt for a row that is none
// (no MID, no time).
std::optional<json::object> SightingOf(const json::value& row, const observable::Observable& asked,
                                       const SightingWorld& world);

// The page of the appliance's console that searches for the observable.
std::string SearchLink(const std::string& console_url, const std::string& filter);

}  // namespace mailreeve::response::appliance
