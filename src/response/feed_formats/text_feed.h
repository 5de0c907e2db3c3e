#pragma once

#include "response/feed_formats/documents.h"

#include <string>
#include <string_view>
#include <vector>

// Lists with one observable a line, and CSV, read as the bytes come: memory does not grow with the
// feed.
//
// Lists: "#" and ";" begin comments; of a hosts file's lines ("0.0.0.0 bad.example") the name
// counts. CSV: RFC 4180 with any separator; lines that begin with "#" are comments.
//
// Threads: one thread. Errors: kInvalid for columns that the header does not have, kLimited for
// more entries than allowed; a line that is no observable is counted and passed over.
//
//   TextFeed feed({.csv = true, .header = true, .value = "ioc"});
//   TRY_VOID(feed.Read(chunk, entries));  // any number of times
//   TRY_VOID(feed.Finish(entries));
namespace mailreeve::response::feed_formats {

struct TextFormat {
  bool csv = false;
  char separator = ',';
  bool header = false;  // the first record names the columns
  std::string type;     // of all values; empty: told by the value, or by the column `type_column`
  // Columns by name, or by number from 1. Only `value` must be there.
  std::string value = "1", type_column, confidence, reason, from, until;
  // Words of the type column that are not CTIM's: "ip-dst" -> "ip".
  std::map<std::string, std::string> types;
  size_t max_line = 64 * 1024;  // longer lines and records are passed over
  size_t max_entries = 5'000'000;
};

class TextFeed {
 public:
  explicit TextFeed(TextFormat format);

  // Appends the entries that `chunk` completes.
  Result<void> Read(std::string_view chunk, std::vector<Entry>& out);
  Result<void> Finish(std::vector<Entry>& out);
  const Counts& counts() const { return counts_; }

 private:
  Result<void> Line(std::vector<Entry>& out);
  Result<void> Record(std::vector<Entry>& out);
  Result<void> Columns();
  Result<void> Take(std::optional<observable::Observable> found, Entry entry,
                    std::vector<Entry>& out);
  std::string_view Cell(int column) const;
  Result<int> ColumnOf(const std::string& wanted) const;
  void EndCell();

  TextFormat format_;
  Counts counts_;
  bool columns_known_ = false;
  int value_ = -1, type_ = -1, confidence_ = -1, reason_ = -1, from_ = -1, until_ = -1;
  // The line, or the record so far.
  std::string text_;
  std::vector<std::string> cells_;
  size_t bytes_ = 0;
  bool too_long_ = false;
  bool quoted_ = false, after_quote_ = false, any_ = false, comment_ = false;
};

}  // namespace mailreeve::response::feed_formats
