#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

// Where a URL begins and ends in text. Shared by FindUrls and the recogniser; internal to this
// folder. Every call looks at bytes that no later call looks at again, or at a bounded number
// before its position, so a walk over a text is linear. Threads: pure functions.
namespace mailreeve::observable {

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// text[colon] is ':'. A URL of a known scheme with "//" (or backslashes) after it. Nothing before
// `floor` belongs to it.
std::optional<Span> UrlAtColon(std::string_view text, size_t colon, size_t floor);

// text[dot] is '.'. A name that begins with "www." just there, with what follows it of a URL.
std::optional<Span> UrlAtWww(std::string_view text, size_t dot, size_t floor);

// The end of the path, query and fragment that start at `at` (a '/', '\\', '?' or '#'), trailing
// punctuation left out. `quote` is the character before the URL: an apostrophe there ends it.
size_t UrlTail(std::string_view text, size_t at, char quote);

}  // namespace mailreeve::observable
