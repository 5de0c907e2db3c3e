#pragma once

#include "json/json.h"

#include <optional>
#include <string>
#include <string_view>

// Ids that are the same for the same thing, and markings of the traffic light protocol.
//
// Threads: pure functions. Errors: nullopt for what is no such id.
//
//   stix::IdFor("indicator", "https://h/ctia/indicator/indicator-5b0c…");   // "indicator--5b0c…"
//   stix::MarkingOf("amber");        // "marking-definition--55d920b0-…"
namespace mailreeve::stix {

// RFC 9562 version 5.
std::string NamedUuid(std::string_view namespace_bytes, std::string_view name);
// Of cyber-observables by what identifies them (STIX 2.1, 2.9).
std::string ObservableId(std::string_view stix_type, const json::object& identifying);
// "<stix_type>--<uuid>": the uuid of a CTIM id when it has one, else derived from the text.
std::string IdFor(std::string_view stix_type, std::string_view ctim_id);

// The type of "type--uuid"; nullopt when it has not that form.
std::optional<std::string_view> TypeOfId(std::string_view id);

// TLP 2.0 definitions; white is CLEAR. Unknown words: amber.
std::string_view MarkingOf(std::string_view tlp);
json::object MarkingDefinition(std::string_view tlp);
// TLP 1 and 2 ids; amber+strict is red: fewer may see it, and CTIM has nothing between.
std::optional<std::string_view> TlpOfMarking(std::string_view id);

}  // namespace mailreeve::stix
