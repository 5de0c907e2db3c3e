#pragma once

#include "mail/charsets.h"

#include <string>
#include <string_view>

// Header text to UTF-8: RFC 2047 encoded words, tolerant of what real mail does to them (H04: split
// inside a character, white space and '?' inside, inside quotes, wrong charset), and raw 8-bit
// bytes (H06). Linear time. Threads: as the Charsets given.
namespace mailreeve::mail {

struct HeaderText {
  std::string text;      // valid UTF-8; line ends taken out, NUL dropped
  bool encoded = false;  // held at least one encoded word
  bool unknown_charset = false;
  bool replaced = false;     // some bytes were not in the charset named
  bool raw_8bit = false;     // bytes above 0x7f outside encoded words
  bool broken_word = false;  // looked like an encoded word and is none
};

// `declared` is the charset of the body, tried for raw bytes that are not UTF-8.
HeaderText DecodeHeaderText(std::string_view value, Charsets& charsets,
                            std::string_view declared = {});

// Runs of white space become one space, none at the ends.
std::string FoldSpaces(std::string_view text);

// Decodes the B and Q encodings of RFC 2047; characters outside the alphabet are skipped.
std::string DecodeB(std::string_view text);
std::string DecodeQ(std::string_view text);

}  // namespace mailreeve::mail
