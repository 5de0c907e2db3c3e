#pragma once

#include <string_view>

namespace mailreeve::mail {

// The media type of a file by its first bytes (and, for ZIP, by the names of its first members);
// empty when unknown. Pure, constant time but for a look at the first 4 KiB.
std::string_view SniffType(std::string_view bytes);

}  // namespace mailreeve::mail
