#include "gateway/mailed_reports/drawing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace mailreeve::gateway::mailed_reports {
namespace {

using Anchor = Label::Anchor;

// The top of an axis, and into how many steps it falls.
struct Axis {
  uint64_t top = 1;
  size_t steps = 1;
};
Axis AxisFor(uint64_t value) {
  for (uint64_t ten = 1; ten <= UINT64_MAX / 100; ten *= 10) {
    for (const uint64_t times : {1, 2, 3, 4, 5, 6, 8}) {
      if (ten * times < value) continue;
      if (ten == 1) return {times, times <= 6 ? times : 4};
      return {ten * times, times == 1 ? 5U : times == 2 || times == 8 ? 4U : times};
    }
  }
  return {value, 1};
}

std::string Short(uint64_t value) {
  char out[32];
  if (value >= 10'000'000) {
    std::snprintf(out, sizeof out, "%.0fM", static_cast<double>(value) / 1e6);
  } else if (value >= 1'000'000) {
    std::snprintf(out, sizeof out, "%.1fM", static_cast<double>(value) / 1e6);
  } else if (value >= 10'000) {
    std::snprintf(out, sizeof out, "%.0fk", static_cast<double>(value) / 1e3);
  } else {
    std::snprintf(out, sizeof out, "%llu", static_cast<unsigned long long>(value));
  }
  return out;
}

void DrawBars(const Section& section, Drawing& out) {
  constexpr double kRow = 17, kBar = 11, kLabels = 190, kNumbers = 60;
  const size_t column = section.shown.front();
  const auto& rows = section.table.rows;
  const size_t count = std::min<size_t>(rows.size(), 10);
  uint64_t most = 1;
  for (size_t i = 0; i < count; ++i) most = std::max(most, rows[i].values[column]);
  const double room = out.width - kLabels - kNumbers;
  for (size_t i = 0; i < count; ++i) {
    const double y = static_cast<double>(i) * kRow + 4;
    const std::string key = rows[i].key.empty() ? "–" : Shown(rows[i].key, 34);
    out.items.push_back(Label{kLabels - 8, y + kBar - 2, 8.5, Anchor::kEnd, kInk, key});
    const double width = std::max(
        room * static_cast<double>(rows[i].values[column]) / static_cast<double>(most), 1.0);
    out.items.push_back(Box{kLabels, y, room, kBar, kPaper});
    out.items.push_back(Box{kLabels, y, width, kBar, SeriesColour(0)});
    out.items.push_back(Label{kLabels + width + 5, y + kBar - 2, 8.5, Anchor::kStart, kInk,
                              Grouped(rows[i].values[column])});
  }
  out.height = static_cast<double>(count) * kRow + 6;
}

void DrawLines(const Section& section, Drawing& out) {
  constexpr double kLeft = 40, kTop = 22, kPlot = 105, kBottom = 18;
  const auto& series = section.table.series;
  const size_t lines = std::min<size_t>(section.shown.size(), 3);
  uint64_t most = 1;
  for (const auto& point : series) {
    for (size_t i = 0; i < lines; ++i) most = std::max(most, point.values[section.shown[i]]);
  }
  const auto [top, steps] = AxisFor(most);
  const double room = out.width - kLeft - 8;
  const double height = static_cast<double>(top);
  const auto y_of = [height](uint64_t value) {
    return kTop + kPlot * (1 - static_cast<double>(value) / height);
  };
  for (size_t i = 0; i <= steps; ++i) {
    const uint64_t value = top / steps * i;
    out.items.push_back(Stroke{{{kLeft, y_of(value)}, {kLeft + room, y_of(value)}}, kLine, 0.75});
    out.items.push_back(Label{kLeft - 5, y_of(value) + 3, 7.5, Anchor::kEnd, kMuted, Short(value)});
  }
  const auto x_of = [&](size_t index) {
    return kLeft + room * (static_cast<double>(index) + 0.5) / static_cast<double>(series.size());
  };
  const bool hours =
      series.size() > 1 && series[1].begin - series[0].begin <= std::chrono::hours(1);
  const size_t every =
      std::max<size_t>(hours ? (series.size() > 48 ? 24 : 3) : (series.size() + 9) / 10, 1);
  for (size_t i = 0; i < series.size(); i += every) {
    const std::string time = FormatTime(series[i].begin);
    const std::string said = hours && series.size() <= 48 ? time.substr(11, 5) : time.substr(5, 5);
    out.items.push_back(Label{x_of(i), kTop + kPlot + 13, 7.5, Anchor::kMiddle, kMuted, said});
  }
  double legend = kLeft;
  for (size_t line = 0; line < lines; ++line) {
    Stroke stroke{{}, SeriesColour(line), 1.6};
    for (size_t i = 0; i < series.size(); ++i)
      stroke.points.emplace_back(x_of(i), y_of(series[i].values[section.shown[line]]));
    out.items.push_back(std::move(stroke));
    out.items.push_back(Box{legend, 4, 9, 9, SeriesColour(line)});
    out.items.push_back(Label{legend + 13, 12, 8.5, Anchor::kStart, kInk, section.columns[line]});
    size_t columns = 0;
    for (const char c : section.columns[line])
      columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? (c < 0 ? 2 : 1) : 0;
    legend += 30 + static_cast<double>(columns) * 4.9;
  }
  out.height = kTop + kPlot + kBottom;
}

}  // namespace

std::string Colour::Hex() const {
  char out[8];
  std::snprintf(out, sizeof out, "#%02x%02x%02x", r, g, b);
  return out;
}

Colour SeriesColour(size_t index) {
  static constexpr std::array<Colour, 3> kColours = {
      {{0x0f, 0x62, 0x9e}, {0xd9, 0x5f, 0x02}, {0x5b, 0x8c, 0x5a}}};
  return kColours[index % kColours.size()];
}

Drawing DrawChart(const Section& section, Language, double width) {
  Drawing out;
  out.width = width;
  if (section.shown.empty()) return out;
  if (section.keyed) {
    if (!section.table.rows.empty()) DrawBars(section, out);
  } else if (!section.table.series.empty()) {
    DrawLines(section, out);
  }
  return out;
}

}  // namespace mailreeve::gateway::mailed_reports
