#include "response/feed_import/importer.h"

#include "base/random.h"
#include "response/feed_import/memory_library.h"

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace mailreeve::response::feed_import {
namespace {

class FakeSource final : public Source {
 public:
  struct Asked {
    std::string url;
    http::Headers headers;
  };
  io::Task<Result<http::Response>> Get(std::string url, http::Headers headers) override {
    asked.push_back({url, headers});
    const auto at = pages.find(url);
    if (at == pages.end()) co_return http::Response::Text(404, "no");
    const std::string_view tag = at->second.headers.Get("ETag");
    if (!tag.empty() && headers.Get("If-None-Match") == tag) co_return http::Response::Empty(304);
    co_return at->second;
  }
  void Serve(const std::string& url, std::string body, std::string type = "text/plain",
             std::string etag = "", std::string added = "") {
    http::Response answer = http::Response::Text(200, std::move(body), std::move(type));
    if (!etag.empty()) answer.headers.Set("ETag", std::move(etag));
    if (!added.empty()) answer.headers.Set("X-TAXII-Date-Added-Last", std::move(added));
    pages[url] = std::move(answer);
  }
  std::map<std::string, http::Response> pages;
  std::vector<Asked> asked;
};

class ImporterTest : public testing::Test {
 protected:
  ImporterTest() : folder_(std::filesystem::temp_directory_path() / ("feeds-" + RandomUuid())) {
    std::filesystem::create_directories(folder_);
  }
  ~ImporterTest() override { std::filesystem::remove_all(folder_); }

  Feed Made(std::string_view text) {
    auto feeds = ReadFeeds(*json::Parse("{\"feeds\":[" + std::string(text) + "]}"));
    EXPECT_TRUE(feeds) << (feeds ? "" : feeds.error().ToString());
    return feeds && !feeds->empty() ? feeds->front() : Feed{};
  }
  Result<Report> Take(const Feed& feed) {
    Importer importer(library_, source_, io::PosixFiles(), pool_, states(), clock_, logger_,
                      options_);
    std::optional<Result<Report>> out;
    asio::io_context context;
    asio::co_spawn(context, importer.Take(feed), [&](std::exception_ptr thrown, auto value) {
      if (thrown) std::rethrow_exception(thrown);
      out = std::move(value);
    });
    context.run();
    clock_.Advance(std::chrono::seconds(1));
    return *std::move(out);
  }
  StateFolder states() { return {io::PosixFiles(), folder_ / "state"}; }
  std::set<std::string> Values() const {
    std::set<std::string> out;
    for (const auto& [id, kept] : library_.kept)
      if (const auto* observable = kept.document.if_contains("observable"))
        out.insert(std::string(std::string_view(observable->at("value").as_string())));
    return out;
  }
  std::string Write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  std::filesystem::path folder_;
  MemoryLibrary library_;
  FakeSource source_;
  io::Pool pool_{"feed files", 1, 100};
  FakeClock clock_{ParseTime("2026-03-01T00:00:00Z").value()};
  log::NullLogger logger_;
  Options options_;
};

constexpr std::string_view kList = R"({"name":"demo","kind":"list","url":"https://f.example/l"})";

TEST_F(ImporterTest, ListIsTakenOnceAndWhatGoesIsRemoved) {
  const Feed feed = Made(kList);
  source_.Serve(feed.url, "a.example\nb.example\nnonsense\n", "text/plain", "\"1\"");
  auto report = Take(feed);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->documents, 2u);
  EXPECT_EQ(report->counts.skipped.at("no observable"), 1u);
  EXPECT_EQ(Values(), (std::set<std::string>{"a.example", "b.example"}));

  report = Take(feed);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->unchanged);
  EXPECT_EQ(source_.asked.back().headers.Get("If-None-Match"), "\"1\"");
  EXPECT_EQ(Values().size(), 2u);

  source_.Serve(feed.url, "b.example\nc.example", "text/plain", "\"2\"");
  report = Take(feed);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->removed, 1u);
  EXPECT_EQ(Values(), (std::set<std::string>{"b.example", "c.example"}));
  const FeedState state = states().Load("demo");
  EXPECT_EQ(state.etag, "\"2\"");
  EXPECT_EQ(state.failures, 0);
  EXPECT_TRUE(state.succeeded.has_value());
}

