#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace mailreeve::cli {
namespace {

TEST(TerminalText, LetsNoEscapeSequenceThrough) {
  EXPECT_EQ(TerminalText("a\x1b]0;pwned\x07z"), "a\xEF\xBF\xBD]0;pwned\xEF\xBF\xBDz");
  EXPECT_EQ(TerminalText("one\r\ntwo\tthree"), "one  two three");
  EXPECT_EQ(TerminalText("exe\xE2\x80\xAEtxt"), "exe\xEF\xBF\xBDtxt");  // U+202E
  EXPECT_EQ(TerminalText("\xC2\x9B"
                         "2J"),
            "\xEF\xBF\xBD"
            "2J");  // C1 CSI
  EXPECT_EQ(TerminalText("\xff"), "\xEF\xBF\xBD");
  EXPECT_EQ(TerminalText("Grüße 包裹"), "Grüße 包裹");
}

TEST(DisplayWidth, CountsWideAndCombining) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("包裹"), 4u);
  EXPECT_EQ(DisplayWidth("e\xCC\x81"), 1u);
}

TEST(Table, AlignsAndCuts) {
  const std::string table = Table({"A", "B"}, {{"包", "x"}, {"long long text", "y"}}, 8);
  EXPECT_EQ(table,
            "A         B\n"
            "────────  ─\n"
            "包        x\n"
            "long lo…  y\n");
  EXPECT_EQ(Table({"A"}, {}), "A\n─\n");
}

TEST(Pairs, PadsNames) { EXPECT_EQ(Pairs({{"a", "1"}, {"abc", "2"}}), "a    1\nabc  2\n"); }

TEST(Terminal, DrawsSparklines) {
  EXPECT_EQ(Sparkline({}, 10), "");
  EXPECT_EQ(Sparkline({0, 0}, 10), "");
  EXPECT_EQ(Sparkline({0, 1, 4, 8}, 10), " ▁▄█");
  EXPECT_EQ(DisplayWidth(Sparkline(std::vector<double>(720, 3), 48)), 48u);
}

}  // namespace
}  // namespace mailreeve::cli
