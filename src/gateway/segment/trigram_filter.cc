#include "gateway/segment/trigram_filter.h"

#include <algorithm>

namespace mailreeve::gateway::segment {
namespace {

uint32_t Slot(std::string_view text, size_t at, unsigned slot_bits) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const uint32_t gram = byte(0) | byte(1) << 8 | byte(2) << 16;
  return (gram * 0x9e3779b1U) >> (32 - slot_bits);
}

}  // namespace

TrigramBuilder::TrigramBuilder(unsigned slot_bits, uint32_t groups)
    : slot_bits_(slot_bits),
      line_(LineBytes(groups)),
      bytes_((size_t{1} << slot_bits) * LineBytes(groups), '\0') {}

void TrigramBuilder::Add(uint32_t group, std::string_view text) {
  for (size_t at = 0; at + 3 <= text.size(); ++at) {
    char& byte = bytes_[Slot(text, at, slot_bits_) * line_ + group / 8];
    byte = static_cast<char>(byte | 1 << (group % 8));
  }
}

std::vector<uint32_t> TrigramSlots(std::string_view text, unsigned slot_bits, size_t max) {
  std::vector<uint32_t> out;
  for (size_t at = 0; at + 3 <= text.size(); ++at) out.push_back(Slot(text, at, slot_bits));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.size() > max) out.resize(max);
  return out;
}

}  // namespace mailreeve::gateway::segment
