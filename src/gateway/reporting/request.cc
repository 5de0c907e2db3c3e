#include "base/text.h"
#include "gateway/reporting/reports.h"

#include <algorithm>
#include <charconv>

namespace mailreeve::gateway::reporting {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

const std::string* Last(const Parameters& parameters, std::string_view name) {
  for (auto at = parameters.rbegin(); at != parameters.rend(); ++at) {
    if (at->first == name) return &at->second;
  }
  return nullptr;
}

// A date as clients write it: seconds may be missing, and the "+" of an offset may have become a
// space on its way.
Result<Time> ReadDate(std::string_view name, std::string text) {
  for (size_t i = 11; i < text.size(); ++i) {
    if (text[i] == ' ') text[i] = '+';
  }
  // 2026-01-02T03:00+00:00
  if (text.size() > 16 && text[13] == ':' && text[16] != ':') text.insert(16, ":00");
  if (text.size() == 16 && text[13] == ':') text += ":00Z";
  if (text.size() >= 19 && text.find_first_of("Zz+", 19) == std::string::npos &&
      text.find('-', 19) == std::string::npos) {
    text += "Z";
  }
  auto time = ParseTime(text);
  if (!time) {
    return Fail(Code::kInvalid,
                "Invalid " + std::string(name) + ": give it as YYYY-MM-DDThh:00:00.000Z.");
  }
  return *time;
}

Result<std::optional<size_t>> ReadSize(const Parameters& parameters, std::string_view name) {
  const std::string* text = Last(parameters, name);
  if (text == nullptr) return std::optional<size_t>();
  size_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || text->empty() ||
      value > 1'000'000'000) {
    return Fail(Code::kInvalid, "Invalid " + std::string(name) + ": give a whole number.");
  }
  return std::optional<size_t>(value);
}

Result<void> Together(const Parameters& parameters, std::initializer_list<std::string_view> names) {
  size_t given = 0;
  std::string list;
  for (const std::string_view name : names) {
    if (Last(parameters, name) != nullptr) ++given;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  if (given != 0 && given != names.size())
    return Fail(Code::kInvalid, "These are given together or not at all: " + list + ".");
  return {};
}

}  // namespace

Result<ReportRequest> ReadRequest(std::string_view report, std::string_view counter,
                                  const Parameters& parameters) {
  const ReportInfo* info = FindReport(report);
  if (info == nullptr || (!counter.empty() && info->Find(counter) == nullptr))
    return Fail(Code::kNotFound, "Not Found.");
  ReportRequest out;
  out.report = report;
  out.counter = counter;

  const std::string* from = Last(parameters, "startDate");
  const std::string* until = Last(parameters, "endDate");
  if (from == nullptr || until == nullptr)
    return Fail(Code::kInvalid, "startDate and endDate must both be given.");
  TRY(out.from, ReadDate("startDate", *from));
  TRY(out.until, ReadDate("endDate", *until));
  constexpr auto kHour = std::chrono::hours(1);
  if (out.from.time_since_epoch() % kHour != Duration(0) ||
      out.until.time_since_epoch() % kHour != Duration(0)) {
    return Fail(Code::kNotFound,
                "startDate and endDate attribute supports only 00 minutes, 00 seconds and 000 "
                "microseconds.");
  }
  if (out.from >= out.until) return Fail(Code::kInvalid, "startDate must be before endDate.");

  if (const std::string* device = Last(parameters, "device_type"); device && *device != "esa")
    return Fail(Code::kInvalid, "Invalid device_type: this gateway knows esa only.");
  if (const std::string* type = Last(parameters, "query_type")) {
    if (*type == "graph") {
      out.form = ReportRequest::Form::kGraph;
    } else if (*type == "export") {
      out.form = ReportRequest::Form::kExport;
    } else {
      return Fail(Code::kInvalid, "Invalid query_type: give graph or export.");
    }
  }

  TRY_VOID(Together(parameters, {"orderBy", "orderDir"}));
  if (const std::string* by = Last(parameters, "orderBy")) {
    if (info->Find(*by) == nullptr)
      return Fail(Code::kInvalid, "Invalid orderBy: the report has no such counter.");
    const std::string& direction = *Last(parameters, "orderDir");
    if (direction != "asc" && direction != "desc")
      return Fail(Code::kInvalid, "Invalid orderDir: give asc or desc.");
    out.order_by = *by;
    out.ascending = direction == "asc";
  }
  TRY_VOID(Together(parameters, {"offset", "limit"}));
  TRY(out.offset, ReadSize(parameters, "offset"));
  TRY(out.limit, ReadSize(parameters, "limit"));
  TRY(out.top, ReadSize(parameters, "top"));
  TRY_VOID(Together(parameters, {"filterBy", "filterOperator", "filterValue"}));
  if (const std::string* by = Last(parameters, "filterBy")) {
    const auto& aliases = info->key_aliases;
    if (std::find(aliases.begin(), aliases.end(), AsciiLower(*by)) == aliases.end())
      return Fail(Code::kInvalid, "Invalid filterBy: the report has no such key.");
    const std::string& how = *Last(parameters, "filterOperator");
    if (how != "is" && how != "begins_with")
      return Fail(Code::kInvalid, "Invalid filterOperator: give is or begins_with.");
    out.filter = ReportRequest::Filter{AsciiLower(*by), how == "begins_with",
                                       *Last(parameters, "filterValue")};
  }
  return out;
}

}  // namespace mailreeve::gateway::reporting
