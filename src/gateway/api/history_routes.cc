// AdminApi: the tracking store as a whole: its check, and history in and out
// (docs/history-import.md).
#include "gateway/api/admin_api.h"
#include "gateway/api/answers.h"
#include "gateway/tracking/record_json.h"
#include "io/event.h"
#include "io/files.h"

#include <charconv>

namespace mailreeve::gateway::api {
namespace {

constexpr size_t kDefaultPage = 200;

Result<tracking::Query> ExportQuery(const http::Request& request, size_t max_page) {
  tracking::Query out;
  out.limit = std::min(kDefaultPage, max_page);
  for (const auto& [name, value] : request.query) {
    if (name == "from" || name == "until") {
      auto time = ParseTime(value);
      if (!time) return Fail(Code::kInvalid, name + ": " + time.error().message);
      (name == "from" ? out.from : out.until) = *time;
    } else if (name == "cursor") {
      out.cursor = value;
    } else if (name == "limit") {
      size_t limit = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
      if (error != std::errc() || end != value.data() + value.size() || limit < 1 ||
          limit > max_page) {
        return Fail(Code::kInvalid,
                    "limit: must be a whole number from 1 to " + std::to_string(max_page));
      }
      out.limit = limit;
    } else {
      return Fail(Code::kInvalid, "unknown parameter: " + name);
    }
  }
  return out;
}

// As many records as fit, at least one.
struct Lines {
  std::string text;
  size_t count = 0;
};
Lines Write(const std::vector<mail::MessageRecord>& records, size_t max_bytes) {
  Lines out;
  for (const auto& record : records) {
    const std::string line = json::Serialize(tracking::RecordToJson(record));
    if (out.count > 0 && out.text.size() + line.size() > max_bytes) break;
    out.text += line + "\n";
    ++out.count;
  }
  return out;
}

struct Line {
  size_t number = 0;  // from 1
  Result<mail::MessageRecord> record;
};

Result<std::vector<Line>> Read(std::string_view body, size_t max_lines) {
  std::vector<Line> out;
  for (size_t number = 1; !body.empty(); ++number) {
    const size_t end = body.find('\n');
    const std::string_view line = body.substr(0, end);
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    if (line.empty() || line == "\r") continue;
    if (out.size() == max_lines) {
      return Fail(Code::kInvalid, "at most " + std::to_string(max_lines) +
                                      " lines are taken at once; send the others after them");
    }
    out.push_back({number, tracking::RecordFromLine(line)});
    auto& record = out.back().record;
    // 0 stands for "none could be reserved" further down, which this is not.
    if (record && record->mid == 0) record = Fail(Code::kInvalid, "mid: is missing");
  }
  return out;
}

enum class Taken : uint8_t { kAdded, kPresent };

io::Task<Result<Taken>> Take(tracking::Store& store, mail::MessageRecord record) {
  const auto appended = co_await store.Append(record);
  if (appended) co_return Taken::kAdded;
  if (appended.error().code != Code::kConflict) co_return Fail(appended.error());
  CO_TRY(const mail::MessageRecord held, co_await store.Get(record.mid));
  if (held == record) co_return Taken::kPresent;
  co_return Fail(Code::kConflict, "another message is tracked as MID " +
                                      std::to_string(record.mid) + "; it was left as it is");
}

// Of one import, shared with its tasks, which may outlive a request that is given up.
struct Import {
  explicit Import(const io::Executor& executor) : changed(executor) {}
  std::vector<Line> lines;
  std::vector<std::optional<Result<Taken>>> results;
  size_t next = 0;  // line that no task has yet
  size_t open = 0;  // tasks
  io::Event changed;
};

io::Task<void> TakeLines(std::shared_ptr<Import> import, tracking::Store& store) {
  struct Leave {
    Import& import;
    ~Leave() {
      --import.open;
      import.changed.Notify();
    }
  } leave{*import};
  while (import->next < import->lines.size()) {
    const size_t i = import->next++;
    if (auto& record = import->lines[i].record; !record) {
      import->results[i] = Fail(record.error());
    } else {
      import->results[i] = co_await Take(store, *std::move(record));
    }
  }
}

json::object ReportJson(const tracking::CheckReport& report) {
  json::array damaged, missing;
  for (const auto& damage : report.damaged) {
    damaged.push_back(
        json::object{{"file", damage.file}, {"offset", damage.offset}, {"what", damage.what}});
  }
  for (const auto& name : report.missing) missing.emplace_back(name);
  return {{"files", report.files},         {"bytes", report.bytes},
          {"records", report.records},     {"torn_bytes", report.torn_bytes},
          {"damaged", std::move(damaged)}, {"missing", std::move(missing)}};
}

}  // namespace

io::Task<void> AdminApi::RunCheck() {
  const auto stop = stop_check_ = std::make_shared<std::atomic<bool>>(false);
  // Also when the gateway stops: it waits for the thread.
  struct Leave {
    bool& checking;
    std::atomic<bool>& stop;
    ~Leave() {
      checking = false;
      stop = true;
    }
  } leave{checking_, *stop};
  checked_ = co_await history_pool_.Run([folder = options_.tracking_folder, stop] {
    return tracking::CheckStore(io::PosixFiles(), folder, [stop] { return stop->load(); });
  });
}

io::Task<http::Response> AdminApi::StartCheck(http::Request) {
  // A check of a large store takes longer than a request may.
  if (!checking_) {
    checking_ = true;
    checked_ = Result<tracking::CheckReport>(Fail(Code::kUnavailable, "the check was broken off"));
    scope_.Spawn("tracking check", RunCheck());
  }
  co_return http::Response::Json(200, json::object{{"running", true}, {"report", nullptr}});
}

io::Task<http::Response> AdminApi::Check(http::Request) {
  if (checking_) {
    co_return http::Response::Json(200, json::object{{"running", true}, {"report", nullptr}});
  }
  if (!checked_) {
    co_return Failed(Error(Code::kNotFound, "no check was started; POST to this path starts one"));
  }
  if (!*checked_) co_return Failed(checked_->error());
  co_return http::Response::Json(
      200, json::object{{"running", false}, {"report", ReportJson(**checked_)}});
}

io::Task<http::Response> AdminApi::CancelCheck(http::Request) {
  if (!checking_) co_return Failed(Error(Code::kNotFound, "no check is under way"));
  if (stop_check_) *stop_check_ = true;
  co_return http::Response::Json(200, json::object{{"running", true}, {"report", nullptr}});
}

io::Task<http::Response> AdminApi::ExportRecords(http::Request request) {
  auto query = ExportQuery(request, options_.max_page);
  if (!query) co_return Failed(query.error());
  const auto max = static_cast<size_t>(settings_.Get()->Integer("history.answer_bytes"));
  for (;;) {
    auto page = co_await store_.Search(*query);
    if (!page) co_return Failed(page.error());
    const size_t found = page->records.size();
    auto lines =
        co_await history_pool_.Run([records = std::move(page->records), max]() -> Result<Lines> {
          return Write(records, max);
        });
    if (!lines) co_return Failed(lines.error());
    if (lines->count < found) {
      // The cursor is the store's to make: a shorter page has the right one.
      query->limit = lines->count;
      continue;
    }
    http::Response response =
        http::Response::Text(200, std::move(lines->text), "application/x-ndjson");
    response.headers.Set("Mailreeve-Next-Cursor", page->next_cursor);
    response.headers.Set("Mailreeve-Coverage", json::Serialize(CoverageJson(page->coverage)));
    co_return response;
  }
}

io::Task<http::Response> AdminApi::ImportRecords(http::Request request) {
  const auto import = std::make_shared<Import>(scope_.executor());
  const auto settings = settings_.Get();
  {
    auto lines = co_await history_pool_.Run(
        [body = std::move(request.body), max = static_cast<size_t>(settings->Integer(
                                             "history.max_lines"))] { return Read(body, max); });
    if (!lines) co_return Failed(lines.error());
    import->lines = *std::move(lines);
  }
  import->results.resize(import->lines.size());
  // Side by side, so that one sync serves many.
  const auto tasks = static_cast<size_t>(settings->Integer("history.tasks"));
  for (size_t i = 0; i < std::min(tasks, import->lines.size()); ++i) {
    ++import->open;
    scope_.Spawn("history import", TakeLines(import, store_));
  }
  while (import->open > 0) co_await import->changed.Wait();

  uint64_t added = 0, present = 0;
  json::array refused;
  for (size_t i = 0; i < import->lines.size(); ++i) {
    const auto& result = import->results[i];
    if (!result) co_return Failed(Error(Code::kUnavailable, "the import was broken off"));
    if (*result) {
      ++(**result == Taken::kAdded ? added : present);
      continue;
    }
    const Error& error = result->error();
    // Not the line's fault, such as a full disk: the same lines can be sent again.
    if (import->lines[i].record && error.code != Code::kInvalid && error.code != Code::kConflict &&
        error.code != Code::kCorrupt) {
      co_return Failed(error);
    }
    refused.push_back(json::object{{"line", import->lines[i].number}, {"error", error.message}});
  }
  co_return http::Response::Json(
      200, json::object{{"added", added}, {"present", present}, {"refused", std::move(refused)}});
}

}  // namespace mailreeve::gateway::api
