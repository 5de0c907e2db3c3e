#include "simulator/simulation.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

// Runs seeds of the simulator over the tracking store. docs/simulator.md.
//   mailreeve-simulate [--first N] [--seeds N] [--every N] [--json] [--verbose]
// `--every N` runs each Nth seed: what one of N processes does. Exit status 1: a seed failed.
namespace {

bool Number(const char* text, uint64_t& to) {
  char* end = nullptr;
  to = std::strtoull(text, &end, 10);
  return end != text && *end == '\0';
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mailreeve;
  uint64_t first = 1, seeds = 1, every = 1;
  bool json = false, verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    uint64_t* to = argument == "--first"   ? &first
                   : argument == "--seeds" ? &seeds
                   : argument == "--every" ? &every
                                           : nullptr;
    if (to && i + 1 < argc && Number(argv[i + 1], *to) && every > 0) {
      ++i;
    } else if (argument == "--json") {
      json = true;
    } else if (argument == "--verbose") {
      verbose = true;
    } else {
      std::fprintf(stderr,
                   "usage: mailreeve-simulate [--first N] [--seeds N] [--every N] [--json] "
                   "[--verbose]\n");
      return 2;
    }
  }
  const auto logger = log::MakeLogger("", log::Level::kDebug);
  simulator::Subject subject;
  // What the store itself says, when asked for.
  subject.open = [&](gateway::tracking::CoreOptions options, io::Files& files, log::Logger& quiet,
                     const Clock& clock) {
    return gateway::tracking::Core::Open(std::move(options), files, verbose ? *logger : quiet,
                                         clock);
  };
  const auto started = std::chrono::steady_clock::now();
  simulator::Outcome all;
  uint64_t run = 0, failed = 0;
  for (uint64_t i = 0; i < seeds; i += every) {
    const uint64_t seed = first + i;
    const auto outcome = simulator::Simulate(seed, subject);
    ++run;
    all.operations += outcome.operations;
    all.crashes += outcome.crashes;
    all.faults += outcome.faults;
    all.acknowledged += outcome.acknowledged;
    all.damaged += outcome.damaged;
    if (verbose) {
      std::fprintf(stderr, "seed %lu: %lu operations, %lu crashes, %lu faults, %lu acknowledged\n",
                   seed, outcome.operations, outcome.crashes, outcome.faults, outcome.acknowledged);
    }
    if (outcome.failures.empty()) continue;
    ++failed;
    std::fprintf(stderr, "seed %lu FAILED; again: %s --first %lu\n", seed, argv[0], seed);
    for (const auto& failure : outcome.failures) std::fprintf(stderr, "  %s\n", failure.c_str());
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const char* shape =
      json ? "{\"name\": \"simulate\", \"seeds\": %lu, \"failures\": %lu, \"seconds\": %.1f, "
             "\"operations\": %lu, \"crashes\": %lu, \"faults\": %lu, \"acknowledged\": %lu, "
             "\"damaged\": %lu}\n"
           : "%lu seeds, %lu failed, %.1f s: %lu operations, %lu crashes, %lu faults, "
             "%lu acknowledged, %lu stores damaged\n";
  std::printf(shape, run, failed, seconds, all.operations, all.crashes, all.faults,
              all.acknowledged, all.damaged);
  return failed == 0 ? 0 : 1;
}
