#include "response/feed_formats/text_feed.h"

#include "base/text.h"
#include "ctim/model.h"

#include <fmt/format.h>

#include <charconv>

namespace mailreeve::response::feed_formats {
namespace {

constexpr size_t kMaxColumns = 1000;

// What follows "#" or ";" at the beginning or after white space is for people.
std::string_view WithoutComment(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '#' && line[i] != ';') continue;
    if (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t') return line.substr(0, i);
  }
  return line;
}

std::string_view OfHostsFile(std::string_view line) {
  const size_t space = line.find_first_of(" \t");
  if (space == std::string_view::npos) return line;
  const std::string_view head = line.substr(0, space);
  if (head == "0.0.0.0" || head == "127.0.0.1" || head == "::" || head == "::1")
    return TrimSpace(line.substr(space));
  return line;
}

std::optional<Time> TimeOf(std::string_view text) {
  text = TrimSpace(text);
  if (text.empty()) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) {
    // Seconds or milliseconds since 1970, within the model's years.
    if (number > 0 && number < 17'000'000'000) return FromEpochMillis(number * 1000);
    if (number > 0 && number < 17'000'000'000'000) return FromEpochMillis(number);
    return std::nullopt;
  }
  auto time = ParseTime(text);
  if (!time && text.size() == 19) time = ParseTime(std::string(text) + "Z");
  if (!time && text.size() == 10) time = ParseTime(std::string(text) + "T00:00:00Z");
  const Time last = *ParseTime(std::string("2525-01-01T00:00:00Z"));
  if (!time || *time < Time() || *time >= last) return std::nullopt;
  return *time;
}

// A word of the model, or a number from 0 to 100.
std::string ConfidenceOf(std::string_view text) {
  text = TrimSpace(text);
  for (const auto& word : ctim::TheModel().Words("confidence")->words)
    if (AsciiEqualFold(word, text)) return word;
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > 100)
    return {};
  return number == 0 ? "None" : number < 30 ? "Low" : number < 70 ? "Medium" : "High";
}

}  // namespace

TextFeed::TextFeed(TextFormat format) : format_(std::move(format)) {}

Result<void> TextFeed::Read(std::string_view chunk, std::vector<Entry>& out) {
  for (const char c : chunk) {
    if (++bytes_ > format_.max_line) too_long_ = true;
    if (!format_.csv) {
      if (c == '\n') {
        TRY_VOID(Line(out));
      } else if (!too_long_) {
        text_.push_back(c);
      }
      continue;
    }
    if (c == '\n' && (!quoted_ || too_long_)) {
      TRY_VOID(Record(out));
      continue;
    }
    if (too_long_) continue;
    if (!any_ && c == '#') comment_ = true;
    any_ = true;
    if (comment_) continue;
    if (quoted_) {
      if (c == '"') {
        quoted_ = false;
        after_quote_ = true;
      } else {
        text_.push_back(c);
      }
    } else if (c == '"' && after_quote_) {
      text_.push_back('"');  // a doubled quote inside
      quoted_ = true;
      after_quote_ = false;
    } else if (c == '"' && TrimSpace(text_).empty()) {
      text_.clear();
      quoted_ = true;
    } else if (c == format_.separator) {
      EndCell();
    } else {
      text_.push_back(c);
    }
  }
  return {};
}

Result<void> TextFeed::Finish(std::vector<Entry>& out) {
  return format_.csv ? Record(out) : Line(out);
}

void TextFeed::EndCell() {
  after_quote_ = false;
  if (cells_.size() < kMaxColumns) cells_.push_back(std::move(text_));
  text_.clear();
}

Result<void> TextFeed::Line(std::vector<Entry>& out) {
  const std::string line = std::move(text_);
  const bool too_long = too_long_;
  text_.clear();
  bytes_ = 0;
  too_long_ = false;
  if (too_long) {
    counts_.Skip("line too long");
    return {};
  }
  std::string_view rest = line;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  rest = OfHostsFile(TrimSpace(WithoutComment(rest)));
  if (rest.empty()) return {};
  return Take(ReadObservable(rest, format_.type), {}, out);
}

Result<void> TextFeed::Record(std::vector<Entry>& out) {
  if (any_ && !comment_) {
    if (text_.ends_with('\r')) text_.pop_back();
    EndCell();
  }
  const std::vector<std::string> cells = std::move(cells_);
  const bool skip = comment_ || !any_ || (cells.size() == 1 && TrimSpace(cells[0]).empty());
  const bool too_long = too_long_;
  cells_.clear();
  text_.clear();
  bytes_ = 0;
  too_long_ = any_ = comment_ = quoted_ = after_quote_ = false;
  if (too_long) {
    counts_.Skip("line too long");
    return {};
  }
  if (skip) return {};
  cells_ = cells;
  if (!columns_known_) {
    columns_known_ = true;
    TRY_VOID(Columns());
    if (format_.header) {
      cells_.clear();
      return {};
    }
  }
  std::string type = format_.type;
  if (type_ >= 0) {
    type = std::string(TrimSpace(Cell(type_)));
    const auto mapped = format_.types.find(type);
    if (mapped != format_.types.end()) type = mapped->second;
    if (!observable::TypeFromName(type)) {
      counts_.Skip("type " + std::string(CutUtf8(ToValidUtf8(type), 40)));
      cells_.clear();
      return {};
    }
  }
  Entry entry{};
  entry.confidence = ConfidenceOf(Cell(confidence_));
  entry.reason = std::string(TrimSpace(ToValidUtf8(Cell(reason_))));
  entry.from = TimeOf(Cell(from_));
  entry.until = TimeOf(Cell(until_));
  auto found = ReadObservable(Cell(value_), type);
  cells_.clear();
  return Take(std::move(found), std::move(entry), out);
}

Result<void> TextFeed::Take(std::optional<observable::Observable> found, Entry entry,
                            std::vector<Entry>& out) {
  if (!found) {
    counts_.Skip("no observable");
    return {};
  }
  if (counts_.entries >= format_.max_entries)
    return Fail(Code::kLimited,
                fmt::format("the feed has more than {} entries", format_.max_entries));
  ++counts_.entries;
  entry.observable = *std::move(found);
  out.push_back(std::move(entry));
  return {};
}

std::string_view TextFeed::Cell(int column) const {
  if (column < 0 || static_cast<size_t>(column) >= cells_.size()) return {};
  return cells_[static_cast<size_t>(column)];
}

Result<int> TextFeed::ColumnOf(const std::string& wanted) const {
  if (wanted.empty()) return -1;
  if (format_.header) {
    for (size_t i = 0; i < cells_.size(); ++i) {
      std::string_view name = cells_[i];
      if (name.starts_with("\xef\xbb\xbf")) name.remove_prefix(3);
      if (AsciiEqualFold(TrimSpace(name), wanted)) return static_cast<int>(i);
    }
  }
  int number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error == std::errc() && end == wanted.data() + wanted.size() && number >= 1 &&
      static_cast<size_t>(number) <= kMaxColumns) {
    return number - 1;
  }
  return Fail(Code::kInvalid, "the feed has no column '" + wanted + "'");
}

Result<void> TextFeed::Columns() {
  TRY(value_, ColumnOf(format_.value));
  TRY(type_, ColumnOf(format_.type_column));
  TRY(confidence_, ColumnOf(format_.confidence));
  TRY(reason_, ColumnOf(format_.reason));
  TRY(from_, ColumnOf(format_.from));
  TRY(until_, ColumnOf(format_.until));
  return {};
}

}  // namespace mailreeve::response::feed_formats
