#pragma once

#include <memory>
#include <string>
#include <string_view>

// Digests by OpenSSL. Thread-safe but for one Hasher object. Results are raw bytes (HexEncode for
// text).
namespace mailreeve::crypto {

enum class HashKind { kSha256, kSha1, kMd5, kSha384, kSha512 };

std::string Hash(HashKind kind, std::string_view bytes);
std::string Sha256(std::string_view bytes);
std::string HmacSha256(std::string_view key, std::string_view bytes);
std::string HmacSha1(std::string_view key, std::string_view bytes);  // one-time codes only

// For streams: Update any number of times, Finish once.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void Update(std::string_view bytes);
  std::string Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailreeve::crypto
