#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace mailreeve {

using std::chrono::microseconds;

Time SystemClock::Now() const {
  return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
}

std::string FormatTime(Time time) {
  using namespace std::chrono;
  static constexpr Time kLow{sys_days{year{0} / 1 / 1}};
  static constexpr Time kHigh{sys_days{year{9999} / 12 / 31} + hours{23} + minutes{59} +
                              seconds{59} + milliseconds{999}};
  time = std::clamp(time, kLow, kHigh);
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const auto rest = time - day;
  const auto h = duration_cast<hours>(rest);
  const auto m = duration_cast<minutes>(rest - h);
  const auto s = duration_cast<seconds>(rest - h - m);
  const auto ms = duration_cast<milliseconds>(rest - h - m - s);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     h.count(), m.count(), s.count(), ms.count());
}

namespace {

// Reads exactly `count` digits at `pos`; -1 when they are not there.
int Digits(std::string_view text, size_t pos, size_t count) {
  if (pos + count > text.size()) return -1;
  int value = 0;
  for (size_t i = pos; i < pos + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

Result<Time> ParseTime(std::string_view text) {
  using namespace std::chrono;
  const auto bad = [&] {
    return Fail(Code::kInvalid, "not an ISO 8601 time such as 2026-01-02T03:04:05.678Z: '" +
                                    std::string(text.substr(0, 40)) + "'");
  };
  const int y = Digits(text, 0, 4), mo = Digits(text, 5, 2), d = Digits(text, 8, 2);
  const int h = Digits(text, 11, 2), mi = Digits(text, 14, 2), s = Digits(text, 17, 2);
  if (y < 0 || mo < 0 || d < 0 || h < 0 || mi < 0 || s < 0) return bad();
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ') ||
      text[13] != ':' || text[16] != ':') {
    return bad();
  }
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)},
                            day{static_cast<unsigned>(d)}};
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return bad();
  size_t pos = 19;
  int64_t micros = 0;
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    int64_t scale = 100000;
    size_t digits = 0;
    for (; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, ++digits) {
      micros += scale * (text[pos] - '0');
      scale /= 10;
    }
    if (digits == 0 || digits > 9) return bad();
  }
  minutes offset{0};
  if (pos < text.size() && (text[pos] == 'Z' || text[pos] == 'z')) {
    ++pos;
  } else if (pos < text.size() && (text[pos] == '+' || text[pos] == '-')) {
    const int oh = Digits(text, pos + 1, 2);
    const bool colon = pos + 3 < text.size() && text[pos + 3] == ':';
    const int om = Digits(text, pos + (colon ? 4 : 3), 2);
    if (oh < 0 || om < 0 || oh > 23 || om > 59) return bad();
    offset = minutes{(oh * 60 + om) * (text[pos] == '-' ? -1 : 1)};
    pos += colon ? 6 : 5;
  } else {
    return bad();
  }
  if (pos != text.size()) return bad();
  return Time{sys_days{date}} + hours{h} + minutes{mi} + seconds{s} + microseconds{micros} - offset;
}

int64_t ToEpochMillis(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Time FromEpochMillis(int64_t millis) { return Time{std::chrono::milliseconds{millis}}; }

int64_t ToEpochMicros(Time time) { return time.time_since_epoch().count(); }

Time FromEpochMicros(int64_t micros) { return Time{microseconds{micros}}; }

std::optional<int64_t> ToEpochMicros(const std::optional<Time>& time) {
  if (!time) return std::nullopt;
  return ToEpochMicros(*time);
}

std::optional<Time> FromEpochMicros(const std::optional<int64_t>& micros) {
  if (!micros) return std::nullopt;
  return FromEpochMicros(*micros);
}

}  // namespace mailreeve
