#pragma once

#include <cstdint>
#include <string>

// Random bytes of the operating system (getrandom(2)); fit for keys and tokens. Thread-safe. Aborts
// the program when the kernel cannot give any, since nothing safe can be done without.
namespace mailreeve {

std::string RandomBytes(size_t count);
uint64_t RandomNumber();
// RFC 9562 version 4, lower case: "5b0c2f0e-…".
std::string RandomUuid();
// `bytes` random bytes as base64url without padding: for secrets that people copy.
std::string RandomToken(size_t bytes);

}  // namespace mailreeve