TEST_F(ImporterTest, ABrokenFeedRemovesNothing) {
  const Feed feed = Made(kList);
  std::string many;
  for (int i = 0; i < 200; ++i) many += "h" + std::to_string(i) + ".example\n";
  source_.Serve(feed.url, many, "text/plain", "\"1\"");
  ASSERT_TRUE(Take(feed));
  source_.Serve(feed.url, "<html>maintenance</html>", "text/html", "\"2\"");
  auto report = Take(feed);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message,
            "the feed lists 0 entries instead of 200 before; nothing is removed");
  EXPECT_EQ(Values().size(), 200u);
  FeedState state = states().Load("demo");
  EXPECT_EQ(state.etag, "\"1\"") << "asked again next time";
  EXPECT_EQ(state.failures, 1);

  source_.pages.clear();
  EXPECT_EQ(Take(feed).error().code, Code::kNotFound);
  library_.fail = true;
  source_.Serve(feed.url, many);
  EXPECT_EQ(Take(feed).error().code, Code::kUnavailable);
  state = states().Load("demo");
  EXPECT_EQ(state.failures, 3);
  EXPECT_EQ(state.error, "the store is away");
  library_.fail = false;
  ASSERT_TRUE(Take(feed));
  EXPECT_EQ(states().Load("demo").failures, 0);
}

TEST_F(ImporterTest, DueTimesGrowWithFailures) {
  const Feed feed = Made(kList);
  const Importer importer(library_, source_, io::PosixFiles(), pool_, states(), clock_, logger_,
                          options_);
  FeedState state;
  EXPECT_EQ(importer.DueAt(feed, state), Time());
  state.tried = clock_.Now();
  EXPECT_EQ(importer.DueAt(feed, state), clock_.Now() + std::chrono::hours(1));
  state.failures = 1;
  EXPECT_EQ(importer.DueAt(feed, state), clock_.Now() + std::chrono::minutes(1));
  state.failures = 3;
  EXPECT_EQ(importer.DueAt(feed, state), clock_.Now() + std::chrono::minutes(4));
  state.failures = 1'000'000;
  EXPECT_EQ(importer.DueAt(feed, state), clock_.Now() + std::chrono::hours(1));
}

TEST_F(ImporterTest, LifeIsToldAnewInTime) {
  const Feed feed =
      Made(R"({"name":"demo","kind":"list","url":"https://f.example/l","life_days":2})");
  source_.Serve(feed.url, "a.example\n", "text/plain", "\"1\"");
  ASSERT_TRUE(Take(feed));
  ASSERT_TRUE(Take(feed)->unchanged);
  clock_.Advance(std::chrono::hours(25));
  const auto report = Take(feed);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->unchanged) << "half its life is over";
  EXPECT_EQ(
      library_.kept.begin()->second.document.at("valid_time").at("end_time"),
      json::value(FormatTime(clock_.Now() - std::chrono::seconds(1) + std::chrono::hours(48))));
}

TEST_F(ImporterTest, FilesAreReadInPieces) {
  std::string text = "value,why\n";
  for (int i = 0; i < 20'000; ++i) text += "h" + std::to_string(i) + ".example,listed\n";
  const std::string path = Write("big.csv", text);
  const Feed feed = Made(R"({"name":"big","kind":"csv","csv":{"header":true,"value":"value",)"
                         R"("reason":"why"},"url":")" +
                         path + "\"}");
  const auto report = Take(feed);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->documents, 20'000u);
  EXPECT_EQ(library_.kept.size(), 20'000u);
  EXPECT_LE(library_.largest_batch, options_.batch);
}

TEST_F(ImporterTest, AuthorizationComesFromItsFile) {
  const std::string path = Write("key", "Bearer very-secret\n");
  const Feed feed =
      Made(R"({"name":"demo","kind":"list","url":"https://f.example/l","authorization_file":")" +
           path + "\"}");
  EXPECT_FALSE(Take(feed)) << "404";
  EXPECT_EQ(source_.asked.back().headers.Get("Authorization"), "Bearer very-secret");
  EXPECT_EQ(json::Serialize(states().Load("demo").ToJson()).find("secret"), std::string::npos);
}

std::string Indicator(int number, std::string_view value, std::string_view more = "") {
  return R"({"type":"indicator","id":"indicator--00000000-0000-4000-8000-00000000000)" +
         std::to_string(number) +
         R"(","name":"x","pattern_type":"stix","pattern":"[url:value = ')" + std::string(value) +
         R"(']","valid_from":"2026-01-01T00:00:00Z")" + std::string(more) + "}";
}

