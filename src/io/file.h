#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <string>
#include <string_view>

// Small files, whole. Blocking; thread-safe.
namespace mailreeve::io {

// kNotFound when it is not there; kLimited when longer than `max_bytes`.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

// Writes beside `path`, syncs, renames over it and syncs the folder: readers and a crash see the
// old or the new file, never a part.
Result<void> WriteFileAtomically(const std::string& path, std::string_view bytes, mode_t mode);

// mkdir -p with `mode` for the folders it makes.
Result<void> MakeFolders(const std::string& path, mode_t mode);

}  // namespace mailreeve::io
