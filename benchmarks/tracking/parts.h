#pragma once

#include "generator.h"
#include "random.h"

#include <string_view>

// Parts of a generated message.
namespace mailreeve::bench {

// The same seed is the same file. Without `name` it gets one.
mail::Attachment MakeFile(uint64_t seed, bool is_inline, std::string_view name);

// What happened to the message. One in ten is told about afterwards (Made::later), the rest when it
// is appended, as an import would. `domain` is where it is delivered to.
void AddEvents(Made& made, Rng& rng, std::string_view domain);

}  // namespace mailreeve::bench
