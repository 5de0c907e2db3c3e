#pragma once

#include "response/identity/scope.h"

#include <string>
#include <string_view>
#include <vector>

// What the routes of the intelligence store (/ctia) ask for: capabilities, which follow from the
// scopes of a token (threat-response-api.md 5.3). Pure functions; thread-safe.
//
//   HasCapability(caller.scopes, "create-sighting");
//   HasCapability(caller.scopes, "read-judgement", kGlobalIntel);
namespace mailreeve::response::identity {

inline constexpr std::string_view kPrivateIntel = "private-intel";
inline constexpr std::string_view kGlobalIntel = "global-intel";

// All that `scopes` give on the store whose root scope is `root`, in order of text. Never
// "developer" nor "specify-id": those are not given by scopes.
std::vector<std::string> CapabilitiesOf(const ScopeSet& scopes,
                                        std::string_view root = kPrivateIntel);
// The same question for one capability, without making the list. False for names that are none.
bool HasCapability(const ScopeSet& scopes, std::string_view capability,
                   std::string_view root = kPrivateIntel);

}  // namespace mailreeve::response::identity
