#pragma once

#include "base/time.h"
#include "gateway/reporting/reports.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The content of one mailed report, before it is HTML, CSV or PDF. Keys are text of hostile mail:
// each renderer encodes them for its format. Pure values and functions; thread-safe.
namespace mailreeve::gateway::mailed_reports {

enum class Language { kEnglish, kChinese };

struct Section {
  std::string name;   // of the report
  std::string title;  // in the document's language
  bool keyed = false;
  std::vector<std::string> columns;  // labels, of what a page shows
  std::vector<size_t> shown;         // which of `table.counters` those are
  reporting::ReportTable table;
  std::vector<std::string> notes;
};

struct Document {
  Language language = Language::kEnglish;
  std::string gateway;  // its name
  Time from, until, made;
  bool weekly = false;
  std::vector<Section> sections;

  std::string Title() const;
  std::string Span() const;
};

// At most this many columns on a page; a CSV has all of them.
inline constexpr size_t kShownColumns = 5;

// A report made ready for a page: columns that hold nothing are left out.
Section MakeSection(reporting::ReportTable table, Language language);

// The words of a page.
std::string Say(Language language, std::string_view english, std::string_view chinese);
// "total_clean_recipients" as people say it.
std::string CounterLabel(Language language, std::string_view counter);
// 1234567 -> "1,234,567".
std::string Grouped(uint64_t number);
// Text that has no controls and no characters that turn its direction around.
std::string Shown(std::string_view text, size_t max_columns);

// ---- Renderers.

std::string RenderHtml(const Document& document);
// One table: every counter, formula-safe (cells that begin with = + - @ tab or CR get an
// apostrophe), RFC 4180, UTF-8 with a byte order mark, which spreadsheets look for.
std::string RenderCsv(const Section& section, Language language);
std::string CsvCell(std::string_view text);
// kInternal: cairo or pango failed. Blocking, some 10 ms a page.
Result<std::string> RenderPdf(const Document& document);
// The plain-text part of the mail.
std::string RenderText(const Document& document);

}  // namespace mailreeve::gateway::mailed_reports
