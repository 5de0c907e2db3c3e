#pragma once

#include <string>
#include <string_view>

namespace mailreeve::gateway::tracking {

// What subject search compares: lower case (Unicode, one to one), full-width forms as their ASCII
// counterparts, runs of white space and control characters as one space, none at the ends. Pure;
// linear time; thread-safe.
std::string FoldText(std::string_view text);

}  // namespace mailreeve::gateway::tracking
