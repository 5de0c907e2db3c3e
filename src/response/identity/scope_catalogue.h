#pragma once

#include <span>
#include <string_view>

// The scopes a client can be given, with what they are for, and named sets of them. Thread-safe.
namespace mailreeve::response::identity {

struct ScopeText {
  std::string_view scope, en, zh;
};
std::span<const ScopeText> ScopeCatalogue();

// What the ribbon of a gateway needs (separated by spaces).
inline constexpr std::string_view kRibbonScopes =
    "casebook enrich:read global-intel:read inspect:read integration:read private-intel profile "
    "registry/user/ribbon response telemetry:write users:read";
// Empty when there is no such preset.
std::string_view PresetScopes(std::string_view preset);

}  // namespace mailreeve::response::identity
