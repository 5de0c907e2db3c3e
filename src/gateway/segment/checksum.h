#pragma once

#include <cstdint>
#include <string_view>

namespace mailreeve::gateway::segment {

// XXH3, 64 bits: finds damage, not forgery. `where` goes in as seed, so that intact bytes in a
// wrong place are damage too.
uint64_t Checksum(std::string_view bytes, uint64_t where = 0);

}  // namespace mailreeve::gateway::segment
