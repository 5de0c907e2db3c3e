// `mailreeve track import --format log|postfix|rspamd|dovecot`.
#include "cli/line_file.h"
#include "cli/session.h"
#include "cli/terminal.h"

#include <deque>
#include <iostream>

namespace mailreeve::cli {
namespace {

// The lines of one file. rspamd's history is one JSON document, compact or over many lines: its
// rows come as lines.
class LogLines {
 public:
  explicit LogLines(std::unique_ptr<LineReader> file) : file_(std::move(file)) {}

  Result<std::optional<std::string>> Next() {
    if (!begun_) {
      begun_ = true;
      TRY(auto first, file_->Next());
      if (!first) return first;
      if (!first->starts_with("{") && !first->starts_with("[")) return first;
      TRY_VOID(ReadDocument(*std::move(first)));
    }
    if (rows_.empty()) return file_->Next();
    std::optional<std::string> row = std::move(rows_.front());
    rows_.pop_front();
    return row;
  }

 private:
  Result<void> ReadDocument(std::string first) {
    std::string text = first;
    rows_.push_back(std::move(first));
    while (true) {
      TRY(auto line, file_->Next());
      if (!line) break;
      if (text.size() + line->size() > kMaxLineBytes) {
        return Fail(Code::kLimited, "the JSON document is longer than " +
                                        std::to_string(kMaxLineBytes) +
                                        " bytes; split it into files of fewer rows");
      }
      text += "\n" + *line;
      rows_.push_back(*std::move(line));
    }
    json::Limits limits;
    limits.max_bytes = kMaxLineBytes;
    const auto parsed = json::Parse(text, limits);
    if (!parsed) return {};  // one row a line
    const json::value* rows = &*parsed;
    if (rows->is_object()) {
      if (const json::value* inside = rows->get_object().if_contains("rows")) rows = inside;
    }
    rows_.clear();
    if (!rows->is_array()) {
      rows_.push_back(json::Serialize(*rows));
      return {};
    }
    for (const json::value& row : rows->get_array()) rows_.push_back(json::Serialize(row));
    return {};
  }

  std::unique_ptr<LineReader> file_;
  bool begun_ = false;
  std::deque<std::string> rows_;
};

}  // namespace

int Session::ImportLog() {
  if (!options_.text.empty()) return Wrong(say_("import takes files only", "import 只接受文件"));
  int exit = kExitDone;
  const auto limits = ReadPartLimits(exit);
  if (!limits) return exit;
  Progress progress;
  std::string session, part;
  json::object sums{{"added", 0}, {"present", 0}, {"events", 0}, {"unmatched", 0}};
  uint64_t lines = 0, used = 0, left = 0;
  const auto send = [&](bool last) -> bool {
    const auto answer = Exchange("POST",
                                 "/v1/tracking/log?format=" + options_.format +
                                     "&session=" + session + (last ? "&last=true" : ""),
                                 part, "text/plain", kMaxAnswerBytes, exit);
    const auto parsed = answer ? json::Parse(answer->body) : Result<json::value>(json::value());
    if (answer && !parsed) exit = kExitFailed;
    if (!answer || !parsed) return false;
    session = TextOf(At(*parsed, "session"));
    for (auto& sum : sums) sum.value() = NumberAt(sum.value(), "") + NumberAt(*parsed, sum.key());
    lines = NumberAt(*parsed, "lines");
    used = NumberAt(*parsed, "used");
    left = NumberAt(*parsed, "left");
    part.clear();
    if (progress.Due()) err_ << say_("line ", "第 ") << lines << say_(" …\n", " 行 …\n");
    return true;
  };
  for (const std::string& name : options_.history_files) {
    auto file = LineReader::Open(name, std::cin, kMaxLineBytes);
    if (!file) return Wrong(file.error().ToString());
    LogLines log(*std::move(file));
    while (true) {
      auto line = log.Next();
      if (!line) {
        // What was read whole is good.
        err_ << "mailreeve: " << TerminalText(name + ": " + line.error().ToString()) << "\n";
        exit = kExitUsage;
        break;
      }
      if (!*line) break;
      part += **line + "\n";
      if (part.size() >= limits->bytes && !send(false)) return exit;
    }
  }
  do {
    if (!send(true)) return exit;
  } while (left > 0);
  sums["lines"] = lines;
  sums["used"] = used;
  if (options_.json) {
    Json(sums);
    return exit;
  }
  const auto text = [&sums](const char* key) { return TextOf(sums.at(key)); };
  out_ << say_("Added ", "新增 ") << text("added") << say_(", there already ", "，已有 ")
       << text("present") << say_(", deliveries added ", "，补充投递 ") << text("events")
       << say_(", of unknown messages ", "，邮件未知 ") << text("unmatched")
       << say_("; lines read ", "；读取行数 ") << lines << say_(", used ", "，采用 ") << used
       << "\n";
  return exit;
}

}  // namespace mailreeve::cli
