#pragma once

#include <cstddef>
#include <string_view>

// Readies a body for GMime's parser, which nests as deep as it is told to and reads messages inside
// with their whole header. Threads: pure functions.
namespace mailreeve::mail {

struct StructureLimits {
  size_t max_depth = 64;
  size_t max_parts = 10000;
};
struct StructureCuts {
  bool depth = false;
  bool parts = false;
  size_t end = 0;  // GMime is given only the bytes before it
};

// Changes `body`, a copy that only GMime's structure parser sees, without moving any byte:
// "message/…" parts and "multipart/digest" are renamed ("xessage", "xigest"), so that GMime takes a
// message inside as one leaf, which the reader opens itself; a multipart nested too deep is renamed
// ("xultipart") and so a leaf. `boundary` is the outermost. Linear time.
StructureCuts TameStructure(char* body, size_t size, std::string_view boundary,
                            const StructureLimits& limits);

}  // namespace mailreeve::mail
