// A file of history as an import reads it, plain or zstd: lines within their limit, or an error.
#include "base/check.h"
#include "cli/line_file.h"

#include <cstdint>
#include <sstream>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxLine = 4096;
  constexpr uint64_t kEnough = 100000;  // a few bytes can stand for very many lines
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  const auto file = mailreeve::cli::LineReader::Open("-", in, kMaxLine);
  if (!file) return 0;
  for (uint64_t number = 1; number <= kEnough; ++number) {
    const auto line = (*file)->Next();
    if (!line || !*line) break;
    CHECK((*line)->size() <= kMaxLine);
    CHECK((*line)->find('\n') == std::string::npos);
    CHECK((*file)->number() == number);
  }
  return 0;
}
