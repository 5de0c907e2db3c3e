#pragma once

#include "gateway/mailed_reports/document.h"

#include <string>
#include <vector>

namespace mailreeve::gateway::mailed_reports {

struct Formats {
  bool pdf = true, csv = true, html = true;
};

struct LetterHead {
  std::string from;             // address
  std::vector<std::string> to;  // addresses
  std::string message_id;       // without angle brackets
  Time date;
};

// The mail with CRLF line ends and 7-bit lines: text, HTML beside it, PDF and CSVs attached.
// Blocking (draws the PDF). kInternal: the PDF could not be made.
Result<std::string> MakeLetter(const LetterHead& head, const Document& document, Formats formats);

}  // namespace mailreeve::gateway::mailed_reports
