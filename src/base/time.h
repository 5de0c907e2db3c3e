#pragma once

#include "base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

// Wall-clock time as every part of Mailreeve keeps it: UTC, microseconds.
namespace mailreeve {

using Time = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

// Where the time comes from. Injected, so that tests own it.
// Threads: implementations are safe for concurrent calls.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time Now() const override;
};

// Stands still until told to move. Not for concurrent Set and Now.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Time start) : now_(start) {}
  Time Now() const override { return now_; }
  void Set(Time now) { now_ = now; }
  void Advance(Duration by) { now_ += by; }

 private:
  Time now_;
};

// ISO 8601, UTC, milliseconds: "2026-01-02T03:04:05.678Z" (threat-response-api.md 0.2). Years
// outside 0..9999 are clamped, so the answer always has this shape.
std::string FormatTime(Time time);

// Reads ISO 8601 with 0 to 9 fractional digits and "Z" or an offset "+hh:mm". Error kInvalid says
// what is wrong.
Result<Time> ParseTime(std::string_view text);

int64_t ToEpochMillis(Time time);
Time FromEpochMillis(int64_t millis);
// Since 1970, without loss: how databases and files keep a Time.
int64_t ToEpochMicros(Time time);
Time FromEpochMicros(int64_t micros);
std::optional<int64_t> ToEpochMicros(const std::optional<Time>& time);
std::optional<Time> FromEpochMicros(const std::optional<int64_t>& micros);

}  // namespace mailreeve
