#include "response/feed_formats/text_feed.h"

#include "ctim/validate.h"

#include <gtest/gtest.h>

namespace mailreeve::response::feed_formats {
namespace {

// In pieces of `piece` bytes: where they are cut must not matter.
std::string Read(const TextFormat& format, std::string_view text, size_t piece = 1) {
  TextFeed feed(format);
  std::vector<Entry> entries;
  for (size_t at = 0; at < text.size(); at += piece)
    EXPECT_TRUE(feed.Read(text.substr(at, piece), entries));
  EXPECT_TRUE(feed.Finish(entries));
  std::string out;
  for (const auto& entry : entries) {
    out += std::string(observable::TypeName(entry.observable.type)) + "=" + entry.observable.value;
    if (!entry.confidence.empty()) out += " " + entry.confidence;
    if (!entry.reason.empty()) out += " '" + entry.reason + "'";
    if (entry.from) out += " from " + FormatTime(*entry.from).substr(0, 10);
    if (entry.until) out += " until " + FormatTime(*entry.until).substr(0, 10);
    out += "\n";
  }
  for (const auto& [reason, count] : feed.counts().skipped)
    out += "-" + reason + " " + std::to_string(count) + "\n";
  EXPECT_EQ(feed.counts().entries, entries.size());
  return out;
}

TEST(TextFeed, Lists) {
  constexpr std::string_view text =
      "\xef\xbb\xbf# comment\r\n192.0.2.1\r\n\n  BAD.example. ; listed\n"
      "0.0.0.0 ads.example # x\nhxxp://evil[.]example/a\nphish@bad.example\n"
      "D41D8CD98F00B204E9800998ECF8427E\n192.0.2.0/24\n2001:DB8::1\n:::\nlast.example";
  const std::string expected =
      "ip=192.0.2.1\ndomain=bad.example\ndomain=ads.example\nurl=http://evil.example/a\n"
      "email=phish@bad.example\nmd5=d41d8cd98f00b204e9800998ecf8427e\nipv6=2001:db8::1\n"
      "domain=last.example\n-no observable 2\n";
  for (const size_t piece : {1, 7, 4096}) EXPECT_EQ(Read({}, text, piece), expected) << piece;
  EXPECT_EQ(Read({.type = "hostname"}, "a.example\n"), "hostname=a.example\n");
}

TEST(TextFeed, Csv) {
  TextFormat format{.csv = true, .separator = ',', .header = true};
  format.value = "IOC";
  format.type_column = "kind";
  format.confidence = "sure";
  format.reason = "why";
  format.from = "first";
  format.until = "5";
  format.types = {{"ip-dst", "ip"}};
  constexpr std::string_view text =
      "# a comment, with \" in it\n"
      "kind,ioc,sure,why,last,first\n"
      "ip-dst,192.0.2.1,90,\"says \"\"hi\"\", twice\nover\",2027-01-01,1767225600\n"
      "domain, bad.example ,low,,2027-01-01 00:00:00,2026-01-01T00:00:00Z\r\n"
      "spam,x,,,,\n"
      "md5,nonsense,,,,\n"
      "\n"
      "url,\"http://a.example/x,y\",,,,";
  const std::string expected =
      "ip=192.0.2.1 High 'says \"hi\", twice\nover' from 2026-01-01 until 2027-01-01\n"
      "domain=bad.example Low from 2026-01-01 until 2027-01-01\n"
      "url=http://a.example/x,y\n"
      "-no observable 1\n-type spam 1\n";
  for (const size_t piece : {1, 7, 4096}) EXPECT_EQ(Read(format, text, piece), expected) << piece;
}

TEST(TextFeed, ColumnsAndLimits) {
  std::vector<Entry> entries;
  TextFeed missing({.csv = true, .header = true, .value = "ioc"});
  EXPECT_EQ(missing.Read("a,b\n", entries).error().message, "the feed has no column 'ioc'");
  TextFeed bad({.csv = true, .value = "0"});
  EXPECT_FALSE(bad.Read("a,b\n", entries));
  TextFeed few({.max_entries = 2});
  EXPECT_EQ(few.Read("a.example\nb.example\nc.example\n", entries).error().code, Code::kLimited);

  TextFormat narrow{.max_line = 20};
  EXPECT_EQ(Read(narrow, std::string(1000, 'a') + ".example\nb.example\n"),
            "domain=b.example\n-line too long 1\n");
  narrow.csv = true;
  EXPECT_EQ(Read(narrow, "\"never closed\n" + std::string(1000, 'x') + "\nb.example\n"),
            "domain=b.example\n-line too long 1\n");
}

TEST(TextFeed, JudgementsAreCompleteAndStable) {
  Terms terms;
  terms.feed = "demo";
  terms.source = "Demo list";
  terms.now = *ParseTime("2026-03-01T00:00:00Z");
  terms.life = std::chrono::hours(24);
  terms.share_with = {"org-1"};
  const auto observed = ReadObservable("Bad[.]Example", "");
  ASSERT_TRUE(observed);
  const json::object judgement = JudgementOf({*observed, "", "why", {}, {}}, terms);
  EXPECT_TRUE(ctim::Check("judgement", judgement, {.stored = true, .strict = true}));
  EXPECT_EQ(judgement.at("valid_time").at("end_time"), "2026-03-02T00:00:00.000Z");
  EXPECT_EQ(judgement.at("owner"), "feed:demo");
  EXPECT_EQ(judgement.at("reason"), "why");
  EXPECT_EQ(json::Serialize(judgement.at("authorized_groups")), R"(["org-1"])");
  terms.now += std::chrono::hours(5);
  EXPECT_EQ(JudgementOf({*observed}, terms).at("id"), judgement.at("id"));
  terms.feed = "other";
  EXPECT_NE(JudgementOf({*observed}, terms).at("id"), judgement.at("id"));
}

}  // namespace
}  // namespace mailreeve::response::feed_formats
