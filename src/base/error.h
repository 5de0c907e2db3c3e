#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The one error type of Mailreeve.
//
// Threads: a value; share copies freely.
// Errors carry a closed code (mapped once to HTTP in http/status.h and once to SMTP in
// gateway/pipeline), a sentence that says what went wrong and what to do, and notes added on the
// way up ("reading settings file /x").
namespace mailreeve {

enum class Code {
  kInvalid,          // the input is wrong; the caller can mend it
  kNotFound,         // the thing named does not exist
  kConflict,         // exists already, or changed meanwhile
  kDenied,           // known caller, not allowed
  kUnauthenticated,  // caller not known
  kLimited,          // a limit or quota was hit
  kUnavailable,      // a peer or resource cannot be reached now; try again later
  kTimeout,          // a deadline passed
  kCancelled,        // the asker gave up
  kCorrupt,          // stored bytes are damaged
  kInternal,         // our own fault
};

// "invalid", "not_found", …: stable words for logs, JSON and exit codes.
std::string_view CodeName(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;
  std::vector<std::string> notes;

  Error() = default;
  Error(Code c, std::string m) : code(c), message(std::move(m)) {}

  // Adds context at a layer border; outermost last.
  Error&& Note(std::string note) && {
    notes.push_back(std::move(note));
    return std::move(*this);
  }

  // "message (note; note)": for logs and people.
  std::string ToString() const;
};

}  // namespace mailreeve