TEST_F(ImporterTest, TaxiiPagesFollowEachOther) {
  const Feed feed =
      Made(R"({"name":"t","kind":"taxii","url":"https://t.example/api/collections/c"})");
  const std::string base = "https://t.example/api/collections/c/objects/?limit=1000";
  const std::string type = "application/taxii+json;version=2.1";
  source_.Serve(base, R"({"more":true,"next":"p 2","objects":[)" + Indicator(1, "http://a/") + "]}",
                type, "", "2026-01-01T00:00:00Z");
  source_.Serve(base + "&next=p%202", R"({"objects":[)" + Indicator(2, "http://b/") + "]}", type,
                "", "2026-01-02T00:00:00Z");
  ASSERT_TRUE(Take(feed));
  EXPECT_EQ(Values(), (std::set<std::string>{"http://a/", "http://b/"}));
  EXPECT_EQ(source_.asked.back().headers.Get("Accept"), type);

  const std::string later = base + "&added_after=2026-01-02T00%3A00%3A00Z";
  source_.Serve(later, R"({"objects":[)" + Indicator(1, "http://a/", R"(,"revoked":true)") + "]}",
                type, "", "2026-01-03T00:00:00Z");
  const auto report = Take(feed);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_EQ(report->removed, 1u) << "the indicator";
  EXPECT_EQ(states().Load("t").added_after, "2026-01-03T00:00:00Z");

  source_.Serve(base + "&added_after=2026-01-03T00%3A00%3A00Z", "{}", type);
  EXPECT_TRUE(Take(feed)->unchanged);
  source_.Serve(base + "&added_after=2026-01-03T00%3A00%3A00Z", "<html>", "text/html");
  EXPECT_EQ(Take(feed).error().message, "the server answers text/html instead of JSON");
  for (const char* page : {"", "&next=x"})
    source_.Serve(base + "&added_after=2026-01-03T00%3A00%3A00Z" + page,
                  R"({"more":true,"next":"x"})", type);
  EXPECT_EQ(Take(feed).error().message, "the server's pages go round in circles");
}

TEST_F(ImporterTest, StixDocumentIsTakenWhole) {
  const std::string path =
      Write("a.json", R"({"type":"bundle","objects":[)" + Indicator(1, "http://a/") + "," +
                          Indicator(2, "http://b/") + "]}");
  const Feed feed = Made(R"({"name":"s","kind":"stix","url":")" + path + "\"}");
  ASSERT_TRUE(Take(feed));
  EXPECT_EQ(library_.kept.size(), 6u);
  Write("a.json", R"({"type":"bundle","objects":[)" + Indicator(2, "http://b/") + "]}");
  const auto report = Take(feed);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->removed, 3u);
  Write("a.json", "{\"objects\":");
  EXPECT_EQ(Take(feed).error().code, Code::kInvalid);
  EXPECT_EQ(library_.kept.size(), 3u);
}

