#pragma once

#include <memory>
#include <string>
#include <string_view>

// Digests as lower hex, with contexts that are used again: looking an algorithm up and making a
// context costs more than hashing a small part. Threads: one at a time. Ownership: a value, not
// copied.
namespace mailreeve::mail {

class Digester {
 public:
  enum class Kind { kSha256, kSha1, kMd5 };

  explicit Digester(Kind kind);
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;

  void Start();
  void Update(std::string_view bytes);
  std::string FinishHex();

  std::string Hex(std::string_view bytes) {
    Start();
    Update(bytes);
    return FinishHex();
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailreeve::mail
