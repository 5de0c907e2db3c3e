#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Text helpers that do not depend on the locale. Pure functions; thread-safe.
namespace mailreeve {

char AsciiLower(char c);
std::string AsciiLower(std::string_view text);
bool AsciiEqualFold(std::string_view a, std::string_view b);                 // ASCII letters only
std::string_view TrimSpace(std::string_view text);                           // space, tab, CR, LF
std::vector<std::string_view> Split(std::string_view text, char separator);  // keeps empty pieces

bool IsValidUtf8(std::string_view bytes);
// Valid UTF-8 whatever comes in: each maximal ill-formed sequence becomes U+FFFD (Unicode 3.9), NUL
// too.
std::string ToValidUtf8(std::string_view bytes);
// Cuts at most `max_bytes`, never inside a UTF-8 sequence.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);
void AppendUtf8(std::string& out, char32_t code_point);
// Decodes the code point at `pos` of valid UTF-8 and moves `pos` on; U+FFFD and one byte on
// ill-formed input.
char32_t NextCodePoint(std::string_view text, size_t& pos);

}  // namespace mailreeve