TEST_F(ImporterTest, MispTakesWhatChanged) {
  const Feed feed = Made(R"({"name":"m","kind":"misp","url":"https://m.example/feed"})");
  const std::string one = "5e0a4b7c-0000-4000-8000-000000000001",
                    two = "5e0a4b7c-0000-4000-8000-000000000002", base = "https://m.example/feed/";
  const auto event = [](const std::string& uuid, std::string_view value) {
    return R"({"Event":{"uuid":")" + uuid +
           R"(","info":"i","Attribute":[{"type":"domain","value":")" + std::string(value) +
           R"(","to_ids":true}]}})";
  };
  source_.Serve(base + "manifest.json",
                R"({")" + one + R"(":{"timestamp":"1"},")" + two + R"(":{"timestamp":"1"}})",
                "application/json");
  source_.Serve(base + one + ".json", event(one, "a.example"), "application/json");
  source_.Serve(base + two + ".json", event(two, "b.example"), "application/json");
  ASSERT_TRUE(Take(feed));
  EXPECT_EQ(Values(), (std::set<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(source_.asked.size(), 3u);

  source_.Serve(base + one + ".json", event(one, "c.example"), "application/json");
  source_.Serve(base + "manifest.json",
                R"({")" + one + R"(":{"timestamp":"2"},")" + two + R"(":{"timestamp":"1"}})",
                "application/json");
  ASSERT_TRUE(Take(feed));
  EXPECT_EQ(source_.asked.size(), 5u) << "the other event has not changed";
  EXPECT_EQ(Values(), (std::set<std::string>{"b.example", "c.example"}));

  const std::string three = "5e0a4b7c-0000-4000-8000-000000000003";
  source_.Serve(base + "manifest.json",
                R"({")" + one + R"(":{"timestamp":"2"},")" + three + R"(":{"timestamp":"1"}})",
                "application/json");
  const auto report = Take(feed);
  ASSERT_FALSE(report) << "the third cannot be fetched";
  EXPECT_EQ(Values(), std::set<std::string>{"c.example"}) << "the second is gone nevertheless";
  EXPECT_TRUE(report.error().message.find(three) != std::string::npos);
}

TEST(Feeds, ConfigurationIsChecked) {
  const auto error = [](std::string_view text) {
    auto feeds = ReadFeeds(*json::Parse(text));
    return feeds ? std::string() : feeds.error().message;
  };
  EXPECT_EQ(error("{}"), "");
  EXPECT_EQ(error(R"({"feeds":[{"name":"A","kind":"list","url":"https://x/"}]})"),
            "feeds[0].name: must have 1 to 64 lower-case letters, digits and hyphens");
  EXPECT_EQ(error(R"({"feeds":[{"name":"a","kind":"rss","url":"https://x/"}]})"),
            "feeds[0].kind: must be list, csv, stix, taxii or misp");
  for (const char* bad :
       {R"({"feeds":[{"name":"a","kind":"list","url":"ftp://x/"}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"relative"}]})",
        R"({"feeds":[{"name":"a","kind":"taxii","url":"/file"}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/","intervall":5}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/","interval":5}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/","tlp":"blue"}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/","disposition":"Bad"}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/","type":"mid"}]})",
        R"({"feeds":[{"name":"a","kind":"csv","url":"https://x/","csv":{"separator":""}}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/","authorization_file":"k"}]})",
        R"({"feeds":[{"name":"a","kind":"list","url":"https://x/"},)"
        R"({"name":"a","kind":"list","url":"https://y/"}]})"}) {
    EXPECT_NE(error(bad), "") << bad;
  }
}

TEST(Feeds, SettingsAreRead) {
  const auto snapshot = settings::Snapshot::Defaults(settings::Schema::Builtin(), "response");
  const Options options = FromSettings(*snapshot);
  EXPECT_EQ(options.batch, Options().batch);
  EXPECT_EQ(options.max_document_bytes, Options().max_document_bytes);
  EXPECT_EQ(options.run_timeout, Options().run_timeout);
}

TEST(Feeds, RedirectsAreResolved) {
  const auto to = [](std::string_view base, std::string_view location) {
    auto out = ResolveLocation(base, location);
    return out ? *out : "";
  };
  EXPECT_EQ(to("https://a.example/x/y?z", "https://b.example/c#d"), "https://b.example/c");
  EXPECT_EQ(to("https://a.example/x/y?z", "//b.example/c"), "https://b.example/c");
  EXPECT_EQ(to("https://a.example/x/y?z", "/c"), "https://a.example/c");
  EXPECT_EQ(to("https://a.example/x/y?z/w", "c?d"), "https://a.example/x/c?d");
  EXPECT_EQ(to("http://a.example:81/x", "c"), "http://a.example:81/c");
  EXPECT_EQ(to("https://a.example/x", "http://a.example/y"), "") << "never down to http";
  EXPECT_EQ(to("https://a.example/x", "file:///etc/passwd"), "");
  EXPECT_EQ(to("https://a.example/x", ""), "");
}

}  // namespace
}  // namespace mailreeve::response::feed_import
