#pragma once

#include "base/result.h"

#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

// Files of lines, plain or compressed: how history is kept (docs/history-import.md).
//
// Threads: one. Ownership: the streams outlive them. Errors: kInvalid (a line that is too long, a
// zstd frame that is damaged or ends early), kUnavailable (file cannot be opened, read or written).
namespace mailreeve::cli {

class LineWriter {
 public:
  // "-" is `standard_output`. zstd when `path` ends in ".zst". A file is written beside `path` and
  // takes its place at Finish, so that a half-written one never passes for a whole one; mode 0600.
  static Result<std::unique_ptr<LineWriter>> Open(const std::string& path,
                                                  std::ostream& standard_output);
  virtual ~LineWriter() = default;
  virtual Result<void> Write(std::string_view text) = 0;
  // Once, at the end. Without it the file is removed.
  virtual Result<void> Finish() = 0;
};

class LineReader {
 public:
  // "-" is `standard_input`. zstd and gzip are known by their first bytes.
  static Result<std::unique_ptr<LineReader>> Open(const std::string& path,
                                                  std::istream& standard_input,
                                                  size_t max_line_bytes);
  virtual ~LineReader() = default;
  // The next line without its end; nothing at the end of the file.
  virtual Result<std::optional<std::string>> Next() = 0;
  virtual uint64_t number() const = 0;  // of the line given last, from 1
};

}  // namespace mailreeve::cli
