#include "base/wire.h"

#include <gtest/gtest.h>

#include <limits>

namespace mailreeve {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(WireTest, RoundTrip) {
  WireWriter writer;
  const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, kMax};
  const int64_t signed_numbers[] = {0, -1, 1, std::numeric_limits<int64_t>::min(),
                                    std::numeric_limits<int64_t>::max()};
  for (const uint64_t n : numbers) writer.Number(n);
  for (const int64_t n : signed_numbers) writer.Signed(n);
  writer.Bool(true);
  writer.String("");
  writer.String(std::string("a\0b", 3));
  WireReader reader(writer.bytes());
  for (const uint64_t n : numbers) EXPECT_EQ(reader.Number(), n);
  for (const int64_t n : signed_numbers) EXPECT_EQ(reader.Signed(), n);
  EXPECT_TRUE(reader.Bool());
  EXPECT_EQ(reader.String(), "");
  EXPECT_EQ(reader.String(), std::string("a\0b", 3));
  EXPECT_TRUE(reader.at_end());
  EXPECT_TRUE(reader.Finish("x").has_value());
}

TEST(WireTest, EveryCutIsNoticed) {
  WireWriter writer;
  writer.Number(300);
  writer.String("hello");
  writer.Signed(-70000);
  const std::string bytes = writer.Take();
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    WireReader reader(std::string_view(bytes).substr(0, cut));
    reader.Number();
    reader.String();
    reader.Signed();
    EXPECT_EQ(reader.Finish("record").error().code, Code::kCorrupt) << cut;
  }
  WireReader more(bytes);
  more.Number();
  EXPECT_EQ(more.Finish("record").error().code, Code::kCorrupt);
}

TEST(WireTest, LengthsAreNotBelieved) {
  WireWriter writer;
  writer.Number(kMax);
  WireReader text(writer.bytes());
  EXPECT_EQ(text.String(), "");
  EXPECT_FALSE(text.ok());
  WireReader count(writer.bytes());
  EXPECT_EQ(count.Count(), 0u);
  EXPECT_FALSE(count.ok());
}

TEST(WireTest, OverlongNumbersAreRefused) {
  const std::string too_long = std::string(10, '\x80') + "\x01";
  WireReader eleven(too_long);
  EXPECT_EQ(eleven.Number(), 0u);
  EXPECT_FALSE(eleven.ok());
  const std::string too_big = std::string(9, '\xff') + "\x02";
  WireReader overflow(too_big);
  overflow.Number();
  EXPECT_FALSE(overflow.ok());
}

TEST(WireTest, FirstErrorSticks) {
  WireWriter writer;
  writer.Number(9);
  writer.Number(1);
  WireReader reader(writer.bytes());
  EXPECT_EQ(reader.NumberUpTo(8), 0u);
  EXPECT_EQ(reader.Number(), 0u);
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace mailreeve
