#include "gateway/segment/checksum.h"

#include <xxhash.h>

namespace mailreeve::gateway::segment {

uint64_t Checksum(std::string_view bytes, uint64_t where) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), where);
}

}  // namespace mailreeve::gateway::segment
