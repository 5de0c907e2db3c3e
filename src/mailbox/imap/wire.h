#pragma once

#include "base/result.h"
#include "base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The bytes of IMAP4rev1 (RFC 3501 section 9, RFC 7888, RFC 5530): responses read, arguments
// written. Nothing the server says is trusted: depth and counts are bounded, and the first thing
// that is not IMAP is an error. Pure functions; thread-safe. Errors: kInvalid with the offset,
// kLimited.
namespace mailreeve::mailbox::imap {

struct Node {
  enum class Kind : uint8_t { kAtom, kString, kList };
  Kind kind = Kind::kAtom;
  std::string text;         // of an atom or string, decoded
  std::vector<Node> items;  // of a list
  bool is_nil() const { return kind == Kind::kAtom && text == "NIL"; }
};

struct Response {
  enum class Kind : uint8_t { kContinuation, kUntagged, kTagged };
  Kind kind = Kind::kUntagged;
  std::string tag;                 // of kTagged
  std::optional<uint32_t> number;  // "* 12 FETCH"
  std::string name;                // upper case: "FETCH", "OK", "LIST"
  std::vector<Node> items;         // what follows the name, but for status responses
  std::string code;                // inside [] of a status response, as sent
  std::string text;                // of a status response or a continuation
  bool is_status() const;          // OK, NO, BAD, BYE, PREAUTH
  // First word of `code`, upper case.
  std::string code_name() const;
};

struct WireLimits {
  size_t max_depth = 32;
  size_t max_nodes = 300000;  // of one response
};

// `bytes` is one whole response without the last CRLF; literals stand in it as "{n}CRLF" and n
// bytes.
Result<Response> ParseResponse(std::string_view bytes, const WireLimits& limits = {});

// When `line`, the last line of a response so far, announces a literal: its length. `whole` is the
// response from its start; status responses end in free text and announce none.
std::optional<uint64_t> AnnouncedLiteral(std::string_view whole, std::string_view line);

// A command being written: fixed words and arguments, where every argument is encoded and none can
// end the line.
class Command {
 public:
  // `words` are ours, never from outside.
  explicit Command(std::string_view words) : pieces_{{std::string(words), false}} {}
  Command& Words(std::string_view words);
  // A quoted string when it can be one, else a literal. NUL has no form in IMAP: the command is
  // spoilt.
  Command& Argument(std::string_view value);
  Command& Number(uint64_t value) { return Words(std::to_string(value)); }

  struct Piece {
    std::string bytes;
    bool is_literal = false;
  };
  const std::vector<Piece>& pieces() const { return pieces_; }
  bool spoilt() const { return spoilt_; }

 private:
  std::vector<Piece> pieces_;
  bool spoilt_ = false;
};

// Modified UTF-7 of mailbox names (RFC 3501 section 5.1.3). Encode takes valid UTF-8. Decode
// refuses what a careful encoder would not have written.
std::string EncodeMailboxName(std::string_view utf8);
Result<std::string> DecodeMailboxName(std::string_view wire);

// "24-Nov-2026", in UTC.
std::string FormatDate(Time time);
// "24-Nov-2026 04:06:01 +0100".
Result<Time> ParseInternalDate(std::string_view text);

// "1:3,7" of sorted or unsorted numbers.
std::string UidSet(const std::vector<uint32_t>& uids);

}  // namespace mailreeve::mailbox::imap
