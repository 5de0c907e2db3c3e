#pragma once

#include "gateway/mailed_reports/document.h"

#include <string>
#include <variant>
#include <vector>

// Charts as shapes, drawn once and put on paper by each renderer. Units are points; y grows
// downwards. Pure.
namespace mailreeve::gateway::mailed_reports {

struct Colour {
  unsigned char r = 0, g = 0, b = 0;
  std::string Hex() const;
};

// The page's colours; the series ones are told apart by people who see red and green alike.
inline constexpr Colour kInk{0x1f, 0x29, 0x37}, kMuted{0x6b, 0x72, 0x80}, kLine{0xe5, 0xe7, 0xeb},
    kAccent{0x0f, 0x62, 0x9e}, kWhite{0xff, 0xff, 0xff}, kPaper{0xf8, 0xfa, 0xfc};
Colour SeriesColour(size_t index);

struct Box {
  double x, y, width, height;
  Colour fill;
};
struct Stroke {
  std::vector<std::pair<double, double>> points;
  Colour colour;
  double width = 1;
};
struct Label {
  double x, y;  // of the baseline
  double size;
  enum class Anchor { kStart, kMiddle, kEnd } anchor;
  Colour colour;
  std::string text;
  bool bold = false;
};
struct Drawing {
  double width = 0, height = 0;
  std::vector<std::variant<Box, Stroke, Label>> items;
};

// Bars of the rows, or lines of the counters over time. No items: there is nothing to draw.
Drawing DrawChart(const Section& section, Language language, double width);

}  // namespace mailreeve::gateway::mailed_reports
