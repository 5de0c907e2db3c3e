#include "response/identity/scope.h"

#include <gtest/gtest.h>

namespace mailreeve::response::identity {
namespace {

Scope S(std::string_view text) { return Scope::Parse(text).value(); }
ScopeSet Set(std::string_view text) { return ScopeSet::Parse(text).value(); }

TEST(ScopeTest, Parses) {
  EXPECT_EQ(S("a/b:read").path, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(S("a:read").access, Scope::kRead);
  EXPECT_EQ(S("a:write").access, Scope::kWrite);
  EXPECT_EQ(S("a:rw").access, Scope::kReadWrite);
  EXPECT_EQ(S("a").access, Scope::kReadWrite);
  EXPECT_EQ(S("a:query").access, Scope::kNone);
  EXPECT_EQ(S("foo/bar@h.dns").ToString(), "foo/bar@h.dns");
  for (const std::string_view bad : {"", "/", "a/", "/a", "a//b", "a:", ":read", "a b", "a\"b",
                                     "a:read:write", "a:r/w", "\x7f", "a\n", "\xc3\xa4"}) {
    EXPECT_FALSE(Scope::Parse(bad)) << bad;
  }
  EXPECT_FALSE(Scope::Parse(std::string(513, 'a')));
  EXPECT_FALSE(Scope::Parse(std::string_view("a\0b", 3)));
}

TEST(ScopeTest, GrantsAsThePublishedExamplesSay) {
  EXPECT_TRUE(S("foo").Grants(S("foo/bar:read")));
  EXPECT_TRUE(S("foo:read").Grants(S("foo/x/y:read")));
  EXPECT_FALSE(S("foo:read").Grants(S("foo/x:write")));
  EXPECT_FALSE(S("foo/bar").Grants(S("foo")));
  EXPECT_FALSE(S("foobar").Grants(S("foo")));
  EXPECT_FALSE(S("foo").Grants(S("foobar")));
  EXPECT_FALSE(S("foo").Grants(S("Foo")));
  EXPECT_FALSE(S("foo:query").Grants(S("foo:read")));
  EXPECT_FALSE(S("foo").Grants(S("foo:query")));
}

TEST(ScopeTest, Normalises) {
  EXPECT_EQ(Set("a:read a:write").ToString(), "a");
  EXPECT_EQ(Set("a/b:read a").ToString(), "a");
  EXPECT_EQ(Set("a/b a:read").ToString(), "a:read a/b");
  EXPECT_EQ(Set("  b   a ").ToString(), "a b");
  EXPECT_EQ(Set("a:nothing").ToString(), "");
  EXPECT_EQ(Set("a a-b a/c").ToString(), "a a-b");
}

TEST(ScopeTest, NamesWhatIsMissing) {
  EXPECT_EQ(Set("a:read").Missing(Set("a/b c")).ToString(), "a/b:write c");
  EXPECT_EQ(Set("a:read a/b:write").Missing(Set("a/b")).ToString(), "");
  EXPECT_TRUE(Set("a:read a/b:write").GrantsAll(Set("a/b")));
  EXPECT_TRUE(Set("").GrantsAll(Set("")));
}

TEST(ScopeTest, TakesAway) {
  EXPECT_EQ(Set("foo/bar").Without(S("foo:write"))->ToString(), "foo/bar:read");
  EXPECT_EQ(Set("foo/bar").Without(S("foo"))->ToString(), "");
  EXPECT_FALSE(Set("foo").Without(S("foo/bar")));
  EXPECT_EQ(Set("foo:read").Without(S("foo/bar:write"))->ToString(), "foo:read");
}

// Every scope over two words, depth three, every access, against a definition written in another
// way: a scope is the set of (path, access) points at or below it.
class ScopeAlgebra : public testing::Test {
 protected:
  static std::vector<std::string> Paths() {
    std::vector<std::string> paths, layer{""};
    for (int depth = 0; depth < 3; ++depth) {
      std::vector<std::string> next;
      for (const std::string& above : layer) {
        for (const char* word : {"x", "xy"})
          next.push_back(above.empty() ? word : above + "/" + word);
      }
      paths.insert(paths.end(), next.begin(), next.end());
      layer = next;
    }
    return paths;
  }
  static std::vector<std::string> Scopes() {
    std::vector<std::string> scopes;
    for (const std::string& path : Paths()) {
      for (const char* suffix : {"", ":read", ":write", ":rw", ":odd"})
        scopes.push_back(path + suffix);
    }
    return scopes;
  }
  using Points = std::set<std::pair<std::string, char>>;
  static Points PointsOf(const std::string& text) {
    const size_t colon = text.find(':');
    const std::string path = text.substr(0, colon);
    const std::string suffix = colon == std::string::npos ? "rw" : text.substr(colon + 1);
    Points points;
    for (const std::string& below : Paths()) {
      if (below != path && below.rfind(path + "/", 0) != 0) continue;
      if (suffix == "rw" || suffix == "read") points.emplace(below, 'r');
      if (suffix == "rw" || suffix == "write") points.emplace(below, 'w');
    }
    return points;
  }
  static Points PointsOf(const ScopeSet& set) {
    Points points;
    for (const std::string& scope : set.ToStrings()) points.merge(PointsOf(scope));
    return points;
  }
};

TEST_F(ScopeAlgebra, GrantAndIntersectionAreThoseOfSets) {
  const auto scopes = Scopes();
  for (const std::string& a : scopes) {
    for (const std::string& b : scopes) {
      const Points pa = PointsOf(a), pb = PointsOf(b);
      const bool within = !pb.empty() && std::includes(pa.begin(), pa.end(), pb.begin(), pb.end());
      ASSERT_EQ(S(a).Grants(S(b)), within) << a << " " << b;
      Points common;
      std::set_intersection(pa.begin(), pa.end(), pb.begin(), pb.end(),
                            std::inserter(common, common.end()));
      Scope both;
      const bool any = Intersect(S(a), S(b), both);
      ASSERT_EQ(any, !common.empty()) << a << " " << b;
      if (any) ASSERT_EQ(PointsOf(both.ToString()), common) << a << " " << b;
    }
  }
}

TEST_F(ScopeAlgebra, SetsOfTwoKeepTheirPoints) {
  const auto scopes = Scopes();
  for (const std::string& a : scopes) {
    for (const std::string& b : scopes) {
      const ScopeSet set = Set(a + " " + b);
      Points points = PointsOf(a);
      points.merge(PointsOf(b));
      ASSERT_EQ(PointsOf(set), points) << a << " " << b;
      ASSERT_EQ(ScopeSet::Parse(set.ToString()).value(), set);
      for (const std::string& c :
           {std::string("x"), std::string("x/xy:read"), std::string("x/x/x:write")}) {
        const Points pc = PointsOf(c);
        ASSERT_EQ(set.GrantsAll(Set(c)),
                  std::includes(points.begin(), points.end(), pc.begin(), pc.end()))
            << a << " " << b << " " << c;
      }
    }
  }
}

}  // namespace
}  // namespace mailreeve::response::identity
