#include "base/wire.h"

namespace mailreeve {

void WireWriter::Number(uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
}

void WireWriter::Signed(int64_t value) {
  Number(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
}

void WireWriter::String(std::string_view bytes) {
  Number(bytes.size());
  bytes_.append(bytes);
}

uint64_t WireReader::Number() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return ok_ ? value : 0;
  }
  ok_ = false;
  rest_ = {};
  return 0;
}

int64_t WireReader::Signed() {
  const uint64_t value = Number();
  return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

std::string WireReader::String() {
  const uint64_t size = Number();
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  std::string out(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return out;
}

size_t WireReader::Count() {
  const uint64_t count = Number();
  if (!ok_ || count > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  return count;
}

uint64_t WireReader::NumberUpTo(uint64_t max) {
  const uint64_t value = Number();
  if (value > max) {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  return value;
}

Result<void> WireReader::Finish(std::string_view what) const {
  if (!ok_)
    return Fail(Code::kCorrupt, std::string(what) + ": bytes are cut short or out of range");
  if (!rest_.empty()) return Fail(Code::kCorrupt, std::string(what) + ": bytes left over");
  return {};
}

}  // namespace mailreeve
