#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

// A small binary encoding for what crosses process borders or goes on disk: unsigned LEB128 numbers
// and length-prefixed byte strings. Field order is the format; a version number comes first in each
// document.
//
// WireReader trusts nothing: every length is checked against what is left before memory is taken,
// and the first error sticks, so a decoder may read all its fields and test ok() once. Not
// thread-safe; the reader borrows its input.
namespace mailreeve {

class WireWriter {
 public:
  void Number(uint64_t value);
  void Signed(int64_t value);  // zig-zag
  void Bool(bool value) { Number(value ? 1 : 0); }
  void String(std::string_view bytes);

  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number();
  int64_t Signed();
  bool Bool() { return Number() != 0; }
  std::string String();
  // A count of items that each take at least one byte: refused when larger than what is left.
  size_t Count();
  // For enums: refused when above `max`.
  uint64_t NumberUpTo(uint64_t max);

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  // kCorrupt naming `what` when anything failed or bytes are left over.
  Result<void> Finish(std::string_view what) const;

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace mailreeve
