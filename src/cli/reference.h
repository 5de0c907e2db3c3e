#pragma once

#include <string>

namespace CLI {
class App;
}

// Shell completion and manual page, written from the commands and options themselves so that they
// cannot go stale.
namespace mailreeve::cli {

std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);
// troff, section 1.
std::string ManualPage(const CLI::App& app);

}  // namespace mailreeve::cli
