#include "response/intel_query/query.h"

#include "response/intel_query/match.h"

#include <gtest/gtest.h>

namespace mailreeve::response::intel_query {
namespace {

std::string Read(std::string_view query) {
  auto node = ParseQuery(query, {}, ParseTime("2026-03-08T12:00:00Z").value());
  return node ? ToString(*node)
              : std::string(CodeName(node.error().code)) + ": " + node.error().message;
}

TEST(ParseQuery, ReadsWhatClientsWrite) {
  const std::pair<const char*, const char*> cases[] = {
      {"*", "*"},
      {"*:*", "*"},
      {"phish", "phish"},
      {"a b", "(and a b)"},
      {"a AND b OR c", "(or (and a b) c)"},
      {"a && (b || !c)", "(and a (or b (not c)))"},
      {"a OR b c", "(or a (and b c))"},
      {"+a -b", "(and a (not b))"},
      {"a OR +b", "(and b)"},
      {"NOT NOT a", "(not (not a))"},
      {"source:\"x y\"", "source:\"x y\""},
      {"observables.value:\"1.2.3.4\"", "observables.value:\"1.2.3.4\""},
      {"title:(a OR b) AND tlp:red", "(and (or title:a title:b) tlp:red)"},
      {"priority:[10 TO 20}", "priority:[10 TO 20}"},
      {"priority:{10 TO *]", "priority:{10 TO *]"},
      {"priority:>=5", "priority:[5 TO *]"},
      {"priority:<5", "priority:[* TO 5}"},
      {"created:[now-7d TO now]", "created:[2026-03-01T12:00:00.000Z TO 2026-03-08T12:00:00.000Z]"},
      {"_exists_:title", "_exists_:title"},
      {"title:*", "_exists_:title"},
      {"title:ph?sh*", "title:~ph?sh*"},
      {"ti\\:tle\\ x", "ti:tle x"},
      {"title: a", "title:a"},
      {"title:a^2 \"b c\"~3", "(and title:a \"b c\")"},
      {"id:*actor-1", "id:~*actor-1"},
      {"https\\://a.b/c", "https://a.b/c"},
      {"ANDROID ORACLE", "(and ANDROID ORACLE)"},
      {"钓鱼 邮件", "(and 钓鱼 邮件)"},
  };
  for (const auto& [query, tree] : cases) EXPECT_EQ(Read(query), tree) << query;
}

TEST(ParseQuery, NamesWhatIsWrong) {
  for (const char* query : {"",         "  ",        "(a",         "a)",          "a AND",
                            "AND a",    "a OR OR b", "title:",     "title:[a b]", "title:[a TO b",
                            "[a TO b]", "\"a",       "a\\",        "a~",          "title:/x/",
                            "*:b",      "ti*le:a",   "_exists_:*", "a^",          ">5",
                            "a]",       "\xff"}) {
    EXPECT_TRUE(Read(query).starts_with("invalid: query")) << query << " -> " << Read(query);
  }
}

TEST(ParseQuery, HasLimits) {
  EXPECT_TRUE(Read(std::string(9000, 'a')).starts_with("limited"));
  EXPECT_TRUE(Read(std::string(100, '(') + "a" + std::string(100, ')')).starts_with("limited"));
  EXPECT_TRUE(Read(std::string(100, '-') + "a").starts_with("limited"));
  std::string many;
  for (int i = 0; i < 600; ++i) many += "a ";
  EXPECT_TRUE(Read(many).starts_with("limited"));
  many.clear();
  for (int i = 0; i < 40; ++i) many += "a* ";
  EXPECT_TRUE(Read(many).starts_with("limited"));
}

TEST(ParseSimpleQuery, NeverComplains) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "(or)"},
      {"a b", "(and a b)"},
      {"a | b c", "(or a (and b c))"},
      {"a -b +c", "(and a (not b) c)"},
      {"(a | b) c", "(and (or a b) c)"},
      {"\"x y\" z*", "(and \"x y\" ~z*)"},
      {"*", "*"},
      {")(a", "a"},
      {"a:b[", "a:b["},
      {"\"open", "\"open\""},
      {"a~2 \"b c\"~1", "(and a \"b c\")"},
  };
  for (const auto& [query, tree] : cases) {
    auto node = ParseSimpleQuery(query, {});
    ASSERT_TRUE(node.has_value()) << query;
    EXPECT_EQ(ToString(*node), tree) << query;
  }
  EXPECT_EQ(ParseSimpleQuery(std::string(100, '('), {}).error().code, Code::kLimited);
}

