#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

// Character sets to UTF-8, as mail names them: known aliases, wrong labels, raw bytes without a
// label. Threads: one at a time. Ownership: keeps its converters open, which is what makes Warm()
// last. Errors: none; what cannot be read becomes U+FFFD.
namespace mailreeve::mail {

class Charsets {
 public:
  Charsets();
  ~Charsets();
  Charsets(const Charsets&) = delete;
  Charsets& operator=(const Charsets&) = delete;

  // Opens every converter that the C library has, so that none is loaded from disk afterwards.
  // Returns how many.
  size_t Warm();

  enum class Outcome { kClean, kReplaced, kUnknownCharset };
  // Appends nothing to bytes that are not in `charset`: each becomes U+FFFD. An unknown charset is
  // read by Guess.
  std::string ToUtf8(std::string_view bytes, std::string_view charset, Outcome* outcome = nullptr);
  // Bytes without a (usable) label: UTF-8 when it is, else `declared`, else GB18030 when it looks
  // so, else windows-1252.
  std::string Guess(std::string_view bytes, std::string_view declared = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailreeve::mail
