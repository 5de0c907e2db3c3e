#include "base/text.h"
#include "gateway/mailed_reports/drawing.h"

#include <cstdio>

namespace mailreeve::gateway::mailed_reports {
namespace {

// The only way into the page for text: what it takes is text, what it gives is HTML.
class Html {
 public:
  Html& Raw(std::string_view markup) {
    out_ += markup;
    return *this;
  }
  Html& Text(std::string_view text) {
    for (const char c : Shown(text, 2000)) {
      switch (c) {
        case '&':
          out_ += "&amp;";
          break;
        case '<':
          out_ += "&lt;";
          break;
        case '>':
          out_ += "&gt;";
          break;
        case '"':
          out_ += "&quot;";
          break;
        case '\'':
          out_ += "&#39;";
          break;
        default:
          out_ += c;
      }
    }
    return *this;
  }
  Html& Number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    out_ += text;
    return *this;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

void Put(Html& out, const Box& box) {
  out.Raw("<rect x=\"").Number(box.x).Raw("\" y=\"").Number(box.y).Raw("\" width=\"");
  out.Number(box.width).Raw("\" height=\"").Number(box.height).Raw("\" fill=\"");
  out.Raw(box.fill.Hex()).Raw("\"/>");
}
void Put(Html& out, const Stroke& stroke) {
  out.Raw("<polyline fill=\"none\" stroke-linejoin=\"round\" stroke=\"").Raw(stroke.colour.Hex());
  out.Raw("\" stroke-width=\"").Number(stroke.width).Raw("\" points=\"");
  for (const auto& [x, y] : stroke.points) out.Number(x).Raw(",").Number(y).Raw(" ");
  out.Raw("\"/>");
}
void Put(Html& out, const Label& label) {
  constexpr std::string_view kAnchors[] = {"start", "middle", "end"};
  out.Raw("<text x=\"").Number(label.x).Raw("\" y=\"").Number(label.y).Raw("\" font-size=\"");
  out.Number(label.size).Raw("\" text-anchor=\"").Raw(kAnchors[static_cast<size_t>(label.anchor)]);
  out.Raw("\" fill=\"").Raw(label.colour.Hex()).Raw("\">").Text(label.text).Raw("</text>");
}

void PutChart(Html& out, const Section& section, Language language) {
  const Drawing chart = DrawChart(section, language, 520);
  if (chart.items.empty()) return;
  out.Raw("<svg role=\"img\" xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" viewBox=\"0 0 ");
  out.Number(chart.width).Raw(" ").Number(chart.height);
  out.Raw("\" font-family=\"sans-serif\"><title>").Text(section.title).Raw("</title>");
  for (const auto& item : chart.items) std::visit([&out](const auto& it) { Put(out, it); }, item);
  out.Raw("</svg>");
}

void PutTable(Html& out, const Section& section, Language language) {
  if (section.shown.empty()) return;
  out.Raw("<table><thead><tr><th scope=\"col\">");
  out.Text(section.keyed ? Say(language, "Key", "项目") : Say(language, "Counter", "计数器"));
  out.Raw("</th>");
  if (!section.keyed) {
    out.Raw("<th scope=\"col\" class=\"n\">").Text(Say(language, "Value", "值"));
    out.Raw("</th></tr></thead><tbody>");
    for (size_t i = 0; i < section.shown.size(); ++i) {
      out.Raw("<tr><th scope=\"row\">").Text(section.columns[i]).Raw("</th><td class=\"n\">");
      out.Text(Grouped(section.table.totals[section.shown[i]])).Raw("</td></tr>");
    }
    out.Raw("</tbody></table>");
    return;
  }
  for (const std::string& column : section.columns)
    out.Raw("<th scope=\"col\" class=\"n\">").Text(column).Raw("</th>");
  out.Raw("</tr></thead><tbody>");
  const auto put = [&](std::string_view name, const std::vector<uint64_t>& values,
                       std::string_view kind) {
    out.Raw("<tr").Raw(kind).Raw("><th scope=\"row\">").Text(name).Raw("</th>");
    for (const size_t i : section.shown)
      out.Raw("<td class=\"n\">").Text(Grouped(values[i])).Raw("</td>");
    out.Raw("</tr>");
  };
  for (const auto& row : section.table.rows)
    put(row.key.empty() ? "–" : Shown(row.key, 80), row.values, "");
  put(Say(language, "Others", "其他"), section.table.others, " class=\"o\"");
  put(Say(language, "Total", "总计"), section.table.totals, " class=\"t\"");
  out.Raw("</tbody></table>");
}

constexpr std::string_view kStyle =
    "body{margin:0;background:#f1f5f9;color:#1f2937;font:14px/1.45 -apple-system,'Segoe UI',"
    "'Noto Sans','Noto Sans CJK SC',sans-serif}"
    "main{max-width:760px;margin:0 auto;padding:0 0 32px}"
    "header{background:#0f629e;color:#fff;padding:24px 28px;border-radius:0 0 8px 8px}"
    "header h1{margin:0;font-size:24px;font-weight:600}header p{margin:4px 0 0;color:#dbeafe}"
    "section{background:#fff;margin:18px 0 0;padding:18px 28px 20px;border:1px solid #e5e7eb;"
    "border-radius:8px}"
    "h2{margin:0 0 10px;font-size:17px;font-weight:600}"
    "table{border-collapse:collapse;width:100%;margin-top:12px;font-size:13px}"
    "th,td{text-align:left;font-weight:400;padding:5px 8px;border-bottom:1px solid #e5e7eb;"
    "overflow-wrap:anywhere;vertical-align:top}"
    "thead th{color:#6b7280;font-size:12px;vertical-align:bottom}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "thead "
    ".n{white-space:normal}th:first-child{min-width:190px}.o>*{color:#6b7280}.t>*{font-weight:600;"
    "border-bottom:0}"
    ".note{color:#6b7280;font-size:12px;margin:10px 0 0}svg{display:block}"
    "footer{color:#6b7280;font-size:12px;padding:16px 28px}";

}  // namespace

std::string RenderHtml(const Document& document) {
  Html out;
  const Language language = document.language;
  out.Raw("<!doctype html><html lang=\"").Raw(Say(language, "en", "zh-CN"));
  out.Raw(
      "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">");
  // Nothing in the page runs or is fetched.
  out.Raw(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"><title>");
  out.Text(document.Title() + " " + document.Span()).Raw("</title><style>").Raw(kStyle);
  out.Raw("</style></head><body><main><header><h1>").Text(document.Title()).Raw("</h1><p>");
  out.Text(document.gateway + " · " + document.Span()).Raw("</p></header>");
  for (const Section& section : document.sections) {
    out.Raw("<section><h2>").Text(section.title).Raw("</h2>");
    PutChart(out, section, language);
    PutTable(out, section, language);
    for (const std::string& note : section.notes)
      out.Raw("<p class=\"note\">").Text(note).Raw("</p>");
    out.Raw("</section>");
  }
  out.Raw("<footer>").Text(Say(language, "Made by Mailreeve at ", "由 Mailreeve 生成于 "));
  out.Text(FormatTime(document.made)).Raw("</footer></main></body></html>\n");
  return out.Take();
}

}  // namespace mailreeve::gateway::mailed_reports
