// `mailreeve track check`, `export` and `import`.
#include "cli/line_file.h"
#include "cli/session.h"
#include "cli/terminal.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

namespace mailreeve::cli {
namespace {

constexpr size_t kMaxErrorsKept = 1000;
constexpr auto kPollEvery = std::chrono::milliseconds(100);

// Ctrl-C and SIGTERM while it lives are only noted.
class Interrupts {
 public:
  Interrupts() {
    noted = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { noted = 1; };
    ::sigaction(SIGINT, &action, &old_interrupt_);
    ::sigaction(SIGTERM, &action, &old_terminate_);
  }
  Interrupts(const Interrupts&) = delete;
  ~Interrupts() {
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
  }
  static bool Noted() { return noted != 0; }

 private:
  static inline volatile std::sig_atomic_t noted = 0;
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
};

}  // namespace

uint64_t NumberAt(const json::value& root, std::string_view path) {
  const json::value found = At(root, path);
  if (found.is_uint64()) return found.get_uint64();
  return found.is_int64() && found.get_int64() > 0 ? static_cast<uint64_t>(found.get_int64()) : 0;
}

bool Progress::Due() {
  constexpr auto kEvery = std::chrono::seconds(5);
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kEvery) return false;
  last_ = now;
  return true;
}

std::optional<PartLimits> Session::ReadPartLimits(int& exit) {
  const auto settings = Ask("GET", "/v1/settings", "", exit);
  if (!settings) return std::nullopt;
  const json::value values = At(*settings, "values");
  const auto value = [&values](const char* name, size_t otherwise) {
    const json::value* found = values.is_object() ? values.get_object().if_contains(name) : nullptr;
    return found != nullptr && found->is_int64() && found->get_int64() > 0
               ? static_cast<size_t>(found->get_int64())
               : otherwise;
  };
  // An older gateway has no such settings.
  return PartLimits{value("history.part_bytes", 1024 * 1024), value("history.max_lines", 500)};
}

int Session::CancelCheck() {
  int exit = kExitDone;
  const auto answer = Ask("DELETE", "/v1/tracking/check", "", exit);
  if (!answer) return exit;
  if (options_.json) {
    Json(*answer);
  } else {
    err_ << say_("The check is being cancelled.\n", "正在取消校验。\n");
  }
  return kExitDone;
}

int Session::CheckTracking() {
  if (options_.cancel) return CancelCheck();
  const Interrupts interrupts;
  int exit = kExitDone;
  auto answer = Ask("POST", "/v1/tracking/check", "", exit);
  while (answer && At(*answer, "running") == json::value(true)) {
    if (Interrupts::Noted()) {
      // It may have ended by itself just now.
      if (const int cancelled = CancelCheck();
          cancelled != kExitDone && cancelled != kExitNotFound) {
        return cancelled;
      }
      return kExitInterrupted;
    }
    std::this_thread::sleep_for(kPollEvery);
    answer = Ask("GET", "/v1/tracking/check", "", exit);
  }
  if (!answer) return exit;
  const json::value report = At(*answer, "report");
  const json::value damaged = At(report, "damaged"), missing = At(report, "missing");
  if (!damaged.is_array() || !missing.is_array()) {
    err_ << "mailreeve: " << say_("the gateway's answer has no report", "网关的答复中没有报告")
         << "\n";
    return kExitFailed;
  }
  const bool whole = damaged.get_array().empty() && missing.get_array().empty();
  if (options_.json) {
    Json(report);
    return whole ? kExitDone : kExitFailed;
  }
  out_ << Pairs({{say_("Files", "文件"), TextOf(At(report, "files"))},
                 {say_("Bytes", "字节"), TextOf(At(report, "bytes"))},
                 {say_("Records", "记录"), TextOf(At(report, "records"))},
                 {say_("Torn bytes", "残缺字节"), TextOf(At(report, "torn_bytes"))},
                 {say_("Damaged", "损坏"), std::to_string(damaged.get_array().size())},
                 {say_("Missing", "缺失"), std::to_string(missing.get_array().size())}});
  if (!damaged.get_array().empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const json::value& one : damaged.get_array())
      rows.push_back({TextOf(At(one, "file")), TextOf(At(one, "offset")), TextOf(At(one, "what"))});
    out_ << "\n"
         << Table({say_("File", "文件"), say_("Offset", "偏移"), say_("Damage", "损坏情况")}, rows,
                  100);
  }
  for (const json::value& name : missing.get_array())
    out_ << say_("Missing: ", "缺失：") << TextOf(name) << "\n";
  return whole ? kExitDone : kExitFailed;
}

