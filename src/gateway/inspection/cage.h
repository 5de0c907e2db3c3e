#pragma once

#include "base/result.h"
#include "mail/reader.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

// The child's side of the inspection cage: a process that reads hostile mail and can do nothing
// else. It is the same program, started with kCageArgument by InspectionPool; main hands over
// before it does anything of its own:
//
//   if (argc > 1 && std::string_view(argv[1]) == gateway::inspection::kCageArgument)
//     return gateway::inspection::RunCageChild(argc, argv);
//
// What closes it: no_new_privs, landlock without any rule (no file can be opened), seccomp (only
// the calls that reading needs; any other kills the process), resource limits, an empty
// environment, no descriptor but the pipe. What mail reading would load lazily is loaded before.
// docs/inspection.md describes it. Threads: the child has one.
namespace mailreeve::gateway::inspection {

inline constexpr std::string_view kCageArgument = "--inspection-cage";
inline constexpr int kCageDescriptor = 3;

// Sent to the child as its first frame.
struct CageOptions {
  uint64_t memory_bytes =
      1024ull * 1024 * 1024;  // address space beyond what the program has when it closes the cage
  uint64_t cpu_ms = 10000;    // processor time for one message
  uint64_t max_message_bytes = 128ull * 1024 * 1024;
  mail::ReadLimits read;
};
std::string Encode(const CageOptions& options);
Result<CageOptions> DecodeCageOptions(std::string_view bytes);

// How strong the cage of this machine is: told to the parent when the child is ready.
struct CageReport {
  uint64_t landlock_abi = 0;  // 0: this kernel has no landlock, and seccomp alone keeps files away
  bool seccomp = false;
  bool memory_limit =
      false;              // false in sanitizer builds, whose shadow memory is larger than any limit
  uint64_t charsets = 0;  // converters loaded
};
std::string Encode(const CageReport& report);
Result<CageReport> DecodeCageReport(std::string_view bytes);

// What is done with a message; the answer goes back as it is. Tests put their own in its place.
using Inspector = std::function<std::string(std::string_view message)>;
using MakeInspector = std::function<Inspector(const CageOptions& options, uint64_t& charsets)>;

// Serves messages until the pipe closes. Returns the exit status: 0, or 2 when the cage could not
// be closed.
int RunCageChild(int argc, char** argv);
int RunCageChild(int argc, char** argv, const MakeInspector& make);

// mail::Reader, warmed up.
Inspector MakeMailInspector(const CageOptions& options, uint64_t& charsets);

}  // namespace mailreeve::gateway::inspection
