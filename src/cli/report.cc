// `mailreeve report`: the reports of the gateway as tables with sparklines.
#include "cli/session.h"
#include "cli/terminal.h"
#include "http/message.h"

#include <algorithm>

namespace mailreeve::cli {
namespace {

// Numbers as they go into a sparkline; what is no number counts 0.
std::vector<double> Numbers(const json::value& list) {
  std::vector<double> out;
  if (!list.is_array()) return out;
  for (const json::value& each : list.get_array()) {
    double number = 0;
    if (each.is_int64()) number = static_cast<double>(each.get_int64());
    if (each.is_uint64()) number = static_cast<double>(each.get_uint64());
    if (each.is_double()) number = each.get_double();
    out.push_back(number);
  }
  return out;
}

std::vector<std::string> Texts(const json::value& list) {
  std::vector<std::string> out;
  if (!list.is_array()) return out;
  for (const json::value& each : list.get_array()) out.push_back(TextOf(each));
  return out;
}

// The column `at` of a list of rows.
std::vector<double> Column(const json::value& series, size_t at) {
  std::vector<double> out;
  if (!series.is_array()) return out;
  for (const json::value& point : series.get_array()) {
    const std::vector<double> values = Numbers(point);
    out.push_back(at < values.size() ? values[at] : 0);
  }
  return out;
}

constexpr size_t kSparkWidth = 48;

}  // namespace

int Session::ListReports() {
  int exit = kExitDone;
  const auto answer = Ask("GET", "/v1/reports", "", exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);
  std::vector<std::vector<std::string>> rows;
  const json::value reports = At(*answer, "reports");
  if (reports.is_array()) {
    for (const json::value& report : reports.get_array()) {
      const bool available = At(report, "available") == json::value(true);
      rows.push_back({TextOf(At(report, "name")),
                      TextOf(At(report, say_("title", "title_zh").c_str())),
                      available ? say_("yes", "是") : say_("not available", "不可用")});
    }
  }
  out_ << Table({say_("Report", "报告"), say_("Title", "标题"), say_("Counted", "是否统计")}, rows,
                60);
  return kExitDone;
}

int Session::Report() {
  if (options_.report.empty() || options_.report == "list") return ListReports();
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    query += (query.empty() ? "?" : "&") + std::string(name) + "=" + http::PercentEncode(value);
  };
  add("from", options_.since);
  add("until", options_.until);
  add("top", std::to_string(options_.top));
  add("order_by", options_.order_by);
  add("counter", options_.counter);
  add("key", options_.key);
  add("key_begins_with", options_.key_begins);
  if (options_.ascending) add("ascending", "true");
  int exit = kExitDone;
  const auto answer =
      Ask("GET", "/v1/reports/" + http::PercentEncode(options_.report) + query, "", exit);
  if (!answer) return exit;
  if (options_.json) return Json(*answer);

  const json::value counters = At(*answer, "counters");
  std::vector<std::string> names, missing;
  std::vector<size_t> shown;  // columns that are counted and not all 0
  const std::vector<double> totals = Numbers(At(*answer, "totals"));
  if (counters.is_array()) {
    for (size_t i = 0; i < counters.get_array().size(); ++i) {
      const json::value& counter = counters.get_array()[i];
      names.push_back(TextOf(At(counter, "name")));
      if (At(counter, "available") != json::value(true)) {
        missing.push_back(names.back());
      } else if (i < totals.size() && totals[i] != 0) {
        shown.push_back(i);
      }
    }
  }
  out_ << TextOf(At(*answer, say_("title", "title_zh").c_str())) << "  ("
       << TextOf(At(*answer, "from")) << " – " << TextOf(At(*answer, "until")) << ")\n\n";
  const json::value rows = At(*answer, "rows"), series = At(*answer, "series");
  const std::vector<std::string> total_texts = Texts(At(*answer, "totals"));
  if (shown.empty())
    out_ << say_("Nothing was counted in this span.\n", "此时间段内没有统计数据。\n");

  if (At(*answer, "keyed") == json::value(true)) {
    // A row a key: the columns that fit, and the course of the first.
    constexpr size_t kColumns = 5;
    const size_t columns = std::min(shown.size(), kColumns);
    std::vector<std::string> headings{say_("Key", "键")};
    for (size_t c = 0; c < columns; ++c) headings.push_back(names[shown[c]]);
    if (columns > 0) headings.push_back(say_("Course", "趋势"));
    std::vector<std::vector<std::string>> lines;
    const auto add_line = [&](std::string key, const std::vector<std::string>& values,
                              std::string spark) {
      std::vector<std::string> line{std::move(key)};
      for (size_t c = 0; c < columns; ++c)
        line.push_back(shown[c] < values.size() ? values[shown[c]] : "");
      if (columns > 0) line.push_back(std::move(spark));
      lines.push_back(std::move(line));
    };
    if (rows.is_array()) {
      for (const json::value& row : rows.get_array()) {
        std::string key = TextOf(At(row, "key"));
        if (const std::string second = TextOf(At(row, "second")); !second.empty())
          key += " (" + second + ")";
        add_line(key.empty() ? "–" : key, Texts(At(row, "values")),
                 shown.empty() ? "" : Sparkline(Column(At(row, "series"), shown[0]), kSparkWidth));
      }
    }
    if (columns > 0) {
      add_line(say_("(others)", "（其他）"), Texts(At(*answer, "others")), "");
      add_line(say_("(all)", "（合计）"), total_texts,
               Sparkline(Column(series, shown[0]), kSparkWidth));
      out_ << Table(headings, lines);
    }
    if (shown.size() > kColumns) {
      out_ << say_("Further counters: ", "其他计数：");
      for (size_t c = kColumns; c < shown.size(); ++c)
        out_ << (c == kColumns ? "" : ", ") << names[shown[c]];
      out_ << say_(" (--counter NAME, or --json)\n", "（用 --counter NAME 或 --json 查看）\n");
    }
  } else if (!shown.empty()) {
    std::vector<std::vector<std::string>> lines;
    for (const size_t at : shown) {
      lines.push_back({names[at], at < total_texts.size() ? total_texts[at] : "",
                       Sparkline(Column(series, at), kSparkWidth)});
    }
    out_ << Table({say_("Counter", "计数"), say_("Total", "总数"), say_("Course", "趋势")}, lines,
                  60);
  }
  if (!missing.empty()) {
    out_ << "\n" << say_("Not available here: ", "本机不统计：");
    for (size_t i = 0; i < missing.size(); ++i) out_ << (i == 0 ? "" : ", ") << missing[i];
    out_ << "\n";
  }
  if (At(*answer, "exact") == json::value(false)) {
    out_ << say_("Counts of rows are at least what is shown, and at most this much more: ",
                 "各行计数为下限，最多可能再多：")
         << TextOf(At(*answer, "missed")) << "\n";
  }
  if (const std::string why = TextOf(At(*answer, "why")); !why.empty()) out_ << why << "\n";
  return kExitDone;
}

}  // namespace mailreeve::cli