class Match : public testing::Test {
 protected:
  bool Fits(std::string_view query) {
    auto node = ParseQuery(query, {});
    EXPECT_TRUE(node.has_value()) << query << ": " << node.error().message;
    return node && Matches(*node, document.get_object(), {"title", "source", "observables.value"});
  }
  json::value document = json::Parse(R"({
    "id": "sighting-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11", "title": "Phish Kit from 钓鱼邮件 wave",
    "source": "Mail Gateway", "count": 7, "internal": true, "confidence": "High", "empty": null, "none": [],
    "timestamp": "2026-02-01T10:00:00.000Z", "score": 1.5,
    "observables": [{"type": "domain", "value": "Bad.Example"}, {"type": "ip", "value": "192.0.2.7"}],
    "source_ref": "https://h.example/ctia/judgement/judgement-6f1b6a2e-7c1f-4a7e-9a52-5d2f5d0f9b11"})")
                             .value();
};

TEST_F(Match, FindsByWordAndWhole) {
  for (const char* query :
       {"*",
        "phish",
        "PHISH kit",
        "\"phish kit\"",
        "title:\"kit from\"",
        "title:phish",
        "钓鱼",
        "bad.example",
        "source:\"mail gateway\"",
        "source:mail*",
        "observables.value:bad.example",
        "observables.type:ip",
        "observables.value:192.0.2.*",
        "count:7",
        "count:7.0",
        "count:[1 TO 7]",
        "count:>6",
        "score:[1 TO 2]",
        "internal:true",
        "timestamp:[2026-01-01 TO 2026-02-01]",
        "timestamp:2026-02-01",
        "timestamp:<2026-03",
        "confidence:[a TO i]",
        "_exists_:observables",
        "NOT _exists_:empty",
        "NOT _exists_:none",
        "id:sighting-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11",
        "id:*sighting-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11",
        "id:\"http://other/ctia/sighting/sighting-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b11\"",
        "source_ref:judgement-6f1b6a2e-7c1f-4a7e-9a52-5d2f5d0f9b11",
        "title:ph?sh",
        "title:*邮*",
        "phish AND NOT spam",
        "spam OR kit"}) {
    EXPECT_TRUE(Fits(query)) << query;
  }
}

TEST_F(Match, LeavesOutTheRest) {
  for (const char* query :
       {"spam", "\"kit phish\"", "NOT phish", "source:mail", "observables.value:bad", "count:8",
        "count:>7", "count:[8 TO *]", "count:{6 TO 7}", "timestamp:[* TO 2026-01-31]",
        "timestamp:<2026-02", "confidence:[a TO h}", "_exists_:title2", "_exists_:empty",
        "title:p?h", "high", "id:*sighting-5b0c2f0e-7c1f-4a7e-9a52-5d2f5d0f9b12", "\"...\"",
        "unknown.field:x"}) {
    EXPECT_FALSE(Fits(query)) << query;
  }
}

TEST(WordsOf, SplitsTextsOfSeveralScripts) {
  EXPECT_EQ(WordsOf("Müller's E-Mail, 钓鱼x ПРИВЕТ"),
            (std::vector<std::string>{"müller", "s", "e", "mail", "钓", "鱼", "x", "привет"}));
  EXPECT_EQ(WordsOf(std::string(200, 'a'))[0].size(), 64u);
  EXPECT_TRUE(WordsOf("\xff\xfe ,.").empty());
}

}  // namespace
}  // namespace mailreeve::response::intel_query
