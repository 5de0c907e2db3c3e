#include "base/text.h"
#include "gateway/mailed_reports/document.h"

#include <algorithm>

namespace mailreeve::gateway::mailed_reports {

std::string CsvCell(std::string_view text) {
  const std::string valid = ToValidUtf8(text);
  std::string cell;
  // A spreadsheet would take it for a formula.
  if (!valid.empty() && std::string_view("=+-@\t\r").find(valid.front()) != std::string_view::npos)
    cell = "'";
  cell += valid;
  if (cell.find_first_of("\",\r\n;\t") == std::string::npos &&
      TrimSpace(cell).size() == cell.size())
    return cell;
  std::string out = "\"";
  for (const char c : cell) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string RenderCsv(const Section& section, Language language) {
  std::string out = "\xEF\xBB\xBF";
  const auto& table = section.table;
  const auto line = [&out](std::string_view first, const std::vector<std::string>& rest) {
    out += CsvCell(first);
    for (const std::string& cell : rest) out += "," + CsvCell(cell);
    out += "\r\n";
  };
  const auto numbers = [](const std::vector<uint64_t>& values) {
    std::vector<std::string> cells;
    for (const uint64_t value : values) cells.push_back(std::to_string(value));
    return cells;
  };
  std::vector<std::string> names;
  for (const auto* counter : table.counters) names.emplace_back(counter->name);
  line(section.keyed ? Say(language, "Key", "项目") : Say(language, "Period", "期间"), names);
  if (section.keyed) {
    for (const auto& row : table.rows) line(row.key, numbers(row.values));
    line(Say(language, "(others)", "（其他）"), numbers(table.others));
  } else {
    for (const auto& point : table.series) line(FormatTime(point.begin), numbers(point.values));
  }
  line(Say(language, "(total)", "（总计）"), numbers(table.totals));
  return out;
}

std::string RenderText(const Document& document) {
  std::string out =
      document.Title() + "\n" + Shown(document.gateway, 100) + "\n" + document.Span() + "\n";
  for (const Section& section : document.sections) {
    out += "\n" + section.title + "\n";
    if (section.keyed) {
      for (const auto& row : section.table.rows) {
        if (section.shown.empty()) break;
        out += "  " + Grouped(row.values[section.shown.front()]) + "  " +
               (row.key.empty() ? "–" : Shown(row.key, 70)) + "\n";
      }
    } else {
      for (size_t i = 0; i < section.shown.size(); ++i) {
        out += "  " + Grouped(section.table.totals[section.shown[i]]) + "  " + section.columns[i] +
               "\n";
      }
    }
    for (const std::string& note : section.notes) out += "  " + Shown(note, 300) + "\n";
  }
  return out;
}

}  // namespace mailreeve::gateway::mailed_reports
