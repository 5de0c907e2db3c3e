#include "cli/terminal.h"

#include "base/text.h"

#include <algorithm>

namespace mailreeve::cli {
namespace {

bool IsWide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0x303e) ||
         (c >= 0x3041 && c <= 0x33ff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xa000 && c <= 0xa4cf) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
         (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
         (c >= 0x20000 && c <= 0x3fffd);
}

bool IsCombining(char32_t c) {
  return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) ||
         (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe00 && c <= 0xfe0f) ||
         (c >= 0xfe20 && c <= 0xfe2f) || c == 0x200b || c == 0x200d;
}

bool IsControl(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f ||
         (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

size_t WidthOf(char32_t c) { return IsCombining(c) ? 0 : IsWide(c) ? 2 : 1; }

std::string Cut(const std::string& text, size_t width) {
  if (DisplayWidth(text) <= width) return text;
  std::string out;
  size_t used = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t start = pos;
    const size_t w = WidthOf(NextCodePoint(text, pos));
    if (used + w > width - 1) break;
    used += w;
    out.append(text, start, pos - start);
  }
  return out + "…";
}

void AppendPadded(std::string& line, const std::string& text, size_t width) {
  line += text;
  const size_t have = DisplayWidth(text);
  if (have < width) line.append(width - have, ' ');
}

}  // namespace

std::string TerminalText(std::string_view text) {
  const std::string valid = ToValidUtf8(text);
  std::string out;
  out.reserve(valid.size());
  for (size_t pos = 0; pos < valid.size();) {
    const char32_t c = NextCodePoint(valid, pos);
    if (c == '\n' || c == '\r' || c == '\t') {
      out += ' ';
    } else {
      AppendUtf8(out, IsControl(c) ? U'\xfffd' : c);
    }
  }
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (size_t pos = 0; pos < text.size();) width += WidthOf(NextCodePoint(text, pos));
  return width;
}

std::string Table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows, size_t max_column) {
  std::vector<size_t> widths;
  for (const auto& heading : headings) widths.push_back(DisplayWidth(heading));
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], std::min(DisplayWidth(row[i]), max_column));
    }
  }
  std::string out;
  const auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < row.size() ? Cut(row[i], std::max(widths[i], size_t{1})) : "";
      if (i + 1 == widths.size()) {
        line += cell;
      } else {
        AppendPadded(line, cell, widths[i] + 2);
      }
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add_row(headings);
  std::vector<std::string> rules;
  for (const size_t width : widths) {
    std::string rule;
    for (size_t i = 0; i < width; ++i) rule += "─";
    rules.push_back(rule);
  }
  add_row(rules);
  for (const auto& row : rows) add_row(row);
  return out;
}

std::string Sparkline(const std::vector<double>& values, size_t width) {
  if (values.empty() || width == 0) return {};
  std::vector<double> bars(std::min(values.size(), width), 0);
  for (size_t i = 0; i < values.size(); ++i) bars[i * bars.size() / values.size()] += values[i];
  const double top = *std::max_element(bars.begin(), bars.end());
  if (!(top > 0)) return {};
  std::string out;
  for (const double bar : bars) {
    // 0 stays empty, so that little is not taken for nothing.
    if (bar <= 0) {
      out += ' ';
    } else {
      AppendUtf8(out,
                 static_cast<char32_t>(U'▁' + std::min(7, static_cast<int>(bar / top * 7.999))));
    }
  }
  return out;
}

std::string Pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  size_t width = 0;
  for (const auto& [name, value] : pairs) width = std::max(width, DisplayWidth(name));
  std::string out;
  for (const auto& [name, value] : pairs) {
    AppendPadded(out, name, width + 2);
    out += value + "\n";
  }
  return out;
}

}  // namespace mailreeve::cli
