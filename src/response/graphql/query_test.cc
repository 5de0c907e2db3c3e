#include "response/graphql/query.h"

#include <gtest/gtest.h>

namespace mailreeve::response::graphql {
namespace {

std::string Print(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& field : fields) {
    out += out.empty() ? "" : " ";
    if (!field.on_type.empty()) out += field.on_type + "/";
    if (field.alias != field.name) out += field.alias + ":";
    out += field.name;
    if (!field.arguments.empty()) out += json::Serialize(field.arguments);
    if (!field.fields.empty()) out += "{" + Print(field.fields) + "}";
  }
  return out;
}

std::string Read(std::string_view query, std::string_view name = "", json::object variables = {}) {
  const auto fields = ReadQuery(query, name, variables, {});
  return fields ? Print(*fields)
                : std::string(CodeName(fields.error().code)) + ": " + fields.error().message;
}

TEST(ReadQuery, PutsEverythingInItsPlace) {
  EXPECT_EQ(Read("{ a b { c } }"), "a b{c}");
  EXPECT_EQ(
      Read("query Q($query: String, $first: Int = 5) {sightings(query: $query, first: $first, "
           "orderBy: [{field: OBSERVED_TIME, direction: desc}]) {nodes {id}}}",
           "", {{"query", "x"}}),
      R"(sightings{"query":"x","first":5,"orderBy":[{"field":"OBSERVED_TIME","direction":"desc"}]}{nodes{id}})");
  EXPECT_EQ(Read("query A { a } query B { b }", "B"), "b");
  EXPECT_EQ(Read("{ x: a ... on T { b } ...F } fragment F on U { c { d } } # end"),
            "x:a T/b U/c{d}");
  EXPECT_EQ(Read("query($v: Boolean!) { a @include(if: $v) b @skip(if: $v) }", "", {{"v", true}}),
            "a");
  EXPECT_EQ(
      Read(R"({ a(x: "q\"\u00e9", y: """raw "x" """, z: [1, -2.5, null, true, WORD]) })"),
      "a{\"x\":\"q\\\"\u00e9\",\"y\":\"raw \\\"x\\\" \",\"z\":[1,-2.5E0,null,true,\"WORD\"]}");
}

TEST(ReadQuery, NamesWhatIsWrong) {
  for (const char* query :
       {"", "{", "{}", "{ a", "{ a( }", "{ a(x) }", "{ a(x:) }", "mutation { a }", "{ ...F }",
        "query A{a} query B{b}", "{ a(x: \"open) }", "{ a @foo }", "{ a(x: $v) }",
        "query($v: Int!) { a(x: $v) }", "{ a ? }", "{ ...F } fragment F on T { ...F }",
        "{ a(x: 1.2.3) }", "query($v: Int = $w) { a }", "\xff"}) {
    EXPECT_TRUE(Read(query).starts_with("invalid: ")) << query << " -> " << Read(query);
  }
  EXPECT_EQ(Read("{\n  a(\n    x 1) }"), "invalid: line 3, column 7: ':' is expected");
}

TEST(ReadQuery, HasLimits) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{a";
  EXPECT_TRUE(Read(deep).starts_with("limited"));
  EXPECT_TRUE(Read("{ a(x: " + std::string(100, '[') + ") }").starts_with("limited"));
  EXPECT_TRUE(Read(std::string(70000, ' ')).starts_with("limited"));
  // Ten fragments of ten of the next are 10^8 fields.
  std::string bomb = "{ ...F0 }";
  for (int i = 0; i < 8; ++i) {
    bomb += " fragment F" + std::to_string(i) + " on T {";
    for (int j = 0; j < 10; ++j)
      bomb += " x" + std::to_string(j) + ": a { ...F" + std::to_string(i + 1) + " }";
    bomb += " }";
  }
  bomb += " fragment F8 on T { a }";
  EXPECT_TRUE(Read(bomb).starts_with("limited")) << Read(bomb);
}

}  // namespace
}  // namespace mailreeve::response::graphql
