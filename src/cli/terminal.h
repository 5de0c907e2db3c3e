#pragma once

#include <string>
#include <string_view>
#include <vector>

// What goes to a terminal. Text from mail passes TerminalText first: control characters and escape
// sequences in a subject must not reach the reader's terminal (hostile-input.md W04).
namespace mailreeve::cli {

// Valid UTF-8 without C0, C1, DEL and bidirectional controls; each becomes U+FFFD, line breaks a
// space.
std::string TerminalText(std::string_view text);

// Columns that `text` takes: 2 for East Asian wide characters, 0 for combining marks.
size_t DisplayWidth(std::string_view text);

// Rows under headings, columns as wide as needed and at most `max_column`; longer text is cut with
// an ellipsis.
std::string Table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows, size_t max_column = 44);

// Bars of one line, "▁▃█", scaled to the largest; values beyond `width` are joined by their sum.
// Empty when there is none or all are 0.
std::string Sparkline(const std::vector<double>& values, size_t width);

// "name  value" lines with the names padded to one width.
std::string Pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace mailreeve::cli
