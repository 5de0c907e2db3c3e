#include "base/time.h"

#include <gtest/gtest.h>

namespace mailreeve {
namespace {

using namespace std::chrono_literals;

std::string Again(std::string_view text) {
  const auto time = ParseTime(text);
  return time ? FormatTime(*time) : std::string(CodeName(time.error().code));
}

TEST(TimeText, Reads) {
  EXPECT_EQ(Again("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000Z");
  EXPECT_EQ(Again("2026-01-02T03:04:05.6Z"), "2026-01-02T03:04:05.600Z");
  EXPECT_EQ(Again("2026-01-02T03:04:05.678901234Z"), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(Again("2026-01-02T03:04:05.678901+00:00"), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(Again("2026-01-01T01:00:00+02:30"), "2025-12-31T22:30:00.000Z");
  EXPECT_EQ(Again("2025-12-31T23:00:00-0130"), "2026-01-01T00:30:00.000Z");
  EXPECT_EQ(Again("2024-02-29t00:00:00z"), "2024-02-29T00:00:00.000Z");
  EXPECT_EQ(Again("1969-12-31T23:59:59.999Z"), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(Again("2106-02-07T06:28:16Z"), "2106-02-07T06:28:16.000Z");
  EXPECT_EQ(Again("9999-12-31T23:59:59.999Z"), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(Again("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00.000Z");  // a leap second
}

TEST(TimeText, Refuses) {
  for (const char* text :
       {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z",
        "2026-02-29T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+1", "2026-01-02T03:04:05+24:00",
        "2026/01/02T03:04:05Z", "+026-01-02T03:04:05Z", "2026-1-02T03:04:05Z",
        " 2026-01-02T03:04:05Z"}) {
    EXPECT_EQ(Again(text), "invalid") << text;
  }
}

TEST(TimeText, ClampsToFourDigits) {
  EXPECT_EQ(FormatTime(Time::max()), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatTime(Time::min()), "0000-01-01T00:00:00.000Z");
}

TEST(TimeText, Millis) {
  EXPECT_EQ(ToEpochMillis(Time{1500us}), 1);
  EXPECT_EQ(ToEpochMillis(Time{-1us}), -1);
  EXPECT_EQ(FromEpochMillis(1767323045678), *ParseTime("2026-01-02T03:04:05.678Z"));
}

TEST(FakeClockTest, Moves) {
  FakeClock clock(FromEpochMillis(1000));
  clock.Advance(1s);
  EXPECT_EQ(ToEpochMillis(clock.Now()), 2000);
}

TEST(Time, EpochMicrosLoseNothing) {
  for (const int64_t micros : {INT64_C(0), INT64_C(1), INT64_C(-1), INT64_C(1790000000123456)}) {
    EXPECT_EQ(ToEpochMicros(FromEpochMicros(micros)), micros);
  }
  EXPECT_EQ(ToEpochMicros(std::optional<Time>()), std::nullopt);
  EXPECT_EQ(FromEpochMicros(std::optional<int64_t>(7)), FromEpochMicros(7));
}

}  // namespace
}  // namespace mailreeve
