#pragma once

#include "base/time.h"
#include "crypto/seal.h"

#include <chrono>
#include <string>

namespace mailreeve::response::module_store {

// The keys at `path`, made (mode 0600) when there is no file. When the file is older than
// `rotate_after` a fresh key is added; 0: never. kDenied when others may read the file, kCorrupt
// when it holds no keys. Blocking.
Result<crypto::SealingKeys> LoadOrMakeKeys(const std::string& path, Time now,
                                           std::chrono::seconds rotate_after);
// Writes the keys that are left when older ones went.
Result<void> SaveKeys(const std::string& path, const crypto::SealingKeys& keys);

}  // namespace mailreeve::response::module_store