int Session::ExportHistory() {
  if (!options_.text.empty()) return Wrong(say_("export takes one file", "export 只接受一个文件"));
  auto file = LineWriter::Open(options_.history_file, out_);
  if (!file) return Wrong(file.error().ToString());
  std::string query;
  const auto add = [&query](const char* name, const std::string& value) {
    if (value.empty()) return;
    query += (query.empty() ? "?" : "&") + std::string(name) + "=" + http::PercentEncode(value);
  };
  add("from", options_.since);
  add("until", options_.until);
  const std::string span = query;
  const auto failed = [this](const Error& error) {
    err_ << "mailreeve: " << TerminalText(error.ToString()) << "\n";
    return kExitFailed;
  };

  Progress progress;
  uint64_t messages = 0, unreadable = 0;
  std::string why;
  for (std::string cursor;;) {
    int exit = kExitDone;
    query = span;
    add("cursor", cursor);
    const auto page =
        Exchange("GET", "/v1/tracking/records" + query, "", "", kMaxAnswerBytes, exit);
    if (!page) return exit;
    if (auto written = (*file)->Write(page->body); !written) return failed(written.error());
    messages += static_cast<uint64_t>(std::count(page->body.begin(), page->body.end(), '\n'));
    if (const auto coverage = json::Parse(page->headers.Get("Mailreeve-Coverage"))) {
      unreadable = NumberAt(*coverage, "records_unreadable");
      why = TextOf(At(*coverage, "why"));
    }
    if (progress.Due()) err_ << messages << say_(" messages …\n", " 封邮件 …\n") << std::flush;
    cursor = page->headers.Get("Mailreeve-Next-Cursor");
    if (cursor.empty()) break;
  }
  if (auto done = (*file)->Finish(); !done) return failed(done.error());
  if (options_.json && options_.history_file != "-") {
    Json(json::object{{"messages", messages}, {"records_unreadable", unreadable}});
  } else {
    err_ << messages << say_(" messages exported.\n", " 封邮件已导出。\n");
  }
  if (unreadable == 0) return kExitDone;
  err_ << "mailreeve: "
       << say_("what cannot be read was not exported; see mailreeve track check: ",
               "无法读取的记录未导出；参见 mailreeve track check：")
       << why << "\n";
  return kExitFailed;
}

int Session::ImportHistory() {
  if (!options_.text.empty()) return Wrong(say_("import takes one file", "import 只接受一个文件"));
  if (options_.history_files.size() != 1)
    return Wrong(say_("--format records takes one file", "--format records 只接受一个文件"));
  auto file = LineReader::Open(options_.history_files.front(), std::cin, kMaxLineBytes);
  if (!file) return Wrong(file.error().ToString());

  Progress progress;
  uint64_t added = 0, present = 0, refused = 0;
  json::array errors;
  std::string chunk;
  std::vector<uint64_t> numbers;  // of the lines of the chunk
  int exit = kExitDone;
  const auto limits = ReadPartLimits(exit);
  if (!limits) return exit;
  const auto send = [&]() -> bool {
    if (numbers.empty()) return true;
    const auto answer = Exchange("POST", "/v1/tracking/records", chunk, "application/x-ndjson",
                                 kMaxAnswerBytes, exit);
    auto parsed = answer ? json::Parse(answer->body) : Result<json::value>(json::value());
    if (answer && !parsed) exit = kExitFailed;
    if (!answer || !parsed) {
      err_ << say_("Stopped at line ", "已停在第 ") << numbers.front()
           << say_("; run the command again to go on.\n", " 行；再次执行该命令即可继续。\n");
      return false;
    }
    added += NumberAt(*parsed, "added");
    present += NumberAt(*parsed, "present");
    if (const json::value list = At(*parsed, "refused"); list.is_array()) {
      for (const json::value& one : list.get_array()) {
        ++refused;
        const uint64_t at = NumberAt(one, "line");
        const uint64_t line = at >= 1 && at <= numbers.size() ? numbers[at - 1] : 0;
        if (errors.size() >= kMaxErrorsKept) continue;
        const std::string error = TextOf(At(one, "error"));
        errors.push_back(json::object{{"line", line}, {"error", error}});
        err_ << say_("line ", "第 ") << line << say_(": ", " 行：") << error << "\n";
        if (errors.size() == kMaxErrorsKept)
          err_ << say_("Further lines are only counted.\n", "其余只计数。\n");
      }
    }
    if (progress.Due()) {
      err_ << say_("line ", "第 ") << numbers.back() << say_(" …\n", " 行 …\n") << std::flush;
    }
    chunk.clear();
    numbers.clear();
    return true;
  };

  for (;;) {
    auto line = (*file)->Next();
    if (!line) {
      // What was read whole is good.
      if (!send()) return exit;
      err_ << "mailreeve: " << TerminalText(line.error().ToString()) << "\n";
      exit = kExitUsage;
      break;
    }
    if (!*line) {
      if (!send()) return exit;
      break;
    }
    if (line->value().empty()) continue;
    if ((numbers.size() == limits->lines || chunk.size() + line->value().size() > limits->bytes) &&
        !send()) {
      return exit;
    }
    chunk += **line + "\n";
    numbers.push_back((*file)->number());
  }
  if (options_.json) {
    Json(json::object{
        {"added", added}, {"present", present}, {"refused", refused}, {"errors", errors}});
  } else {
    out_ << say_("Added ", "新增 ") << added << say_(", there already ", "，已有 ") << present
         << say_(", refused ", "，拒绝 ") << refused << "\n";
  }
  return exit != kExitDone ? exit : refused > 0 ? kExitFailed : kExitDone;
}

}  // namespace mailreeve::cli
