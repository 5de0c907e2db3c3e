#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Undoes what people do to make links harmless before they pass them on. Internal to this folder.
// Threads: pure functions. Linear: each rule looks a bounded number of bytes around.
namespace mailreeve::observable {

struct Refanged {
  std::string text;  // valid UTF-8 without zero-width and bidirectional control characters
  std::vector<uint32_t>
      dots;  // offsets in `text` of the dots that were written otherwise, ascending
  bool HasDot(size_t begin, size_t end) const;  // one of them is in [begin, end)
};

// `text` is valid UTF-8.
Refanged Refang(std::string_view text);

}  // namespace mailreeve::observable
