#include "base/random.h"

#include "base/bytes.h"
#include "base/check.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

namespace mailreeve {

std::string RandomBytes(size_t count) {
  std::string out(count, '\0');
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(out.data() + filled, count - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0);
    filled += static_cast<size_t>(got);
  }
  return out;
}

uint64_t RandomNumber() {
  const std::string bytes = RandomBytes(8);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), 8);
  return value;
}

std::string RandomUuid() {
  std::string bytes = RandomBytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string hex = HexEncode(bytes);
  for (const size_t at : {20, 16, 12, 8}) hex.insert(at, "-");
  return hex;
}

std::string RandomToken(size_t bytes) { return Base64UrlEncode(RandomBytes(bytes)); }

}  // namespace mailreeve
