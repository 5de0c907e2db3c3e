#pragma once

#include <ostream>

// The `mailreeve` command. Texts follow the language of LC_ALL, LC_MESSAGES or LANG: 简体中文 for
// zh, else English.
//
// Exit status (also in the manual page):
//   0 done; 1 the gateway reported a failure; 2 wrong usage or input; 3 the gateway cannot be
//   reached; 4 not found; 5 no answer in time.
namespace mailreeve::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 3;
inline constexpr int kExitNotFound = 4;
inline constexpr int kExitTimeout = 5;
inline constexpr int kExitInterrupted = 130;  // as shells have it for Ctrl-C

// Runs one command line. Results go to `out`, complaints to `err`. Blocks until done.
int Run(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace mailreeve::cli
