#pragma once

#include "gateway/counters/counters.h"
#include "gateway/counters/format.h"

namespace mailreeve::gateway::counters {

struct Reader::Impl {
  Read read;
  Directory directory;

  Result<std::string> Load(const Frame& frame, Decompressor& decompress) const;
  bool Has(Dimension dimension) const {
    return directory.dimensions[static_cast<size_t>(dimension)].hours.size != 0;
  }
};

}  // namespace mailreeve::gateway::counters
