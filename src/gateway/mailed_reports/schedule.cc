#include "gateway/mailed_reports/schedule.h"

#include "io/file.h"
#include "json/json.h"

#include <algorithm>

namespace mailreeve::gateway::mailed_reports {
namespace {

using std::chrono::days;

constexpr size_t kKeptMarks = 200;  // of each kind: far more than are ever caught up

Time DayOf(Time time) { return Time(std::chrono::floor<days>(time)); }
Time WeekOf(Time time) {
  const auto day = std::chrono::floor<days>(time);
  return Time(day - (std::chrono::weekday(day) - std::chrono::Monday));
}

}  // namespace

std::string Period::Name() const {
  return (weekly ? "weekly " : "daily ") + FormatTime(from).substr(0, 10);
}

Result<Marks> Marks::Load(const std::string& path, Time now) {
  auto text = io::ReadFile(path, 1 << 20);
  if (!text && text.error().code == Code::kNotFound) {
    Marks out;
    out.since_ = now;
    return out;
  }
  if (!text) return Fail(text.error());
  return Decode(*text);
}

Result<void> Marks::Save(const std::string& path) const {
  return io::WriteFileAtomically(path, Encode(), 0640);
}

std::vector<Period> Marks::Due(const Schedule& schedule, Time now) const {
  std::vector<Period> out;
  const auto add = [&](bool weekly, Time current, days length) {
    for (size_t i = 0; i < schedule.catch_up; ++i) {
      const Period period{weekly, current - length * static_cast<int64_t>(i + 1),
                          current - length * static_cast<int64_t>(i)};
      if (period.until <= since_) break;
      if (period.until + std::chrono::hours(schedule.hour) > now || sent_.contains(period))
        continue;
      out.push_back(period);
    }
  };
  if (schedule.daily) add(false, DayOf(now), days(1));
  if (schedule.weekly) add(true, WeekOf(now), days(7));
  std::sort(out.begin(), out.end(), [](const Period& a, const Period& b) {
    return a.until != b.until ? a.until < b.until : a.weekly < b.weekly;
  });
  return out;
}

void Marks::MarkSent(const Period& period) {
  sent_.insert(period);
  // Sets are in order of kind and time: the oldest of the kind goes.
  const auto of_kind = [&](const Period& p) { return p.weekly == period.weekly; };
  if (static_cast<size_t>(std::count_if(sent_.begin(), sent_.end(), of_kind)) > kKeptMarks)
    sent_.erase(std::find_if(sent_.begin(), sent_.end(), of_kind));
}

Result<Marks> Marks::Decode(std::string_view text) {
  TRY(const json::value document, json::Parse(text));
  TRY(const json::object* root, json::AsObject(document, ""));
  Marks out;
  TRY(const std::string since, json::RequireString(*root, "since"));
  TRY(out.since_, ParseTime(since));
  for (const bool weekly : {false, true}) {
    TRY(const auto sent, json::OptionalStrings(*root, weekly ? "weekly" : "daily"));
    for (const std::string& from : sent) {
      TRY(const Time begin, ParseTime(from));
      out.sent_.insert({weekly, begin, begin + days(weekly ? 7 : 1)});
    }
  }
  return out;
}

std::string Marks::Encode() const {
  json::array daily, weekly;
  for (const Period& period : sent_)
    (period.weekly ? weekly : daily).push_back(json::value(FormatTime(period.from)));
  return json::SerializePretty(json::object{{"since", FormatTime(since_)},
                                            {"daily", std::move(daily)},
                                            {"weekly", std::move(weekly)}}) +
         "\n";
}

}  // namespace mailreeve::gateway::mailed_reports
