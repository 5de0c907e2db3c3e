// The cage's child on its own, for tests of rooms whose test program has no child of its own: give
// its path to InspectionOptions::program.
#include "gateway/inspection/cage.h"

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  using namespace mailreeve::gateway::inspection;
  if (argc > 1 && std::string_view(argv[1]) == kCageArgument) return RunCageChild(argc, argv);
  std::fprintf(stderr, "started by the inspection pool only\n");
  return 2;
}
