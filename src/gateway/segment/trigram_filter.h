#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Which groups of rows may hold a text: one bit for each hashed trigram and group, sliced so that a
// question reads one short line of bits for each trigram of the needle and joins them.
// docs/tracking-format.md section 5. Texts are folded by the caller.
namespace mailreeve::gateway::segment {

class TrigramBuilder {
 public:
  TrigramBuilder(unsigned slot_bits, uint32_t groups);
  void Add(uint32_t group, std::string_view text);
  // A line of LineBytes(groups) for each of 1 << slot_bits slots.
  const std::string& bytes() const { return bytes_; }

 private:
  unsigned slot_bits_;
  size_t line_;
  std::string bytes_;
};

inline size_t LineBytes(uint32_t groups) { return (groups + 7) / 8; }

// The slots a needle asks for, at most `max`; empty when it is shorter than a trigram.
std::vector<uint32_t> TrigramSlots(std::string_view text, unsigned slot_bits, size_t max);

}  // namespace mailreeve::gateway::segment
